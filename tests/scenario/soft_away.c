/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A softint waits for a word from an lwp; its level waits for it, other levels do not, and
 * what is scheduled meanwhile is done when it goes on: I1, I4, I7.
 */
#include "dev.h"

#include <ithaca/condvar.h>
#include <ithaca/softint.h>

static struct mutex m;
static struct condvar cv;
static bool go;
static struct softint *si[4];
static struct dev dev;
static _Atomic unsigned ran[4];

static void soft(void *arg)
{
	unsigned i = (unsigned)((struct softint **)arg - si);

	if (i == 0) {
		mutex_enter(&m);
		while (!go)
			cv_wait(&cv, &m);
		mutex_exit(&m);
	}
	ADD(ran[i], 1);
}

static void hook(struct dev *d)
{
	/* The last but one joins a queue whose lwp is away, perhaps. */
	for (unsigned i = 0; i < 4; i++)
		if (i != 2 || GET(d->d_runs) == 2)
			softint_schedule(si[i]);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "cv");
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(softint_establish("soft", i < 3 ? IPL_SOFTNET : IPL_SOFTBIO, soft, &si[i],
			     &si[i]),
		    0);
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void body(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	go = true;
	cv_broadcast(&cv);
	mutex_exit(&m);
	CHECK_EQ(curlwp->l_pri, PRI_KERNEL);
}

static void check(void)
{
	dev_check(&dev);
	for (unsigned i = 0; i < 4; i++)
		CHECK(GET(ran[i]) >= (i != 2 || GET(dev.d_runs) >= 2));
	CHECK(cpu_lookup(0)->ci_softint[IPL_SOFTNET].sc_pending != 0);
}

SCENARIO(soft_away, "a softint that blocks holds up its level alone: I1, I4, I7") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .check = check};
