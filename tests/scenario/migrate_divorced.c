/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two handlers of a CPU block on a mutex. The one that may migrate is asked for meanwhile, and ends
 * as an ordinary lwp; the other is the next to run there, as one of the same level. Its next run
 * does not wait for that while another CPU idles: I1, I2, I13.
 */
#include "dev.h"

static struct mutex m;
static struct dev dev[2] = {{.d_flags = INTR_MIGRATE}, {0}};

static void hook(struct dev *d)
{
	(void)d;
	mutex_enter(&m);
	for (unsigned i = 0; i < 20; i++)
		sim_point(SIM_TEST);
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	dev[0].d_hook = hook;
	dev_init(&dev[0], "moves", INTR_EDGE, 0, IPL_NET, true);
	dev[1].d_hook = hook;
	dev_init(&dev[1], "stays", INTR_EDGE, 0, IPL_NET, true);
}

static void body(void *arg)
{
	hook(arg);
}

static void check(void)
{
	dev_check(&dev[0]);
	dev_check(&dev[1]);
}

SCENARIO(migrate_divorced,
    "one that migrates is divorced and asked for again: I1, I2, I13") = {.cpus = 3,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"moves", 3, dev_raise, &dev[0]}, {"stays", 1, dev_raise, &dev[1]}},
    .check = check};
