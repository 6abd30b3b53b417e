/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: armed by an lwp, stopped by another, while a handler arms it too: I10. */
#include "dev.h"

#include <ithaca/callout.h>

static struct dev dev;
static struct callout c;
static _Atomic bool running, halted;

static void fn(void *arg)
{
	(void)arg;
	CHECK(!SWAP(running, true));
	CHECK(!GET(halted));
	CHECK(SWAP(running, false));
}

static void hook(struct dev *d)
{
	(void)d;
	(void)callout_schedule(&c, 1);
}

static void setup(void)
{
	callout_init(&c);
	callout_setfunc(&c, fn, NULL);
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void arms(void *arg)
{
	(void)arg;
	(void)callout_schedule(&c, 1);
}

static void stops(void *arg)
{
	(void)arg;
	callout_shutdown(&c, NULL);
	CHECK(!GET(running));
	SET(halted, true);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_callout, "to exhaust: callout and interrupt: I10") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"arms", 0, arms}, {"stops", 1, stops}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
