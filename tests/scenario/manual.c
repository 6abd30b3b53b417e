/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An INTR_MANUAL handler runs when its filter says hwi_sched(), and is not queued by dispatch; the
 * line is not masked for it: I1, I2.
 */
#include "dev.h"

static struct dev dev;
static unsigned asked;

static unsigned filter(void *arg)
{
	struct dev *t = arg;

	unsigned n = dev_take(t);

	if (n == 0)
		return FILTER_STRAY;
	ADD(t->d_ring, n);
	asked++;
	hwi_sched(t->d_ih);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static void setup(void)
{
	dev.d_manual = true;
	dev.d_line = sim_line_create("dev", INTR_LEVEL, 0, 0);
	CHECK_EQ(intr_establish(dev.d_line->sl_source, "dev", IPL_NET, INTR_MANUAL, filter,
		     dev_thread, &dev, &dev.d_ih),
	    0);
}

static void body(void *arg)
{
	(void)arg;
}

static void check(void)
{
	dev_check(&dev);
	CHECK(dev.d_runs <= asked);
	CHECK_EQ(dev.d_line->sl_masks, 0);
}

SCENARIO(manual, "INTR_MANUAL: only hwi_sched() queues it: I1, I2") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .check = check};
