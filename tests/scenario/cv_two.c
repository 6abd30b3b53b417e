/* SPDX-License-Identifier: BSD-2-Clause */
/* One waits for a condition that another makes true, who signals under the mutex: no wakeup is
 * lost (I8). */
#include "scenario.h"

#include <ithaca/condvar.h>

static struct mutex m;
static struct condvar cv;
static unsigned items;

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "cv");
}

static void takes(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	while (items == 0)
		cv_wait(&cv, &m);
	lwp_yield();
	items--;
	cv_broadcast(&cv);
	mutex_exit(&m);
	CHECK_EQ(curlwp->l_pri, PRI_KERNEL);
}

static void gives(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	items += 2;
	cv_broadcast(&cv);
	while (items != 0)
		cv_wait(&cv, &m);
	mutex_exit(&m);
}

SCENARIO(cv_two, "two that wait for a condition and one that makes it true: I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"takes", 0, takes}, {"gives", 1, gives}, {"takes", 1, takes, NULL, PRI_KERNEL}}};
