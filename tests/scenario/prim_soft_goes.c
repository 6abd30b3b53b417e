/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: a softint goes while a handler schedules it: once softint_disestablish() is back
 * it neither runs nor will: I12. */
#include "dev.h"

#include <ithaca/softint.h>

static struct dev dev;
static struct softint *si;
static _Atomic bool running, is_gone;

static void soft(void *arg)
{
	(void)arg;
	CHECK(!GET(is_gone));
	CHECK(!SWAP(running, true));
	CHECK(SWAP(running, false));
}

static void hook(struct dev *d)
{
	(void)d;
	softint_schedule(si);
}

static void setup(void)
{
	CHECK_EQ(softint_establish("soft", IPL_SOFTBIO, soft, NULL, &si), 0);
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_EDGE, 0, IPL_NET, true);
}

/* The driver's order of going: first who schedules, then what is scheduled. */
static void goes(void *arg)
{
	(void)arg;
	CHECK_EQ(intr_disestablish(dev.d_ih), 0);
	CHECK_EQ(softint_disestablish(si), 0);
	CHECK(!GET(running));
	SET(is_gone, true);
}

SCENARIO(prim_soft_goes, "to exhaust: a softint that goes and an interrupt: I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"goes", 1, goes}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3};
