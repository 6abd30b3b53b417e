/* SPDX-License-Identifier: BSD-2-Clause */
/* A handler that asks for itself again and again is disestablished all the same: hwi_sched() is
 * ignored from then on: I12. */
#include "dev.h"

static struct dev dev;

static void hook(struct dev *d)
{
	hwi_sched(d->d_ih);
}

static void setup(void)
{
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_EDGE, 0, IPL_NET, true);
}

static void body(void *arg)
{
	(void)arg;
	CHECK_EQ(intr_disestablish(dev.d_ih), 0);
	SET(dev.d_gone, true);
}

SCENARIO(hwi_for_ever, "a handler that never has enough is disestablished: I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 1, body}},
    .devices = {{"raise", 1, dev_raise, &dev}}};
