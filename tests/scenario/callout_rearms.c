/* SPDX-License-Identifier: BSD-2-Clause */
/* A callout that arms itself again, against two that halt it at once: both come back, and it does
 * not: I8, I10. */
#include "scenario.h"

#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/sleepq.h>
#include <stdatomic.h>

static struct callout c;
static _Atomic bool running, halted;
static _Atomic unsigned runs;

static void fn(void *arg)
{
	(void)arg;
	CHECK(!atomic_load_explicit(&halted, memory_order_relaxed));
	CHECK(!atomic_exchange_explicit(&running, true, memory_order_relaxed));
	atomic_fetch_add_explicit(&runs, 1, memory_order_relaxed);
	sim_point(SIM_TEST);
	if (atomic_load_explicit(&runs, memory_order_relaxed) < 3)
		callout_schedule(&c, 1);
	CHECK(atomic_exchange_explicit(&running, false, memory_order_relaxed));
}

static void setup(void)
{
	callout_init(&c);
	callout_setfunc(&c, fn, NULL);
}

static _Atomic unsigned halters;

static void arms(void *arg)
{
	(void)arg;
	callout_schedule(&c, 1);
	lwp_sleep_ns(1000000);
}

static void halts(void *arg)
{
	uint64_t begun;

	(void)arg;
	lwp_sleep_ns(1 + sim_pick(3) * 70000);
	begun = clock_ns();
	callout_halt(&c, NULL);
	CHECK(clock_ns() - begun < 5000000); /* told, and not by its own look */
	CHECK(!atomic_load_explicit(&running, memory_order_relaxed));
	atomic_store_explicit(&halted, true, memory_order_relaxed);
	atomic_fetch_add_explicit(&halters, 1, memory_order_relaxed);
}

static void check(void)
{
	CHECK_EQ(atomic_load_explicit(&halters, memory_order_relaxed), 2);
}

SCENARIO(callout_rearms, "cancel against re-arm against a second waiter: I8, I10") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"arms", 0, arms}, {"halts", 1, halts}, {"halts too", 1, halts}},
    .check = check};
