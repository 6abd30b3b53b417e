/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_arp.c - arp and ndp: the neighbours of IPv4 and IPv6, to look at, to forget, and to fix.
 *
 * Contexts: the shell's lwp. What is shown is copied by net/neighbour.c under the core lock and
 * printed without it. Tables have one word in each column. Read next: net/neighbour.c.
 */
#include "app/shell.h"
#include "mem/kmem.h"
#include "net/net.h"
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/string.h>

#define SIZE (NET_NEIGHBOURS_MAX * sizeof(struct net_neighbour))

static void show(const struct net_neighbour *ne, int version)
{
	char mac[18] = "-", seconds[12] = "-";

	if (ne->ne_known)
		(void)ksnprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", ne->ne_mac[0],
		    ne->ne_mac[1], ne->ne_mac[2], ne->ne_mac[3], ne->ne_mac[4], ne->ne_mac[5]);
	tty_printf("%-32s %-17s %-8s %-6s %-10s", ne->ne_addr, mac, ne->ne_if,
	    ne->ne_router ? "yes" : "no", ne->ne_state);
	if (ne->ne_timed)
		(void)ksnprintf(seconds, sizeof(seconds), "%u", ne->ne_seconds);
	if (version == 6)
		tty_printf(" %10s", seconds);
	tty_printf("\n");
}

static int list(int version)
{
	struct net_neighbour *ne = kmem_alloc(SIZE);
	unsigned n;

	if (ne == NULL)
		return shell_error("no memory for a list of %u neighbours", NET_NEIGHBOURS_MAX);
	n = net_neighbours(version, ne, NET_NEIGHBOURS_MAX);
	tty_printf("%-32s %-17s %-8s %-6s %-10s%s\n", "address", "ether", "if", "router", "state",
	    version == 6 ? "    seconds" : "");
	for (unsigned i = 0; i < n; i++)
		show(&ne[i], version);
	kmem_free(ne, SIZE);
	return 0;
}

static int failed(const char *addr, int version, int error)
{
	switch (error) {
	case 0:
		return 0;
	case EINVAL:
		return shell_error("'%s': not an address of IPv%d", addr, version);
	case ENOENT:
		return shell_error("%s: no such neighbour", addr);
	case ERANGE:
		return shell_error("%s: not an address that another machine may have", addr);
	case EHOSTUNREACH:
		return shell_error("%s: in no network of a card that has a link", addr);
	case EBUSY:
		return shell_error("%s: another interface has it, or asks for it, too", addr);
	case ENOSPC:
		return shell_error("%s: there are as many as may be given by hand, %u", addr,
		    NET_FIXED_MAX);
	default:
		return shell_error("%s: %s", addr, errno_name(error));
	}
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0'
	    : c >= 'a' && c <= 'f'  ? c - 'a' + 10
	    : c >= 'A' && c <= 'F'  ? c - 'A' + 10
				    : -1;
}

/* ether - six numbers of two digits, with colons between; not a group's, and not none. */
static bool ether(const char *text, uint8_t mac[6])
{
	unsigned any = 0;

	for (unsigned i = 0; i < 6; i++, text += 3) {
		if (hex(text[0]) < 0 || hex(text[1]) < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return false;
		mac[i] = (uint8_t)(hex(text[0]) << 4 | hex(text[1]));
		any |= mac[i];
	}
	return any != 0 && (mac[0] & 1) == 0;
}

static int fix(const char *addr, const char *text)
{
	uint8_t mac[6];

	if (!ether(text, mac))
		return shell_error("'%s': not the Ethernet address of a card", text);
	return failed(addr, 4, net_neighbour_set(addr, mac));
}

static int run(int version, int argc, char **argv)
{
	if (argc == 1 || (argc == 2 && strcmp(argv[1], "-a") == 0))
		return list(version);
	if (argc == 3 && strcmp(argv[1], "-d") == 0)
		return failed(argv[2], version, net_neighbour_del(version, argv[2]));
	if (version == 4 && argc == 4 && strcmp(argv[1], "-s") == 0)
		return fix(argv[2], argv[3]);
	if (strcmp(argv[1], "-a") != 0 && strcmp(argv[1], "-d") != 0 &&
	    (version == 6 || strcmp(argv[1], "-s") != 0))
		shell_error("no option '%s'", argv[1]);
	return shell_usage();
}

static int cmd_arp(int argc, char **argv)
{
	return run(4, argc, argv);
}

static int cmd_ndp(int argc, char **argv)
{
	return run(6, argc, argv);
}

static void complete(struct line_editor *le, int arg, char **argv, int version)
{
	struct net_neighbour *ne;
	unsigned n;

	if (arg == 1) {
		line_offer(le, "-a");
		line_offer(le, "-d");
		if (version == 4)
			line_offer(le, "-s");
	}
	ne = arg == 2 && strcmp(argv[1], "-a") != 0 ? kmem_alloc(SIZE) : NULL;
	if (ne == NULL)
		return;
	n = net_neighbours(version, ne, NET_NEIGHBOURS_MAX);
	for (unsigned i = 0; i < n; i++)
		line_offer(le, ne[i].ne_addr);
	kmem_free(ne, SIZE);
}

static void complete_arp(struct line_editor *le, int arg, char **argv)
{
	complete(le, arg, argv, 4);
}

static void complete_ndp(struct line_editor *le, int arg, char **argv)
{
	complete(le, arg, argv, 6);
}

const struct shell_cmd shell_arp_cmds[] = {
    {"arp", "[-a] | -d ADDR | -s ADDR ETHER",
	"the neighbours of IPv4: who has which Ethernet address",
	"  -a  all that have answered, or were given by hand (as without)\n"
	"  -d  forget one; he is asked for when there is need of him\n"
	"  -s  one by hand, until his interface is down\n",
	cmd_arp, complete_arp},
    {"ndp", "[-a] | -d ADDR", "the neighbours of IPv6: who has which Ethernet address",
	"  -a  all that are known or asked for (as without); seconds: for which one is\n"
	"      still reachable, or since when it is stale\n"
	"  -d  forget one; a router is asked for anew\n",
	cmd_ndp, complete_ndp},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
