/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A softint blocks on a mutex that a lwp holds; its level waits for it, other levels do not, and
 * what is scheduled meanwhile is done when it goes on: I1, I4, I7.
 */
#include "dev.h"

#include <ithaca/softint.h>

static struct mutex m;
static struct softint *si[3];
static struct dev dev;
static _Atomic unsigned ran[3];

static void soft(void *arg)
{
	unsigned i = (unsigned)((struct softint **)arg - si);

	if (i == 0) {
		mutex_enter(&m);
		mutex_exit(&m);
	}
	ADD(ran[i], 1);
}

static void hook(struct dev *d)
{
	(void)d;
	for (unsigned i = 0; i < 3; i++)
		softint_schedule(si[i]);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(softint_establish("soft", i < 2 ? IPL_SOFTNET : IPL_SOFTBIO, soft, &si[i],
			     &si[i]),
		    0);
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void body(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	sim_point(SIM_TEST);
	mutex_exit(&m);
	CHECK_EQ(curlwp->l_pri, PRI_KERNEL);
}

static void check(void)
{
	dev_check(&dev);
	for (unsigned i = 0; i < 3; i++)
		CHECK(GET(ran[i]) >= 1);
	CHECK(!cpu_lookup(0)->ci_softint[IPL_SOFTNET].sc_away);
}

SCENARIO(soft_away, "a softint that blocks holds up its level alone: I1, I4, I7") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .check = check};
