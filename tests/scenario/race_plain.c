/* SPDX-License-Identifier: BSD-2-Clause */
/* For the simulator itself: data published by a relaxed store is a race, and must be found. */
#include "scenario.h"

static unsigned data;
static _Atomic unsigned ready;

static void writer(void *arg)
{
	(void)arg;
	data = 1;
	atomic_store_explicit(&ready, 1, memory_order_relaxed);
}

static void reader(void *arg)
{
	(void)arg;
	if (atomic_load_explicit(&ready, memory_order_acquire))
		CHECK_EQ(data, 1);
}

SCENARIO(race_plain, "for the simulator: a data race that must be found") = {.cpus = 2,
    .lwps = {{"writer", 0, writer}, {"reader", 1, reader}},
    .fails = "data race"};
