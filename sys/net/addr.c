/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * addr.c - addresses and their texts, both ways, and the interface that is meant.
 *
 * An IPv6 address that means something on one link alone (fe80::/10, and groups of the link) needs
 * an interface with it. lwIP has a number for that, the zone; here it is the interface's name, as
 * everywhere else: "fe80::1%igb0" (RFC 4007, section 11). Without one, the default interface is
 * meant. IPv6 is written as RFC 5952 has it, in lower case.
 *
 * Contexts: thread, the core lock held, since interfaces come and go. Not for: names of hosts
 * (resolve.c). Read next: config.c.
 */
#include "core.h"

#include <ithaca/print.h>
#include <ithaca/string.h>
#include <lwip/ip_addr.h>
#include <lwip/netif.h>

const char *net_netif_name(const struct netif *netif)
{
	const struct nic *nic = net_card_of(netif);

	return nic != NULL ? nic->nic_name : "lo";
}

struct netif *net_netif(const char *name)
{
	struct netif *netif;

	NETIF_FOREACH(netif)
	if (strcmp(net_netif_name(netif), name) == 0)
		return netif;
	return NULL;
}

void net_text(const ip_addr_t *addr, char out[NET_ADDR_MAX])
{
	const struct netif *netif = NULL;
	size_t n;

	KASSERT(net_locked(), "an address is made a text without the core lock");
	ipaddr_ntoa_r(addr, out, NET_ADDR_MAX);
	for (n = 0; out[n] != '\0' && out[n] != '%'; n++)
		if (out[n] >= 'A' && out[n] <= 'F')
			out[n] += 'a' - 'A';
	if (IP_IS_V6(addr) && ip6_addr_has_zone(ip_2_ip6(addr)))
		netif = netif_get_by_index(ip6_addr_zone(ip_2_ip6(addr)));
	out[n] = '\0';
	if (netif != NULL) /* not of an interface that has gone */
		(void)ksnprintf(out + n, NET_ADDR_MAX - n, "%%%s", net_netif_name(netif));
}

bool net_addr(const char *text, ip_addr_t *out)
{
	const struct netif *netif = netif_default;
	char plain[NET_ADDR_MAX], *zone;
	ip6_addr_t *six;

	KASSERT(net_locked(), "an address is looked up without the core lock");
	if (kstrlcpy(plain, text, sizeof(plain)) >= sizeof(plain))
		return false;
	zone = strchr(plain, '%');
	if (zone != NULL) {
		*zone = '\0';
		netif = net_netif(zone + 1);
		if (netif == NULL)
			return false;
	}
	if (ipaddr_aton(plain, out) == 0)
		return false;
	six = IP_IS_V6(out) ? ip_2_ip6(out) : NULL;
	if (six != NULL && netif != NULL)
		ip6_addr_assign_zone(six, IP6_UNKNOWN, netif);
	return zone == NULL || (six != NULL && ip6_addr_has_zone(six));
}
