/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three CPUs: handlers of two may migrate, beside others of a higher level that may not, and the
 * third idles, or the second, whose lwp sleeps: one that was passed on may find that CPU busy, and
 * go on to another: I1, I2, I4, I13.
 */
#include "dev.h"

#include <ithaca/sleepq.h>

static struct dev dev[6];
static bool over; /* the sleep queue's lock */

static void hook(struct dev *d)
{
	(void)d;
	for (unsigned i = 0; i < 20; i++)
		sim_point(SIM_TEST);
}

static void setup(void)
{
	for (unsigned i = 0; i < 6; i++) {
		dev[i].d_flags = i < 3 ? INTR_MIGRATE : 0;
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", INTR_MESSAGE, i % 3, i < 3 ? IPL_BIO : IPL_TTY, true);
	}
}

static void body(void *arg)
{
	bool intr;

	(void)arg;
	preempt_disable();
	hook(&dev[0]);
	preempt_enable();
	intr = sleepq_lock(&over);
	over = true;
	sleepq_unlock(&over, intr);
	sleepq_wake(&over, -1);
}

static void sleeps(void *arg)
{
	bool intr = sleepq_lock(&over);

	(void)arg;
	if (over)
		sleepq_unlock(&over, intr);
	else
		sleepq_wait(&over, "over", SLEEP_FOREVER, intr);
}

static void check(void)
{
	for (unsigned i = 0; i < 6; i++)
		dev_check(&dev[i]);
}

SCENARIO(migrate_three,
    "handlers migrate among three CPUs, which idle at times: I1, I2, I4, I13") = {.cpus = 4,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, sleeps}},
    .devices = {{"m0", 1, dev_raise, &dev[0]}, {"m1", 1, dev_raise, &dev[1]},
	{"m2", 1, dev_raise, &dev[2]}, {"s0", 1, dev_raise, &dev[3]}, {"s1", 1, dev_raise, &dev[4]},
	{"s2", 1, dev_raise, &dev[5]}},
    .check = check};
