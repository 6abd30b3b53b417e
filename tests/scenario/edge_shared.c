/* SPDX-License-Identifier: BSD-2-Clause */
/* Two devices on one edge that may merge: every filter is asked, for nobody says it again: I1. */
#include "dev.h"

static struct dev dev[2];

static void setup(void)
{
	dev_init(&dev[0], "one", INTR_EDGE, 0, IPL_NET, true);
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

SCENARIO(edge_shared, "two devices share an edge: I1") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"one", 1, dev_raise, &dev[0]}, {"two", 1, dev_raise, &dev[1]}},
    .check = check};
