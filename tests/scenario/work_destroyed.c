/* SPDX-License-Identifier: BSD-2-Clause */
/* A queue is destroyed while work comes in: what was taken in is done, the rest refused, and nobody
 * uses what was freed: I8, I12. */
#include "scenario.h"

#include <ithaca/workqueue.h>
#include <stdatomic.h>

static struct workqueue *wq;
static struct work wk;
static _Atomic unsigned asked, done;
static _Atomic bool running, gone;

static void fn(void *arg)
{
	(void)arg;
	CHECK(!atomic_load_explicit(&gone, memory_order_relaxed));
	CHECK(!atomic_exchange_explicit(&running, true, memory_order_relaxed));
	atomic_fetch_add_explicit(&done, atomic_exchange_explicit(&asked, 0, memory_order_relaxed),
	    memory_order_relaxed);
	CHECK(atomic_exchange_explicit(&running, false, memory_order_relaxed));
}

static void setup(void)
{
	CHECK_EQ(workqueue_create("wq", PRI_KERNEL, 0, 1, 0, &wq), 0);
	work_init(&wk, fn, NULL);
}

static _Atomic unsigned asks_done;

static void asks(void *arg)
{
	int error = workqueue_enqueue(wq, &wk);

	(void)arg;
	CHECK(error == 0 || error == ESHUTDOWN);
	if (error == 0)
		(void)workqueue_cancel(&wk);
	atomic_store_explicit(&asks_done, 1, memory_order_release);
}

static void destroys(void *arg)
{
	(void)arg;
	while (atomic_load_explicit(&asks_done, memory_order_acquire) == 0)
		port_pause();
	CHECK_EQ(workqueue_destroy(wq), 0);
	atomic_store_explicit(&gone, true, memory_order_relaxed);
}

SCENARIO(work_destroyed, "a work queue is destroyed with work in it: I8, I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"asks", 0, asks}, {"destroys", 1, destroys}}};
