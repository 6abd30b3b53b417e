/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handlers of two CPUs wait for a mutex and use up the pool; one that migrates may come to a CPU
 * that idles and has no ithread left, blocks there as well, is divorced there, and ends there: I1,
 * I3, I5, I6.
 */
#include "dev.h"

#include <ithaca/ithread.h>

static struct mutex m;
static struct dev dev[5] = {{0}, {0}, {.d_flags = INTR_MIGRATE}, {.d_flags = INTR_MIGRATE}, {0}};

static void hook(struct dev *d)
{
	(void)d;
	mutex_enter(&m);
	sim_point(SIM_TEST);
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	for (unsigned i = 0; i < 5; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", i % 2 ? INTR_LEVEL : INTR_EDGE, i == 1, IPL_NET, true);
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
	CHECK_EQ(c.total, 6);
	CHECK_EQ(c.free + c.spare, c.total);
}

SCENARIO(migrate_starved,
    "handlers migrate to a CPU without ithreads, and are divorced there: I1, I3, I5, I6") = {.cpus =
												 3,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"d0", 1, dev_raise, &dev[0]}, {"d1", 1, dev_raise, &dev[1]},
	{"d2", 2, dev_raise, &dev[2]}, {"d3", 1, dev_raise, &dev[3]},
	{"d4", 1, dev_raise, &dev[4]}},
    .check = check};
