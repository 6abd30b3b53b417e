/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_netstat.c - netstat: connections, routes, what the protocols counted, buffers, and the core
 * lock.
 *
 * Contexts: the shell's lwp. What is shown is copied by net/status.c and net/route.c under the
 * core lock and printed without it. Tables have one word in each column. Read next: net/status.c.
 */
#include "app/shell.h"
#include "mem/kmem.h"
#include "net/net.h"
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

#define CONNS_MAX 4096
#define ROWS_MAX 64

/* endpoint - "10.0.2.15:80", "[fe80::1]:80", "*:80". */
static const char *endpoint(const char *addr, uint16_t port, char *buf, size_t size)
{
	char digits[8] = "*";

	if (port != 0)
		(void)ksnprintf(digits, sizeof(digits), "%u", port);
	if (addr[0] == '\0')
		(void)ksnprintf(buf, size, "*:%s", digits);
	else if (strchr(addr, ':') != NULL)
		(void)ksnprintf(buf, size, "[%s]:%s", addr, digits);
	else
		(void)ksnprintf(buf, size, "%s:%s", addr, digits);
	return buf;
}

static int connections(bool all)
{
	struct net_conn *nc = kmem_alloc(CONNS_MAX * sizeof(*nc));
	char local[NET_ADDR_MAX + 8], remote[NET_ADDR_MAX + 8];
	unsigned n, total;

	if (nc == NULL)
		return shell_error("no memory for a list of %u connections", CONNS_MAX);
	n = net_conns(nc, CONNS_MAX, &total);
	tty_printf("%-5s %-28s %-28s %-11s %8s %8s\n", "proto", "local", "remote", "state",
	    "unsent", "unread");
	for (unsigned i = 0; i < n && !shell_interrupted(); i++) {
		if (!all && (nc[i].nc_remote_port == 0))
			continue;
		tty_printf("%-5s %-28s %-28s %-11s %8u %8u\n", nc[i].nc_proto,
		    endpoint(nc[i].nc_local, nc[i].nc_local_port, local, sizeof(local)),
		    endpoint(nc[i].nc_remote, nc[i].nc_remote_port, remote, sizeof(remote)),
		    nc[i].nc_state[0] != '\0' ? nc[i].nc_state : "-", nc[i].nc_unsent,
		    nc[i].nc_unread);
	}
	if (total > n)
		tty_printf("and %u more\n", total - n);
	kmem_free(nc, CONNS_MAX * sizeof(*nc));
	return 0;
}

static int routes(void)
{
	struct net_route *nr = kmem_alloc(NET_ROUTES_MAX * sizeof(*nr));
	char seconds[12];
	unsigned n;

	if (nr == NULL)
		return shell_error("no memory for a list of %u routes", NET_ROUTES_MAX);
	n = net_routes(nr, NET_ROUTES_MAX);
	tty_printf("%-28s %-30s %-8s %-8s %-11s %10s\n", "to", "gateway", "if", "use", "why",
	    "seconds");
	for (unsigned i = 0; i < n; i++) {
		(void)kstrlcpy(seconds, "-", sizeof(seconds));
		if (nr[i].nr_seconds != UINT32_MAX)
			(void)ksnprintf(seconds, sizeof(seconds), "%u", nr[i].nr_seconds);
		tty_printf("%-28s %-30s %-8s %-8s %-11s %10s\n", nr[i].nr_to,
		    nr[i].nr_gateway[0] != '\0' ? nr[i].nr_gateway : "-", nr[i].nr_if, nr[i].nr_use,
		    nr[i].nr_why, seconds);
	}
	kmem_free(nr, NET_ROUTES_MAX * sizeof(*nr));
	return 0;
}

/* show_nodes - settings, each on its line. */
static void show_nodes(const char *const *nodes, size_t n)
{
	char value[32];

	for (size_t i = 0; i < n; i++)
		if (sysctl_read(nodes[i], value, sizeof(value)) == 0)
			tty_printf("%s = %s\n", nodes[i], value);
}

