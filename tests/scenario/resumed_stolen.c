/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handler that blocked on a mutex goes on upon who lets go of it, without the scheduler. That
 * lwp, which may run anywhere, is then stolen by another CPU, but only off its stack: I5, I7, I8.
 */
#include "dev.h"

#include <ithaca/ithread.h>

static struct mutex m;
static struct dev dev[2];

static void enter(void)
{
	mutex_enter(&m);
	sim_point(SIM_TEST);
	mutex_exit(&m);
}

static void hook(struct dev *d)
{
	(void)d;
	enter();
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NET);
	dev[0].d_hook = dev[1].d_hook = hook;
	dev_init(&dev[0], "dev", INTR_LEVEL, 0, IPL_NET, true);
	dev_init(&dev[1], "above", INTR_EDGE, 1, IPL_TTY, true);
}

static void body(void *arg)
{
	(void)arg;
	enter();
	lwp_yield();
	lwp_yield();
}

static void check(void)
{
	struct ithread_counts c;

	dev_check(&dev[0]);
	dev_check(&dev[1]);
	ithread_count(&c);
	CHECK_EQ(c.active + c.divorced, 0);
	CHECK_EQ(c.free + c.spare, c.total);
}

SCENARIO(resumed_stolen,
    "a handler goes on upon who lets go, who is then stolen: I5, I7, I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", ANY_CPU, body}, {"b", ANY_CPU, body}},
    .devices = {{"dev", 2, dev_raise, &dev[0]}, {"above", 1, dev_raise, &dev[1]}},
    .check = check};
