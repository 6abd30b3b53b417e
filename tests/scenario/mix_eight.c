/* SPDX-License-Identifier: BSD-2-Clause */
/* Eight sources of three kinds on four CPUs and three levels, two of them shared lines, two mutexes
 * entered in one order, a rwlock, a softint that handlers schedule: all invariants at once. */
#include "dev.h"

#include <ithaca/rwlock.h>
#include <ithaca/softint.h>

static struct mutex m[2];
static struct rwlock rw;
static struct softint *si;
static struct dev dev[8];
static unsigned inside;
static _Atomic unsigned soft;

static void nested(void)
{
	mutex_enter(&m[0]);
	mutex_enter(&m[1]);
	CHECK_EQ(inside++, 0);
	CHECK_EQ(--inside, 0);
	mutex_exit(&m[1]);
	mutex_exit(&m[0]);
}

static void hook(struct dev *d)
{
	unsigned i = (unsigned)(d - dev);

	if (i % 4 == 0) {
		nested();
	} else if (i % 4 == 1) {
		rw_enter(&rw, i == 1 ? RW_WRITER : RW_READER);
		rw_exit(&rw);
	} else if (i % 4 == 2) {
		softint_schedule(si);
	}
}

static void soft_fn(void *arg)
{
	(void)arg;
	ADD(soft, 1);
	mutex_enter(&m[1]);
	mutex_exit(&m[1]);
}

static void setup(void)
{
	mutex_init(&m[0], "first", IPL_NONE);
	mutex_init(&m[1], "second", IPL_NONE);
	rw_init(&rw, "rw");
	CHECK_EQ(softint_establish("soft", IPL_SOFTNET, soft_fn, NULL, &si), 0);
	for (unsigned i = 0; i < 8; i++) {
		dev[i].d_hook = hook;
		if (i >= 6)
			dev_share(&dev[i], &dev[i - 6], "shares", IPL_BIO + (int)i % 3, true);
		else
			dev_init(&dev[i], "dev", i % 2 ? INTR_MESSAGE : INTR_LEVEL, i % 4,
			    IPL_BIO + (int)i % 3, i != 4);
	}
}

static void body(void *arg)
{
	(void)arg;
	nested();
	CHECK_EQ(curlwp->l_pri, PRI_KERNEL);
}

static void check(void)
{
	for (unsigned i = 0; i < 8; i++)
		dev_check(&dev[i]);
	CHECK(GET(soft) >= 1);
}

SCENARIO(mix_eight, "eight sources on four CPUs, every kind of lock: I1 to I9") = {.cpus = 4,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 2, body}, {"c", ANY_CPU, body}},
    .devices = {{"d0", 1, dev_raise, &dev[0]}, {"d1", 1, dev_raise, &dev[1]},
	{"d2", 1, dev_raise, &dev[2]}, {"d3", 1, dev_raise, &dev[3]}, {"d4", 1, dev_raise, &dev[4]},
	{"d5", 1, dev_raise, &dev[5]}, {"d6", 1, dev_raise, &dev[6]},
	{"d7", 1, dev_raise, &dev[7]}},
    .check = check};
