/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hook.c - segments, sizes of segments and paths that lwIP must not take as they are.
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
 * And one that lwIP would answer wrongly: a SYN for a connection in TIME_WAIT, see core.c.
 *
 * And its timer for windows that are shut goes on when what waited for one has been acknowledged
 * after all, as it may be once it was sent again: a fourth assertion. net_tcp_tmr() stops it.
 *
 * Two more would have little cause much work:
 *
 *	segments of a byte each, which an MSS of 1 asks for: 54 bytes of headers, and all that is
 *	done for a segment, for each. Segments of net.tcp.mss_min bytes are made at least, which
 *	any machine can take that says anything at all
 *
 *	a path that is too narrow for IPv6, as a forged "packet too big" may have it: fragments
 *	of 8 bytes, or of none, which lwIP goes on to make for ever. No path is narrower than
 *	1280 bytes (RFC 8201, 4), nor wider than the interface is
 *
 * Contexts: thread, the core lock held. No locks. Not for: lwIP's timers (timers.c) and memory
 * (glue.c). Read next: core.c, where net_tcp_again() is; tests/fuzz/f_lwip.c, which found them.
 */
#include "core.h"

#include <lwip/ip.h>
#include <lwip/nd6.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/stats.h>
#include <lwip/tcp.h>

#define HALF_WAY 0x80000000u
#define PATH_MIN 1280 /* of IPv6: RFC 8200, 5 */

_Atomic uint64_t net_tcp_mss_min = 48;
uint64_t net_tcp_small;

/* In the place of lwIP's nd6_get_destination_mtu() for those who ask it: rules.mk. */
unsigned short net_path_mtu(const struct ip6_addr *dest, struct netif *netif)
{
	u16_t mtu = nd6_get_destination_mtu(dest, netif);
	u16_t most = netif != NULL ? netif_mtu6(netif) : 0; /* 0: no limit, as of lo */

	if (mtu < PATH_MIN)
		mtu = PATH_MIN;
	return most != 0 && mtu > most ? most : mtu;
}

/*
 * A SYN whose old connection was forgotten: put in once more as it came. lwIP's statics are those
 * of the second time then, and it looks at none of them when this returns: it frees its reference
 * and is done. A header in two pieces, which no card of ours makes, is not put together again: that
 * SYN is taken when it comes the second time.
 */
static void once_more(struct tcp_hdr *hdr, const void *rest, struct pbuf *p)
{
	if (rest != NULL || pbuf_add_header_force(p, TCPH_HDRLEN_BYTES(hdr)) != 0)
		return;
	hdr->src = lwip_htons(hdr->src);
	hdr->dest = lwip_htons(hdr->dest);
	hdr->seqno = lwip_htonl(hdr->seqno);
	hdr->ackno = lwip_htonl(hdr->ackno);
	hdr->wnd = lwip_htons(hdr->wnd);
	STATS_DEC(tcp.recv); /* counted once */
	pbuf_ref(p);
	tcp_input(p, ip_current_input_netif());
}

/* `rest` is where lwIP has the second piece of a header, or NULL; `p` begins behind the header. */
signed char net_tcp_segment(struct tcp_pcb *pcb, struct tcp_hdr *hdr, unsigned short *optlen,
    const void *rest, struct pbuf *p)
{
	u16_t least;

	if (pcb->state == TIME_WAIT) {
		if (net_tcp_again(pcb, hdr) == ERR_OK)
			return ERR_OK;
		once_more(hdr, rest, p);
		return ERR_ABRT;
	}
	if (pcb->state < SYN_RCVD)
		return ERR_OK; /* one that listens is no tcp_pcb; else nothing is due yet */
	if (hdr->seqno - pcb->rcv_nxt == HALF_WAY)
		return ERR_VAL;
	if ((TCPH_FLAGS(hdr) & TCP_SYN) == 0)
		*optlen = 0;
	least = (u16_t)atomic_load_explicit(&net_tcp_mss_min, memory_order_relaxed); /* a limit */
	if (pcb->mss < least) {
		pcb->mss = least;
		net_tcp_small++;
	}
	if (pcb->snd_wnd_max < 2)
		pcb->snd_wnd_max = 2 * (tcpwnd_size_t)pcb->mss;
	return ERR_OK;
}

void net_tcp_tmr(void)
{
	for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
		if (pcb->unsent == NULL)
			pcb->persist_backoff = 0;
	tcp_tmr();
}
