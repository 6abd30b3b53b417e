/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neighbour.c - who is on the link: the Ethernet addresses of IPv4's and IPv6's neighbours.
 *
 * lwIP keeps both tables. Of IPv4's it shows who has answered, and no more: not how old that is,
 * nor which entries are fixed, so the latter are kept here too. It removes fixed ones alone; one
 * that was learnt is therefore made fixed, and removed. Of IPv6's the whole table can be read, but
 * nothing can be asked of it. An entry is cleared as lwIP does it, where no packets wait for it;
 * else it is made one that has been asked for often enough, which lwIP's timer clears within a
 * second. A router is one of the list of routers, too: it is asked for anew.
 *
 * Fixed entries go when their interface is taken down, as the learnt ones do (link.c: not when
 * only the link goes). There are at most NET_FIXED_MAX, so that the table has room for others.
 *
 * Contexts: lwps; the functions take the core lock for a bounded time. Invariant: who is in fixed[]
 * is in lwIP's table, and fixed there. Not for: fixed entries of IPv6, which lwIP has not.
 * Read next: route.c.
 */
#include "core.h"

#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <lwip/etharp.h>
#include <lwip/ip4.h>
#include <lwip/netif.h>
#include <lwip/priv/nd6_priv.h>

_Static_assert(ARP_TABLE_SIZE <= NET_NEIGHBOURS_MAX && LWIP_ND6_NUM_NEIGHBORS <= NET_NEIGHBOURS_MAX,
    "all neighbours can be shown");
_Static_assert(NET_FIXED_MAX < ARP_TABLE_SIZE, "some neighbours can be learnt");

#define MS_PER_S 1000

/* An entry that was given by hand, or, for a moment, one that is being removed. Locking key: (n)
 * the core lock. */
static struct fixed {
	const struct netif *fi_netif; /* (n) NULL: free */
	ip4_addr_t fi_addr;           /* (n) */
} fixed[NET_FIXED_MAX + 1];           /* one more, to remove by */

/* find_fixed - the entry of that address and interface; of none, NULL, one that is free. */
static struct fixed *find_fixed(const ip4_addr_t *addr, const struct netif *netif)
{
	for (unsigned i = 0; i < NET_FIXED_MAX + 1; i++)
		if (fixed[i].fi_netif == netif &&
		    (netif == NULL || ip4_addr_cmp(&fixed[i].fi_addr, addr)))
			return &fixed[i];
	return NULL;
}

static unsigned count_fixed(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NET_FIXED_MAX + 1; i++)
		n += fixed[i].fi_netif != NULL;
	return n;
}

/* ---- To look at ---- */

static void put(struct net_neighbour *ne, const ip_addr_t *addr, const struct netif *netif,
    const void *mac)
{
	memset(ne, 0, sizeof(*ne));
	net_text(addr, ne->ne_addr);
	(void)kstrlcpy(ne->ne_if, net_netif_name(netif), sizeof(ne->ne_if));
	memcpy(ne->ne_mac, mac, sizeof(ne->ne_mac));
	ne->ne_known = true;
}

static unsigned list4(struct net_neighbour *out, unsigned max)
{
	struct eth_addr *mac;
	struct netif *netif;
	ip4_addr_t *addr;
	ip_addr_t whole;
	unsigned n = 0;

	for (size_t i = 0; i < ARP_TABLE_SIZE && n < max; i++) {
		if (etharp_get_entry(i, &addr, &netif, &mac) == 0)
			continue;
		ip_addr_copy_from_ip4(whole, *addr);
		put(&out[n], &whole, netif, mac);
		out[n].ne_state = find_fixed(addr, netif) != NULL ? "static" : "learnt";
		out[n].ne_router = ip4_addr_cmp(addr, netif_ip4_gw(netif));
		n++;
	}
	return n;
}

static void put6(struct net_neighbour *out, const struct nd6_neighbor_cache_entry *ne)
{
	static const char *const states[] = {"none", "incomplete", "reachable", "stale", "delay",
	    "probe"};
	ip_addr_t whole;

	ip_addr_copy_from_ip6(whole, ne->next_hop_address);
	put(out, &whole, ne->netif, ne->lladdr);
	out->ne_known = ne->state != ND6_INCOMPLETE;
	out->ne_state = states[ne->state];
	out->ne_router = ne->isrouter != 0;
	out->ne_timed = ne->state == ND6_REACHABLE || ne->state == ND6_STALE;
	out->ne_seconds = ne->state == ND6_REACHABLE ? ne->counter.reachable_time / MS_PER_S
						     : ne->counter.stale_time;
}

unsigned net_neighbours(int version, struct net_neighbour *out, unsigned max)
{
	unsigned n = 0;

	net_enter();
	if (version == 4)
		n = list4(out, max);
	for (unsigned i = 0; version == 6 && i < LWIP_ND6_NUM_NEIGHBORS && n < max; i++)
		if (neighbor_cache[i].state != ND6_NO_ENTRY && neighbor_cache[i].netif != NULL)
			put6(&out[n++], &neighbor_cache[i]);
	net_exit();
	return n;
}

