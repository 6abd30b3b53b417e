/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An edge whose filter answers this way or that: in the end all is done, by the filter or by the
 * thread, and the source is never masked: I1, I2.
 */
#include "dev.h"

static struct dev dev;

static unsigned filter(void *arg)
{
	static const unsigned answer[] = {FILTER_HANDLED | FILTER_SCHEDULE_THREAD, FILTER_HANDLED,
	    FILTER_SCHEDULE_THREAD};
	struct dev *t = arg;
	unsigned n = dev_take(t), i;

	if (n == 0)
		return FILTER_STRAY;
	i = sim_pick(3);
	ADD(*(i == 1 ? &t->d_done : &t->d_ring), n);
	return answer[i];
}

static void setup(void)
{
	dev.d_line = sim_line_create("dev", INTR_EDGE, 0, 0);
	CHECK_EQ(intr_establish(dev.d_line->sl_source, "dev", IPL_NET, 0, filter, dev_thread, &dev,
		     &dev.d_ih),
	    0);
}

static void body(void *arg)
{
	(void)arg;
}

static void check(void)
{
	dev_check(&dev);
	CHECK_EQ(dev.d_line->sl_masks, 0);
}

SCENARIO(filter_edge, "an edge whose filter draws its answer: I1, I2") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 3, dev_raise, &dev}},
    .check = check};
