/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: a level line that rises again while its handler runs, or before: masked exactly
 * as long as its set has a member, nothing lost: I1, I2, I3. */
#include "dev.h"

static struct dev dev;

static void setup(void)
{
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

SCENARIO(prim_level, "to exhaust: a level line that rises again: I1, I2, I3") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .bound = 3,
    .check = check};