/* ---- To change ---- */

/* find4 - the interface and Ethernet address of a neighbour; NULL: not known. */
static struct netif *find4(const ip4_addr_t *addr, struct eth_addr *mac)
{
	struct eth_addr *found;
	struct netif *netif;
	ip4_addr_t *at;

	for (size_t i = 0; i < ARP_TABLE_SIZE; i++)
		if (etharp_get_entry(i, &at, &netif, &found) != 0 && ip4_addr_cmp(at, addr)) {
			*mac = *found;
			return netif;
		}
	return NULL;
}

static int del4(const ip4_addr_t *addr)
{
	struct eth_addr mac;
	struct netif *netif = find4(addr, &mac);
	struct fixed *fi;
	int error;

	if (netif == NULL)
		return ENOENT;
	fi = find_fixed(addr, netif);
	if (fi == NULL) {
		if (ip4_route(addr) != netif)
			return EHOSTUNREACH;
		fi = find_fixed(NULL, NULL);
		if (fi == NULL)
			return EBUSY;
		error = net_errno(etharp_add_static_entry(addr, &mac));
		if (error != 0)
			return error;
		*fi = (struct fixed){netif, *addr};
	}
	/* It removes the first of that address, which may be another interface's. */
	if (etharp_remove_static_entry(addr) != ERR_OK)
		return EBUSY;
	fi->fi_netif = NULL;
	return 0;
}

static int del6(const ip6_addr_t *addr)
{
	for (unsigned i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++) {
		struct nd6_neighbor_cache_entry *ne = &neighbor_cache[i];

		if (ne->state == ND6_NO_ENTRY || !ip6_addr_cmp(&ne->next_hop_address, addr))
			continue;
		if (!ne->isrouter && ne->q == NULL) {
			memset(ne, 0, sizeof(*ne));
		} else {
			ne->state = ND6_INCOMPLETE;
			ne->counter.probes_sent = ne->isrouter ? 0 : LWIP_ND6_MAX_MULTICAST_SOLICIT;
		}
		return 0;
	}
	return ENOENT;
}

int net_neighbour_del(int version, const char *text)
{
	ip_addr_t addr;
	int error = EINVAL;

	net_enter();
	if (net_addr(text, &addr) && (version == 6) == (IP_IS_V6(&addr) != 0))
		error = version == 4 ? del4(ip_2_ip4(&addr)) : del6(ip_2_ip6(&addr));
	net_exit();
	return error;
}

/* may_be - 0, if another machine of an interface's own network may have the address. */
static int may_be(const struct netif *netif, const ip4_addr_t *addr)
{
	if (ip4_addr_isany(addr) || ip4_addr_ismulticast(addr) || ip4_addr_isloopback(addr) ||
	    ip4_addr_isbroadcast(addr, netif) || ip4_addr_cmp(addr, netif_ip4_addr(netif)))
		return ERANGE;
	return ip4_addr_netcmp(addr, netif_ip4_addr(netif), netif_ip4_netmask(netif))
	    ? 0
	    : EHOSTUNREACH;
}

static int set4(const ip4_addr_t *addr, const uint8_t mac[6])
{
	struct netif *netif = ip4_route(addr);
	struct eth_addr ea;
	struct fixed *fi;
	int error;

	if (netif == NULL || (net_card_of(netif) == NULL && !ip4_addr_isloopback(addr)))
		return EHOSTUNREACH;
	error = may_be(netif, addr);
	if (error != 0)
		return error;
	fi = find_fixed(addr, netif);
	if (fi == NULL && count_fixed() >= NET_FIXED_MAX)
		return ENOSPC;
	if (fi == NULL)
		fi = find_fixed(NULL, NULL);
	memcpy(&ea, mac, sizeof(ea));
	error = net_errno(etharp_add_static_entry(addr, &ea));
	if (error == 0)
		*fi = (struct fixed){netif, *addr};
	return error;
}

int net_neighbour_set(const char *text, const uint8_t mac[6])
{
	ip_addr_t addr;
	int error = EINVAL;

	net_enter();
	if (net_addr(text, &addr) && IP_IS_V4(&addr))
		error = set4(ip_2_ip4(&addr), mac);
	net_exit();
	return error;
}

/* changed - lwIP forgets all neighbours of an interface that goes down. */
static void changed(struct netif *netif, netif_nsc_reason_t reason,
    const netif_ext_callback_args_t *args)
{
	if (reason != LWIP_NSC_STATUS_CHANGED || args->status_changed.state != 0)
		return;
	for (unsigned i = 0; i < NET_FIXED_MAX + 1; i++)
		if (fixed[i].fi_netif == netif)
			fixed[i].fi_netif = NULL;
}

void net_neighbour_init(void)
{
	static netif_ext_callback_t callback;

	netif_add_ext_callback(&callback, changed);
}
