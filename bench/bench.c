/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.c - the console's command `bench`: samples, their order, one line a figure.
 *
 * Run by ./ithaca bench in a release build on one CPU under -icount, where the counter counts
 * instructions; elsewhere the figures are ticks of a noisy clock, and the calibration line says so.
 *
 * Contexts: the shell's lwp. No locks. Not for timed tests: nothing passes or fails here.
 * Read b_intr.c for what an interrupt costs.
 */
#include "bench.h"

#include "app/shell.h"
#include <ithaca/errno.h>
#include <ithaca/port.h>
#include <ithaca/string.h>

void bench_begin(struct bench *b, const char *name)
{
	b->b_name = name;
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

uint32_t bench_end(struct bench *b, uint32_t base)
{
	uint32_t median = bench_median(b);

	if (b->b_n == 0) {
		tty_printf("%-44s no samples\n", b->b_name);
		return 0;
	}
	tty_printf("%-44s %7d %7d %7d %7d\n", b->b_name, (int)(b->b_sample[0] - base),
	    (int)(median - base), (int)(b->b_sample[b->b_n * 99 / 100] - base),
	    (int)(b->b_sample[b->b_n - 1] - base));
	return median - base;
}

/* A loop of two instructions a turn, so that the reader sees what one tick is. */
static void bench_calibrate(void)
{
	uint64_t before, ticks, n = 100000;

	before = port_counter();
	while (n-- != 0)
		__asm__ volatile("" : "+r"(n));
	ticks = port_counter() - before;
	tty_printf("calibration: 100000 turns of a loop of 2 to 3 instructions took %llu ticks\n",
	    (unsigned long long)ticks);
	tty_printf("%-44s %7s %7s %7s %7s\n", "figure (ticks)", "min", "median", "p99", "max");
}

static int cmd_bench(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(void);
		bool alone; /* only when it is named */
	} groups[] = {{"intr", bench_intr, false}, {"lock", bench_lock, false},
	    {"sched", bench_sched, false}, {"work", bench_work, false},
	    {"callout", bench_callout, false}, {"fastpath", bench_fastpath, true}};
	bool known = argc == 1;
	unsigned i;
	int error;

	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		known |= argc == 2 && strcmp(argv[1], groups[i].name) == 0;
	if (!known)
		return shell_usage();
	bench_calibrate();
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (argc == 2 ? strcmp(argv[1], groups[i].name) != 0 : groups[i].alone)
			continue;
		error = groups[i].fn();
		if (error)
			return shell_error("group %s: %s", groups[i].name, errno_name(error));
	}
	return 0;
}

const struct shell_cmd shell_bench_cmds[] = {
    {"bench", "[intr|lock|sched|work|callout]",
	"what interrupts, locks, switches, deferred work and callouts cost",
	"Figures are counter ticks, of 1,000 events each; under ./ithaca bench, instructions.\n"
	"Group intr wants an edu device that no driver has: edu -u 0 detach.\n"
	"Group callout wants 160 MB for its million callouts, and does without if need be.\n",
	cmd_bench, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
