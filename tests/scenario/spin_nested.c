/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two spin mutexes, left in the order in which they were entered, with a softint scheduled and a
 * level raised and lowered meanwhile; a filter takes both its own way: I1, I8.
 */
#include "dev.h"

#include <ithaca/softint.h>
#include <ithaca/spl.h>

static struct mutex a, b;
static struct dev dev;
static struct softint *si;
static unsigned inside_a, inside_b;
static _Atomic unsigned asked, served;

static void soft(void *arg)
{
	(void)arg;
	CHECK(port_intr_enabled());
	SET(served, GET(asked));
}

static void body(void *arg)
{
	int s;

	(void)arg;
	mutex_spin_enter(&a);
	CHECK_EQ(inside_a++, 0);
	mutex_spin_enter(&b);
	CHECK_EQ(inside_b++, 0);
	s = splraise(IPL_HIGH);
	ADD(asked, 1);
	softint_schedule(si);
	splx(s);
	CHECK(!port_intr_enabled());
	CHECK_EQ(--inside_a, 0);
	mutex_spin_exit(&a);
	CHECK(!port_intr_enabled());
	CHECK_EQ(--inside_b, 0);
	mutex_spin_exit(&b);
	CHECK(port_intr_enabled());
}

static unsigned filter(void *arg)
{
	unsigned n = dev_take(arg);

	mutex_filter_enter(&a);
	CHECK_EQ(inside_a++, 0);
	mutex_filter_enter(&b);
	CHECK_EQ(inside_b++, 0);
	CHECK_EQ(--inside_b, 0);
	mutex_filter_exit(&b);
	CHECK_EQ(--inside_a, 0);
	mutex_filter_exit(&a);
	ADD(dev.d_done, n);
	return n != 0 ? FILTER_HANDLED : FILTER_STRAY;
}

static void setup(void)
{
	mutex_init(&a, "a", IPL_VM);
	mutex_init(&b, "b", IPL_VM);
	CHECK_EQ(softint_establish("soft", IPL_SOFTNET, soft, NULL, &si), 0);
	dev.d_line = sim_line_create("dev", INTR_LEVEL, 0, 0);
	CHECK_EQ(intr_establish(dev.d_line->sl_source, "dev", IPL_VM, 0, filter, NULL, &dev,
		     &dev.d_ih),
	    0);
}

static void check(void)
{
	dev_check(&dev);
	CHECK_EQ(GET(asked), 2);
	CHECK_EQ(GET(served), 2);
}

SCENARIO(spin_nested,
    "spin mutexes left in any order, and what pends meanwhile: I1, I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .check = check};
