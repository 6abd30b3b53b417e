/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hwi_sched() from another CPU against intr_disestablish(): it is ignored, or the run takes place
 * before the call returns. The edge fires on, and nothing touches what was freed: I2, I12.
 */
#include "dev.h"

static struct dev dev;
static _Atomic unsigned asking;

static void setup(void)
{
	dev_init(&dev, "dev", INTR_EDGE, 0, IPL_NET, true);
}

static void asks(void *arg)
{
	(void)arg;
	hwi_sched(dev.d_ih);
	atomic_store_explicit(&asking, 1, memory_order_release);
}

static void goes(void *arg)
{
	(void)arg;
	while (atomic_load_explicit(&asking, memory_order_acquire) == 0)
		port_pause();
	CHECK_EQ(intr_disestablish(dev.d_ih), 0);
	CHECK(!GET(dev.d_running));
	SET(dev.d_gone, true);
}

SCENARIO(goes_with_hwi, "hwi_sched() and an edge against disestablish: I2, I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"asks", 0, asks}, {"goes", 1, goes}},
    .devices = {{"raise", 1, dev_raise, &dev}}};
