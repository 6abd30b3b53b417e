/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * intr_bind() while it fires: what was on its way to the CPU before is served, and when the call
 * returns nothing is: I1, I3.
 */
#include "dev.h"

static struct dev dev;

static void setup(void)
{
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void body(void *arg)
{
	struct sim_line *sl = dev.d_line;

	(void)arg;
	CHECK_EQ(intr_bind(sl->sl_source, cpu_lookup(1)), 0);
	CHECK_EQ((sl->sl_flight | sl->sl_service) & CPUSET(0), 0);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(bound_elsewhere, "a source moves to the other CPU under fire: I1, I3") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", ANY_CPU, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .check = check};
