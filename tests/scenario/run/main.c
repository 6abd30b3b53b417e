/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the runner of scenarios: what `./ithaca sim` starts.
 *
 * Options and set-up of the one scenario; then the campaign (campaign.c). The first run that fails
 * is replayed from its log, shrunk (shrink.c) and shown (table.c).
 *
 * One scenario a process, one host thread. Exit status: 0 nothing found, 1 a run failed, 2 usage.
 * Next: campaign.c, port/sim/explore.c.
 */
#include "run.h"

#include "../../../port/sim/invariant.h"
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options opt = {.seed = 1, .depth = 3, .bound = 2, .nshards = 1, .shard = 1};
struct scenario *scenario;
struct coverage cov;

static struct scenario *first, **last = &first;

void scenario_register(struct scenario *sc, const char *name, const char *what, const char *file)
{
	sc->name = name;
	sc->what = what;
	sc->file = file;
	*last = sc;
	last = &sc->next;
}

unsigned sim_pick(unsigned n)
{
	return xp_pick_test(n);
}

unsigned sim_program(void)
{
	return opt.program;
}

/* ---- What unit.h promises ---- */

void unit_register(struct unit_test *ut)
{
	(void)ut;
}

void unit_fail(const char *file, int line, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sim_failed("%s:%d: %s", file, line, text);
}

void unit_skip(const char *fmt, ...)
{
	sim_failed("a scenario cannot be skipped: %s", fmt);
}

void unit_check_eq(const char *file, int line, const char *sa, const char *sb, unsigned long long a,
    unsigned long long b)
{
	if (a != b)
		unit_fail(file, line, "%s == %s: %lld (%#llx) is not %lld (%#llx)", sa, sb,
		    (long long)a, a, (long long)b, b);
}

void unit_check_str(const char *file, int line, const char *sa, const char *a, const char *b)
{
	if (strcmp(a, b) != 0)
		unit_fail(file, line, "%s: \"%s\" is not \"%s\"", sa, a, b);
}

void unit_check_has(const char *file, int line, const char *sa, const char *a, const char *b)
{
	if (strstr(a, b) == NULL)
		unit_fail(file, line, "%s: \"%s\" is not in \"%s\"", sa, b, a);
}

/* ---- The scenario ---- */

static void lwp_body(void *arg)
{
	const struct scenario_lwp *sl = arg;

	xp_gate();
	if (!lessened.lwp[sl - scenario->lwps])
		sl->body(sl->arg);
	xp_leave();
}

static void create_lwps(bool of_cpu0)
{
	for (unsigned i = 0; i < SCENARIO_LWPS; i++) {
		struct scenario_lwp *sl = &scenario->lwps[i];
		struct cpu *ci = sl->cpu < 0 ? NULL : cpu_lookup((unsigned)sl->cpu);
		int error;

		if (sl->body == NULL || (sl->cpu <= 0) != of_cpu0)
			continue;
		error = lwp_create(sl->name, sl->pri != 0 ? sl->pri : PRI_KERNEL, ci, 0, lwp_body,
		    sl, NULL);
		if (error != 0)
			sim_failed("%s: lwp %s: error %d", scenario->name, sl->name, error);
	}
}

static void set_up(void)
{
	unsigned n = 0;

	if (scenario->setup != NULL)
		scenario->setup();
	for (unsigned i = 0; i < SCENARIO_LWPS; i++)
		n += scenario->lwps[i].body != NULL;
	for (unsigned i = 0; i < SCENARIO_DEVICES; i++)
		if (scenario->devices[i].fn != NULL)
			xp_add_device(scenario->devices[i].name, scenario->devices[i].fn,
			    scenario->devices[i].arg, scenario->devices[i].times);
	xp_expect(n);
	create_lwps(false);
	create_lwps(true);
}

/* ---- Options ---- */

