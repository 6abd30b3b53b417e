/* SPDX-License-Identifier: BSD-2-Clause */
/* Work that waits in a queue which is being destroyed is asked for in another: who comes to the
 * first through the work does not find it freed: I12. */
#include "scenario.h"

#include <ithaca/workqueue.h>
#include <stdatomic.h>

static struct workqueue *wq[2];
static struct work wk;
static _Atomic unsigned ran;

static void fn(void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&ran, 1, memory_order_relaxed);
}

static void setup(void)
{
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(workqueue_create("wq", PRI_KERNEL, 0, 1, 0, &wq[i]), 0);
	work_init(&wk, fn, NULL);
	CHECK_EQ(workqueue_enqueue(wq[0], &wk), 0);
}

static void asks(void *arg)
{
	int error;

	(void)arg;
	for (unsigned i = 0; i < 2; i++) {
		error = workqueue_enqueue(wq[1], &wk);
		CHECK(error == 0 || error == ESHUTDOWN);
	}
}

static void destroys(void *arg)
{
	(void)arg;
	CHECK_EQ(workqueue_destroy(wq[0]), 0);
}

static void check(void)
{
	CHECK(atomic_load_explicit(&ran, memory_order_relaxed) >= 1);
}

SCENARIO(work_elsewhere, "work is asked for in one queue while another ends: I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"asks", 0, asks}, {"destroys", 1, destroys}},
    .check = check};