static int protocols(void)
{
	static const char *const nodes[] = {"net.tcp.again", "net.tcp.forgotten", "net.tcp.shed",
	    "net.tcp.small"};
	struct net_proto np[ROWS_MAX / 4];
	unsigned n = net_protos(np, sizeof(np) / sizeof(np[0]));

	tty_printf("%-9s %10s %10s %8s %7s %7s %7s %7s %8s %7s\n", "layer", "out", "in", "dropped",
	    "sum", "length", "memory", "route", "protocol", "other");
	for (unsigned i = 0; i < n; i++)
		tty_printf("%-9s %10llu %10llu %8llu %7llu %7llu %7llu %7llu %8llu %7llu\n",
		    np[i].np_name, (unsigned long long)np[i].np_out,
		    (unsigned long long)np[i].np_in, (unsigned long long)np[i].np_drop,
		    (unsigned long long)np[i].np_sum, (unsigned long long)np[i].np_length,
		    (unsigned long long)np[i].np_memory, (unsigned long long)np[i].np_route,
		    (unsigned long long)np[i].np_protocol, (unsigned long long)np[i].np_other);
	tty_printf("\n");
	show_nodes(nodes, sizeof(nodes) / sizeof(nodes[0]));
	return 0;
}

static int memory(void)
{
	static const char *const nodes[] = {"net.bufs", "net.bufs_free", "net.bufs_max",
	    "net.bufs_short", "net.mem", "net.mem_max", "net.mem_denied"};
	struct net_pool *po = kmem_alloc(ROWS_MAX * sizeof(*po));
	unsigned n;

	if (po == NULL)
		return shell_error("no memory for the list");
	n = net_pools(po, ROWS_MAX);
	tty_printf("%-20s %8s %8s %8s %8s\n", "pool", "size", "used", "most", "denied");
	for (unsigned i = 0; i < n; i++)
		tty_printf("%-20s %8u %8u %8u %8u\n", po[i].po_name, po[i].po_size, po[i].po_used,
		    po[i].po_most, po[i].po_denied);
	kmem_free(po, ROWS_MAX * sizeof(*po));
	tty_printf("\n");
	show_nodes(nodes, sizeof(nodes) / sizeof(nodes[0]));
	return 0;
}

static uint64_t node(const char *name)
{
	char value[32];
	uint64_t n = 0;

	if (sysctl_read(name, value, sizeof(value)) != 0 || kstrtou64(value, &n) != 0)
		return 0;
	return n;
}

static int lock(void)
{
	uint64_t enters = node("net.lock.enters"), contended = node("net.lock.contended");
	uint64_t waited = node("net.lock.wait_us"), held = node("net.lock.held_us");

	tty_printf("%10s %10s %7s %10s %10s %10s %10s %10s\n", "enters", "contended", "percent",
	    "wait-us", "wait-max", "held-us", "held-max", "held-mean");
	tty_printf("%10llu %10llu %5llu.%llu %10llu %10llu %10llu %10llu %10llu\n",
	    (unsigned long long)enters, (unsigned long long)contended,
	    (unsigned long long)(enters > 0 ? contended * 100 / enters : 0),
	    (unsigned long long)(enters > 0 ? contended * 1000 / enters % 10 : 0),
	    (unsigned long long)waited, (unsigned long long)node("net.lock.wait_max_us"),
	    (unsigned long long)held, (unsigned long long)node("net.lock.held_max_us"),
	    (unsigned long long)(enters > 0 ? held / enters : 0));
	return 0;
}

static int cmd_netstat(int argc, char **argv)
{
	if (argc > 2)
		return shell_usage();
	if (argc == 1 || strcmp(argv[1], "-a") == 0)
		return connections(argc == 2);
	if (strcmp(argv[1], "-r") == 0)
		return routes();
	if (strcmp(argv[1], "-s") == 0)
		return protocols();
	if (strcmp(argv[1], "-m") == 0)
		return memory();
	if (strcmp(argv[1], "-l") == 0)
		return lock();
	shell_error("no option '%s'", argv[1]);
	return shell_usage();
}

static void complete(struct line_editor *le, int arg, char **argv)
{
	(void)argv;
	if (arg != 1)
		return;
	line_offer(le, "-a");
	line_offer(le, "-l");
	line_offer(le, "-m");
	line_offer(le, "-r");
	line_offer(le, "-s");
}

const struct shell_cmd shell_netstat_cmds[] = {
    {"netstat", "[-a | -r | -s | -m | -l]", "the network's connections and counts",
	"  -a  who listens, too\n"
	"  -r  where packets go, by which card, and why\n"
	"  -s  what each protocol counted\n"
	"  -m  pools, buffers and memory, with their limits\n"
	"  -l  the core lock: how often taken, waited for, held\n",
	cmd_netstat, complete},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
