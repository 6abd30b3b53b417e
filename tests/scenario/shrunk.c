/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pool is made smaller by CPU 0 while ithreads of CPU 1 that had divorced come back to it, and
 * are put away themselves because it is too large: both together take no more than there are to be
 * taken: I5.
 */
#include "dev.h"

#include <ithaca/ithread.h>

static struct mutex m;
static struct dev dev[7];
static _Atomic unsigned back; /* handlers that have had the mutex */

static void hook(struct dev *d)
{
	(void)d;
	mutex_enter(&m);
	ADD(back, 1);
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	for (unsigned i = 0; i < 7; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", INTR_EDGE, 1, i < 3 ? IPL_BIO + (int)i : IPL_NET, true);
	}
	CHECK_EQ(ithread_resize(7), 0);
	SET(back, 0);
}

static void holds(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	for (unsigned i = 0; i < 3; i++)
		dev_raise(&dev[i]);
	mutex_exit(&m);
}

static void shrinks(void *arg)
{
	(void)arg;
	while (GET(back) < 2)
		sim_point(SIM_TEST);
	CHECK_EQ(ithread_resize(4), 0);
}

static void check(void)
{
	struct ithread_counts c;

	for (unsigned i = 0; i < 7; i++)
		dev_check(&dev[i]);
	ithread_count(&c);
	CHECK_EQ(c.target, 4);
	CHECK_EQ(c.total, 4);
}

SCENARIO(shrunk, "the pool shrinks while ithreads come back: I5") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"holds", 1, holds}, {"shrinks", 0, shrinks}},
    .check = check};
