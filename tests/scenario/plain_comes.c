/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handler joins another on a source and becomes its only one, and with that the plain one, while
 * deliveries that are too late ask whoever is there. All it says about itself is to be seen by
 * then: I12.
 */
#include "dev.h"

static struct dev goes, comes;

static void setup(void)
{
	dev_init(&goes, "goes", INTR_EDGE, 1, IPL_NET, true);
}

static void body(void *arg)
{
	(void)arg;
	dev_share(&comes, &goes, "comes", IPL_NET, true);
	CHECK_EQ(intr_disestablish(goes.d_ih), 0);
	SET(goes.d_gone, true);
	dev_raise(&comes);
}

static void check(void)
{
	dev_check(&comes);
}

SCENARIO(plain_comes, "a handler becomes the only one of its source under fire: I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"late", 3, dev_late_1, &goes}},
    .check = check};
