/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.c - interfaces by name: what they are, and changes of addresses and state.
 *
 * Contexts: lwps; all functions may block. What is shown is copied under the core lock, so nobody
 * prints while he holds it. Order: a card is held (nic_hold()) before the core lock is
 * taken, and brought up and down without it, since that waits for its handlers, which take it.
 * Not for: lo, which is as lwIP makes it. Read next: status.c; card.c for how a card comes here.
 */
#include "net.h"

#include "core.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>
#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/nd6.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>

#define PATIENCE (10 * NS_PER_MS) /* between two looks for an address */

/* find_card - an interface of those that can be changed, with the lock held; an errno, or 0. */
static int find_card(const char *name, struct netif **out)
{
	*out = net_netif(name);
	if (*out == NULL)
		return ENXIO;
	return net_card_of(*out) != NULL ? 0 : EOPNOTSUPP;
}

/* ---- To look at ---- */

static const char *state6(u8_t state)
{
	return ip6_addr_istentative(state) ? "tentative"
	    : ip6_addr_isduplicated(state) ? "duplicate"
	    : ip6_addr_ispreferred(state)  ? "preferred"
	    : ip6_addr_isdeprecated(state) ? "valid"
					   : "invalid";
}

static void show_addresses(struct netif *netif, struct net_if *ni)
{
	char text[NET_ADDR_MAX], *zone;

	if (!ip4_addr_isany(netif_ip4_addr(netif))) {
		ip4addr_ntoa_r(netif_ip4_addr(netif), ni->ni_addr, sizeof(ni->ni_addr));
		ip4addr_ntoa_r(netif_ip4_netmask(netif), ni->ni_mask, sizeof(ni->ni_mask));
		if (!ip4_addr_isany(netif_ip4_gw(netif)))
			ip4addr_ntoa_r(netif_ip4_gw(netif), ni->ni_gateway, sizeof(ni->ni_gateway));
	}
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES && i < NET_ADDRS6; i++) {
		if (ip6_addr_isinvalid(netif_ip6_addr_state(netif, i)))
			continue;
		net_text(netif_ip_addr6(netif, i), text);
		zone = strchr(text, '%'); /* whose it is, is said already */
		if (zone != NULL)
			*zone = '\0';
		(void)kstrlcpy(ni->ni_addr6[i], text, sizeof(ni->ni_addr6[i]));
		ni->ni_state6[i] = state6(netif_ip6_addr_state(netif, i));
	}
}

/* has_link - by the card's own word, too: TCP/IP is told of a change a moment later. */
static bool has_link(const struct netif *netif, const struct nic *nic)
{
	/* Relaxed: it may change at any time. */
	return netif_is_link_up(netif) &&
	    (nic == NULL || atomic_load_explicit(&nic->nic_link, memory_order_relaxed));
}

static void show(struct netif *netif, struct net_if *ni)
{
	struct nic *nic = net_card_of(netif);
	struct net_card_stats cs;

	memset(ni, 0, sizeof(*ni));
	(void)kstrlcpy(ni->ni_name, nic != NULL ? nic->nic_name : "lo", sizeof(ni->ni_name));
	ni->ni_card = nic != NULL;
	ni->ni_up = netif_is_up(netif);
	ni->ni_link = has_link(netif, nic);
	ni->ni_default = netif == netif_default;
	ni->ni_mtu = netif->mtu;
	show_addresses(netif, ni);
	if (nic == NULL)
		return;
	ni->ni_dhcp = netif_dhcp_data(netif) != NULL &&
	    netif_dhcp_data(netif)->state != 0; /* DHCP_STATE_OFF */
	ni->ni_mbps = atomic_load_explicit(&nic->nic_mbps, memory_order_relaxed);
	ni->ni_queues = nic->nic_queues;
	memcpy(ni->ni_mac, nic->nic_mac, sizeof(ni->ni_mac));
	(void)net_card_stats(netif, &cs);
	ni->ni_in = cs.cs_in;
	ni->ni_in_bytes = cs.cs_in_bytes;
	ni->ni_in_drops = cs.cs_in_short;
	ni->ni_out = cs.cs_out;
	ni->ni_out_bytes = cs.cs_out_bytes;
	ni->ni_out_drops = cs.cs_wait_full + cs.cs_out_errors;
	ni->ni_out_waited = cs.cs_waited;
	ni->ni_flattened = cs.cs_flattened;
	ni->ni_flying = cs.cs_flying;
}

