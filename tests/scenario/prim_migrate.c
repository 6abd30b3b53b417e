/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: a handler waits for an lwp with its level raised, and another CPU is about to
 * idle: it goes there, and the lwp waits for that: I1, I2, I13. */
#include "dev.h"

#include <ithaca/sleepq.h>
#include <ithaca/spl.h>

static struct dev dev = {.d_flags = INTR_MIGRATE};
static bool over; /* the sleep queue's lock */

static void setup(void)
{
	dev_init(&dev, "dev", INTR_MESSAGE, 0, IPL_NET, true);
}

static void keeps_out(void *arg)
{
	int ipl = splraise(IPL_NET);
	bool intr;

	(void)arg;
	while (intr_may_migrate() && GET(dev.d_done) == 0)
		port_pause();
	splx(ipl);
	intr = sleepq_lock(&over);
	over = true;
	sleepq_unlock(&over, intr);
	sleepq_wake(&over, -1);
}

/* Its CPU idles meanwhile. */
static void sleeps(void *arg)
{
	bool intr = sleepq_lock(&over);

	(void)arg;
	if (over)
		sleepq_unlock(&over, intr);
	else
		sleepq_wait(&over, "over", SLEEP_FOREVER, intr);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_migrate, "to exhaust: a handler that migrates: I1, I2, I13") = {.cpus = 3,
    .setup = setup,
    .lwps = {{"keeps out", 0, keeps_out}, {"sleeps", 1, sleeps}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 2,
    .check = check};
