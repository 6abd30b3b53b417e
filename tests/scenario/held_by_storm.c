/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storm.c takes and leaves the line while its handler does: whoever leaves the set last unmasks,
 * and nobody else: I1, I3.
 */
#include "dev.h"

static struct dev dev;

static void other(void *arg)
{
	(void)arg;
}

static void setup(void)
{
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void body(void *arg)
{
	(void)arg;
	intr_hold(dev.d_line->sl_source, IS_SET_STORM);
	CHECK(dev.d_line->sl_masked);
	intr_release(dev.d_line->sl_source, IS_SET_STORM);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(held_by_storm, "two members hold the mask of a line: I1, I3") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body, NULL}, {"b", 1, other}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .check = check};
