/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pool grows and shrinks while handlers block: the numbers add up, who is put away is reaped or
 * kept, and nobody starves for ever: I1, I5, I6.
 */
#include "dev.h"

#include <ithaca/ithread.h>

static struct mutex m;
static struct dev dev[4];

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
	for (unsigned i = 0; i < 4; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", i % 2 ? INTR_LEVEL : INTR_EDGE, 0, IPL_NET, true);
	}
}

static void resize(unsigned n)
{
	int error = ithread_resize(n);

	CHECK(error == 0 || error == ENOMEM);
}

static void body(void *arg)
{
	(void)arg;
	resize(2 + sim_pick(3));
	mutex_enter(&m); /* who comes now blocks */
	for (unsigned i = 0; i < 4; i++)
		sim_point(SIM_TEST);
	resize(2 + sim_pick(3));
	mutex_exit(&m);
}

static void check(void)
{
	struct ithread_counts c;

	for (unsigned i = 0; i < 4; i++)
		dev_check(&dev[i]);
	ithread_count(&c);
	CHECK_EQ(c.total, c.target);
	CHECK_EQ(c.free + c.spare, c.total);
}

SCENARIO(resized, "the pool is resized under fire: I1, I5, I6") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"d0", 1, dev_raise, &dev[0]}, {"d1", 1, dev_raise, &dev[1]},
	{"d2", 1, dev_raise, &dev[2]}},
    .check = check,
    .alloc_fail = true};