static void usage(void)
{
	fprintf(stderr,
	    "usage: ./ithaca sim SCENARIO [--strategy random|pct|exhaustive]\n"
	    "         [--memory sc|tso|c11] [--seed N] [--runs N] [--seconds S]\n"
	    "         [--depth D] [--bound B] [--reduction NAME]\n"
	    "         [--remember N] [--warm-up N] [--cross N] [--program N] [--shard I/N]\n"
	    "         [--timeline FILE] [--gdb] [--no-races] [--no-shrink]\n"
	    "         [--json FILE] [--replay FILE] [--quiet]\n"
	    "       ./ithaca sim --list\n"
	    "       ./ithaca sim --bench\n");
	exit(2);
}

static uint64_t number(const char *name, const char *text, uint64_t max)
{
	char *end;
	uint64_t v = strtoull(text, &end, 0);

	if (*text == '\0' || *text == '-' || *end != '\0' || v > max) {
		fprintf(stderr, "sim: --%s %s: must be a number from 0 to %llu\n", name, text,
		    (unsigned long long)max);
		exit(2);
	}
	return v;
}

const char *memory_name(enum xp_memory m)
{
	static const char *const name[] = {"sc", "tso", "c11"};

	return name[m];
}

static enum xp_memory memory_of(const char *text)
{
	for (unsigned m = XP_SC; m <= XP_C11; m++)
		if (strcmp(text, memory_name((enum xp_memory)m)) == 0)
			return (enum xp_memory)m;
	fprintf(stderr, "sim: --memory %s: must be sc, tso or c11\n", text);
	exit(2);
}

static const struct xp_strategy *strategy_of(const char *text)
{
	static const struct xp_strategy *const all[] = {&xp_random, &xp_pct, &xp_exhaustive};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(text, all[i]->name) == 0)
			return all[i];
	fprintf(stderr, "sim: --strategy %s: must be random, pct or exhaustive\n", text);
	exit(2);
}

static enum xp_reduction reduction_of(const char *text)
{
	static const char *const name[] = {"brute", "states", "shared", "merged"};

	for (unsigned r = XP_BRUTE; r <= XP_MERGED; r++)
		if (strcmp(text, name[r]) == 0)
			return (enum xp_reduction)r;
	fprintf(stderr, "sim: --reduction %s: must be brute, states, shared or merged\n", text);
	exit(2);
}

static void shard_of(const char *text)
{
	if (sscanf(text, "%u/%u", &opt.shard, &opt.nshards) != 2 || opt.shard < 1 ||
	    opt.shard > opt.nshards) {
		fprintf(stderr, "sim: --shard %s: must be I/N with I from 1 to N\n", text);
		exit(2);
	}
}

static const struct option longs[] = {
    {"strategy", required_argument, NULL, 's'},
    {"memory", required_argument, NULL, 'm'},
    {"seed", required_argument, NULL, 'S'},
    {"runs", required_argument, NULL, 'r'},
    {"seconds", required_argument, NULL, 't'},
    {"depth", required_argument, NULL, 'd'},
    {"bound", required_argument, NULL, 'b'},
    {"reduction", required_argument, NULL, 'e'},
    {"remember", required_argument, NULL, 'M'},
    {"cross", required_argument, NULL, 'c'},
    {"warm-up", required_argument, NULL, 'w'},
    {"program", required_argument, NULL, 'p'},
    {"shard", required_argument, NULL, 'h'},
    {"timeline", required_argument, NULL, 'l'},
    {"json", required_argument, NULL, 'j'},
    {"replay", required_argument, NULL, 'y'},
    {"gdb", no_argument, NULL, 'g'},
    {"list", no_argument, NULL, 'L'},
    {"bench", no_argument, NULL, 'B'},
    {"no-races", no_argument, NULL, 'R'},
    {"no-shrink", no_argument, NULL, 'N'},
    {"quiet", no_argument, NULL, 'q'},
    {NULL, 0, NULL, 0},
};

static void option_alone(int c)
{
	switch (c) {
	case 'g':
		opt.gdb = true;
		break;
	case 'L':
		opt.list = true;
		break;
	case 'B':
		opt.bench = true;
		break;
	case 'R':
		opt.no_races = true;
		break;
	case 'N':
		opt.no_shrink = true;
		break;
	case 'q':
		opt.quiet = true;
		break;
	default:
		usage();
	}
}

