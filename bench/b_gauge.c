/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_gauge.c - the console's command `gauge`: how much of a CPU everything together takes.
 *
 * An lwp of the least priority on each CPU counts its turns round a loop whose length was measured
 * when it began. All other ticks of the counter are somebody else's: interrupts and their handlers,
 * softints, switches, lwps. Under -icount a tick is an instruction, and as long as the gauge is on
 * no CPU halts, so nothing is left out and nothing is counted twice. What intrstat charges to
 * handlers is part of it; the ways in and out are not in intrstat, and are here.
 *
 * tools/netbench divides the difference of two readings by the packets in between. With Linux it
 * does the same: bench/linux/net/echo.c has the same loop.
 *
 * Contexts: the shell's lwp, and one lwp on each CPU. No locks: an lwp alone writes its turns; the
 * shell alone begins and ends. A reading of several CPUs is not of one moment; that of one CPU is,
 * for the gauge does not run while the shell reads. Not for timed tests. Read next: bench.c.
 */
#include "bench.h"

#include "app/shell.h"
#include "dev/tty.h"
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>
#include <stdatomic.h>

#define SOME 64   /* turns of the loop: what one takes is told from SOME and twice as many */
#define TRIES 100 /* of which the least counts: nothing came in between */

/* Locking key: (s) the shell's lwp; (~) atomic. */
struct gauge {
	struct lwp *ga_lwp;        /* (s) NULL: off */
	uint64_t ga_since;         /* (~) the counter when it began; ordered by ga_turn */
	_Atomic uint64_t ga_turns; /* (~) written by its lwp alone; relaxed: it is a count */
	_Atomic uint64_t
	    ga_turn;          /* (~) ticks of one turn, 0: not yet. Release; acquire by the shell */
	_Atomic bool ga_ends; /* (~) relaxed; lwp_join() orders the rest */
} __attribute__((aligned(64)));

static struct gauge gauges[CPU_MAX];

/* spin - until so many turns are done, or it is to end. Each is of as many instructions. */
static __attribute__((noinline)) void spin(struct gauge *ga, uint64_t turns)
{
	while (turns-- != 0 && !atomic_load_explicit(&ga->ga_ends, memory_order_relaxed)) {
		port_counter(); /* slow where it is emulated: less of anything else happens */
		atomic_store_explicit(&ga->ga_turns,
		    atomic_load_explicit(&ga->ga_turns, memory_order_relaxed) + 1,
		    memory_order_relaxed);
	}
}

/* least - ticks that so many turns take if nothing comes in between. */
static uint64_t least(struct gauge *ga, uint64_t turns)
{
	uint64_t found = UINT64_MAX, before, ticks;

	for (unsigned i = 0; i < TRIES; i++) {
		before = port_counter();
		spin(ga, turns);
		ticks = port_counter() - before;
		found = ticks < found ? ticks : found;
	}
	return found;
}

static void gauge_main(void *arg)
{
	struct gauge *ga = arg;
	uint64_t once, twice;

	least(ga, SOME); /* the code is translated */
	once = least(ga, SOME);
	twice = least(ga, (uint64_t)2 * SOME);
	ga->ga_since = port_counter();
	atomic_store_explicit(&ga->ga_turns, 0, memory_order_relaxed);
	atomic_store_explicit(&ga->ga_turn, (twice - once) / SOME, memory_order_release);
	spin(ga, UINT64_MAX);
}

/* ---- The command ---- */

static void gauge_off(void)
{
	for (unsigned i = 0; i < cpu_count(); i++) {
		if (gauges[i].ga_lwp == NULL)
			continue;
		atomic_store_explicit(&gauges[i].ga_ends, true, memory_order_relaxed);
		lwp_join(gauges[i].ga_lwp);
		gauges[i].ga_lwp = NULL;
	}
}

static int gauge_on(void)
{
	char name[LWP_NAME_MAX];
	int error;

	if (gauges[0].ga_lwp != NULL)
		return shell_error("it is on");
	for (unsigned i = 0; i < cpu_count(); i++) {
		memset(&gauges[i], 0, sizeof(gauges[i]));
		ksnprintf(name, sizeof(name), "gauge%u", i);
		error = lwp_create(name, PRI_MIN, cpu_lookup(i), LWP_JOINABLE, gauge_main,
		    &gauges[i], &gauges[i].ga_lwp);
		if (error != 0) {
			gauges[i].ga_lwp = NULL;
			gauge_off();
			return shell_error("lwp on CPU %u: %s", i, errno_name(error));
		}
	}
	for (unsigned i = 0; i < cpu_count(); i++) {
		while (atomic_load_explicit(&gauges[i].ga_turn, memory_order_acquire) == 0)
			lwp_sleep_ns(NS_PER_MS);
	}
	return 0;
}

static int gauge_read(void)
{
	uint64_t now = port_counter(), all = 0, own = 0;

	if (gauges[0].ga_lwp == NULL)
		return shell_error("it is off: gauge on");
	for (unsigned i = 0; i < cpu_count(); i++) {
		all += now - gauges[i].ga_since;
		own += atomic_load_explicit(&gauges[i].ga_turns, memory_order_relaxed) *
		    atomic_load_explicit(&gauges[i].ga_turn, memory_order_relaxed);
	}
	tty_printf("%llu of %llu ticks were the gauge's, the others' %llu\n",
	    (unsigned long long)own, (unsigned long long)all, (unsigned long long)(all - own));
	return 0;
}

int bench_gauge(int argc, char **argv)
{
	if (argc == 1)
		return gauge_read();
	if (argc == 2 && strcmp(argv[1], "on") == 0)
		return gauge_on();
	if (argc == 2 && strcmp(argv[1], "off") == 0) {
		gauge_off();
		return 0;
	}
	return shell_usage();
}
