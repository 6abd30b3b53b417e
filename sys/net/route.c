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
 * lwps. Not for: routes to single networks; of IPv6 the routers, which lwIP learns from their
 * advertisements, and the way for an address of ours, which it finds by itself.
 * Read next: config.c.
 */
#include "core.h"

#include <ithaca/errno.h>
#include <lwip/ip4.h>
#include <lwip/netif.h>

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

void net_route_init(void)
{
	static netif_ext_callback_t callback;

	netif_add_ext_callback(&callback, changed);
}
