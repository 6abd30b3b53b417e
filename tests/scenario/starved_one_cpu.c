/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three handlers that block and two ithreads: the third waits until one is done, and nothing is
 * lost: I1, I5, I6.
 */
#include "dev.h"

#include <ithaca/ithread.h>

static struct mutex m;
static struct dev dev[3];

static void hook(struct dev *t)
{
	(void)t;
	mutex_enter(&m);
	sim_point(SIM_TEST);
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	for (unsigned i = 0; i < 3; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", i == 1 ? INTR_LEVEL : INTR_EDGE, 0, IPL_NET, true);
	}
	(void)ithread_resize(2);
}

static void body(void *arg)
{
	hook(arg);
}

static void check(void)
{
	struct ithread_counts c;

	for (unsigned i = 0; i < 3; i++)
		dev_check(&dev[i]);
	ithread_count(&c);
	CHECK_EQ(c.total, 2);
	CHECK_EQ(c.free + c.spare, c.total);
}

SCENARIO(starved_one_cpu,
    "more blocked handlers than ithreads, on one CPU: I1, I5, I6") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"one", 1, dev_raise, &dev[0]}, {"two", 1, dev_raise, &dev[1]},
	{"three", 1, dev_raise, &dev[2]}},
    .check = check};
