/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU whose host does not let it run for three times as long as a hang is given, twice, with
 * work for it under way: it neither beats nor answers, and nobody calls that a hang; nor do the
 * two make out, when it goes on, that the other was away. Then both beat as before.
 */
#include "scenario.h"

#include <ithaca/clock.h>
#include <ithaca/heartbeat.h>
#include <ithaca/sleepq.h>
#include <ithaca/sysctl.h>
#include <sim/probe.h>
#include <stdlib.h>

#define LIMIT_NS (100 * NS_PER_MS)

static struct mutex m;

static uint64_t value(const char *name)
{
	char text[24];

	CHECK_EQ(sysctl_read(name, text, sizeof(text)), 0);
	return strtoull(text, NULL, 10);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	CHECK_EQ(heartbeat_init(), 0);
	CHECK_EQ(sysctl_write("kern.heartbeat_ms", "100"), 0);
}

static void stop(bool on)
{
	sim_deafen(1, on);
	sim_probe_freeze(1, on);
}

static void host(void *arg)
{
	uint64_t before;

	(void)arg;
	for (unsigned i = 0; i < 2; i++) {
		lwp_sleep_ns(LIMIT_NS / 4);
		stop(true);
		lwp_sleep_ns(3 * LIMIT_NS);
		stop(false);
	}
	before = value("kern.heartbeat.beats");
	lwp_sleep_ns(LIMIT_NS);
	CHECK(value("kern.heartbeat.beats") - before >= 2 * HEARTBEAT_BEATS - 2);
	CHECK_EQ(value("kern.heartbeat.reports"), 0);
}

static void works(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 3; i++) {
		lwp_sleep_ns(LIMIT_NS / 5);
		mutex_enter(&m);
		mutex_exit(&m);
	}
}

SCENARIO(heartbeat_starved, "a CPU whose host stops it does not hang") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"host", 0, host}, {"works", 1, works}}};
