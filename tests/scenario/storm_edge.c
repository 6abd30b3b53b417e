/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts that nobody claims make a storm; an edge that comes while its source is held is lost
 * at the controller, and asked for when the hold is over: I1, I3, I11. */
#include "dev.h"

#include <ithaca/sleepq.h>
#include <ithaca/storm.h>

static struct dev dev, other;

static void setup(void)
{
	dev_init(&dev, "dev", INTR_EDGE, 0, IPL_NET, true);
	dev_init(&other, "other", INTR_LEVEL, 0, IPL_BIO, true);
	/* Two more, and it is a storm. */
	dev.d_line->sl_source->is_unclaimed = STORM_UNCLAIMED - 2;
}

static void body(void *arg)
{
	(void)arg;
	lwp_sleep_ns(150000000); /* longer than the first back-off */
}

static void check(void)
{
	dev_check(&other);
	CHECK_EQ(dev.d_hw, 0);
	CHECK_EQ(GET(dev.d_done), dev.d_raised);
	CHECK(!dev.d_line->sl_masked);
}

SCENARIO(storm_edge, "an edge while its source is held: I1, I3, I11") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 1, body}},
    .devices = {{"noise", 2, dev_late, &dev}, {"raise", 1, dev_raise, &dev},
	{"other", 1, dev_raise, &other}},
    .check = check};
