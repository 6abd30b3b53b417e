/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the simulator itself: data published by a release store or by a relaxed one. Both leave the
 * same machine, but one is a race: a search that merges states must tell them apart.
 */
#include "scenario.h"

#include <ithaca/port.h>

static unsigned data;
static _Atomic unsigned ready, last;

static void writer(void *arg)
{
	(void)arg;
	data = 1;
	if (sim_pick(2) == 0)
		atomic_store_explicit(&ready, 1, memory_order_release);
	else
		atomic_store_explicit(&ready, 1, memory_order_relaxed);
	atomic_store_explicit(&last, 1, memory_order_relaxed);
}

static void reader(void *arg)
{
	(void)arg;
	(void)atomic_load_explicit(&last, memory_order_relaxed);
	while (!atomic_load_explicit(&ready, memory_order_acquire))
		port_pause();
	CHECK_EQ(data, 1);
}

SCENARIO(race_merged, "for the simulator: of two like states, one before a race") = {.cpus = 2,
    .lwps = {{"writer", 0, writer}, {"reader", 1, reader}},
    .fails = "data race"};
