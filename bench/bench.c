/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.c - the console's command `bench`: samples, their order, one line a figure.
 *
 * Run by ./ithaca bench in a release build under -icount, where the counter counts instructions;
 * elsewhere the figures are ticks of a noisy clock, and the calibration says so: it times a loop
 * with and without 100 instructions more, which are there in every machine's assembler.
 *
 * For programs (bench -j) each line of the table is followed by the same as one JSON object:
 *
 *	{"group":"intr","name":"raise to filter","model":"handoff","cpus":1,"unit":"instructions",
 *	 "n":1000,"min":51,"median":51,"p99":51,"max":51}
 *
 * Contexts: the shell's lwp. No locks. Not for timed tests: nothing passes or fails here.
 * Read b_intr.c for what an interrupt costs.
 */
#include "bench.h"

#include "app/shell.h"
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

#define CALIBRATION_TURNS 1000
#define CALIBRATION_NOPS 100
#define CALIBRATION_TRIES 8 /* of which the least counts: no clock came in between */
#define BUCKETS (32 * BENCH_BUCKETS_MAX)

struct group {
	const char *g_name;
	int (*g_fn)(void);
	bool g_alone; /* only when it is named */
};

/* Nothing but the calibration. */
static int bench_calibration(void)
{
	return 0;
}

static const struct group groups[] = {
    {"intr", bench_intr, false},
    {"lock", bench_lock, false},
    {"sched", bench_sched, false},
    {"work", bench_work, false},
    {"path", bench_path, false},
    {"callout", bench_callout, false},
    {"calibration", bench_calibration, true},
    {"spin", bench_spin, true},
    {"cpus", bench_cpus, true},
    {"latency", bench_latency, true},
    {"rate", bench_rate, true},
    {"serial", bench_serial, true},
    {"flooded", bench_flooded, true},
    {"fastpath", bench_fastpath, true},
    {"metric", bench_metric, true},
};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static const char *group_now;
static bool json;
static bool exact; /* one tick is one instruction */
static char model[24];

/* ---- What is printed ---- */

static void json_begin(const char *name, const char *unit, uint64_t n)
{
	tty_printf("{\"group\":\"%s\",\"name\":\"%s\",\"model\":\"%s\",\"cpus\":%u,\"unit\":\"%s\","
		   "\"n\":%llu,",
	    group_now, name, model, cpu_count(), unit, (unsigned long long)n);
}

const char *bench_unit(void)
{
	return exact ? "instructions" : "ticks";
}

const char *bench_model(void)
{
	return model;
}

void bench_say(const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tty_printf("%s\n", text);
}

void bench_value(const char *name, const char *unit, uint64_t num, uint64_t den, uint64_t n)
{
	uint64_t milli = (num * 1000 + den / 2) / den;
	char text[24];

	ksnprintf(text, sizeof(text), "%llu.%03llu", (unsigned long long)(milli / 1000),
	    (unsigned long long)(milli % 1000));
	tty_printf("%-47s %7s %15s %s\n", name, "", text, unit);
	if (json) {
		json_begin(name, unit, n);
		tty_printf("\"min\":%s,\"median\":%s,\"p99\":%s,\"max\":%s}\n", text, text, text,
		    text);
	}
}

/* ---- Samples ---- */

void bench_begin(struct bench *b, const char *name)
{
	b->b_name = name;
	b->b_unit = bench_unit();
	b->b_turns = 1;
	b->b_n = 0;
}

void bench_add(struct bench *b, uint64_t ticks)
{
	if (b->b_n < BENCH_EVENTS)
		b->b_sample[b->b_n++] = ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
}

/* Shell sort: no memory, and quick enough for a thousand. */
static void bench_sort(struct bench *b)
{
	uint32_t gap, i, j, x;

	for (gap = b->b_n / 2; gap > 0; gap /= 2) {
		for (i = gap; i < b->b_n; i++) {
			x = b->b_sample[i];
			for (j = i; j >= gap && b->b_sample[j - gap] > x; j -= gap)
				b->b_sample[j] = b->b_sample[j - gap];
			b->b_sample[j] = x;
		}
	}
}

uint32_t bench_median(struct bench *b)
{
	bench_sort(b);
	return b->b_n == 0 ? 0 : b->b_sample[b->b_n / 2];
}

/* Sample number `i` less the base, for one turn, rounded. */
static int32_t bench_at(const struct bench *b, uint32_t i, uint32_t base)
{
	int64_t sum = (int64_t)b->b_sample[i] - base, half = b->b_turns / 2;

	return (int32_t)((sum < 0 ? sum - half : sum + half) / (int64_t)b->b_turns);
}

int32_t bench_end(struct bench *b, uint32_t base)
{
	int32_t min, median, p99, max;

	if (b->b_n == 0) {
		tty_printf("%-47s no samples\n", b->b_name);
		return 0;
	}
	bench_sort(b);
	min = bench_at(b, 0, base);
	median = bench_at(b, b->b_n / 2, base);
	p99 = bench_at(b, b->b_n * 99 / 100, base);
	max = bench_at(b, b->b_n - 1, base);
	tty_printf("%-47s %7d %7d %7d %7d\n", b->b_name, min, median, p99, max);
	if (json) {
		json_begin(b->b_name, b->b_unit, b->b_n);
		tty_printf("\"min\":%d,\"median\":%d,\"p99\":%d,\"max\":%d}\n", min, median, p99,
		    max);
	}
	return median;
}

/* ---- How samples spread ---- */

