/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.c - executions a second of a core: of a two-thread primitive and of a scenario of some 500
 * points. Each is a process of its own, so many executions from seed 1 on, ROUNDS times over; the
 * median of them, by the time that the process had a core.
 *
 * Host context. Not for comparing machines that are busy with others' work: two threads of one core
 * share it.
 */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define ROUNDS 5u

struct row {
	const char *name;
	unsigned runs;
};

static double used(void)
{
	struct rusage ru;

	getrusage(RUSAGE_CHILDREN, &ru);
	return (double)ru.ru_utime.tv_sec + 1e-6 * (double)ru.ru_utime.tv_usec;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Seconds of a core that so many executions take; 0: one failed. */
static double once(const char *self, const struct row *r)
{
	char cmd[512];
	double before = used();

	snprintf(cmd, sizeof(cmd), "%s %s --seed 1 --runs %u --quiet", self, r->name, r->runs);
	return system(cmd) == 0 ? used() - before : 0;
}

static int row(const char *self, const struct row *r)
{
	double took[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++) {
		took[i] = once(self, r);
		if (took[i] <= 0)
			return 1;
	}
	qsort(took, ROUNDS, sizeof(took[0]), by_size);
	printf("%-14s %9.0f executions a second of a core (%.0f to %.0f, %u times %u)\n", r->name,
	    r->runs / took[ROUNDS / 2], r->runs / took[ROUNDS - 1], r->runs / took[0], ROUNDS,
	    r->runs);
	fflush(stdout);
	return 0;
}

int bench(const char *self)
{
	static const struct row rows[] = {{"bench_pair", 2000000}, {"mutex_two", 200000},
	    {"bench_points", 30000}};
	int bad = 0;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		bad |= row(self, &rows[i]);
	return bad;
}
