/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The race of the mask in the essay of intr.c: one delivery more than the line deserves, late or on
 * the other CPU, while the handler of the one before ends. Never masked with an empty set: I1, I3.
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
}

SCENARIO(late_twice, "late and double deliveries on either CPU: I1, I2, I3") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 1, dev_raise, &dev}, {"late", 1, dev_late, &dev},
	{"twice", 1, dev_late_1, &dev}},
    .check = check};
