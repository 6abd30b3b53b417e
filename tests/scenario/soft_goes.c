/* SPDX-License-Identifier: BSD-2-Clause */
/* softint_disestablish() against a softint that is scheduled, runs, or is on its way to another
 * CPU: when it returns, it neither runs nor will: I12. */
#include "scenario.h"

#include <ithaca/softint.h>
#include <stdatomic.h>

static struct softint *si;
static _Atomic bool running, gone;
static _Atomic unsigned asking;

static void soft(void *arg)
{
	(void)arg;
	CHECK(!atomic_load_explicit(&gone, memory_order_relaxed));
	CHECK(!atomic_exchange_explicit(&running, true, memory_order_relaxed));
	sim_point(SIM_TEST);
	CHECK(atomic_exchange_explicit(&running, false, memory_order_relaxed));
}

static void setup(void)
{
	CHECK_EQ(softint_establish("soft", IPL_SOFTBIO, soft, NULL, &si), 0);
}

static void asks(void *arg)
{
	(void)arg;
	softint_schedule_cpu(si, cpu_lookup(1));
	softint_schedule(si);
	atomic_store_explicit(&asking, 1, memory_order_release);
}

static void goes(void *arg)
{
	(void)arg;
	while (atomic_load_explicit(&asking, memory_order_acquire) == 0)
		port_pause();
	CHECK_EQ(softint_disestablish(si), 0);
	CHECK(!atomic_load_explicit(&running, memory_order_relaxed));
	atomic_store_explicit(&gone, true, memory_order_relaxed);
}

SCENARIO(soft_goes, "a softint goes while it is on its way: I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"asks", 0, asks}, {"goes", 1, goes}}};
