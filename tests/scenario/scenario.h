/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scenario.h - how a scenario is written. One file, some 30 lines; docs/simulator.md has one.
 *
 *	static struct mutex m;
 *	static unsigned inside;
 *
 *	static void setup(void) { mutex_init(&m, "m", IPL_NONE); }
 *
 *	static void body(void *arg)
 *	{
 *		mutex_enter(&m);
 *		CHECK_EQ(inside++, 0);
 *		CHECK_EQ(--inside, 0);
 *		mutex_exit(&m);
 *	}
 *
 *	SCENARIO(mutex_two, "two lwps and one mutex: I8") = {
 *	    .cpus = 2, .setup = setup, .lwps = {{"a", 0, body}, {"b", 1, body}}};
 *
 * setup() runs once, in thread context on CPU 0 with the core up; it makes sources, handlers,
 * mutexes. The runs begin when every lwp stands before the first line of its body, and end when
 * nothing can happen any more. Everything that the scenario's file writes to its own data, the
 * core's or the heap is undone before the next run; files are compiled as the core is, so their
 * accesses are points, and data races of theirs are found too.
 *
 * An lwp with cpu >= 0 is bound to it; ANY_CPU is not. A device's fn() is called `times` times,
 * each at any moment that the strategy likes, between two steps of the CPUs: it may raise and lower
 * lines (sim.h, tdev.h) and write its own registers, and calls nothing of the core. After each
 * step invariant(), and at the end of each run check(); both look only, and may not block.
 * CHECK and its like are those of unit.h; sim_pick(n) draws 0 to n - 1 as the strategy likes.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include "../unit/tdev.h"
#include "../unit/unit.h"

#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <sim/sim.h>

#define SCENARIO_LWPS 8
#define SCENARIO_DEVICES 8
#define ANY_CPU (-1)

struct scenario_lwp {
	const char *name;
	int cpu;
	void (*body)(void *arg);
	void *arg;
	int pri; /* 0: PRI_KERNEL */
};

struct scenario_device {
	const char *name;
	unsigned times;
	void (*fn)(void *arg);
	void *arg;
};

struct scenario {
	const char *name, *what;
	const char *file;
	unsigned cpus; /* 1 to 4 */
	void (*setup)(void);
	struct scenario_lwp lwps[SCENARIO_LWPS];
	struct scenario_device devices[SCENARIO_DEVICES];
	void (*invariant)(void);
	void (*check)(void);
	bool alloc_fail;   /* allocations may fail, as the strategy likes */
	bool timers;       /* deadlines may come early, not only when all wait */
	int bound;         /* of preemptions, when searched exhaustively in `check`; 0: 2 */
	unsigned steps;    /* most that a run may have; 0: 20000 */
	const char *fails; /* what a run must say in the end, for tests of the simulator itself */
	struct scenario *next;
};

#define SCENARIO(id, says)                                                                         \
	extern struct scenario scenario_##id;                                                      \
	__attribute__((constructor)) static void scenario_add_##id(void)                           \
	{                                                                                          \
		scenario_register(&scenario_##id, #id, says, __FILE__);                            \
	}                                                                                          \
	struct scenario scenario_##id

void scenario_register(struct scenario *sc, const char *name, const char *what, const char *file);

/* sim_pick - 0 to n - 1, as the strategy likes. Any context but a device's. */
unsigned sim_pick(unsigned n);

/* sim_program - what --program said, or 0: a scenario may be a family of programs. */
unsigned sim_program(void);

#endif
