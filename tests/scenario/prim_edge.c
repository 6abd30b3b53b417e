/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: an edge that comes again, and whose filter answers this way or that: in the end
 * all is done, by the filter or by the thread: I1, I2. */
#include "dev.h"

static struct dev dev;

static unsigned filter(void *arg)
{
	static const unsigned answer[] = {FILTER_HANDLED | FILTER_SCHEDULE_THREAD, FILTER_HANDLED,
	    FILTER_SCHEDULE_THREAD};
	struct dev *d = arg;
	unsigned n = dev_take(d), i;

	if (n == 0)
		return FILTER_STRAY;
	i = sim_pick(3);
	ADD(*(i == 1 ? &d->d_done : &d->d_ring), n);
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

SCENARIO(prim_edge, "to exhaust: an edge and its filter's answers: I1, I2") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .bound = 3,
    .check = check};
