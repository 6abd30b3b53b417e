/* SPDX-License-Identifier: BSD-2-Clause */
/* Four CPUs, a source each, one that moves, one that is late; handlers of all of them want one
 * mutex, and there are not ithreads for all: all invariants at once. */
#include "dev.h"

#include <ithaca/ithread.h>

static struct mutex m;
static struct dev dev[6];
static unsigned inside;

static void hook(struct dev *d)
{
	(void)d;
	mutex_enter(&m);
	CHECK_EQ(inside++, 0);
	CHECK_EQ(--inside, 0);
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	for (unsigned i = 0; i < 6; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", (enum intr_trigger)(i % 3), i % 4, IPL_BIO + (int)i % 3,
		    i != 3);
	}
}

static void body(void *arg)
{
	hook(arg);
	CHECK_EQ(curlwp->l_pri, PRI_KERNEL);
}

static void moves(void *arg)
{
	body(arg);
	CHECK_EQ(intr_bind(dev[0].d_line->sl_source, cpu_lookup(3)), 0);
}

static void check(void)
{
	struct ithread_counts c;

	for (unsigned i = 0; i < 6; i++)
		dev_check(&dev[i]);
	ithread_count(&c);
	CHECK_EQ(c.free + c.spare, c.total);
	CHECK_EQ(c.total, 8);
}

SCENARIO(mix_four,
    "six sources on four CPUs, one that moves, one that is late: I1 to I9, I12") = {.cpus = 4,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}, {"c", 2, moves}, {"d", 3, body}, {"e", ANY_CPU, body}},
    .devices = {{"d0", 1, dev_raise, &dev[0]}, {"d1", 1, dev_raise, &dev[1]},
	{"d2", 1, dev_raise, &dev[2]}, {"d3", 1, dev_raise, &dev[3]}, {"d4", 1, dev_raise, &dev[4]},
	{"d5", 1, dev_raise, &dev[5]}, {"late", 1, dev_late_1, &dev[3]}},
    .check = check};
