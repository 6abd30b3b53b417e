/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu_call() and cpu_barrier() of three CPUs at once: each answers the other while it waits itself,
 * and what was written before the call is seen there. */
#include "scenario.h"

static unsigned data[3], seen[3];

static void call(void *arg)
{
	const unsigned *mine = arg;

	seen[mine - data] = *mine;
}

static void body(void *arg)
{
	unsigned *mine = arg, i = (unsigned)(mine - data);

	*mine = 7;
	cpu_call(cpu_lookup(i == 0), call, mine);
	CHECK_EQ(seen[i], 7);
	cpu_barrier();
}

SCENARIO(calls, "three CPUs call each other") = {.cpus = 3,
    .setup = NULL,
    .lwps = {{"a", 0, body, &data[0]}, {"b", 1, body, &data[1]}, {"c", 2, body, &data[2]}}};
