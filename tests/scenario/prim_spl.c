/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: splraise(IPL_NET) keeps a NET handler off this CPU and splx() lets it in, while
 * preempt_disable() keeps everything out: I1, I7. */
#include "dev.h"

static struct dev dev;
static bool out;

static void hook(struct dev *d)
{
	(void)d;
	CHECK(!out);
}

static void setup(void)
{
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void body(void *arg)
{
	int s = splraise(IPL_NET);

	(void)arg;
	out = true;
	preempt_disable();
	sim_point(SIM_TEST);
	out = false;
	splx(s);
	out = true;
	sim_point(SIM_TEST);
	out = false;
	preempt_enable();
	CHECK_EQ(curlwp->l_ipl, IPL_NONE);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_spl,
    "to exhaust: splraise(), splx(), preempt_disable(), interrupt: I1, I7") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .bound = 3,
    .check = check};
