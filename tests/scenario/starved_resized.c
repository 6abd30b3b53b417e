/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handlers that wait for an lwp have every ithread, those of its own CPU too, and CPU 1 starves;
 * the lwp has the pool grow, in the midst of it: the new one reaches who starves, by hand or from
 * the free list: I1, I5, I6.
 */
#include "dev.h"

#include <ithaca/ithread.h>

static struct mutex m;
static struct dev dev[6];

static void hook(struct dev *d)
{
	(void)d;
	mutex_enter(&m);
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	for (unsigned i = 0; i < 6; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", INTR_EDGE, i >= 2, IPL_NET, true);
	}
}

static void grows(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	for (unsigned i = 0; i < 12; i++)
		sim_point(SIM_TEST);
	CHECK_EQ(ithread_resize(5), 0);
	for (unsigned i = 0; i < 12; i++)
		sim_point(SIM_TEST);
	CHECK_EQ(ithread_resize(6), 0);
	for (unsigned i = 0; i < 12; i++)
		sim_point(SIM_TEST);
	CHECK_EQ(ithread_resize(4), 0);
	mutex_exit(&m);
}

static void check(void)
{
	struct ithread_counts c;

	for (unsigned i = 0; i < 6; i++)
		dev_check(&dev[i]);
	ithread_count(&c);
	CHECK_EQ(c.total, 4);
}

SCENARIO(starved_resized, "the pool grows for who starves, and shrinks: I1, I5, I6") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"grows", 0, grows}},
    .devices = {{"d0", 1, dev_raise, &dev[0]}, {"d1", 1, dev_raise, &dev[1]},
	{"d2", 1, dev_raise, &dev[2]}, {"d3", 1, dev_raise, &dev[3]}, {"d4", 1, dev_raise, &dev[4]},
	{"d5", 1, dev_raise, &dev[5]}},
    .check = check};
