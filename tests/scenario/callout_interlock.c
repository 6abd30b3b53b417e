/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The function wants the mutex that the halter holds: callout_halt() drops it while it waits, and
 * callout_trystop() says so instead of waiting: I8, I10.
 */
#include "scenario.h"

#include <ithaca/callout.h>
#include <ithaca/sleepq.h>

static struct mutex m;
static struct callout c;
static bool running;

static void fn(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	running = true;
	sim_point(SIM_TEST);
	running = false;
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	callout_init(&c);
	callout_setfunc(&c, fn, NULL);
}

static void body(void *arg)
{
	callout_schedule(&c, 1);
	lwp_sleep_ns(1);
	mutex_enter(&m);
	if (arg != NULL)
		(void)callout_trystop(&c);
	else
		(void)callout_halt(&c, &m);
	CHECK(!running);
	sim_point(SIM_TEST);
	CHECK(!running);
	mutex_exit(&m);
}

SCENARIO(callout_interlock, "a halter that holds what the function wants: I8, I10") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"halts", 0, body}, {"tries", 1, body, &m}}};
