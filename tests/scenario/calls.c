/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu_call() and cpu_barrier() of two CPUs at once: each answers the other while it waits itself,
 * and what was written before the call is seen there. */
#include "scenario.h"

static unsigned data[2], seen[2];

static void call(void *arg)
{
	unsigned i = arg != NULL;

	CHECK_EQ(curcpu()->ci_index, 1 - i);
	seen[i] = data[i];
}

static void body(void *arg)
{
	unsigned i = arg != NULL;

	data[i] = 7;
	cpu_call(cpu_lookup(1 - i), call, arg);
	CHECK_EQ(seen[i], 7);
	cpu_barrier();
}

SCENARIO(calls, "two CPUs call each other") = {.cpus = 2,
    .setup = NULL,
    .lwps = {{"a", 0, body}, {"b", 1, body, data}}};
