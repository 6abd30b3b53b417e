/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hwi_sched() of one handler from two CPUs: whoever finds it idle queues it, where he is; it never
 * runs beside itself, and the last request is followed by a run: I1, I2.
 */
#include "dev.h"

static struct dev dev;
static _Atomic unsigned asked[2], seen[2];

static void hook(struct dev *d)
{
	(void)d;
	for (unsigned i = 0; i < 2; i++)
		SET(seen[i], GET(asked[i]));
}

static void setup(void)
{
	dev.d_manual = true;
	dev.d_hook = hook;
	dev.d_line = sim_line_create("soft", INTR_EDGE, 0, 0);
	CHECK_EQ(intr_establish(dev.d_line->sl_source, "soft", IPL_TTY, INTR_MANUAL, NULL,
		     dev_thread, &dev, &dev.d_ih),
	    0);
}

static void body(void *arg)
{
	for (unsigned i = 0; i < 2; i++) {
		SET(asked[arg != NULL], i + 1); /* before the request: the run sees it */
		hwi_sched(dev.d_ih);
	}
}

static void check(void)
{
	CHECK_EQ(GET(seen[0]), 2);
	CHECK_EQ(GET(seen[1]), 2);
}

SCENARIO(hwi_two_cpus, "hwi_sched() of one handler from two CPUs: I1, I2") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body, &dev}},
    .check = check};
