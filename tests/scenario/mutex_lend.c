/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handler waits for a mutex of a lwp that is less urgent than another that runs meanwhile: the
 * owner is lent the handler's priority, so the one in between does not run before it lets go; and
 * it has its own again right after: I9.
 */
#include "dev.h"

static struct mutex m;
static struct dev dev;
static bool waits, held;

static void hook(struct dev *d)
{
	(void)d;
	waits = true;
	mutex_enter(&m);
	waits = false;
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void low(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	held = true;
	lwp_setpri(curlwp, 10); /* the one in between runs, unless something is lent */
	sim_point(SIM_TEST);
	held = false;
	mutex_exit(&m);
	CHECK_EQ(curlwp->l_pri, 10);
}

static void between(void *arg)
{
	(void)arg;
	CHECK(!(waits && held && curlwp->l_pri == 20));
	sim_point(SIM_TEST);
	CHECK(!(waits && held && curlwp->l_pri == 20));
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(mutex_lend, "what a handler lends to the owner of a mutex: I9") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"low", 0, low}, {"between", 0, between, NULL, 20}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .check = check};
