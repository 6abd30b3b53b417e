/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * link.c - what TCP/IP does when an interface's link goes, and when it is back.
 *
 * A cable that is out for a while, or a card that begins anew, takes nothing away: addresses, what
 * routers said, neighbours and connections stay; packets are lost, and TCP sends them again. Only
 * the way out for other networks may be another's meanwhile (route.c).
 *
 * A link that comes may be another network's, and neighbours may have forgotten who is where. So
 * an interface that has one again makes itself known, and looks around:
 *
 *	IPv4	announces its address (RFC 5227, 3), and its groups
 *	DHCP	asks whether the lease is still good (RFC 2131, 3.2); a server that says no takes
 *		the address away, and none that answers leaves it until the lease ends
 *	IPv6	announces its addresses (RFC 4861, 7.2.6), and its groups
 *	routers	are asked for once more (RFC 4861, 6.3.7)
 *
 * lwIP does all of it but two: it forgets what routers said of the MTU when a link goes, though
 * none may say it again for minutes; and it announces no address of IPv6.
 *
 * Contexts: thread, the core lock held. Not for: interfaces that are taken down by hand (config.c),
 * of which lwIP forgets neighbours and routers. Read next: card.c, where cards tell of their link.
 */
#include "core.h"

#include <ithaca/string.h>
#include <lwip/ethip6.h>
#include <lwip/icmp6.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip6.h>
#include <lwip/netif.h>
#include <lwip/priv/nd6_priv.h>
#include <lwip/prot/nd6.h>

/* An announcement: the message, and the option with the link's own address. */
struct announcement {
	struct na_header an_head;
	struct lladdr_option an_mac;
};
_Static_assert(sizeof(struct announcement) == 32, "as on the wire: RFC 4861, 4.4 and 4.6.1");

/* announce6 - to all of the link: this address is here. Whoever has another neighbour for it is to
 * take this one. Without memory it is left out: who wants to know asks. */
static void announce6(struct netif *netif, const ip6_addr_t *addr)
{
	struct pbuf *p = pbuf_alloc(PBUF_IP, sizeof(struct announcement), PBUF_RAM);
	struct announcement *an;
	ip6_addr_t all;

	if (p == NULL)
		return;
	an = p->payload;
	memset(an, 0, sizeof(*an));
	an->an_head.type = ICMP6_TYPE_NA;
	an->an_head.flags = ND6_FLAG_OVERRIDE;
	ip6_addr_copy_to_packed(an->an_head.target_address, *addr);
	an->an_mac.type = ND6_OPTION_TYPE_TARGET_LLADDR;
	an->an_mac.length = 1; /* of 8 bytes */
	memcpy(an->an_mac.addr, netif->hwaddr, netif->hwaddr_len);
	ip6_addr_set_allnodes_linklocal(&all);
	ip6_addr_assign_zone(&all, IP6_MULTICAST, netif);
	an->an_head.chksum = ip6_chksum_pseudo(p, IP6_NEXTH_ICMP6, p->len, addr, &all);
	(void)ip6_output_if(p, addr, &all, ND6_HOPLIM, 0, IP6_NEXTH_ICMP6, netif);
	pbuf_free(p);
}

void net_link_up(struct netif *netif)
{
	netif_set_link_up(netif);
	if (!netif_is_up(netif))
		return;
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		if (ip6_addr_isvalid(netif_ip6_addr_state(netif, i)))
			announce6(netif, netif_ip6_addr(netif, i));
}

void net_link_down(struct netif *netif)
{
	u16_t mtu6 = netif->mtu6;

	netif_set_link_down(netif);
	netif->mtu6 = mtu6;
}
