/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_sys.c - commands about the system as a whole: sysctl, mem, dump, uptime, and its ends.
 *
 * Contexts: the shell's lwp. `dump` and `panic` print through kprintf(), as a panic does, and so
 * appear in order with the rest. A power-off waits until the console has sent everything.
 * Read next: shell.c.
 */
#include "app/shell.h"
#include "mem/page.h"
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/ithread.h>
#include <ithaca/machine.h>
#include <ithaca/print.h>
#include <ithaca/sched.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>
#include <ithaca/turnstile.h>

#define FLUSH_NS (10 * NS_PER_S)
#define VALUE_SIZE 160

/* ---- sysctl ---- */

struct show {
	const char *prefix; /* only names that begin so; NULL: all */
	bool doc;
	unsigned count;
};

static void show_one(const char *name, const char *doc)
{
	char value[VALUE_SIZE];

	if (sysctl_read(name, value, sizeof(value)) == 0)
		tty_printf("%s = %s\n", name, value);
	if (doc != NULL)
		tty_printf("    %s\n", doc);
}

static void show_node(struct sysctl *sy, void *arg)
{
	struct show *s = arg;

	if (s->prefix != NULL && strncmp(sy->sy_name, s->prefix, strlen(s->prefix)) != 0)
		return;
	s->count++;
	show_one(sy->sy_name, s->doc ? sy->sy_doc : NULL);
}

/* read_only - one name: that node, or all below it. */
static int sysctl_show(const char *name, bool doc)
{
	struct show s = {NULL, doc, 0};
	char prefix[LINE_SIZE];
	struct sysctl *sy;

	if (name != NULL) {
		sy = sysctl_find(name);
		if (sy != NULL) {
			show_one(name, doc ? sy->sy_doc : NULL);
			return 0;
		}
		ksnprintf(prefix, sizeof(prefix), "%s%s", name,
		    name[0] != '\0' && name[strlen(name) - 1] == '.' ? "" : ".");
		s.prefix = prefix;
	}
	sysctl_each(show_node, &s);
	if (s.count == 0)
		return shell_error("no name '%s'; `sysctl` lists them", name);
	return 0;
}

/* out_of_range - limits that move are nodes of their own, NAME_min and NAME_max. */
static int out_of_range(const char *name, const char *value)
{
	char node[LINE_SIZE], min[VALUE_SIZE], max[VALUE_SIZE];
	struct sysctl *sy = sysctl_find(name);

	if (sy != NULL && sy->sy_max != 0)
		return shell_error("%s: %s: must be %s%llu to %llu", name, value,
		    sy->sy_or_zero ? "0 or " : "", (unsigned long long)sy->sy_min,
		    (unsigned long long)sy->sy_max);
	ksnprintf(node, sizeof(node), "%s_min", name);
	if (sysctl_read(node, min, sizeof(min)) != 0)
		return shell_error("%s: %s: outside its limits", name, value);
	ksnprintf(node, sizeof(node), "%s_max", name);
	if (sysctl_read(node, max, sizeof(max)) != 0)
		return shell_error("%s: %s: outside its limits", name, value);
	return shell_error("%s: %s: must be %s to %s", name, value, min, max);
}

static int sysctl_set(char *name, char *value)
{
	int error = sysctl_write(name, value);

	switch (error) {
	case 0:
		show_one(name, NULL);
		return 0;
	case ENOENT:
		return shell_error("no name '%s'; `sysctl` lists them", name);
	case EPERM:
		return shell_error("%s: can only be read", name);
	case EINVAL:
		return shell_error("%s: '%s': not a number that it takes", name, value);
	case ERANGE:
		return out_of_range(name, value);
	default:
		return shell_error("%s: %s: %s", name, value, errno_name(error));
	}
}

static int cmd_sysctl(int argc, char **argv)
{
	bool doc = argc > 1 && strcmp(argv[1], "-d") == 0;
	int i = doc ? 2 : 1, status = 0;
	char *value;

	if (i == argc)
		return sysctl_show(NULL, doc);
	for (; i < argc; i++) {
		value = strchr(argv[i], '=');
		if (value != NULL) {
			*value = '\0';
			status |= sysctl_set(argv[i], value + 1);
		} else {
			status |= sysctl_show(argv[i], doc);
		}
	}
	return status;
}

static void offer_node(struct sysctl *sy, void *arg)
{
	line_offer(arg, sy->sy_name);
}

static void complete_sysctl(struct line_editor *le, int arg, char **argv)
{
	(void)arg;
	(void)argv;
	sysctl_each(offer_node, le);
}

/* ---- What there is to see ---- */

static int cmd_mem(int argc, char **argv)
{
	(void)argv;
	if (argc != 1)
		return shell_usage();
	mem_dump(tty_printf);
	return 0;
}

