/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: a handler goes while its interrupt is on its way: I12. */
#include "dev.h"

static struct dev dev;
static void hook(struct dev *d)
{
	CHECK(!GET(d->d_gone));
}

static void setup(void)
{
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_EDGE, 0, IPL_NET, true);
}

static void goes(void *arg)
{
	(void)arg;
	CHECK_EQ(intr_disestablish(dev.d_ih), 0);
	SET(dev.d_gone, true);
}

static void check(void)
{
	CHECK(!dev.d_running);
}

SCENARIO(prim_disestablish, "to exhaust: a handler that goes and its interrupt: I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"goes", 1, goes}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
