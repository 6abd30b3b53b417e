/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sums.c - the sums that lwIP leaves to the card.
 *
 * Where a card makes sums (nic.h), lwIP is told by the interface's flags not to, and leaves 0 in
 * their place. That 0 is what says "unfinished" from there on, whatever the flags say by then: no
 * sum of UDP is 0 (RFC 768), and one of TCP or of an IPv4 header that happens to be 0 comes out the
 * same when it is made again. So a packet may wait, for its neighbour's address or for room in the
 * ring, while somebody switches the card's sums off, and is finished all the same.
 *
 *	net_sums_ask()		for a frame on its way to the card: what the card is to make; the
 *				rest is made here. The sum of the pseudo header is put where the
 *				card wants it, and taken away by card.c if the card refuses
 *	net_ip4_frag(),		a packet is about to be cut into fragments, of which no card can
 *	net_ip6_frag()		make the sum any more: it is made here first
 *	net_loop_output()	a packet to this machine itself meets no card: the same
 *
 * The last three stand in lwIP's IP output where its own functions of these names would (rules.mk),
 * and call those then.
 *
 * lwIP has all headers of a packet in its first piece, and those of IP without options where TCP or
 * UDP follow; any other packet is finished here as far as it has a sum.
 *
 * Contexts: wherever lwIP sends; the core lock held. Not for: sums of what comes in, which are
 * card.c's; ICMP, which lwIP sums itself. Read next: card.c.
 */
#include "core.h"

#include <lwip/ip.h>
#include <lwip/ip4_frag.h>
#include <lwip/ip6_frag.h>
#include <lwip/netif.h>
#include <netif/ethernet.h>

#define TCP_AT 16u /* of the sum in the header */
#define UDP_AT 6u

/* Where the sums of a packet are. */
struct place {
	uint8_t *pl_ip;     /* the IP header; NULL: it is no IP */
	uint8_t *pl_sum;    /* the unfinished sum of TCP or UDP; NULL: there is none */
	unsigned pl_at;     /* where in the packet IP begins */
	unsigned pl_header; /* bytes of the IP header */
	uint8_t pl_proto;
	bool pl_v6;
};

static uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static void store16(uint8_t *p, uint16_t v)
{
	__builtin_memcpy(p, &v, sizeof(v));
}

