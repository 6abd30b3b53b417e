/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: a spin mutex, wanted by an lwp of each CPU and by a filter: I8. */
#include "dev.h"

static struct dev dev;
static struct mutex s;
static unsigned inside;

static void enter(void)
{
	mutex_spin_enter(&s);
	CHECK_EQ(inside++, 0);
	CHECK_EQ(--inside, 0);
	mutex_spin_exit(&s);
}

static unsigned filter(void *arg)
{
	unsigned n = dev_take(arg);

	enter();
	ADD(dev.d_done, n);
	return n != 0 ? FILTER_HANDLED : FILTER_STRAY;
}

static void setup(void)
{
	mutex_init(&s, "s", IPL_VM);
	enter(); /* witness.c has seen it before the runs */
	dev.d_line = sim_line_create("dev", INTR_LEVEL, 0, 0);
	CHECK_EQ(intr_establish(dev.d_line->sl_source, "dev", IPL_VM, 0, filter, NULL, &dev,
		     &dev.d_ih),
	    0);
}

static void body(void *arg)
{
	(void)arg;
	enter();
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_spin, "to exhaust: spin mutex and interrupt: I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
