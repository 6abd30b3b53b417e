/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: what a handler lends goes along a chain of two owners, and back: I9. */
#include "dev.h"
#include "witnessed.h"

static struct dev dev;
static struct mutex m[2];

static void hook(struct dev *d)
{
	(void)d;
	mutex_enter(&m[1]);
	mutex_exit(&m[1]);
}

static void setup(void)
{
	witnessed_mutex(&m[0], "m0");
	witnessed_mutex(&m[1], "m1");
	witnessed_order(&m[1], &m[0]);
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void low(void *arg)
{
	(void)arg;
	mutex_enter(&m[0]);
	mutex_exit(&m[0]);
	CHECK_EQ(curlwp->l_pri, PRI_KERNEL);
}

static void middle(void *arg)
{
	(void)arg;
	mutex_enter(&m[1]);
	mutex_enter(&m[0]);
	mutex_exit(&m[0]);
	mutex_exit(&m[1]);
	CHECK_EQ(curlwp->l_pri, PRI_KERNEL);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_turnstile, "to exhaust: a chain of lenders and an interrupt: I9") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"low", 1, low}, {"middle", 0, middle}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
