/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route.c - by which interface packets go out that are for no network of ours.
 *
 * lwIP has one default interface and leaves it to others which that is. It is the best of the
 * cards: one with link, address and gateway before one without a gateway, and that before one that
 * has no link or no address. Of equals it is the one that was chosen by hand, or else the one that
 * came first. So when the cable of one card is pulled, another that has a gateway takes over, until
 * the cable is back.
 *
 * Connections do not follow. What has an address of ours already goes out by the interface that
 * has it, as long as that has a link and a gateway: so a connection that was begun while another
 * card was the default goes on where it is, and one whose cable is back goes on there.
 *
 * Contexts: lwIP's callback for changes of interfaces, its hook for routes, the core lock held;
 * lwps. net_routes() shows all ways, those of IPv6 too. Not for: routes to single networks; of IPv6
 * the routers, which lwIP learns from their advertisements, and the way for an address of ours,
 * which it finds by itself.
 * Read next: config.c.
 */
#include "core.h"

#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <lwip/dhcp.h>
#include <lwip/ip4.h>
#include <lwip/netif.h>
#include <lwip/priv/nd6_priv.h>

enum rank { RANK_NONE, RANK_CARD, RANK_ADDRESS, RANK_GATEWAY };

/* Locking key: (n) the core lock. */
static const struct netif *chosen; /* (n) by hand, or NULL */
bool net_route_many;               /* (n) there are several cards */

/* rank - how good a way out it is. */
static enum rank rank(const struct netif *netif)
{
	if (net_card_of(netif) == NULL)
		return RANK_NONE;
	if (!netif_is_up(netif) || !netif_is_link_up(netif) ||
	    ip4_addr_isany(netif_ip4_addr(netif)))
		return RANK_CARD;
	return ip4_addr_isany(netif_ip4_gw(netif)) ? RANK_ADDRESS : RANK_GATEWAY;
}

/* choose - the default interface; one that is about to lose its link or go down is told of first,
 * and then does it. */
static void choose(const struct netif *going)
{
	struct netif *netif, *best = NULL;
	enum rank most = RANK_NONE, now;

	/* The list begins with the youngest. */
	NETIF_FOREACH(netif)
	{
		now = rank(netif);
		if (netif == going && now > RANK_CARD)
			now = RANK_CARD;
		if (now > most || (now == most && now != RANK_NONE && best != chosen)) {
			best = netif;
			most = now;
		}
	}
	if (best != netif_default)
		netif_set_default(best);
}

void net_route_came(void)
{
	net_route_many = netif_default != NULL;
	choose(NULL);
}

void net_route_gone(const struct netif *netif)
{
	if (chosen == netif)
		chosen = NULL;
	choose(NULL);
}

/* net_route_from - lwIP asks for the interface of a packet from `src`, or, with NULL, from none
 * yet; NULL: as if it had not asked. Called where there are several cards. */
struct netif *net_route_from(const ip4_addr_t *src, const ip4_addr_t *dest)
{
	struct netif *netif, *own = NULL;

	if (ip4_addr_isany(src) || ip4_addr_isloopback(dest))
		return NULL;
	NETIF_FOREACH(netif)
	{
		if (rank(netif) >= RANK_ADDRESS &&
		    ip4_addr_netcmp(dest, netif_ip4_addr(netif), netif_ip4_netmask(netif)))
			return NULL; /* for a network of ours */
		if (rank(netif) == RANK_GATEWAY && ip4_addr_cmp(src, netif_ip4_addr(netif)))
			own = netif;
	}
	return own;
}

static void changed(struct netif *netif, netif_nsc_reason_t reason,
    const netif_ext_callback_args_t *args)
{
	bool going = (reason == LWIP_NSC_STATUS_CHANGED && args->status_changed.state == 0) ||
	    (reason == LWIP_NSC_LINK_CHANGED && args->link_changed.state == 0);

	if (reason != LWIP_NSC_NETIF_ADDED && reason != LWIP_NSC_NETIF_REMOVED)
		choose(going ? netif : NULL);
}

int net_if_default(const char *name)
{
	struct netif *netif;
	int error = 0;

	net_enter();
	netif = net_netif(name);
	if (netif == NULL)
		error = ENXIO;
	else if (net_card_of(netif) == NULL)
		error = EOPNOTSUPP;
	else if (rank(netif) != RANK_GATEWAY)
		error = EHOSTUNREACH;
	if (error == 0) {
		chosen = netif;
		choose(NULL);
	}
	net_exit();
	return error;
}

/* ---- To look at ---- */

struct list_of {
	struct net_route *out;
	unsigned n, max;
};

static const char *usable(const struct netif *netif)
{
	return !netif_is_up(netif) ? "down" : !netif_is_link_up(netif) ? "no-link" : "yes";
}

/* next - one more way, by that interface; NULL: there is no room. */
static struct net_route *next(struct list_of *li, const struct netif *netif, const char *why)
{
	struct net_route *nr;

	if (li->n == li->max)
		return NULL;
	nr = &li->out[li->n++];
	memset(nr, 0, sizeof(*nr));
	(void)kstrlcpy(nr->nr_to, "default", sizeof(nr->nr_to));
	(void)kstrlcpy(nr->nr_if, net_netif_name(netif), sizeof(nr->nr_if));
	nr->nr_use = usable(netif);
	nr->nr_why = why;
	nr->nr_seconds = UINT32_MAX;
	return nr;
}

