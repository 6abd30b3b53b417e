/* SPDX-License-Identifier: BSD-2-Clause */
/* A periodic callout that stops itself, against callout_stop() from another CPU: one of the two
 * gets true, and no run begins after that. */
#include "scenario.h"

#include <ithaca/callout.h>
#include <ithaca/sleepq.h>
#include <stdatomic.h>

static struct callout c;
static _Atomic unsigned runs, prevented;
static _Atomic bool running;

static void stop(void)
{
	if (callout_stop(&c))
		atomic_fetch_add_explicit(&prevented, 1, memory_order_relaxed);
}

static void fn(void *arg)
{
	(void)arg;
	CHECK(!atomic_exchange_explicit(&running, true, memory_order_relaxed));
	if (atomic_fetch_add_explicit(&runs, 1, memory_order_relaxed) == 1)
		stop();
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
	callout_schedule_periodic(&c, 100000);
	lwp_sleep_ns(1000000);
}

static void stops(void *arg)
{
	(void)arg;
	lwp_sleep_ns(170000);
	stop();
	lwp_sleep_ns(1000000);
	callout_halt(&c, NULL);
	CHECK(atomic_load_explicit(&prevented, memory_order_relaxed) == 1);
	CHECK(atomic_load_explicit(&runs, memory_order_relaxed) <= 2);
}

SCENARIO(callout_periodic, "a periodic callout stopped by itself and by another CPU") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"arms", 0, arms}, {"stops", 1, stops}}};
