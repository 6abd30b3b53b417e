/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers of one level run in the order in which they were queued: I4. */
#include "dev.h"

static struct dev dev[3];
static unsigned order[8], asked, ran;

static unsigned filter(void *arg)
{
	struct dev *d = arg;
	unsigned n = dev_take(d);

	if (n == 0)
		return FILTER_STRAY;
	ADD(d->d_ring, n);
	order[asked++] = (unsigned)(d - dev);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static void hook(struct dev *d)
{
	CHECK_EQ(order[ran++], (unsigned)(d - dev));
}

static void setup(void)
{
	for (unsigned i = 0; i < 3; i++) {
		dev[i].d_hook = hook;
		dev[i].d_line = sim_line_create("dev", INTR_EDGE, 0, 0);
		CHECK_EQ(intr_establish(dev[i].d_line->sl_source, "dev", IPL_NET, 0, filter,
			     dev_thread, &dev[i], &dev[i].d_ih),
		    0);
	}
}

static void body(void *arg)
{
	int s = splraise(IPL_NET);

	(void)arg;
	sim_point(SIM_TEST);
	splx(s);
}

static void check(void)
{
	for (unsigned i = 0; i < 3; i++)
		dev_check(&dev[i]);
	CHECK_EQ(ran, asked);
}

SCENARIO(fifo, "handlers of a level run in the order of their requests: I4") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"d0", 1, dev_raise, &dev[0]}, {"d1", 1, dev_raise, &dev[1]},
	{"d2", 1, dev_raise, &dev[2]}},
    .check = check};
