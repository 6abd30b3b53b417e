/* SPDX-License-Identifier: BSD-2-Clause */
/* An lwp's priority changes while it runs, waits for a mutex, or is woken: it stands where it
 * belongs, and ends with what it was given: I8, I9. */
#include "scenario.h"

static struct mutex m;
static struct lwp *target;

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
}

static void locks(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	target = curlwp;
	lwp_yield();
	mutex_exit(&m);
}

static void changes(void *arg)
{
	struct lwp *l;

	(void)arg;
	mutex_enter(&m);
	l = target;
	mutex_exit(&m);
	if (l == NULL)
		return;
	lwp_setpri(l, 40);
	lwp_setpri(l, 20);
}

static void check(void)
{
	if (target != NULL)
		CHECK_EQ(target->l_pri, target->l_basepri);
}

SCENARIO(setpri_race, "priorities that change under lwps that wait: I8, I9") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"locks", 0, locks}, {"waits", 0, changes}, {"changes", 1, changes}},
    .check = check};
