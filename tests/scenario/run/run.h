/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * run.h - what the files of the runner share.
 */
#ifndef RUN_H
#define RUN_H

#include "../../../port/sim/explore.h"
#include "../scenario.h"

#define WARM_UP 500u /* random runs before a search, unless it is told */

struct options {
	uint64_t seed, runs;
	double seconds;
	unsigned depth, shard, nshards, program, cross, warm_up;
	int bound;
	const char *timeline, *strategy, *json, *replay;
	bool seeded, bounded, gdb, list, bench, no_races, no_shrink, quiet, plain;
};

/* What a campaign has covered. */
struct coverage {
	uint64_t runs, traces, points;
	uint64_t cut;            /* runs that came to a state that was there before */
	uint64_t sum;            /* of the traces: what a set of them is told by */
	uint64_t ends, ends_sum; /* likewise what memory was left in the end */
	double began, took;
	char message[320]; /* of the run that failed */
};

/* What is left out of a run, so that it is shorter. */
struct lessened {
	bool lwp[SCENARIO_LWPS];           /* does nothing */
	unsigned device[SCENARIO_DEVICES]; /* calls that are not made */
};

extern struct options opt;
extern struct scenario *scenario;
extern struct coverage cov;
extern struct lessened lessened;

double seconds(void);
const char *memory_name(enum xp_memory m);

/* campaign.c: the runs. After an exhaustive search: do random runs find a trace that it has not? */
enum xp_result campaign(uint64_t *seed);
bool cross(void);

/* shrink.c: show the run that has just failed, shrunk. Exit status from it. */
void explain(uint64_t seed);
int verdict(enum xp_result r);

/* results.c: the line of JSON; a file of choices, written and taken for xp_replay; lessen() has
 * what `lessened` says hold from now on. */
void results_write(enum xp_result r, uint64_t seed);
void choices_save(const char *file, const struct xp_choice *log, unsigned n);
void choices_load(const char *file);
void lessen(void);

/* bench.c */
int bench(const char *self);

/* table.c: the run that was traced last, for people; as Chrome trace. */
void table_show(void);
void table_timeline(const char *file);
void table_gdb(const struct xp_choice *log, unsigned n);
const char *table_line(uint32_t pc);

#endif