/* put_net - a network on the link, with its prefix's length; the interface is said beside it. */
static struct net_route *put_net(struct list_of *li, const struct netif *netif, const char *why,
    const ip_addr_t *net, unsigned bits)
{
	struct net_route *nr = next(li, netif, why);
	const char *zone;
	size_t n;

	if (nr == NULL)
		return NULL;
	net_text(net, nr->nr_to);
	zone = strchr(nr->nr_to, '%');
	n = zone != NULL ? (size_t)(zone - nr->nr_to) : strlen(nr->nr_to);
	(void)ksnprintf(nr->nr_to + n, sizeof(nr->nr_to) - n, "/%u", bits);
	return nr;
}

/* put_default4 - a card's gateway, whether it is the way out now or may be. */
static void put_default4(struct list_of *li, const struct netif *netif)
{
	bool used = netif == netif_default;
	struct net_route *nr;

	if (net_card_of(netif) == NULL || ip4_addr_isany(netif_ip4_gw(netif)) ||
	    ip4_addr_isany(netif_ip4_addr(netif)))
		return;
	nr = next(li, netif, netif == chosen ? "by-hand" : used ? "first" : "next");
	if (nr == NULL)
		return;
	net_text(netif_ip_gw4(netif), nr->nr_gateway);
	if (!used && rank(netif) == RANK_GATEWAY)
		nr->nr_use = "spare";
}

static void put_net4(struct list_of *li, const struct netif *netif)
{
	uint32_t mask = lwip_ntohl(ip4_addr_get_u32(netif_ip4_netmask(netif)));
	unsigned bits = 0;
	ip_addr_t net = IPADDR4_INIT(
	    ip4_addr_get_u32(netif_ip4_addr(netif)) & ip4_addr_get_u32(netif_ip4_netmask(netif)));

	for (; mask != 0; mask <<= 1)
		bits++;
	if (!ip4_addr_isany(netif_ip4_addr(netif)))
		(void)put_net(li, netif, dhcp_supplied_address(netif) ? "dhcp" : "fixed", &net,
		    bits);
}

/* prefer - the router that packets go to, as RFC 4861, 6.3.6 has it and lwIP does it: one that is
 * known to be there before one that was; NULL: none has answered. */
static const struct nd6_router_list_entry *prefer(void)
{
	const struct nd6_router_list_entry *best = NULL;

	for (unsigned i = 0; i < LWIP_ND6_NUM_ROUTERS; i++) {
		const struct nd6_neighbor_cache_entry *ne = default_router_list[i].neighbor_entry;

		if (ne == NULL || ne->netif == NULL || !netif_is_up(ne->netif) ||
		    !netif_is_link_up(ne->netif))
			continue;
		if (ne->state == ND6_REACHABLE)
			return &default_router_list[i];
		if (ne->state != ND6_INCOMPLETE && best == NULL)
			best = &default_router_list[i];
	}
	return best;
}

static void put_routers(struct list_of *li)
{
	const struct nd6_router_list_entry *best = prefer();
	struct net_route *nr;
	ip_addr_t addr;

	for (unsigned i = 0; i < LWIP_ND6_NUM_ROUTERS; i++) {
		const struct nd6_neighbor_cache_entry *ne = default_router_list[i].neighbor_entry;

		if (ne == NULL || ne->netif == NULL)
			continue;
		nr = next(li, ne->netif, "advertised");
		if (nr == NULL)
			return;
		ip_addr_copy_from_ip6(addr, ne->next_hop_address);
		net_text(&addr, nr->nr_gateway);
		nr->nr_seconds = default_router_list[i].invalidation_timer;
		if (strcmp(nr->nr_use, "yes") == 0 && &default_router_list[i] != best)
			nr->nr_use = ne->state == ND6_INCOMPLETE ? "asked" : "spare";
	}
}

/* put_prefixes - what routers said to be on the link. */
static void put_prefixes(struct list_of *li)
{
	struct net_route *nr;
	ip_addr_t net;

	for (unsigned i = 0; i < LWIP_ND6_NUM_PREFIXES; i++) {
		if (prefix_list[i].netif == NULL || prefix_list[i].invalidation_timer == 0)
			continue;
		ip_addr_copy_from_ip6(net, prefix_list[i].prefix);
		nr = put_net(li, prefix_list[i].netif, "advertised", &net, 64);
		if (nr != NULL)
			nr->nr_seconds = prefix_list[i].invalidation_timer;
	}
}

/* put_net6 - the networks of addresses that are fixed, and of the link's own. */
static void put_net6(struct list_of *li, struct netif *netif)
{
	bool card = net_card_of(netif) != NULL;
	ip_addr_t net;

	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
		if (!ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) ||
		    !netif_ip6_addr_isstatic(netif, i))
			continue;
		ip_addr_copy(net, *netif_ip_addr6(netif, i));
		if (card)
			ip_2_ip6(&net)->addr[2] = ip_2_ip6(&net)->addr[3] = 0;
		(void)put_net(li, netif, ip6_addr_islinklocal(ip_2_ip6(&net)) ? "link" : "fixed",
		    &net, card ? 64 : 128);
	}
}

unsigned net_routes(struct net_route *out, unsigned max)
{
	struct list_of li = {.out = out, .max = max};
	struct netif *netif;

	net_enter();
	NETIF_FOREACH(netif)
	{
		put_default4(&li, netif);
	}
	NETIF_FOREACH(netif)
	{
		put_net4(&li, netif);
	}
	put_routers(&li);
	put_prefixes(&li);
	NETIF_FOREACH(netif)
	{
		put_net6(&li, netif);
	}
	net_exit();
	return li.n;
}

void net_route_init(void)
{
	static netif_ext_callback_t callback;

	netif_add_ext_callback(&callback, changed);
}
