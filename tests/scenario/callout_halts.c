/* SPDX-License-Identifier: BSD-2-Clause */
/* callout_halt() against a callout that is armed, due or running: when it returns, the function
 * neither runs nor will until armed again: I10. */
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
	sim_point(SIM_TEST);
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
	lwp_sleep_ns(1); /* as long as the callout: they race */
	callout_schedule(&c, 1);
	lwp_sleep_ns(1000000);
}

static void halts(void *arg)
{
	(void)arg;
	lwp_sleep_ns(1);
	callout_shutdown(&c, NULL);
	CHECK(!atomic_load_explicit(&running, memory_order_relaxed));
	atomic_store_explicit(&halted, true, memory_order_relaxed);
}

SCENARIO(callout_halts, "callout_shutdown() against arm and run: I10") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"arms", 0, arms}, {"halts", 1, halts}}};
