/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two handlers wait for an lwp of CPU 0, which keeps them out until both have run; the lwps of two
 * other CPUs fall asleep meanwhile. The first CPU to idle asks for what waits, and so does the
 * second: I1, I13.
 */
#include "dev.h"

#include <ithaca/condvar.h>
#include <ithaca/spl.h>

static struct mutex m;
static struct condvar cv;
static bool over; /* (m) */
static struct dev dev[2] = {{.d_flags = INTR_MIGRATE}, {.d_flags = INTR_MIGRATE}};

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "over");
	dev_init(&dev[0], "net", INTR_MESSAGE, 0, IPL_NET, true);
	dev_init(&dev[1], "bio", INTR_LEVEL, 0, IPL_BIO, true);
}

static void keeps_out(void *arg)
{
	int ipl = splraise(IPL_NET);

	(void)arg;
	while (intr_may_migrate() && (GET(dev[0].d_done) == 0 || GET(dev[1].d_done) == 0))
		port_pause();
	splx(ipl);
	mutex_enter(&m);
	over = true;
	cv_broadcast(&cv);
	mutex_exit(&m);
}

static void sleeps(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	while (!over)
		cv_wait(&cv, &m);
	mutex_exit(&m);
}

static void check(void)
{
	dev_check(&dev[0]);
	dev_check(&dev[1]);
}

SCENARIO(migrate_asked, "CPUs that become idle ask for what waits: I1, I13") = {.cpus = 4,
    .setup = setup,
    .lwps = {{"keeps out", 0, keeps_out}, {"a", 1, sleeps}, {"b", 2, sleeps}},
    .devices = {{"net", 1, dev_raise, &dev[0]}, {"bio", 1, dev_raise, &dev[1]}},
    .check = check};