static int cmd_uptime(int argc, char **argv)
{
	uint64_t ms = clock_ns() / NS_PER_MS;

	(void)argv;
	if (argc != 1)
		return shell_usage();
	tty_printf("up %llu.%03u s, %u CPUs\n", (unsigned long long)(ms / 1000),
	    (unsigned)(ms % 1000), cpu_count());
	return 0;
}

static const struct {
	const char *name;
	void (*fn)(void);
} dumps[] = {
    {"intr", intr_dump},
    {"sched", sched_dump},
    {"softint", softint_dump},
    {"turnstile", turnstile_dump},
    {"sleepq", sleepq_dump},
};
#define DUMPS (sizeof(dumps) / sizeof(dumps[0]))

static int cmd_dump(int argc, char **argv)
{
	unsigned done = 0;

	if (argc > 2)
		return shell_usage();
	for (size_t i = 0; i < DUMPS && !shell_interrupted(); i++) {
		if (argc == 2 && strcmp(argv[1], dumps[i].name) != 0)
			continue;
		dumps[i].fn();
		done++;
	}
	if (done == 0 && !shell_interrupted()) {
		shell_error("no dump '%s'", argv[1]);
		return shell_usage();
	}
	return 0;
}

static void complete_dump(struct line_editor *le, int arg, char **argv)
{
	(void)argv;
	for (size_t i = 0; i < DUMPS && arg == 1; i++)
		line_offer(le, dumps[i].name);
}

/* ---- Small ones ---- */

static int cmd_echo(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		tty_printf("%s%s", i > 1 ? " " : "", argv[i]);
	tty_printf("\n");
	return 0;
}

/* seconds - "2" or "0.25", in nanoseconds. */
static bool seconds(const char *text, uint64_t *ns)
{
	uint64_t whole = 0, part = 0, unit = NS_PER_S;
	const char *c = text;

	for (; *c >= '0' && *c <= '9' && whole <= 100000; c++)
		whole = whole * 10 + (uint64_t)(*c - '0');
	if (*c == '.') {
		for (c++; *c >= '0' && *c <= '9' && unit > 1; c++) {
			unit /= 10;
			part += (uint64_t)(*c - '0') * unit;
		}
	}
	*ns = whole * NS_PER_S + part;
	return *c == '\0' && c != text;
}

static int cmd_sleep(int argc, char **argv)
{
	uint64_t ns;

	if (argc != 2)
		return shell_usage();
	if (!seconds(argv[1], &ns) || ns > 86400 * NS_PER_S)
		return shell_error("'%s': must be 0 to 86400 seconds", argv[1]);
	return shell_sleep(ns) ? 1 : 0;
}

/* ---- The end ---- */

static int cmd_panic(int argc, char **argv)
{
	char text[LINE_SIZE];
	int n = 0;

	for (int i = 1; i < argc && (size_t)n < sizeof(text); i++)
		n += ksnprintf(text + n, sizeof(text) - (size_t)n, "%s%s", i > 1 ? " " : "",
		    argv[i]);
	panic("%s", argc > 1 ? text : "asked for at the console");
}

static int cmd_poweroff(int argc, char **argv)
{
	uint64_t status = 0;

	if (argc > 2)
		return shell_usage();
	if (argc == 2 && !shell_number(argv[1], "status", 0, 255, &status))
		return 1;
	(void)tty_flush(FLUSH_NS);
	machine_poweroff((int)status);
}

static int cmd_reboot(int argc, char **argv)
{
	(void)argv;
	if (argc != 1)
		return shell_usage();
	(void)tty_flush(FLUSH_NS);
	machine_reboot();
}

const struct shell_cmd shell_sys_cmds[] = {
    {"sysctl", "[-d] [NAME | NAME=VALUE] ...", "read and set named values",
	"  without arguments all of them; a NAME that others begin with shows those\n"
	"  -d  what each is, and its unit\n",
	cmd_sysctl, complete_sysctl},
    {"mem", "", "memory: what is used of what", NULL, cmd_mem, NULL},
    {"uptime", "", "time since the start", NULL, cmd_uptime, NULL},
    {"dump", "[intr | sched | softint | turnstile | sleepq]",
	"the state of the core, as a panic would show it", NULL, cmd_dump, complete_dump},
    {"echo", "[WORD ...]", "print words", NULL, cmd_echo, NULL},
    {"sleep", "SECONDS", "wait, also parts of a second (0.25)", NULL, cmd_sleep, NULL},
    {"panic", "[MESSAGE]", "stop everything, on purpose", NULL, cmd_panic, NULL},
    {"reboot", "", "start the machine again", NULL, cmd_reboot, NULL},
    {"poweroff", "[STATUS]", "switch the machine off; STATUS other than 0: failed", NULL,
	cmd_poweroff, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
