/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the simulator itself: two lwps that meet keep each other awake and get nowhere. A search that
 * merges states comes to where it has been, and must not take that for the end of it.
 */
#include "scenario.h"

#include <ithaca/port.h>

static _Atomic unsigned here[2], beat[2];

static unsigned get(const _Atomic unsigned *a)
{
	return atomic_load_explicit(a, memory_order_relaxed);
}

static void put(_Atomic unsigned *a, unsigned v)
{
	atomic_store_explicit(a, v, memory_order_relaxed);
}

static void body(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	bool met;

	put(&here[me], 1);
	met = get(&here[!me]) != 0;
	while (met && get(&here[!me]) != 0) {
		(void)get(&beat[!me]);
		put(&here[me], 1);
		put(&beat[me], 1);
		port_pause();
	}
	put(&here[me], 0);
}

SCENARIO(round_for_ever, "for the simulator: a livelock that must be found") = {.cpus = 2,
    .lwps = {{"a", 0, body, NULL}, {"b", 1, body, (void *)1}},
    .steps = 2000,
    .fails = "livelock"};
