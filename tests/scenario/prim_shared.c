/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: two devices on one level line: every filter is asked, and the line stays masked
 * until the last of the handlers is done: I1, I3. */
#include "dev.h"

static struct dev dev[2];

static void setup(void)
{
	dev_init(&dev[0], "one", INTR_LEVEL, 0, IPL_NET, true);
	dev_share(&dev[1], &dev[0], "two", IPL_BIO, true);
}

static void body(void *arg)
{
	(void)arg;
}

static void check(void)
{
	dev_check(&dev[0]);
	dev_check(&dev[1]);
}

SCENARIO(prim_shared, "to exhaust: a level line that two devices share: I1, I3") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"one", 1, dev_raise, &dev[0]}, {"two", 1, dev_raise, &dev[1]}},
    .bound = 3,
    .check = check};