/* Buckets: BENCH_BUCKETS_MAX equal ones from each power of two to the next. */
static unsigned bucket_of(uint32_t value)
{
	unsigned power, shift;

	if (value < BENCH_BUCKETS_MAX)
		return value;
	power = 31 - (unsigned)__builtin_clz(value);
	shift = power - (unsigned)__builtin_ctz(BENCH_BUCKETS_MAX);
	return (shift + 1) * BENCH_BUCKETS_MAX + (value >> shift) - BENCH_BUCKETS_MAX;
}

static uint64_t bucket_begin(unsigned bucket)
{
	unsigned shift = bucket / BENCH_BUCKETS_MAX, rest = bucket % BENCH_BUCKETS_MAX;

	return shift == 0 ? rest : (uint64_t)(BENCH_BUCKETS_MAX + rest) << (shift - 1);
}

void bench_histogram(struct bench *b, uint32_t base)
{
	static uint32_t count[BUCKETS];
	unsigned i;
	int32_t value;

	memset(count, 0, sizeof(count));
	for (i = 0; i < b->b_n; i++) {
		value = bench_at(b, i, base);
		count[bucket_of(value < 0 ? 0 : (uint32_t)value)]++;
	}
	for (i = 0; json && i < BUCKETS; i++) {
		if (count[i] == 0)
			continue;
		json_begin(b->b_name, b->b_unit, b->b_n);
		tty_printf("\"from\":%llu,\"below\":%llu,\"count\":%u}\n",
		    (unsigned long long)bucket_begin(i), (unsigned long long)bucket_begin(i + 1),
		    count[i]);
	}
}

/* ---- The command ---- */

static uint64_t calibrate_once(bool nops)
{
	uint64_t before = port_counter();
	unsigned i;

	for (i = 0; i < CALIBRATION_TURNS; i++) {
		if (nops)
			__asm__ volatile(".rept %c0; nop; .endr" : : "i"(CALIBRATION_NOPS));
		else
			__asm__ volatile("");
	}
	return port_counter() - before;
}

static uint64_t calibrate(bool nops)
{
	uint64_t ticks, least = UINT64_MAX;
	unsigned i;

	for (i = 0; i < CALIBRATION_TRIES; i++) {
		ticks = calibrate_once(nops);
		least = ticks < least ? ticks : least;
	}
	return least;
}

/* So many instructions more, and how many ticks more: what one tick is. */
static void bench_calibrate(void)
{
	uint64_t empty = calibrate(false), full = calibrate(true);
	uint64_t more = full > empty ? full - empty : 0; /* a noisy clock may say less */
	const unsigned nops = CALIBRATION_TURNS * CALIBRATION_NOPS;

	exact = more == nops;
	tty_printf("calibration: %u instructions more took %llu ticks more: %s\n", nops,
	    (unsigned long long)more,
	    exact ? "one tick is one instruction" : "figures are ticks of a clock");
	group_now = "calibration";
	if (sysctl_read("hw.intr.model", model, sizeof(model)) != 0)
		kstrlcpy(model, "handoff", sizeof(model)); /* the only one, if nobody says */
	bench_value("ticks an instruction", "ticks", more, nops, nops);
	tty_printf("%-47s %7s %7s %7s %7s\n", "figure", "min", "median", "p99", "max");
}

static const struct group *group_find(const char *name)
{
	unsigned i;

	for (i = 0; i < GROUPS; i++) {
		if (strcmp(groups[i].g_name, name) == 0)
			return &groups[i];
	}
	return NULL;
}

static int group_run(const struct group *g)
{
	int error;

	group_now = g->g_name;
	error = g->g_fn();
	return error ? shell_error("group %s: %s", g->g_name, errno_name(error)) : 0;
}

static int cmd_bench(int argc, char **argv)
{
	int first = 1, i, status = 0;
	unsigned g;

	json = argc > 1 && strcmp(argv[1], "-j") == 0;
	first += json;
	for (i = first; i < argc; i++) {
		if (group_find(argv[i]) == NULL)
			return shell_error("%s: no such group", argv[i]) | shell_usage();
	}
	bench_calibrate();
	for (i = first; i < argc && status == 0; i++)
		status = group_run(group_find(argv[i]));
	for (g = 0; g < GROUPS && first == argc && status == 0; g++) {
		if (!groups[g].g_alone)
			status = group_run(&groups[g]);
	}
	return status;
}

const struct shell_cmd shell_bench_cmds[] = {
    {"bench", "[-j] [GROUP]...",
	"what interrupts, locks, switches, deferred work and callouts cost",
	"Figures are counter ticks, of 1,000 events each; under ./ithaca bench, instructions.\n"
	"Groups, on one CPU: intr lock sched work path callout (all of them without a name);\n"
	"on two or more: spin cpus latency; serial and flooded, a character of the second serial\n"
	"port alone and while a card of CPU 0 is flooded; for wall clock: rate; no figure:\n"
	"calibration; metric, the tests of the Thread-Metric suite; and fastpath, for\n"
	"tools/fastpath.\n"
	"Those with interrupts want edu devices that no driver has: edu -u 0 detach.\n"
	"Group callout wants 160 MB for its million callouts, and does without if need be.\n"
	"-j: each figure once more as a JSON object.\n",
	cmd_bench, NULL},
    {"gauge", "[on|off]",
	"how many ticks of the counter all others take, beside an lwp that counts",
	"On: an lwp of the least priority on each CPU, so that none is ever idle, takes what\n"
	"nobody else wants and counts it. Without a word: the ticks since then, its and the\n"
	"others'; under -icount, instructions. ./ithaca bench net divides them by packets.\n",
	bench_gauge, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
