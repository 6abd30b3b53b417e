/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handler of a shared line, one without a filter, is disestablished and established again while
 * the line fires: when the call has returned neither its filter nor its thread runs or will, and
 * its neighbour loses nothing: I1, I3, I12.
 */
#include "dev.h"

static struct dev dev[2];

static void setup(void)
{
	dev_init(&dev[0], "stays", INTR_LEVEL, 0, IPL_NET, true);
	dev_share(&dev[1], &dev[0], "goes", IPL_BIO, false);
}

static void body(void *arg)
{
	(void)arg;
	CHECK_EQ(intr_disestablish(dev[1].d_ih), 0);
	CHECK(!GET(dev[1].d_running));
	SET(dev[1].d_gone, true);
	lwp_yield();
	SET(dev[1].d_gone, false);
	dev_share(&dev[1], &dev[0], "goes", IPL_BIO, false);
}

static void check(void)
{
	dev_check(&dev[0]);
	dev_check(&dev[1]);
}

SCENARIO(goes_and_comes,
    "disestablish and establish on a line that fires: I1, I3, I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 1, body}},
    .devices = {{"stays", 2, dev_raise, &dev[0]}, {"late", 1, dev_late, &dev[0]}},
    .check = check};
