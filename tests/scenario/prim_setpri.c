/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: an lwp's priority changes while it holds a mutex that a handler waits for: what
 * it is lent and what is its own are kept apart: I9. */
#include "dev.h"
#include "witnessed.h"

static struct dev dev;
static struct mutex m;
static struct lwp *owner;

static void hook(struct dev *d)
{
	(void)d;
	mutex_enter(&m);
	mutex_exit(&m);
}

static void setup(void)
{
	witnessed_mutex(&m, "m");
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_EDGE, 0, IPL_NET, true);
}

static void owns(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	lwp_setpri(curlwp, PRI_KERNEL + 1);
	mutex_exit(&m);
	CHECK_EQ(curlwp->l_pri, PRI_KERNEL + 1);
	owner = curlwp;
}

static void check(void)
{
	dev_check(&dev);
	CHECK_EQ(owner->l_pri, PRI_KERNEL + 1);
}

SCENARIO(prim_setpri, "to exhaust: a priority that changes and one that is lent: I9") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"owns", 1, owns}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
