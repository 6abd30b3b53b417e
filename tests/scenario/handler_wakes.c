/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An lwp goes to sleep while a handler on its CPU, or on the other, wakes it: park and unpark in
 * either order, with an interrupt in between that pins the lwp: I1, I7, I8.
 */
#include "dev.h"

#include <ithaca/sleepq.h>

static struct dev dev[2];
static _Atomic unsigned woken;

static void hook(struct dev *d)
{
	(void)d;
	ADD(woken, 1);
	sleepq_wake(&woken, -1);
}

static void setup(void)
{
	for (unsigned i = 0; i < 2; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", i ? INTR_LEVEL : INTR_EDGE, i, IPL_NET, true);
	}
}

static void body(void *arg)
{
	bool intr;

	(void)arg;
	for (;;) {
		intr = sleepq_lock(&woken);
		if (GET(woken) == 2)
			break;
		(void)sleepq_wait(&woken, "woken", SLEEP_FOREVER, intr);
	}
	sleepq_unlock(&woken, intr);
}

static void check(void)
{
	dev_check(&dev[0]);
	dev_check(&dev[1]);
}

SCENARIO(handler_wakes, "handlers wake an lwp that goes to sleep: I1, I7, I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"edge", 1, dev_raise, &dev[0]}, {"level", 1, dev_raise, &dev[1]}},
    .check = check};
