/* SPDX-License-Identifier: BSD-2-Clause */
/* A queue is destroyed while its work is taken back and queued elsewhere, for which one looks at
 * the queue that it is in: what was taken in is done, and nobody uses what was freed: I8, I12. */
#include "scenario.h"

#include <ithaca/errno.h>
#include <ithaca/workqueue.h>
#include <stdatomic.h>

static struct workqueue *leaves, *stays;
static struct work wk;
static _Atomic unsigned owed, done;
static _Atomic bool running;

static void fn(void *arg)
{
	(void)arg;
	CHECK(!atomic_exchange_explicit(&running, true, memory_order_relaxed));
	atomic_fetch_add_explicit(&done, 1, memory_order_relaxed);
	sim_point(SIM_TEST);
	CHECK(atomic_exchange_explicit(&running, false, memory_order_relaxed));
}

static void setup(void)
{
	CHECK_EQ(workqueue_create("leaves", PRI_KERNEL, 0, 1, 0, &leaves), 0);
	CHECK_EQ(workqueue_create("stays", PRI_KERNEL, 0, 1, 0, &stays), 0);
	work_init(&wk, fn, NULL);
}

/* On the other CPU: what it looks at may be freed by now, but for the barrier. */
static void takes(void *arg)
{
	int error;

	(void)arg;
	if (workqueue_cancel(&wk))
		atomic_fetch_sub_explicit(&owed, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&owed, 1, memory_order_relaxed);
	error = workqueue_enqueue(stays, &wk);
	CHECK(error == 0 || error == ESHUTDOWN); /* the latter: it runs where it may not again */
	if (error == ESHUTDOWN)
		atomic_fetch_sub_explicit(&owed, 1, memory_order_relaxed);
}

static void destroys(void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&owed, 1, memory_order_relaxed);
	CHECK_EQ(workqueue_enqueue(leaves, &wk), 0);
	CHECK_EQ(workqueue_destroy(leaves), 0);
}

static void check(void)
{
	unsigned runs = atomic_load_explicit(&done, memory_order_relaxed);
	unsigned asked = atomic_load_explicit(&owed, memory_order_relaxed);

	CHECK(runs <= asked); /* two that were owed at a time are one run */
	CHECK(asked == 0 || runs != 0);
}

SCENARIO(work_leaves,
    "a work queue is destroyed while its work goes elsewhere: I8, I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"takes", 1, takes}, {"destroys", 0, destroys}},
    .check = check};
