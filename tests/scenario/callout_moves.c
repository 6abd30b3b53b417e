/* SPDX-License-Identifier: BSD-2-Clause */
/* Armed from either CPU while it is due or runs on the other: one wheel has it at a time, and it
 * never runs beside itself: I2, I10. */
#include "scenario.h"

#include <ithaca/callout.h>
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
	lwp_sleep_ns(200000); /* long enough for the other CPU's wheel to come round */
	CHECK(atomic_exchange_explicit(&running, false, memory_order_relaxed));
}

static void setup(void)
{
	callout_init(&c);
	callout_setfunc(&c, fn, NULL);
}

static void arms(void *arg)
{
	(void)arg;
	callout_schedule(&c, 1);
	lwp_sleep_ns(1);
	callout_schedule(&c, 1);
	lwp_sleep_ns(1000000);
}

static void check(void)
{
	CHECK(atomic_load_explicit(&runs, memory_order_relaxed) >= 1);
}

SCENARIO(callout_moves, "armed from two CPUs, it belongs to one: I2, I10") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, arms}, {"b", 1, arms}},
    .check = check};
