/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: an lwp sleeps until a handler of the other CPU has brought something, which it
 * says with a wakeup and no mutex: no wakeup is lost (I8). */
#include "dev.h"

#include <ithaca/sleepq.h>

static struct dev dev;
static _Atomic unsigned items;

static void hook(struct dev *d)
{
	(void)d;
	ADD(items, 1);
	(void)sleepq_wake(&items, 1);
}

static void setup(void)
{
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void takes(void *arg)
{
	bool intr;

	(void)arg;
	for (;;) {
		intr = sleepq_lock(&items);
		if (GET(items) != 0)
			break;
		CHECK_EQ(sleepq_wait(&items, "items", SLEEP_FOREVER, intr), 0);
	}
	sleepq_unlock(&items, intr);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_sleepq, "to exhaust: sleep queue and interrupt: I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"takes", 1, takes}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
