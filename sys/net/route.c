/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route.c - by which interface packets go out that are for no network of ours.
 *
 * lwIP has one default interface and leaves it to others which that is. It is the best of the
 * cards: one with link, address and gateway before one without a gateway, and that before one that
 * has no link or no address. Of equals it is the one that is default already, so that connections
 * stay where they are, or else the one that came first. So when the cable of one card is pulled,
 * another that has a gateway takes over, and stays.
 *
 * Contexts: lwIP's callback for changes of interfaces, the core lock held; lwps. Not for: routes to
 * single networks; of IPv6 the routers, which lwIP learns from their advertisements.
 * Read next: config.c.
 */
#include "core.h"

#include <ithaca/errno.h>
#include <lwip/netif.h>

enum rank { RANK_NONE, RANK_CARD, RANK_ADDRESS, RANK_GATEWAY };

/* rank - how good a way out it is. */
static enum rank rank(const struct netif *netif)
{
	if (netif == NULL || net_card_of(netif) == NULL)
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
	struct netif *netif, *best = netif_default;
	enum rank most = rank(best), now;

	if (best == going && most > RANK_CARD)
		most = RANK_CARD;
	/* The list begins with the youngest. */
	NETIF_FOREACH(netif)
	{
		now = rank(netif);
		if (netif != going && (now > most || (now == most && best != netif_default))) {
			best = netif;
			most = now;
		}
	}
	if (best != netif_default)
		netif_set_default(best);
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
	else
		netif_set_default(netif);
	net_exit();
	return error;
}

void net_route_init(void)
{
	static netif_ext_callback_t callback;

	netif_add_ext_callback(&callback, changed);
}
