/* SPDX-License-Identifier: BSD-2-Clause */
/* workqueue_halt() against enqueue and run: when it returns, the work neither runs nor will until
 * queued again: I8, I10. */
#include "scenario.h"

#include <ithaca/errno.h>
#include <ithaca/workqueue.h>
#include <stdatomic.h>

static struct workqueue *wq;
static struct work wk;
static _Atomic unsigned runs;
static _Atomic bool running, over, gone;

static void fn(void *arg)
{
	(void)arg;
	CHECK(!atomic_load_explicit(&gone, memory_order_relaxed));
	CHECK(!atomic_exchange_explicit(&running, true, memory_order_relaxed));
	atomic_fetch_add_explicit(&runs, 1, memory_order_relaxed);
	sim_point(SIM_TEST);
	CHECK(atomic_exchange_explicit(&running, false, memory_order_relaxed));
}

static void setup(void)
{
	CHECK_EQ(workqueue_create("wq", PRI_KERNEL, 0, 1, 0, &wq), 0);
	work_init(&wk, fn, NULL);
}

static void asks(void *arg)
{
	int error;

	(void)arg;
	for (unsigned i = 0; i < 2; i++) {
		error = workqueue_enqueue(wq, &wk);
		CHECK(error == 0 || error == ESHUTDOWN);
	}
	atomic_store_explicit(&over, true, memory_order_release);
}

/* Once at any moment, and once when nobody asks any more. */
static void halts(void *arg)
{
	(void)arg;
	CHECK_EQ(workqueue_halt(&wk), 0);
	while (!atomic_load_explicit(&over, memory_order_acquire))
		port_pause();
	CHECK_EQ(workqueue_halt(&wk), 0);
	CHECK(!atomic_load_explicit(&running, memory_order_relaxed));
	atomic_store_explicit(&gone, true, memory_order_relaxed);
	CHECK_EQ(workqueue_drain(wq), 0);
}

static void check(void)
{
	CHECK(atomic_load_explicit(&runs, memory_order_relaxed) <= 2);
}

SCENARIO(work_halts, "work is halted while it is asked for: I8, I10") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"asks", 0, asks}, {"halts", 1, halts}},
    .check = check};
