/* SPDX-License-Identifier: BSD-2-Clause */
/* Two CPUs push softints on the list of a third: what it takes is complete, also when the poke of
 * one brings what the other pushed: I1. */
#include "scenario.h"

#include <ithaca/softint.h>

static struct softint *si[2];
static unsigned ran[2];

static void soft(void *arg)
{
	*(unsigned *)arg += 1;
}

static void setup(void)
{
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(softint_establish("soft", IPL_SOFTNET, soft, &ran[i], &si[i]), 0);
}

static void body(void *arg)
{
	softint_schedule_cpu(*(struct softint **)arg, cpu_lookup(0));
}

static void check(void)
{
	CHECK_EQ(ran[0], 1);
	CHECK_EQ(ran[1], 1);
}

SCENARIO(soft_pushed, "two CPUs push softints to a third: I1") = {.cpus = 3,
    .setup = setup,
    .lwps = {{"a", 1, body, &si[0]}, {"b", 2, body, &si[1]}},
    .check = check};
