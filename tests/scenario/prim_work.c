/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: work that an lwp of another CPU and a handler queue: I1, I2. */
#include "dev.h"

#include <ithaca/workqueue.h>

static struct dev dev;
static struct workqueue *wq;
static struct work wk;
static _Atomic unsigned asked, done;
static _Atomic bool running;

static void fn(void *arg)
{
	(void)arg;
	CHECK(!SWAP(running, true));
	ADD(done, SWAP(asked, 0));
	CHECK(SWAP(running, false));
}

static void ask(void)
{
	ADD(asked, 1);
	CHECK_EQ(workqueue_enqueue(wq, &wk), 0);
}

static void hook(struct dev *d)
{
	(void)d;
	ask();
}

static void setup(void)
{
	CHECK_EQ(workqueue_create("wq", PRI_KERNEL, 0, 1, 0, &wq), 0);
	work_init(&wk, fn, NULL);
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void asks(void *arg)
{
	(void)arg;
	ask();
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_work, "to exhaust: workqueue and interrupt: I1, I2") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"asks", 1, asks}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
