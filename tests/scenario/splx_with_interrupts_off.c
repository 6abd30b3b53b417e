/* SPDX-License-Identifier: BSD-2-Clause */
/* splx() with interrupts off: what waited for the level goes on waiting for whoever has them off,
 * and runs when they come back: I1, I7. */
#include "dev.h"

#include <ithaca/ithread.h>
#include <ithaca/port.h>

static struct dev dev;

static void setup(void)
{
	dev_init(&dev, "dev", INTR_EDGE, 0, IPL_BIO, true);
}

static void body(void *arg)
{
	unsigned before;
	int s = splraise(IPL_NET);
	bool intr;

	(void)arg;
	sim_point(SIM_TEST);
	intr = port_intr_disable();
	before = GET(dev.d_runs);
	splx(s);
	CHECK_EQ(GET(dev.d_runs), before);
	intr_return(intr);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(splx_with_interrupts_off, "splx() with interrupts off: I1, I7") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .check = check};
