/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: an lwp waits for what a handler brings: no wakeup is lost (I8). */
#include "dev.h"
#include "witnessed.h"

#include <ithaca/condvar.h>

static struct dev dev;
static struct mutex m;
static struct condvar cv;
static unsigned items;

static void hook(struct dev *d)
{
	(void)d;
	mutex_enter(&m);
	items++;
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

static void takes(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	while (items == 0)
		cv_wait(&cv, &m);
	items--;
	mutex_exit(&m);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_condvar, "to exhaust: condition variable and interrupt: I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"takes", 1, takes}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
