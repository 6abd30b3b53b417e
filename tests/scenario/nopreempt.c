/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * preempt_disable() keeps handlers and other lwps off this CPU; preempt_enable() lets them in: I1,
 * I7.
 */
#include "dev.h"

static struct dev dev;
static bool off;

static void hook(struct dev *t)
{
	(void)t;
	CHECK(!off);
}

static void setup(void)
{
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_EDGE, 0, IPL_TTY, true);
}

static void body(void *arg)
{
	(void)arg;
	preempt_disable();
	CHECK(!off);
	off = true;
	sim_point(SIM_TEST);
	off = false;
	preempt_enable();
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(nopreempt,
    "preempt_disable() keeps handlers out, preempt_enable() lets them in: I1, I7") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 0, body, NULL, PRI_KERNEL + 1}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .check = check};
