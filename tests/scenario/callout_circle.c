/* SPDX-License-Identifier: BSD-2-Clause */
/* Two callouts on two CPUs, each of which halts the other: a halt for ever, if both run. A checked
 * build must say so. */
#include "scenario.h"

#include <ithaca/callout.h>
#include <ithaca/sleepq.h>

static struct callout c[2];

static void fn(void *arg)
{
	struct callout *other = arg;

	sim_point(SIM_TEST);
	sim_point(SIM_TEST);
	sim_point(SIM_TEST);
	callout_halt(other, NULL);
}

static void setup(void)
{
	for (unsigned i = 0; i < 2; i++) {
		callout_init(&c[i]);
		callout_setfunc(&c[i], fn, &c[1 - i]);
	}
}

static void body(void *arg)
{
	callout_schedule(arg, 1);
	lwp_sleep_ns(1000000);
	callout_halt(arg, NULL);
}

SCENARIO(callout_circle, "two callouts that halt each other: must be found") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body, &c[0]}, {"b", 1, body, &c[1]}},
    .fails = "halt one another in a ring"};
