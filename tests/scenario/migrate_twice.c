/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two handlers wait for an lwp that keeps them out until both have run. A CPU that idles is woken
 * by a filter, and idles again, before it has taken what was passed on: it is passed the second as
 * well: I1, I13.
 */
#include "dev.h"

#include <ithaca/spl.h>

static struct dev dev[2] = {{.d_flags = INTR_MIGRATE}, {.d_flags = INTR_MIGRATE}};
static struct dev wakes[2] = {{.d_answer = FILTER_HANDLED}, {.d_answer = FILTER_HANDLED}};

static void setup(void)
{
	for (unsigned i = 0; i < 2; i++) {
		dev_init(&dev[i], "dev", INTR_MESSAGE, 0, IPL_NET, true);
		dev_init(&wakes[i], "wakes", INTR_EDGE, 1 + i, IPL_NET, true);
	}
}

static void keeps_out(void *arg)
{
	int ipl = splraise(IPL_NET);

	(void)arg;
	while (intr_may_migrate() && (GET(dev[0].d_done) == 0 || GET(dev[1].d_done) == 0))
		port_pause();
	splx(ipl);
}

static void check(void)
{
	dev_check(&dev[0]);
	dev_check(&dev[1]);
}

SCENARIO(migrate_twice, "a CPU that idles is passed two handlers at once: I1, I13") = {.cpus = 3,
    .setup = setup,
    .lwps = {{"keeps out", 0, keeps_out}},
    .devices = {{"m0", 1, dev_raise, &dev[0]}, {"m1", 1, dev_raise, &dev[1]},
	{"w1", 2, dev_raise, &wakes[0]}, {"w2", 2, dev_raise, &wakes[1]}},
    .check = check};
