/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU that has interrupts off for good is reported by its neighbour, whatever both were doing:
 * it answers when it is asked, and does not beat. The other sleeps and wakes meanwhile.
 */
#include "scenario.h"

#include <ithaca/clock.h>
#include <ithaca/heartbeat.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/sysctl.h>

static struct mutex m;

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	CHECK_EQ(heartbeat_init(), 0);
	CHECK_EQ(sysctl_write("kern.heartbeat_ms", "100"), 0);
}

static void sleeps(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 3; i++) {
		mutex_enter(&m);
		mutex_exit(&m);
		lwp_sleep_ns(30 * NS_PER_MS);
	}
}

static void hangs(void *arg)
{
	(void)arg;
	lwp_sleep_ns(50 * NS_PER_MS);
	mutex_enter(&m);
	mutex_exit(&m);
	port_intr_off();
	for (;;)
		port_pause();
}

SCENARIO(heartbeat_hangs,
    "a CPU that hangs is reported by its neighbour: must be found") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"sleeps", 0, sleeps}, {"hangs", 1, hangs}},
    .fails = "cpu1 takes no interrupts for 80 ms, but executes"};
