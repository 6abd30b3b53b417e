/* SPDX-License-Identifier: BSD-2-Clause */
/* One lwp for a queue that two CPUs fill while it goes to sleep: no wakeup is lost: I8. */
#include "scenario.h"

#include <ithaca/workqueue.h>

static struct workqueue *wq;
static struct work wk[2];
static unsigned ran[2];

static void fn(void *arg)
{
	*(unsigned *)arg += 1;
}

static void setup(void)
{
	CHECK_EQ(workqueue_create("wq", PRI_KERNEL, 0, 1, 0, &wq), 0);
	for (unsigned i = 0; i < 2; i++)
		work_init(&wk[i], fn, &ran[i]);
}

static void body(void *arg)
{
	struct work *w = arg;

	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(workqueue_enqueue(wq, w), 0);
		CHECK_EQ(workqueue_wait(w), 0);
	}
}

static void check(void)
{
	CHECK_EQ(ran[0], 2);
	CHECK_EQ(ran[1], 2);
}

SCENARIO(work_one, "a queue's only lwp goes to sleep while work comes: I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body, &wk[0]}, {"b", 1, body, &wk[1]}},
    .check = check};
