/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two bound lwps wake each other across CPUs, each about to idle: the poke comes, and comes in
 * time: I8.
 */
#include "scenario.h"

#include <ithaca/sleepq.h>
#include <stdatomic.h>

static _Atomic unsigned turn;

static void body(void *arg)
{
	unsigned mine = arg != NULL;
	bool intr;

	for (unsigned i = 0; i < 2; i++) {
		intr = sleepq_lock(&turn);
		while (atomic_load_explicit(&turn, memory_order_relaxed) % 2 != mine) {
			(void)sleepq_wait(&turn, "turn", SLEEP_FOREVER, intr);
			intr = sleepq_lock(&turn);
		}
		atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed);
		sleepq_unlock(&turn, intr);
		sleepq_wake(&turn, 1);
	}
}

SCENARIO(woken_elsewhere, "two lwps wake each other across CPUs: I8") = {.cpus = 2,
    .setup = NULL,
    .lwps = {{"a", 0, body}, {"b", 1, body, &turn}}};
