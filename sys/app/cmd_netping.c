/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_netping.c - ping and host: is somebody there, and what is his address.
 *
 * Contexts: the shell's lwp, which waits for answers in net/ping.c and net/resolve.c; Ctrl-C ends
 * the wait. ping's status is 0 when every request was answered with what it had sent.
 * Read next: net/ping.c.
 */
#include "app/shell.h"
#include "net/net.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/string.h>

struct options {
	uint64_t count, size, interval_ms, wait_ms;
	int family;
	const char *name;
};

struct tally {
	unsigned sent, answered, wrong;
	uint64_t least, most, sum;
};

/* resolve - the address of a name; else says why not, and false. */
static bool resolve(const char *name, int family, char addr[NET_ADDR_MAX])
{
	int error = net_resolve(name, family, addr, shell_interrupted);

	switch (error) {
	case 0:
		return true;
	case ENOENT:
		shell_error("%s: no such name", name);
		return false;
	case ETIMEDOUT:
		shell_error("%s: no server to ask for names; see `host -s`", name);
		return false;
	case EINVAL:
		shell_error("%s: neither a name nor an address%s", name,
		    family == 4       ? " of IPv4"
			: family == 6 ? " of IPv6"
				      : "");
		return false;
	case EAGAIN:
		shell_error("%s: interrupted", name);
		return false;
	default:
		shell_error("%s: %s", name, errno_name(error));
		return false;
	}
}

/* ---- ping ---- */

static bool options(int argc, char **argv, struct options *op)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		static const struct {
			const char *name, *what;
			uint64_t min, max;
			size_t at;
		} table[] = {
		    {"-c", "count", 1, 1000000, offsetof(struct options, count)},
		    {"-s", "size", 0, NET_PING_MAX, offsetof(struct options, size)},
		    {"-i", "interval", 0, 3600000, offsetof(struct options, interval_ms)},
		    {"-w", "wait", 1, 3600000, offsetof(struct options, wait_ms)},
		};
		size_t t = 0, n = sizeof(table) / sizeof(table[0]);

		if (strcmp(argv[i], "-4") == 0 || strcmp(argv[i], "-6") == 0) {
			op->family = argv[i][1] - '0';
			continue;
		}
		while (t < n && strcmp(argv[i], table[t].name) != 0)
			t++;
		if (t == n || i + 1 == argc) {
			shell_error(t == n ? "no option '%s'" : "%s: needs a number", argv[i]);
			return false;
		}
		if (!shell_number(argv[++i], table[t].what, table[t].min, table[t].max,
			(uint64_t *)(void *)((char *)op + table[t].at)))
			return false;
	}
	op->name = argv[i];
	return i + 1 == argc ? true : (shell_usage(), false);
}

static void answer(const struct net_ping *np, struct tally *ta)
{
	char time[SHELL_TIME_SIZE];

	ta->answered++;
	ta->sum += np->np_ns;
	if (ta->answered == 1 || np->np_ns < ta->least)
		ta->least = np->np_ns;
	if (np->np_ns > ta->most)
		ta->most = np->np_ns;
	ta->wrong += np->np_wrong;
	tty_printf("%u bytes from %s: seq=%u ttl=%u time=%s%s\n", np->np_bytes, np->np_from,
	    np->np_seq, np->np_ttl, shell_time(np->np_ns, time),
	    np->np_wrong ? " NOT WHAT WAS SENT" : "");
}

static void summary(const char *addr, const struct tally *ta)
{
	char least[SHELL_TIME_SIZE], mean[SHELL_TIME_SIZE], most[SHELL_TIME_SIZE];

	tty_printf("%s: %u sent, %u answered, %u lost", addr, ta->sent, ta->answered,
	    ta->sent - ta->answered);
	if (ta->answered > 0)
		tty_printf("; least %s mean %s most %s", shell_time(ta->least, least),
		    shell_time(ta->sum / ta->answered, mean), shell_time(ta->most, most));
	tty_printf("\n");
}

