/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * splraise(IPL_NET) keeps a NET handler off this CPU, and its filter not; splx() lets it in: no
 * handler is late for ever, none comes early: I1, I7.
 */
#include "dev.h"

static struct dev dev;
static bool raised;

static void hook(struct dev *t)
{
	(void)t;
	CHECK(!raised);
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
	raised = true;
	sim_point(SIM_TEST);
	raised = false;
	splx(s);
	CHECK_EQ(curlwp->l_ipl, IPL_NONE);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(spl_raised, "splraise() keeps a handler out, splx() lets it in: I1, I7") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .check = check};
