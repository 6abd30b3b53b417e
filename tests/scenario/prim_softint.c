/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: a softint that an lwp of another CPU and a filter schedule: I1, I2. */
#include "dev.h"

#include <ithaca/softint.h>

static struct dev dev;
static struct softint *si;
static _Atomic unsigned asked, done;
static _Atomic bool running;

static void soft(void *arg)
{
	(void)arg;
	CHECK(!SWAP(running, true));
	ADD(done, SWAP(asked, 0));
	CHECK(SWAP(running, false));
}

static unsigned filter(void *arg)
{
	unsigned n = dev_take(arg);

	ADD(dev.d_done, n);
	ADD(asked, 1);
	softint_schedule(si);
	return FILTER_HANDLED;
}

static void setup(void)
{
	CHECK_EQ(softint_establish("soft", IPL_SOFTNET, soft, NULL, &si), 0);
	dev.d_line = sim_line_create("dev", INTR_EDGE, 0, 0);
	CHECK_EQ(intr_establish(dev.d_line->sl_source, "dev", IPL_VM, 0, filter, NULL, &dev,
		     &dev.d_ih),
	    0);
}

static void asks(void *arg)
{
	(void)arg;
	ADD(asked, 1);
	softint_schedule_cpu(si, cpu_lookup(0));
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_softint, "to exhaust: softint and interrupt: I1, I2") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"asks", 1, asks}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
