/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The same with a filter that answers SCHEDULE_THREAD alone: the thread says whose it was, also
 * when it was nobody's: I1, I2, I3.
 */
#include "dev.h"

static struct dev dev;

static void setup(void)
{
	dev.d_answer = FILTER_SCHEDULE_THREAD;
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void body(void *arg)
{
	(void)arg;
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(late_claimed, "late deliveries whose thread settles the claim: I1, I2, I3") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 2, dev_raise, &dev}, {"late", 1, dev_late_1, &dev}},
    .check = check};
