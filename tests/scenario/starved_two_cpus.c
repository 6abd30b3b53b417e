/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handlers that wait for a word from an lwp take every ithread of two CPUs; CPU 1 starves until one
 * on CPU 0 is done, or CPU 0 gives its spare: I1, I5, I6.
 */
#include "dev.h"

#include <ithaca/ithread.h>

static struct mutex m;
static struct dev dev[5];

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
	for (unsigned i = 0; i < 5; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", i % 2 ? INTR_LEVEL : INTR_EDGE, i != 0, IPL_NET, true);
	}
}

static void body(void *arg)
{
	hook(arg);
}

static void check(void)
{
	struct ithread_counts c;

	for (unsigned i = 0; i < 5; i++)
		dev_check(&dev[i]);
	ithread_count(&c);
	CHECK_EQ(c.total, 4);
	CHECK_EQ(c.free + c.spare, c.total);
}

SCENARIO(starved_two_cpus,
    "a CPU without ithreads is served by the other: I1, I5, I6") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"d0", 1, dev_raise, &dev[0]}, {"d1", 1, dev_raise, &dev[1]},
	{"d2", 1, dev_raise, &dev[2]}, {"d3", 1, dev_raise, &dev[3]},
	{"d4", 1, dev_raise, &dev[4]}},
    .check = check};
