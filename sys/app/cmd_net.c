/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_net.c - ifconfig: the network's interfaces, what they are, and changes of them.
 *
 * Contexts: the shell's lwp. What is shown is copied by net/config.c first, so that no lock is held
 * while the console takes its time; only figures that are a driver's own are asked of the driver,
 * with the card held. Read next: net/net.h; cmd_netstat.c, cmd_netping.c, cmd_netdump.c.
 */
#include "app/shell.h"
#include "mem/kmem.h"
#include "net/net.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/string.h>

/* ---- To look at ---- */

/* prefix - the ones in front of a mask. */
static unsigned prefix(const char *mask)
{
	unsigned bits = 0, octet = 0;

	for (;; mask++) {
		if (*mask >= '0' && *mask <= '9') {
			octet = octet * 10 + (unsigned)(*mask - '0');
			continue;
		}
		for (; (octet & 0x80) != 0; octet = octet << 1 & 0xff)
			bits++;
		octet = 0;
		if (*mask == '\0')
			return bits;
	}
}

static void show_speed(const struct net_if *ni)
{
	if (!ni->ni_link)
		tty_printf("  link down");
	else if (ni->ni_mbps == 0)
		tty_printf("  link up");
	else
		tty_printf("  link %u Mbit/s", ni->ni_mbps);
}

static void show(const struct net_if *ni)
{
	tty_printf("%s: %s%s%s", ni->ni_name, ni->ni_up ? "up" : "down",
	    ni->ni_default ? " default" : "", ni->ni_dhcp ? " dhcp" : "");
	if (ni->ni_mtu != 0) /* lo has no limit */
		tty_printf("  mtu %u", ni->ni_mtu);
	if (ni->ni_card) {
		show_speed(ni);
		tty_printf("  queues %u\n", ni->ni_queues);
		tty_printf("  ether %02x:%02x:%02x:%02x:%02x:%02x", ni->ni_mac[0], ni->ni_mac[1],
		    ni->ni_mac[2], ni->ni_mac[3], ni->ni_mac[4], ni->ni_mac[5]);
	}
	tty_printf("\n");
	if (ni->ni_addr[0] != '\0') {
		tty_printf("  inet %s/%u", ni->ni_addr, prefix(ni->ni_mask));
		if (ni->ni_gateway[0] != '\0')
			tty_printf(" gateway %s", ni->ni_gateway);
		tty_printf("\n");
	}
	for (unsigned i = 0; i < NET_ADDRS6; i++)
		if (ni->ni_addr6[i][0] != '\0')
			tty_printf("  inet6 %s %s\n", ni->ni_addr6[i], ni->ni_state6[i]);
	if (!ni->ni_card)
		return;
	tty_printf("  received %llu frames, %llu bytes, %llu dropped\n",
	    (unsigned long long)ni->ni_in, (unsigned long long)ni->ni_in_bytes,
	    (unsigned long long)ni->ni_in_drops);
	tty_printf("  sent %llu frames, %llu bytes, %llu dropped\n", (unsigned long long)ni->ni_out,
	    (unsigned long long)ni->ni_out_bytes, (unsigned long long)ni->ni_out_drops);
}

static void show_queues(struct nic *nic)
{
	struct nic_queue_stats qs;

	tty_printf("  %5s %10s %12s %6s %6s %6s %10s %12s %6s %6s %10s %8s %10s\n", "queue", "in",
	    "in-bytes", "nobuf", "bad", "missed", "out", "out-bytes", "full", "failed", "rounds",
	    "yields", "interrupts");
	for (unsigned q = 0; q < nic->nic_queues; q++) {
		memset(&qs, 0, sizeof(qs));
		nic->nic_ops->no_stats(nic, q, &qs);
		tty_printf("  %5u %10llu %12llu %6llu %6llu %6llu %10llu %12llu %6llu %6llu "
			   "%10llu %8llu %10llu\n",
		    q, (unsigned long long)qs.qs_rx_packets, (unsigned long long)qs.qs_rx_bytes,
		    (unsigned long long)qs.qs_rx_nobuf, (unsigned long long)qs.qs_rx_errors,
		    (unsigned long long)qs.qs_rx_missed, (unsigned long long)qs.qs_tx_packets,
		    (unsigned long long)qs.qs_tx_bytes, (unsigned long long)qs.qs_tx_full,
		    (unsigned long long)qs.qs_tx_errors, (unsigned long long)qs.qs_rounds,
		    (unsigned long long)qs.qs_yields, (unsigned long long)qs.qs_interrupts);
	}
}

/* show_more - what -v adds: the interface's rarer counts, the card's queues, its own words. */
static void show_more(const struct net_if *ni)
{
	struct nic *nic = ni->ni_card ? nic_hold(ni->ni_name) : NULL;

	if (nic == NULL)
		return;
	tty_printf("  waiting for the card: %u in flight, %llu were put aside, %llu were too many "
		   "pieces\n",
	    ni->ni_flying, (unsigned long long)ni->ni_out_waited,
	    (unsigned long long)ni->ni_flattened);
	show_queues(nic);
	nic_describe(nic, tty_printf);
	nic_release(nic);
}

