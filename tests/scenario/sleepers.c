/* SPDX-License-Identifier: BSD-2-Clause */
/* Sleeps with a time, on two CPUs, the second shorter than the first: each ends, and none lasts for
 * ever: I8, I10. */
#include "scenario.h"

#include <ithaca/clock.h>
#include <ithaca/sleepq.h>

static void body(void *arg)
{
	uint64_t ns = arg != NULL ? 100000 : 1000000, begun = clock_ns();

	lwp_sleep_ns(ns);
	CHECK(clock_ns() >= begun + ns);
}

SCENARIO(sleepers, "sleeps with a time, short after long: I8, I10") = {.cpus = 2,
    .setup = NULL,
    .lwps = {{"long", 0, body}, {"short", 0, body, &scenario_sleepers}, {"other", 1, body}}};
