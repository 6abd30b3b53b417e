/* SPDX-License-Identifier: BSD-2-Clause */
/* mutex_tryenter() against owners and waiters; adaptive and spin: I8. */
#include "scenario.h"

static struct mutex m, s;
static unsigned inside, in_spin;

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	mutex_init(&s, "s", IPL_VM);
}

static void body(void *arg)
{
	if (arg == NULL)
		mutex_enter(&m);
	else if (!mutex_tryenter(&m))
		return;
	CHECK_EQ(inside++, 0);
	if (mutex_tryenter(&s)) {
		CHECK_EQ(in_spin++, 0);
		CHECK_EQ(--in_spin, 0);
		mutex_exit(&s);
	}
	lwp_yield();
	CHECK_EQ(--inside, 0);
	mutex_exit(&m);
	CHECK_EQ(curlwp->l_pri, PRI_KERNEL);
}

SCENARIO(mutex_try, "mutex_tryenter() among owners and waiters: I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 0, body}, {"try", 1, body, &m}, {"c", 1, body}}};