static int list(const char *name, bool more)
{
	struct net_if *ni = kmem_alloc(NET_IFS_MAX * sizeof(*ni));
	unsigned n, shown = 0;

	if (ni == NULL)
		return shell_error("no memory for the list");
	n = net_ifs(ni, NET_IFS_MAX);
	for (unsigned i = 0; i < n; i++) {
		if (name != NULL && strcmp(name, ni[i].ni_name) != 0)
			continue;
		shown++;
		show(&ni[i]);
		if (more)
			show_more(&ni[i]);
	}
	kmem_free(ni, NET_IFS_MAX * sizeof(*ni));
	return shown == 0 ? shell_error("no interface '%s'", name) : 0;
}

/* ---- To change ---- */

static int failed(const char *name, int error)
{
	switch (error) {
	case 0:
		return 0;
	case ENXIO:
		return shell_error("no interface '%s'", name);
	case EOPNOTSUPP:
		return shell_error("%s: cannot do that", name);
	case EINVAL:
		return shell_error("%s: no such address, or no address at all", name);
	case ERANGE:
		return shell_error("%s: not an address that one machine may have", name);
	case EHOSTUNREACH:
		return shell_error("%s: no gateway, or none within its network", name);
	case ENOSPC:
		return shell_error("%s: has as many IPv6 addresses as there is room for, %u", name,
		    NET_ADDRS6);
	case ENOENT:
		return shell_error("%s: has no such address", name);
	case ETIMEDOUT:
		return shell_error("%s: no link, or no address, in that time", name);
	default:
		return shell_error("%s: %s", name, errno_name(error));
	}
}

/* mask_of - as text, of a prefix of 0 to 32 bits. */
static void mask_of(unsigned bits, char mask[16])
{
	uint32_t m = bits == 0 ? 0 : 0xffffffffu << (32 - bits);

	(void)ksnprintf(mask, 16, "%u.%u.%u.%u", m >> 24, m >> 16 & 255, m >> 8 & 255, m & 255);
}

/* address - ADDR/LEN [GATEWAY], either version. */
static int address(const char *name, int argc, char **argv)
{
	char addr[NET_ADDR_MAX], mask[16], *slash;
	uint64_t bits = 24;

	(void)kstrlcpy(addr, argv[0], sizeof(addr));
	slash = strchr(addr, '/');
	if (strchr(addr, ':') != NULL) {
		if (argc > 1)
			return shell_usage();
		if (slash != NULL && strcmp(slash, "/64") != 0)
			return shell_error("%s: an IPv6 prefix has 64 bits here", slash);
		if (slash != NULL)
			*slash = '\0';
		return failed(name, net_if_add6(name, addr));
	}
	if (slash == NULL)
		return shell_error("'%s': needs the length of its prefix, as in %s/24", addr, addr);
	*slash = '\0';
	if (!shell_number(slash + 1, "prefix", 1, 32, &bits))
		return 1;
	mask_of((unsigned)bits, mask);
	return failed(name, net_if_static(name, addr, mask, argc > 1 ? argv[1] : NULL));
}

static int moderate(const char *name, const char *text)
{
	struct nic *nic = nic_hold(name);
	uint64_t us = NIC_ADAPTIVE;
	char what[32];
	int status;

	if (nic == NULL)
		return failed(name, strcmp(name, "lo") == 0 ? EOPNOTSUPP : ENXIO);
	(void)ksnprintf(what, sizeof(what), "%s: microseconds", name);
	if (nic->nic_ops->no_moderate == NULL)
		status = failed(name, EOPNOTSUPP);
	else if (strcmp(text, "adaptive") != 0 &&
	    !shell_number(text, what, 0, nic->nic_pause_max, &us))
		status = 1;
	else
		status = failed(name, nic->nic_ops->no_moderate(nic, (unsigned)us));
	nic_release(nic);
	return status;
}

static int reset(const char *name)
{
	struct nic *nic = nic_hold(name);
	int error;

	if (nic == NULL)
		return failed(name, ENXIO);
	error = nic->nic_ops->no_reset != NULL ? nic->nic_ops->no_reset(nic) : EOPNOTSUPP;
	nic_release(nic);
	return failed(name, error);
}

static int set_mtu(const char *name, const char *text)
{
	uint64_t mtu;
	unsigned max;
	int error;

	if (!shell_number(text, "bytes", 0, UINT16_MAX, &mtu))
		return 1;
	error = net_if_mtu(name, (unsigned)mtu, &max);
	if (error == ERANGE)
		return shell_error("%s: mtu %llu: must be %u to %u", name, (unsigned long long)mtu,
		    NIC_MTU_MIN, max);
	return failed(name, error);
}