static void option(int c)
{
	switch (c) {
	case 's':
		xp_config.strategy = strategy_of(optarg);
		break;
	case 'm':
		xp_config.memory = memory_of(optarg);
		break;
	case 'S':
		opt.seed = number("seed", optarg, UINT64_MAX);
		opt.seeded = true;
		break;
	case 'r':
		opt.runs = number("runs", optarg, UINT64_MAX);
		break;
	case 't':
		opt.seconds = (double)number("seconds", optarg, 10000000);
		break;
	case 'd':
		opt.depth = (unsigned)number("depth", optarg, 16);
		break;
	case 'b':
		opt.bound = (int)number("bound", optarg, 1000000);
		opt.bounded = true;
		break;
	case 'e':
		xp_config.reduction = reduction_of(optarg);
		break;
	case 'M':
		xp_config.remember = number("remember", optarg, UINT64_MAX);
		break;
	case 'c':
		opt.cross = (unsigned)number("cross", optarg, 1000000000);
		break;
	case 'w':
		opt.warm_up = (unsigned)number("warm-up", optarg, 1000000000);
		break;
	case 'p':
		opt.program = (unsigned)number("program", optarg, 1000000);
		break;
	case 'h':
		shard_of(optarg);
		break;
	case 'l':
		opt.timeline = optarg;
		break;
	case 'j':
		opt.json = optarg;
		break;
	case 'y':
		opt.replay = optarg;
		break;
	default:
		option_alone(c);
	}
}

static void list(void)
{
	for (const struct scenario *sc = first; sc != NULL; sc = sc->next)
		printf("%-24s %u CPUs  %s\n", sc->name, sc->cpus, sc->what);
}

static void find(const char *name)
{
	for (scenario = first; scenario != NULL; scenario = scenario->next)
		if (strcmp(scenario->name, name) == 0)
			return;
	fprintf(stderr, "sim: %s: no such scenario; --list names them\n", name);
	exit(2);
}

static void configure(void)
{
	if (xp_config.strategy == NULL)
		xp_config.strategy = &xp_random;
	if (opt.replay != NULL)
		xp_config.strategy = &xp_replay;
	if ((opt.seeded || opt.replay != NULL) && opt.runs == 0)
		opt.runs = 1;
	if (opt.runs == 0 && opt.seconds <= 0 && xp_config.strategy != &xp_exhaustive)
		opt.seconds = 10;
	xp_config.exact |= xp_config.strategy == &xp_exhaustive;
	xp_config.depth = opt.depth;
	xp_config.bound = opt.bounded ? opt.bound : scenario->bound != 0 ? scenario->bound : 2;
	xp_config.steps_max = scenario->steps != 0 ? scenario->steps : 20000;
	xp_config.alloc_fail = scenario->alloc_fail;
	xp_config.timers = scenario->timers;
	xp_config.races = !opt.no_races;
	xp_config.check = scenario->check;
	xp_config.step = scenario->invariant;
	if (opt.cross != 0 && (!xp_config.exact || xp_config.bound <= XP_BOUND_MAX)) {
		fprintf(stderr,
		    "sim: --cross goes with --strategy exhaustive and no --bound (%d)\n",
		    XP_BOUND_MAX + 1);
		exit(2);
	}
	opt.strategy = xp_config.strategy->name;
	opt.plain = !isatty(STDERR_FILENO);
}

int main(int argc, char **argv)
{
	enum xp_result r;
	uint64_t seed = 0;
	int c;

	xp_config.reduction = XP_MERGED;
	opt.warm_up = WARM_UP;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		option(c);
	if (opt.list) {
		list();
		return 0;
	}
	if (opt.bench)
		return bench(argv[0]);
	if (optind != argc - 1)
		usage();
	find(argv[optind]);
	configure();
	watch_on = true;
	xp_start(scenario->cpus, set_up);
	if (xp_config.strategy == &xp_pct)
		(void)xp_run(0); /* to learn how long a run is */
	if (opt.replay != NULL)
		choices_load(opt.replay);
	xp_steps_all = 0;
	r = campaign(&seed);
	if (opt.json != NULL)
		results_write(r, seed);
	if (r == XP_OK && opt.cross != 0 && !cross())
		return 1;
	if (r == XP_FAILED)
		explain(seed);
	return verdict(r);
}
