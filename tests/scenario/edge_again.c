/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An edge that comes again while its handler runs: it runs once more, never beside itself, and the
 * source is not masked: I1, I2.
 */
#include "dev.h"

static struct dev dev;

static void setup(void)
{
	dev_init(&dev, "dev", INTR_EDGE, 1, IPL_NET, true);
}

static void body(void *arg)
{
	(void)arg;
}

static void check(void)
{
	dev_check(&dev);
	CHECK_EQ(dev.d_line->sl_masks, 0);
}

SCENARIO(edge_again, "an edge that comes again while its handler runs: I1, I2") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 3, dev_raise, &dev}},
    .check = check};