static int await(const char *name, const char *text)
{
	uint64_t seconds;

	if (!shell_number(text, "seconds", 1, 3600, &seconds))
		return 1;
	return failed(name, net_if_wait(name, seconds * NS_PER_S, shell_interrupted));
}

static const char *const words[] = {"-txcsum", "default", "del", "dhcp", "down", "moderate", "mtu",
    "reset", "txcsum", "up", "wait"};
#define WORDS (sizeof(words) / sizeof(words[0]))

/* unknown - what was to be done with the interface is none of the words; or it is, and there is too
 * little or too much after it. */
static int unknown(const char *name, const char *what)
{
	char all[128];
	size_t n = 0;

	for (size_t i = 0; i < WORDS; i++) {
		if (strcmp(words[i], what) == 0) {
			shell_error("%s: %s: too little or too much after it", name, what);
			return shell_usage();
		}
		n += (size_t)ksnprintf(all + n, sizeof(all) - n, ", %s", words[i]);
	}
	return shell_error("%s: no '%s': there are ADDR/LEN%s", name, what, all);
}

static int change(const char *name, int argc, char **argv)
{
	const char *what = argv[0];

	if (strcmp(what, "up") == 0 && argc == 1)
		return failed(name, net_if_up(name, true));
	if (strcmp(what, "down") == 0 && argc == 1)
		return failed(name, net_if_up(name, false));
	if (strcmp(what, "dhcp") == 0 && argc == 1)
		return failed(name, net_if_dhcp(name, true));
	if (strcmp(what, "dhcp") == 0 && argc == 2 && strcmp(argv[1], "off") == 0)
		return failed(name, net_if_dhcp(name, false));
	if (strcmp(what, "del") == 0 && argc == 2)
		return failed(name, net_if_del(name, argv[1]));
	if (strcmp(what, "default") == 0 && argc == 1)
		return failed(name, net_if_default(name));
	if (strcmp(what, "moderate") == 0 && argc == 2)
		return moderate(name, argv[1]);
	if (strcmp(what, "mtu") == 0 && argc == 2)
		return set_mtu(name, argv[1]);
	if ((strcmp(what, "txcsum") == 0 || strcmp(what, "-txcsum") == 0) && argc == 1)
		return failed(name, net_if_sums(name, what[0] != '-'));
	if (strcmp(what, "wait") == 0 && argc == 2)
		return await(name, argv[1]);
	if (strcmp(what, "reset") == 0 && argc == 1)
		return reset(name);
	if (argc <= 2 && (strchr(what, '.') != NULL || strchr(what, ':') != NULL))
		return address(name, argc, argv);
	return unknown(name, what);
}

static int cmd_ifconfig(int argc, char **argv)
{
	bool more = argc > 1 && strcmp(argv[1], "-v") == 0;

	argc -= 1 + more;
	argv += 1 + more;
	if (argc <= 1)
		return list(argc == 1 ? argv[0] : NULL, more);
	return more ? shell_usage() : change(argv[0], argc - 1, argv + 1);
}

static void complete(struct line_editor *le, int arg, char **argv)
{
	struct net_if *ni;
	unsigned n;

	(void)argv;
	if (arg == 2)
		for (size_t i = 0; i < WORDS; i++)
			line_offer(le, words[i]);
	if (arg == 3 && strcmp(argv[2], "moderate") == 0)
		line_offer(le, "adaptive");
	ni = arg == 1 ? kmem_alloc(NET_IFS_MAX * sizeof(*ni)) : NULL;
	if (ni == NULL)
		return;
	n = net_ifs(ni, NET_IFS_MAX);
	for (unsigned i = 0; i < n; i++)
		line_offer(le, ni[i].ni_name);
	kmem_free(ni, NET_IFS_MAX * sizeof(*ni));
}

const struct shell_cmd shell_net_cmds[] = {
    {"ifconfig",
	"[-v] [IF] | IF up | IF down | IF dhcp [off] |\n"
	"                IF ADDR/LEN [GATEWAY] | IF del ADDR | IF default |\n"
	"                IF mtu BYTES | IF txcsum | IF -txcsum |\n"
	"                IF moderate US|adaptive | IF reset | IF wait SECONDS",
	"the network's interfaces: what they are, and changes",
	"  -v        with the queues of each card, and what its driver says\n"
	"  up, down  start and stop it; connections wait meanwhile\n"
	"  dhcp      ask for an address, as the first card does by itself; off: give it back\n"
	"  ADDR/LEN  a fixed IPv4 address, 10.0.2.15/24; or one more of IPv6\n"
	"  del       give up an address, of either version\n"
	"  default   what is for no network of ours goes out there, while it has a gateway\n"
	"  mtu       the longest packet of a frame; a card that is up begins anew\n"
	"  txcsum    let the card make the sums of what is sent; -txcsum: not\n"
	"  moderate  least time between two interrupts of a queue, in microseconds\n"
	"  reset     have the card begin anew\n"
	"  wait      until it has a link and an IPv4 address\n",
	cmd_ifconfig, complete},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
