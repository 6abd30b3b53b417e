/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: an adaptive mutex, wanted by an lwp and by a handler on another CPU: I8. */
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
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_mutex, "to exhaust: mutex and interrupt: I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"b", 1, body}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
