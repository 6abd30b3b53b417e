/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A wait with a time limit against the signal: one of the two takes the lwp off the queue, and the
 * callout on its stack is over before it goes on: I8, I10.
 */
#include "scenario.h"

#include <ithaca/condvar.h>
#include <ithaca/sleepq.h>

static struct mutex m;
static struct condvar cv;
static struct condvar never; /* told */
static bool told;

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "cv");
	cv_init(&never, "never");
}

static void waits(void *arg)
{
	int error = 0;

	(void)arg;
	mutex_enter(&m);
	while (!told && error == 0)
		error = cv_timedwait(&cv, &m, 1000000);
	CHECK(told || error == ETIMEDOUT);
	mutex_exit(&m);
}

static void tells(void *arg)
{
	(void)arg;
	lwp_sleep_ns(1000000); /* as long as the limit: they race */
	mutex_enter(&m);
	told = true;
	cv_signal(&cv);
	CHECK_EQ(cv_timedwait(&never, &m, 1), ETIMEDOUT);
	mutex_exit(&m);
}

SCENARIO(cv_limit, "a time limit against a signal: I8, I10") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"waits", 0, waits}, {"tells", 1, tells}}};
