/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: a wait with a time limit, and a handler that signals: one of the two ends it, and
 * its callout is over before it goes on: I8, I10. */
#include "dev.h"
#include "witnessed.h"

#include <ithaca/condvar.h>

static struct dev dev;
static struct mutex m;
static struct condvar cv;
static bool told;

static void hook(struct dev *d)
{
	(void)d;
	mutex_enter(&m);
	told = true;
	cv_signal(&cv);
	mutex_exit(&m);
}

static void setup(void)
{
	witnessed_mutex(&m, "m");
	cv_init(&cv, "cv");
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
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

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_limit, "to exhaust: wait with a limit and interrupt: I8, I10") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"waits", 1, waits}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