static uint16_t fold(uint64_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* look - the packet whose IP header is `at` bytes into p. */
static struct place look(const struct pbuf *p, unsigned at)
{
	struct place pl = {.pl_at = at};
	uint8_t *ip = (uint8_t *)p->payload + at;
	unsigned have = p->len - at, field;

	if (p->len < at + IP_HLEN || (ip[0] >> 4 == 6 && have < IP6_HLEN))
		return pl;
	pl.pl_v6 = ip[0] >> 4 == 6;
	pl.pl_header = pl.pl_v6 ? IP6_HLEN : (ip[0] & 15u) * 4;
	pl.pl_proto = ip[pl.pl_v6 ? 6 : 9];
	if (pl.pl_header < IP_HLEN || have < pl.pl_header)
		return pl;
	pl.pl_ip = ip;
	if (!pl.pl_v6 && (load16(ip + 6) & PP_HTONS(IP_MF | IP_OFFMASK)) != 0)
		return pl;
	if (pl.pl_proto != IP_PROTO_TCP && pl.pl_proto != IP_PROTO_UDP)
		return pl;
	field = pl.pl_header + (pl.pl_proto == IP_PROTO_TCP ? TCP_AT : UDP_AT);
	if (have >= field + 2 && load16(ip + field) == 0)
		pl.pl_sum = ip + field;
	return pl;
}

/* pseudo - the sum of the pseudo header, not inverted. */
static uint16_t pseudo(const struct pbuf *p, const struct place *pl)
{
	uint16_t length = (uint16_t)(p->tot_len - pl->pl_at - pl->pl_header);
	uint64_t sum = (uint64_t)PP_HTONS(pl->pl_proto) + (uint16_t)PP_HTONS(length);
	uint32_t from, to;

	if (pl->pl_v6)
		return fold(sum + net_checksum(pl->pl_ip + 8, 32));
	__builtin_memcpy(&from, pl->pl_ip + 12, sizeof(from));
	__builtin_memcpy(&to, pl->pl_ip + 16, sizeof(to));
	return fold(sum + from + to);
}

/* chain_sum - over all of p but its first `skip` bytes, which are in its first piece. */
static uint64_t chain_sum(const struct pbuf *p, unsigned skip)
{
	uint64_t sum = 0;
	bool odd = false;
	uint16_t part;

	for (; p != NULL; p = p->next, skip = 0) {
		part = net_checksum((const uint8_t *)p->payload + skip, (int)(p->len - skip));
		sum += odd ? (uint16_t)(part << 8 | part >> 8) : part;
		odd ^= ((p->len - skip) & 1) != 0;
	}
	return sum;
}

static void finish_header(const struct place *pl)
{
	store16(pl->pl_ip + 10, (uint16_t)~net_checksum(pl->pl_ip, (int)pl->pl_header));
}

static void finish(const struct pbuf *p, const struct place *pl)
{
	uint64_t all = pseudo(p, pl) + chain_sum(p, pl->pl_at + pl->pl_header);
	uint16_t sum = (uint16_t)~fold(all);

	if (sum == 0 && pl->pl_proto == IP_PROTO_UDP)
		sum = 0xffff; /* RFC 768: 0 would say that there is none */
	store16(pl->pl_sum, sum);
}

/* finish_all - what is unfinished in an IP packet. */
static void finish_all(const struct pbuf *p)
{
	struct place pl = look(p, 0);

	if (pl.pl_ip != NULL && !pl.pl_v6 && load16(pl.pl_ip + 10) == 0)
		finish_header(&pl);
	if (pl.pl_sum != NULL)
		finish(p, &pl);
}

unsigned net_sums_ask(const struct pbuf *p, unsigned can, uint8_t **put)
{
	const uint8_t *frame = p->payload;
	unsigned ask = 0;
	struct place pl;
	uint16_t type;

	*put = NULL;
	if (p->len < SIZEOF_ETH_HDR)
		return 0;
	type = load16(frame + 12);
	if (type != PP_HTONS(ETHTYPE_IP) && type != PP_HTONS(ETHTYPE_IPV6))
		return 0;
	pl = look(p, SIZEOF_ETH_HDR);
	if (pl.pl_ip == NULL)
		return 0;
	if (!pl.pl_v6 && load16(pl.pl_ip + 10) == 0) {
		if ((can & NIC_CSUM_IP) != 0 && pl.pl_header == IP_HLEN)
			ask = NIC_CSUM_IP;
		else
			finish_header(&pl);
	}
	if (pl.pl_sum == NULL)
		return ask;
	if ((can & NIC_CSUM_L4) == 0 || (!pl.pl_v6 && pl.pl_header != IP_HLEN)) {
		finish(p, &pl);
		return ask;
	}
	*put = pl.pl_sum;
	store16(pl.pl_sum, pseudo(p, &pl));
	return ask | NIC_CSUM_L4 | (pl.pl_proto == IP_PROTO_UDP ? NIC_SUM_UDP : 0) |
	    (pl.pl_v6 ? NIC_SUM_V6 : 0);
}

/* ---- In lwIP's place ---- */

signed char net_ip4_frag(struct pbuf *p, struct netif *netif, const struct ip4_addr *dest)
{
	finish_all(p);
	return ip4_frag(p, netif, dest);
}

signed char net_ip6_frag(struct pbuf *p, struct netif *netif, const struct ip6_addr *dest)
{
	finish_all(p);
	return ip6_frag(p, netif, dest);
}

signed char net_loop_output(struct netif *netif, struct pbuf *p)
{
	finish_all(p);
	return netif_loop_output(netif, p);
}
