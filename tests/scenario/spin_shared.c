/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A spin mutex that a filter and lwps of both CPUs take: interrupts stay off while it is held, and
 * the filter never finds its own CPU inside: I8.
 */
#include "dev.h"

static struct mutex s;
static struct dev dev;
static unsigned inside, total;

static void enter(void)
{
	mutex_spin_enter(&s);
	CHECK(!port_intr_enabled());
	CHECK_EQ(inside++, 0);
	total++;
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
	dev.d_line = sim_line_create("dev", INTR_LEVEL, 0, 0);
	CHECK_EQ(intr_establish(dev.d_line->sl_source, "dev", IPL_VM, 0, filter, NULL, &dev,
		     &dev.d_ih),
	    0);
}

static void body(void *arg)
{
	(void)arg;
	enter();
	CHECK(port_intr_enabled());
}

static void check(void)
{
	dev_check(&dev);
	CHECK(total >= 3);
}

SCENARIO(spin_shared, "a spin mutex between a filter and lwps: I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .check = check};
