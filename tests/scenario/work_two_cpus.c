/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One work queued from two CPUs, with two lwps that may do it: each request is followed by a run,
 * and it never runs beside itself: I2, I8.
 */
#include "scenario.h"

#include <ithaca/workqueue.h>
#include <stdatomic.h>

static struct workqueue *wq;
static struct work wk, other;
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

static void nothing(void *arg)
{
	(void)arg;
}

static void setup(void)
{
	CHECK_EQ(workqueue_create("wq", PRI_KERNEL, 0, 2, 0, &wq), 0);
	work_init(&wk, fn, NULL);
	work_init(&other, nothing, NULL);
}

static void body(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 2; i++) {
		atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed);
		CHECK_EQ(workqueue_enqueue(wq, &wk), 0);
		CHECK_EQ(workqueue_enqueue(wq, &other), 0); /* keeps the other lwp awake */
	}
	CHECK_EQ(workqueue_wait(&wk), 0);
}

static void check(void)
{
	CHECK_EQ(atomic_load_explicit(&done, memory_order_relaxed), 4);
}

SCENARIO(work_two_cpus, "work queued from two CPUs: I2, I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .check = check};
