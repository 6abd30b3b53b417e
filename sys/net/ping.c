/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ping.c - one echo request at a time, and whether what comes back is what was sent.
 *
 * A raw control block lives for one request: it takes echo replies with our identifier and sequence
 * number out of what ICMP receives and leaves all else to lwIP. The waiter's state is on his stack,
 * which is safe because the block is removed, under the core lock, before he leaves.
 *
 * Contexts: lwps; blocks. Lock: the core lock, dropped while waiting. Not for: errors that come
 * back (unreachable, time exceeded), which lwIP counts and does not pass on: they show as time that
 * ran out. Read next: resolve.c; app/cmd_netping.c.
 */
#include "core.h"

#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <lwip/icmp.h>
#include <lwip/icmp6.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/ip6.h>
#include <lwip/raw.h>

#define HEADER sizeof(struct icmp_echo_hdr) /* of ICMPv6 too: type, code, sum, two words */
#define PATIENCE (100 * NS_PER_MS)          /* between two looks at np_stop() */
#define PIECE 64

/* One request. Lock key: (n) the core lock. */
struct ping {
	struct net_ping *pi_np; /* (n) */
	struct condvar pi_cv;
	uint64_t pi_sent; /* (n) clock_ns() */
	uint16_t pi_id;   /* (n) network order, as in the packet */
	uint16_t pi_seq;  /* (n) same */
	bool pi_six;      /* (n) */
	bool pi_done;     /* (n) */
};

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 7 + 3 + (i >> 8));
}

/* compare - the data behind the header against what was sent. */
static void compare(struct net_ping *np, const struct pbuf *p, unsigned at)
{
	uint8_t buf[PIECE];
	unsigned n;

	np->np_bytes = p->tot_len - at;
	np->np_wrong = np->np_bytes != np->np_size;
	for (unsigned i = 0; i < np->np_bytes; i += n) {
		n = pbuf_copy_partial(p, buf, PIECE, (u16_t)(at + i));
		for (unsigned k = 0; k < n; k++)
			np->np_wrong |= buf[k] != pattern(i + k);
		if (n == 0)
			return;
	}
}

/* received - an ICMP packet with its IP header; 1: it was ours, and is freed. */
static u8_t received(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
	struct ping *pi = arg;
	struct icmp_echo_hdr echo;
	unsigned at;

	(void)pcb;
	at = pi->pi_six ? IP6_HLEN : IPH_HL_BYTES((const struct ip_hdr *)p->payload);
	if (pi->pi_done || pbuf_copy_partial(p, &echo, sizeof(echo), (u16_t)at) != sizeof(echo))
		return 0;
	if (ICMPH_TYPE(&echo) != (pi->pi_six ? ICMP6_TYPE_EREP : ICMP_ER) || echo.id != pi->pi_id ||
	    echo.seqno != pi->pi_seq)
		return 0;
	pi->pi_np->np_ns = clock_ns() - pi->pi_sent;
	pi->pi_np->np_ttl = pi->pi_six ? IP6H_HOPLIM((const struct ip6_hdr *)p->payload)
				       : IPH_TTL((const struct ip_hdr *)p->payload);
	net_text(from, pi->pi_np->np_from);
	compare(pi->pi_np, p, at + HEADER);
	pi->pi_done = true;
	net_wake(&pi->pi_cv);
	pbuf_free(p);
	return 1;
}

static int send(struct ping *pi, struct raw_pcb *pcb, const ip_addr_t *to)
{
	uint32_t size = pi->pi_np->np_size;
	struct pbuf *p = pbuf_alloc(PBUF_IP, (u16_t)(HEADER + size), PBUF_RAM);
	struct icmp_echo_hdr *echo;
	int error;

	if (p == NULL)
		return ENOMEM;
	echo = p->payload;
	ICMPH_TYPE_SET(echo, pi->pi_six ? ICMP6_TYPE_EREQ : ICMP_ECHO);
	ICMPH_CODE_SET(echo, 0);
	echo->chksum = 0;
	echo->id = pi->pi_id;
	echo->seqno = pi->pi_seq;
	for (uint32_t i = 0; i < size; i++)
		((uint8_t *)(echo + 1))[i] = pattern(i);
	if (!pi->pi_six) /* that of ICMPv6 is lwIP's to make, over addresses too */
		echo->chksum = inet_chksum(echo, (u16_t)p->len);
	pi->pi_sent = clock_ns();
	error = net_errno(raw_sendto(pcb, p, to));
	pbuf_free(p);
	return error;
}

static int await(struct ping *pi)
{
	struct net_ping *np = pi->pi_np;
	uint64_t end = pi->pi_sent + np->np_limit_ns, now;

	while (!pi->pi_done) {
		now = clock_ns();
		if (now >= end)
			return ETIMEDOUT;
		if (np->np_stop != NULL && np->np_stop())
			return EAGAIN;
		(void)net_wait(&pi->pi_cv, end - now < PATIENCE ? end - now : PATIENCE);
	}
	return 0;
}

int net_ping(struct net_ping *np)
{
	struct ping pi = {.pi_np = np, .pi_seq = lwip_htons(np->np_seq)};
	struct raw_pcb *pcb;
	ip_addr_t to;
	bool found;
	int error;

	net_enter();
	found = net_addr(np->np_to, &to);
	net_exit();
	if (!found)
		return EINVAL;
	pi.pi_six = IP_IS_V6(&to);
	if (np->np_size > NET_PING_MAX - (pi.pi_six ? IP6_HLEN - IP_HLEN : 0))
		return EMSGSIZE;
	cv_init(&pi.pi_cv, "ping");
	net_enter();
	pi.pi_id = (uint16_t)net_random();
	pcb = raw_new_ip_type(IP_GET_TYPE(&to), pi.pi_six ? IP6_NEXTH_ICMP6 : IP_PROTO_ICMP);
	if (pcb == NULL) {
		net_exit();
		return ENOMEM;
	}
	pcb->chksum_reqd = pi.pi_six;
	pcb->chksum_offset = offsetof(struct icmp_echo_hdr, chksum);
	raw_recv(pcb, received, &pi);
	error = send(&pi, pcb, &to);
	net_exit(); /* a packet to this machine starts here on its way */
	net_enter();
	if (error == 0)
		error = await(&pi);
	raw_remove(pcb);
	net_exit();
	cv_destroy(&pi.pi_cv);
	return error;
}
