/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: a handler that its filter and an lwp of the other CPU ask for with hwi_sched():
 * it never runs beside itself, and the last request is followed by a run: I1, I2. */
#include "dev.h"

static struct dev dev;
static _Atomic unsigned asked, seen;

static void hook(struct dev *d)
{
	(void)d;
	SET(seen, GET(asked));
}

static unsigned filter(void *arg)
{
	struct dev *d = arg;
	unsigned n = dev_take(d);

	if (n == 0)
		return FILTER_STRAY;
	ADD(d->d_ring, n);
	hwi_sched(d->d_ih);
	return FILTER_HANDLED;
}

static void setup(void)
{
	dev.d_manual = true;
	dev.d_hook = hook;
	dev.d_line = sim_line_create("dev", INTR_LEVEL, 0, 0);
	CHECK_EQ(intr_establish(dev.d_line->sl_source, "dev", IPL_NET, INTR_MANUAL, filter,
		     dev_thread, &dev, &dev.d_ih),
	    0);
}

static void asks(void *arg)
{
	(void)arg;
	SET(asked, 1); /* before the request: the run sees it */
	hwi_sched(dev.d_ih);
}

static void check(void)
{
	dev_check(&dev);
	CHECK_EQ(GET(seen), 1);
}

SCENARIO(prim_hwi, "to exhaust: hwi_sched() and interrupt: I1, I2") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"asks", 1, asks}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
