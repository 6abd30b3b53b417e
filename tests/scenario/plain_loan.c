/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An lwp keeps a handler of level NET waiting and runs at its priority. A handler of level BIO that
 * finds nothing else in its way does not begin upon it before the loan is given back: I9.
 */
#include "dev.h"

static struct mutex m;
static struct dev urgent, lesser, spare;
static bool lent;

static void takes(struct dev *d)
{
	(void)d;
	mutex_enter(&m);
	mutex_exit(&m);
}

static void looks(struct dev *d)
{
	(void)d;
	CHECK(!lent);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	urgent.d_hook = takes;
	lesser.d_hook = looks;
	dev_init(&urgent, "urgent", INTR_EDGE, 0, IPL_NET, true);
	dev_init(&spare, "spare", INTR_EDGE, 0, IPL_TTY, true);
	dev_init(&lesser, "lesser", INTR_EDGE, 0, IPL_BIO, true);
}

static void holds(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	dev_raise(&urgent);
	for (unsigned i = 0; i < 10; i++)
		sim_point(SIM_TEST);
	dev_raise(&spare); /* its ithread is the CPU's spare from then on */
	for (unsigned i = 0; i < 10; i++)
		sim_point(SIM_TEST);
	lent = GET(curlwp->l_pri) >= PRI_LEVEL(IPL_NET);
	for (unsigned i = 0; i < 10; i++)
		sim_point(SIM_TEST);
	lent = false;
	mutex_exit(&m);
}

static void check(void)
{
	dev_check(&urgent);
	dev_check(&spare);
	dev_check(&lesser);
}

SCENARIO(plain_loan, "no lesser handler begins upon an lwp that is lent more: I9") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"holds", 0, holds}},
    .devices = {{"lesser", 2, dev_raise, &lesser}},
    .check = check};