unsigned net_ifs(struct net_if *out, unsigned max)
{
	struct netif *netif;
	unsigned n = 0;

	net_enter();
	NETIF_FOREACH(netif)
	if (n < max)
		show(netif, &out[n++]);
	net_exit();
	return n;
}

/* ---- To change ---- */

static void set_up(const char *name, bool up)
{
	struct netif *netif;

	net_enter();
	netif = net_netif(name);
	if (netif != NULL && up)
		netif_set_up(netif);
	else if (netif != NULL)
		netif_set_down(netif);
	net_exit();
}

/* hold_card - the card of an interface, to be released; without the lock. */
static int hold_card(const char *name, struct nic **out)
{
	if (strcmp(name, "lo") == 0)
		return EOPNOTSUPP;
	*out = nic_hold(name);
	return *out != NULL ? 0 : ENXIO;
}

int net_if_up(const char *name, bool up)
{
	struct nic *nic;
	int error = hold_card(name, &nic);

	if (error != 0)
		return error;
	if (up) {
		error = nic_up(nic);
		if (error == 0) {
			set_up(name, true);
			net_card_link(nic);
		}
	} else {
		set_up(name, false);
		nic_down(nic);
		net_card_link(nic);
	}
	nic_release(nic);
	return error;
}

/* follow_mtu - packets of the interface are as long as its card takes them from now on, and what is
 * known of paths begins anew. Connections have no longer segments; but one that has some queued, or
 * on the way, keeps their length, as lwIP has it that all of them are alike, and IP cuts them. */
static void follow_mtu(const char *name, unsigned mtu)
{
	struct netif *netif;

	net_enter();
	netif = net_netif(name);
	if (netif != NULL && netif->mtu != mtu) {
		if (netif->mtu6 >= netif->mtu || netif->mtu6 > mtu)
			netif->mtu6 = (u16_t)mtu; /* else a router wants less */
		netif->mtu = (u16_t)mtu;
		nd6_clear_destination_cache();
		for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
			if (pcb->unsent == NULL && pcb->unacked == NULL)
				pcb->mss =
				    tcp_eff_send_mss(pcb->mss, &pcb->local_ip, &pcb->remote_ip);
	}
	net_exit();
}

int net_if_mtu(const char *name, unsigned mtu, unsigned *max)
{
	struct nic *nic;
	int error = hold_card(name, &nic);

	*max = 0;
	if (error != 0)
		return error;
	*max = nic->nic_mtu_max;
	if (mtu >= NIC_MTU_MIN && mtu < nic->nic_mtu)
		follow_mtu(name, mtu); /* nothing longer is made while the card changes */
	error = nic_mtu_set(nic, mtu);
	follow_mtu(name, nic->nic_mtu);
	net_card_link(nic); /* of its end it was told */
	nic_release(nic);
	return error;
}

int net_if_sums(const char *name, bool on)
{
	struct netif *netif;
	struct nic *nic;
	int error = hold_card(name, &nic);

	if (error != 0)
		return error;
	error = nic_sums_set(nic, on);
	net_enter();
	netif = net_netif(name);
	if (netif != NULL)
		net_card_sums(netif);
	net_exit();
	nic_release(nic);
	return error;
}

int net_if_dhcp(const char *name, bool on)
{
	struct netif *netif;
	int error;

	net_enter();
	error = find_card(name, &netif);
	if (error == 0 && on)
		error = net_errno(dhcp_start(netif));
	else if (error == 0)
		dhcp_stop(netif);
	net_exit();
	return error;
}

/* may_have - is that, with this mask, the address of one machine? */
static bool may_have(const ip4_addr_t *a, const ip4_addr_t *m)
{
	uint32_t addr = lwip_ntohl(ip4_addr_get_u32(a)), mask = lwip_ntohl(ip4_addr_get_u32(m));

	if (addr >> 24 == 0 || addr >> 24 == 127 || addr >> 24 >= 224)
		return false;
	/* A link of two has neither a network's address nor a broadcast (RFC 3021). */
	return ~mask <= 1 || ((addr & ~mask) != 0 && (addr | mask) != UINT32_MAX);
}

