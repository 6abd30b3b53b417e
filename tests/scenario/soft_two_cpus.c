/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One softint scheduled from two CPUs, here and there: it never runs beside itself, and a request
 * is followed by a run: I1, I2.
 */
#include "scenario.h"

#include <ithaca/softint.h>
#include <stdatomic.h>

static struct softint *si;
static _Atomic unsigned asked, done;
static _Atomic bool running;

static void soft(void *arg)
{
	(void)arg;
	CHECK(!atomic_exchange_explicit(&running, true, memory_order_relaxed));
	atomic_fetch_add_explicit(&done, atomic_exchange_explicit(&asked, 0, memory_order_relaxed),
	    memory_order_relaxed);
	CHECK(atomic_exchange_explicit(&running, false, memory_order_relaxed));
}

static void setup(void)
{
	CHECK_EQ(softint_establish("soft", IPL_SOFTNET, soft, NULL, &si), 0);
}

static void body(void *arg)
{
	for (unsigned i = 0; i < 2; i++) {
		atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed);
		if (arg != NULL)
			softint_schedule_cpu(si, cpu_lookup(0));
		else
			softint_schedule(si);
	}
}

static void check(void)
{
	CHECK_EQ(atomic_load_explicit(&done, memory_order_relaxed), 4);
}

SCENARIO(soft_two_cpus, "a softint scheduled from two CPUs: I1, I2") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"here", 0, body}, {"there", 1, body, &asked}},
    .check = check};
