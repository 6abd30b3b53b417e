/* SPDX-License-Identifier: BSD-2-Clause */
/* An adaptive mutex, wanted by an lwp of each CPU and by a handler: I8, I9. */
#include "dev.h"
#include "witnessed.h"

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
	witnessed_mutex(&m, "m");
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void body(void *arg)
{
	(void)arg;
	enter();
	CHECK_EQ(curlwp->l_pri, curlwp->l_basepri);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(mutex_irq, "a mutex, an lwp of each CPU and a handler: I8, I9") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .check = check};
