/* SPDX-License-Identifier: BSD-2-Clause */
/* For the simulator itself: two CPUs write and then look; without a fence both may see nothing, and
 * under tso and c11 that must be found. With sc the run never fails. */
#include "scenario.h"

static _Atomic unsigned word[2];
static unsigned seen[2];

static void body(void *arg)
{
	unsigned me = arg != NULL;

	atomic_store_explicit(&word[me], 1, memory_order_release);
	seen[me] = atomic_load_explicit(&word[!me], memory_order_acquire);
}

static void check(void)
{
	CHECK(seen[0] + seen[1] >= 1);
}

SCENARIO(store_buffer, "for the simulator: fails under tso and c11, and only there") = {.cpus = 2,
    .lwps = {{"a", 0, body}, {"b", 1, body, word}},
    .check = check};