int net_if_static(const char *name, const char *addr, const char *mask, const char *gateway)
{
	ip4_addr_t a, m, g;
	struct netif *netif;
	int error;

	ip4_addr_set_zero(&g);
	if (ip4addr_aton(addr, &a) == 0 || ip4addr_aton(mask, &m) == 0 ||
	    !ip4_addr_netmask_valid(ip4_addr_get_u32(&m)) ||
	    (gateway != NULL && ip4addr_aton(gateway, &g) == 0))
		return EINVAL;
	if (!may_have(&a, &m))
		return ERANGE;
	if (gateway != NULL &&
	    (!may_have(&g, &m) || !ip4_addr_netcmp(&a, &g, &m) || ip4_addr_cmp(&a, &g)))
		return EHOSTUNREACH;
	net_enter();
	error = find_card(name, &netif);
	if (error == 0) {
		dhcp_stop(netif);
		netif_set_addr(netif, &a, &m, &g);
	}
	net_exit();
	return error;
}

int net_if_add6(const char *name, const char *addr)
{
	struct netif *netif;
	ip6_addr_t a;
	s8_t index;
	int error;

	if (ip6addr_aton(addr, &a) == 0)
		return EINVAL;
	if (ip6_addr_ismulticast(&a) || ip6_addr_isany(&a) || ip6_addr_isloopback(&a))
		return ERANGE;
	net_enter();
	error = find_card(name, &netif);
	if (error == 0) {
		ip6_addr_assign_zone(&a, IP6_UNICAST, netif);
		if (netif_add_ip6_address(netif, &a, &index) != ERR_OK)
			error = ENOSPC;
		else
			netif_ip6_addr_set_state(netif, index, IP6_ADDR_TENTATIVE);
	}
	net_exit();
	return error;
}

/* del6, del4 - with the lock held. */
static int del6(struct netif *netif, const char *addr)
{
	ip6_addr_t a;
	s8_t index;

	if (ip6addr_aton(addr, &a) == 0)
		return EINVAL;
	ip6_addr_assign_zone(&a, IP6_UNICAST, netif);
	index = netif_get_ip6_addr_match(netif, &a);
	if (index < 0)
		return ENOENT;
	netif_ip6_addr_set_state(netif, index, IP6_ADDR_INVALID);
	return 0;
}

static int del4(struct netif *netif, const char *addr)
{
	ip4_addr_t a;

	if (ip4addr_aton(addr, &a) == 0)
		return EINVAL;
	if (ip4_addr_isany_val(a) || !ip4_addr_cmp(&a, netif_ip4_addr(netif)))
		return ENOENT;
	dhcp_stop(netif); /* which gives a lease back */
	netif_set_addr(netif, NULL, NULL, NULL);
	return 0;
}

int net_if_del(const char *name, const char *addr)
{
	struct netif *netif;
	int error;

	net_enter();
	error = find_card(name, &netif);
	if (error == 0)
		error = strchr(addr, ':') != NULL ? del6(netif, addr) : del4(netif, addr);
	net_exit();
	return error;
}

int net_if_wait(const char *name, uint64_t ns, bool (*stop)(void))
{
	uint64_t end = clock_ns() + ns;
	struct netif *netif;
	bool has;
	int error;

	for (;;) {
		net_enter();
		error = find_card(name, &netif);
		has = error == 0 && !ip4_addr_isany(netif_ip4_addr(netif)) &&
		    has_link(netif, net_card_of(netif));
		net_exit();
		if (error != 0 || has)
			return error;
		if (clock_ns() >= end)
			return ETIMEDOUT;
		if (stop != NULL && stop())
			return EAGAIN;
		lwp_sleep_ns(PATIENCE);
	}
}

unsigned net_names(char out[][NET_ADDR_MAX], unsigned max)
{
	unsigned n = 0;

	net_enter();
	for (u8_t i = 0; i < DNS_MAX_SERVERS && n < max; i++) {
		if (!ip_addr_isany(dns_getserver(i)))
			net_text(dns_getserver(i), out[n++]);
	}
	net_exit();
	return n;
}

int net_names_set(const char *addr)
{
	ip_addr_t a;
	int error = 0;

	net_enter();
	if (!net_addr(addr, &a) || ip_addr_isany(&a))
		error = EINVAL;
	else
		dns_setserver(0, &a);
	net_exit();
	return error;
}
