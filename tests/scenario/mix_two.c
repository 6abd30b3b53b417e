/* SPDX-License-Identifier: BSD-2-Clause */
/* Two CPUs, a shared level line, an edge and a message, handlers and lwps that want the same mutex,
 * and a softint: all invariants at once. */
#include "dev.h"

#include <ithaca/ithread.h>
#include <ithaca/softint.h>

static struct mutex m;
static struct softint *si;
static struct dev dev[4];
static unsigned inside;
static _Atomic unsigned asked, ran;

static void hook(struct dev *d)
{
	mutex_enter(&m);
	CHECK_EQ(inside++, 0);
	CHECK_EQ(--inside, 0);
	mutex_exit(&m);
	if (d == &dev[3]) {
		ADD(asked, 1);
		softint_schedule_cpu(si, cpu_lookup(0));
	}
}

static void soft(void *arg)
{
	(void)arg;
	ADD(ran, SWAP(asked, 0));
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	CHECK_EQ(softint_establish("soft", IPL_SOFTNET, soft, NULL, &si), 0);
	for (unsigned i = 0; i < 4; i++)
		dev[i].d_hook = hook;
	dev_init(&dev[0], "level", INTR_LEVEL, 0, IPL_NET, true);
	dev_share(&dev[1], &dev[0], "shared", IPL_BIO, false);
	dev_init(&dev[2], "edge", INTR_EDGE, 1, IPL_TTY, true);
	dev_init(&dev[3], "message", INTR_MESSAGE, 1, IPL_BIO, true);
}

static void body(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	CHECK_EQ(inside++, 0);
	lwp_yield();
	CHECK_EQ(--inside, 0);
	mutex_exit(&m);
	CHECK_EQ(curlwp->l_pri, PRI_KERNEL);
}

static void check(void)
{
	struct ithread_counts c;

	for (unsigned i = 0; i < 4; i++)
		dev_check(&dev[i]);
	CHECK_EQ(GET(asked), 0);
	CHECK(GET(ran) >= 1);
	ithread_count(&c);
	CHECK_EQ(c.free + c.spare, c.total);
}

SCENARIO(mix_two, "all kinds of sources on two CPUs: I1 to I9") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}, {"c", ANY_CPU, body}},
    .devices = {{"level", 2, dev_raise, &dev[0]}, {"shared", 1, dev_raise, &dev[1]},
	{"edge", 2, dev_raise, &dev[2]}, {"message", 1, dev_raise, &dev[3]}},
    .check = check};
