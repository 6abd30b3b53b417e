/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hook.c - segments that lwIP must not see as they are.
 *
 * lwIP asks here before it looks at a segment of a connection. It has three assertions that hold
 * between honest ends only; in a checked kernel each of them would end all for one connection's
 * other end, and in a release one the sums behind them go wrong:
 *
 *	a number that is 2^31 from the one that is due is old and new at once: such a segment is
 *	dropped, as one that is out of every window
 *
 *	a size of segments (MSS) that comes when there are some of another size already: options
 *	count only beside a SYN, as RFC 9293, 3.1 has it of those that lwIP reads
 *
 *	a window that is first 0 or 1 byte, which lwIP takes for none known and makes segments of
 *	full size, and then small, which it makes smaller ones for: what was opened without a
 *	window has segments of full size for good
 *
 * Contexts: thread, the core lock held. No locks. Not for: lwIP's timers (timers.c) and memory
 * (glue.c). Read next: core.c, where net_tcp_again() is; tests/fuzz/f_lwip.c, which found them.
 */
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>

#define HALF_WAY 0x80000000u

signed char net_tcp_segment(struct tcp_pcb *pcb, const struct tcp_hdr *hdr, unsigned short *optlen)
{
	if (pcb->state == TIME_WAIT)
		return net_tcp_again(pcb, hdr);
	if (pcb->state < SYN_RCVD)
		return ERR_OK; /* one that listens is no tcp_pcb; else nothing is due yet */
	if (hdr->seqno - pcb->rcv_nxt == HALF_WAY)
		return ERR_VAL;
	if ((TCPH_FLAGS(hdr) & TCP_SYN) == 0)
		*optlen = 0;
	if (pcb->snd_wnd_max < 2)
		pcb->snd_wnd_max = 2 * (tcpwnd_size_t)pcb->mss;
	return ERR_OK;
}
