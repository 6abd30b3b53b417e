/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three handlers on CPU 1 wait for the fourth, which has no ithread left but the spare of CPU 0;
 * and that may be at work there. CPU 0 gives it, when it is poked or when it puts it away: I1, I5,
 * I6.
 */
#include "dev.h"

#include <ithaca/condvar.h>
#include <ithaca/ithread.h>

static struct mutex m;
static struct condvar cv;
static struct dev dev[5];
static bool told;

static void hook(struct dev *d)
{
	if (d == &dev[4]) {
		for (unsigned i = 0; i < 40; i++)
			sim_point(SIM_TEST);
		return;
	}
	mutex_enter(&m);
	if (d == &dev[3]) {
		told = true;
		cv_broadcast(&cv);
	}
	while (!told)
		cv_wait(&cv, &m);
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "cv");
	for (unsigned i = 0; i < 5; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", i % 2 ? INTR_LEVEL : INTR_EDGE, i != 4, IPL_NET, true);
	}
	(void)ithread_resize(4);
}

static void body(void *arg)
{
	(void)arg;
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

SCENARIO(rescue, "the spare of one CPU rescues another: I1, I5, I6") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"d0", 1, dev_raise, &dev[0]}, {"d1", 1, dev_raise, &dev[1]},
	{"d2", 1, dev_raise, &dev[2]}, {"tells", 1, dev_raise, &dev[3]},
	{"busy", 1, dev_raise, &dev[4]}},
    .check = check};
