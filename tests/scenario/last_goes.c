/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only handler of a line goes while the line fires, and another comes: what was raised
 * meanwhile waits for it, behind the mask: I1, I3, I12.
 */
#include "dev.h"

static struct dev dev;

static void setup(void)
{
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void body(void *arg)
{
	(void)arg;
	CHECK_EQ(intr_disestablish(dev.d_ih), 0);
	CHECK(!GET(dev.d_running));
	CHECK(dev.d_line->sl_masked);
	SET(dev.d_gone, true);
	lwp_yield();
	SET(dev.d_gone, false);
	dev_share(&dev, &dev, "dev", IPL_NET, true);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(last_goes, "the only handler of a line goes and another comes: I1, I3, I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 1, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .check = check};
