/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A level line whose handler has no filter: masked from the EOI until the thread function ends, or
 * the line that nobody quieted would come again for ever: I1, I3.
 */
#include "dev.h"

static struct dev dev;

static void setup(void)
{
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, false);
}

static void body(void *arg)
{
	(void)arg;
}

static void check(void)
{
	dev_check(&dev);
	CHECK_EQ(dev.d_line->sl_eois_unmasked, 0);
}

SCENARIO(level_bare, "a level line without a filter: I1, I3") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .check = check};