/* one - a request and its answer; false: that was the last. */
static bool one(const char *addr, const struct options *op, unsigned seq, struct tally *ta,
    int *error)
{
	struct net_ping np = {.np_to = addr,
	    .np_size = (uint32_t)op->size,
	    .np_seq = (uint16_t)seq,
	    .np_limit_ns = op->wait_ms * NS_PER_MS,
	    .np_stop = shell_interrupted};

	*error = net_ping(&np);
	if (*error == EAGAIN)
		return false;
	ta->sent++;
	if (*error == 0)
		answer(&np, ta);
	else if (*error == ETIMEDOUT)
		tty_printf("no answer from %s: seq=%u\n", addr, seq);
	else if (*error != EHOSTUNREACH && *error != ENETDOWN && *error != ENOMEM)
		return false;
	else
		tty_printf("cannot send to %s: seq=%u %s\n", addr, seq, errno_name(*error));
	return true;
}

static int cmd_ping(int argc, char **argv)
{
	struct options op = {.count = 4, .size = 56, .interval_ms = 1000, .wait_ms = 2000};
	char addr[NET_ADDR_MAX];
	struct tally ta = {0};
	unsigned seq = 1;
	int error = 0;

	if (!options(argc, argv, &op) || !resolve(op.name, op.family, addr))
		return 1;
	if (strcmp(addr, op.name) != 0)
		tty_printf("%s is %s\n", op.name, addr);
	for (; seq <= op.count && !shell_interrupted(); seq++) {
		if (!one(addr, &op, seq, &ta, &error))
			break;
		if (seq < op.count && shell_sleep(op.interval_ms * NS_PER_MS))
			break;
	}
	if (error == EMSGSIZE)
		return shell_error("%llu bytes: at most %u fit", (unsigned long long)op.size,
		    NET_PING_MAX - 20);
	summary(addr, &ta);
	if (ta.wrong > 0)
		return shell_error("%s: %u answers were not what was sent", addr, ta.wrong);
	return ta.sent == ta.answered
	    ? 0
	    : shell_error("%s: %u of %u not answered", addr, ta.sent - ta.answered, ta.sent);
}

/* ---- host ---- */

static int servers(void)
{
	char addr[8][NET_ADDR_MAX];
	unsigned n = net_names(addr, 8);

	for (unsigned i = 0; i < n; i++)
		tty_printf("server %s\n", addr[i]);
	if (n == 0)
		tty_printf("no server\n");
	return 0;
}

static int cmd_host(int argc, char **argv)
{
	char addr[NET_ADDR_MAX];
	int family = 0, i = 1;

	if (argc == 1)
		return servers();
	if (strcmp(argv[1], "-s") == 0 && argc <= 3) {
		if (argc == 2)
			return servers();
		if (net_names_set(argv[2]) != 0)
			return shell_error("'%s': not an address", argv[2]);
		return 0;
	}
	if (strcmp(argv[i], "-4") == 0 || strcmp(argv[i], "-6") == 0)
		family = argv[i++][1] - '0';
	if (i + 1 != argc)
		return shell_usage();
	if (!resolve(argv[i], family, addr))
		return 1;
	tty_printf("%s has address %s\n", argv[i], addr);
	return 0;
}

static void complete(struct line_editor *le, int arg, char **argv)
{
	(void)argv;
	if (arg == 1) {
		line_offer(le, "localhost");
		line_offer(le, "127.0.0.1");
	}
}

const struct shell_cmd shell_netping_cmds[] = {
    {"ping", "[-4 | -6] [-c COUNT] [-s SIZE] [-i MS] [-w MS] NAME|ADDRESS",
	"is somebody there: echo requests, and what comes back",
	"  -c  how many (4)\n"
	"  -s  bytes of data in each (56); above 1472 the packet goes in fragments\n"
	"  -i  milliseconds between two (1000)\n"
	"  -w  milliseconds to wait for an answer (2000)\n"
	"  The status is 1 unless each was answered with what it had sent.\n",
	cmd_ping, complete},
    {"host", "[-4 | -6] NAME | -s [SERVER]", "the address of a name, and who is asked for it",
	"  -s  show the servers, or ask this one first\n", cmd_host, complete},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
