/* SPDX-License-Identifier: BSD-2-Clause */
/* Two callouts, each on its way to the other's CPU: both wheels are locked, in one order. */
#include "scenario.h"

#include <ithaca/callout.h>
#include <ithaca/sleepq.h>
#include <stdatomic.h>

static struct callout c[2];
static _Atomic unsigned runs;

static void fn(void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&runs, 1, memory_order_relaxed);
}

static void setup(void)
{
	for (unsigned i = 0; i < 2; i++) {
		callout_init(&c[i]);
		callout_setfunc(&c[i], fn, NULL);
	}
}

static void body(void *arg)
{
	unsigned i = (unsigned)((struct callout *)arg - c);

	callout_schedule(&c[i], 300000);
	lwp_sleep_ns(1);
	callout_schedule(&c[1 - i], 300000);
	lwp_sleep_ns(1000000);
}

static void check(void)
{
	CHECK_EQ(atomic_load_explicit(&runs, memory_order_relaxed), 2);
}

SCENARIO(callout_cross, "two callouts change CPUs at once: lock order") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body, &c[0]}, {"b", 1, body, &c[1]}},
    .check = check};
