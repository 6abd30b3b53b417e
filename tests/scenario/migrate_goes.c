/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handler that may migrate is disestablished, by an lwp of a third CPU, while it is asked for,
 * waits, is on its way to another CPU, or runs there; then it is established again: I1, I2, I12.
 */
#include "dev.h"

static struct dev dev[2] = {{0}, {.d_flags = INTR_MIGRATE}};

static void hook(struct dev *d)
{
	(void)d;
	for (unsigned i = 0; i < 20; i++)
		sim_point(SIM_TEST);
}

static void setup(void)
{
	dev[0].d_hook = hook;
	dev_init(&dev[0], "stays", INTR_EDGE, 0, IPL_NET, true);
	dev_init(&dev[1], "goes", INTR_LEVEL, 0, IPL_NET, true);
}

static void body(void *arg)
{
	(void)arg;
	CHECK_EQ(intr_disestablish(dev[1].d_ih), 0);
	CHECK(!GET(dev[1].d_running));
	SET(dev[1].d_gone, true);
	lwp_yield();
	SET(dev[1].d_gone, false);
	dev_share(&dev[1], &dev[1], "goes", IPL_BIO, true);
}

static void check(void)
{
	dev_check(&dev[0]);
	dev_check(&dev[1]);
}

SCENARIO(migrate_goes, "disestablish a handler that migrates: I1, I2, I12") = {.cpus = 4,
    .setup = setup,
    .lwps = {{"a", 2, body}},
    .devices = {{"stays", 2, dev_raise, &dev[0]}, {"goes", 2, dev_raise, &dev[1]}},
    .check = check};
