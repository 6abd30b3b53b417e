/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: an adaptive mutex, wanted by an lwp of each CPU and by a handler: I8, I9. */
#include "dev.h"

static struct dev dev;
static struct mutex m;
static unsigned inside;

static void enter(void)
{
	mutex_enter(&m);
	CHECK_EQ(inside++, 0);
	CHECK_EQ(--inside, 0);
	mutex_exit(&m);
}

static void hook(struct dev *d)
{
	(void)d;
	enter();
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void body(void *arg)
{
	(void)arg;
	enter();
	CHECK_EQ(curlwp->l_pri, PRI_KERNEL);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_mutex_two, "to exhaust: mutex, two lwps and interrupt: I8, I9") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
