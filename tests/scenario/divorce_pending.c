/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first handler blocks on a mutex that the lwp beneath holds; two more are pending on that CPU
 * and do not wait for it: I1, I5, I7.
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
	dev[0].d_hook = hook;
	dev_init(&dev[0], "blocks", INTR_LEVEL, 0, IPL_NET, true);
	dev_init(&dev[1], "same", INTR_EDGE, 0, IPL_NET, true);
	dev_init(&dev[2], "below", INTR_LEVEL, 0, IPL_BIO, true);
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
	CHECK_EQ(c.active + c.divorced, 0);
	CHECK_EQ(c.free + c.spare, c.total);
}

SCENARIO(divorce_pending, "divorce with other handlers pending: I1, I5, I7") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 0, body, NULL, PRI_KERNEL + 1}},
    .devices = {{"blocks", 1, dev_raise, &dev[0]}, {"same", 1, dev_raise, &dev[1]},
	{"below", 1, dev_raise, &dev[2]}},
    .check = check};
