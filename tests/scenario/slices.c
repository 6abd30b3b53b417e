/* SPDX-License-Identifier: BSD-2-Clause */
/* Two equals on one CPU, each of which spins until the other has run: the clock takes the CPU from
 * the first, and gives it back: no CPU makes no progress. */
#include "scenario.h"

#include <stdatomic.h>

static _Atomic unsigned turn;

static void body(void *arg)
{
	unsigned mine = arg != NULL;

	for (unsigned i = 0; i < 2; i++) {
		while (atomic_load_explicit(&turn, memory_order_acquire) % 2 != mine)
			port_pause();
		atomic_fetch_add_explicit(&turn, 1, memory_order_release);
	}
}

SCENARIO(slices, "two equals that spin for each other share a CPU") = {.cpus = 1,
    .setup = NULL,
    .lwps = {{"a", 0, body}, {"b", 0, body, &turn}}};
