/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handler that may migrate asks for more runs by hwi_sched(), on whatever CPU it is, a filter of
 * another device asks for it as well, and so does an lwp with its level raised: each request is
 * followed by a run, never two at a time, and it does not wait while a CPU idles: I1, I2, I13.
 */
#include "dev.h"

#include <ithaca/spl.h>

static struct dev dev[2] = {{0}, {.d_flags = INTR_MIGRATE, .d_manual = true}};
static _Atomic unsigned left, asked, seen;

static void hook(struct dev *d)
{
	SET(seen, GET(asked));
	if (GET(left) != 0) {
		SET(left, GET(left) - 1); /* it alone writes it */
		hwi_sched(d->d_ih);
	}
}

static unsigned filter(void *arg)
{
	unsigned answer = dev_filter(arg);

	if (answer != FILTER_STRAY) {
		ADD(asked, 1);
		hwi_sched(dev[1].d_ih);
	}
	return answer;
}

static void setup(void)
{
	atomic_init(&left, 2);
	dev[0].d_line = sim_line_create("asks", INTR_EDGE, 0, 0);
	CHECK_EQ(intr_establish(dev[0].d_line->sl_source, "asks", IPL_NET, 0, filter, dev_thread,
		     &dev[0], &dev[0].d_ih),
	    0);
	dev[1].d_hook = hook;
	dev_init(&dev[1], "budget", INTR_LEVEL, 0, IPL_NET, true);
}

static void body(void *arg)
{
	int ipl = splraise(IPL_NET);

	(void)arg;
	ADD(asked, 1);
	hwi_sched(dev[1].d_ih);
	splx(ipl);
}

static void check(void)
{
	dev_check(&dev[0]);
	dev_check(&dev[1]);
	CHECK_EQ(GET(seen), GET(asked));
	CHECK(GET(asked) >= 2); /* edges may merge */
	CHECK_EQ(GET(left), 0);
}

SCENARIO(migrate_again, "hwi_sched() of a handler that migrates: I1, I2, I13") = {.cpus = 3,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"asks", 2, dev_raise, &dev[0]}, {"budget", 1, dev_raise, &dev[1]}},
    .check = check};
