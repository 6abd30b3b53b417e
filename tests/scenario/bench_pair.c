/* SPDX-License-Identifier: BSD-2-Clause */
/* For the bench: two threads and one atomic word each way, as others' figures are taken. */
#include "scenario.h"

static _Atomic unsigned word[2], seen[2];

static void body(void *arg)
{
	unsigned me = arg != NULL;

	atomic_store_explicit(&word[me], 1, memory_order_seq_cst);
	seen[me] = atomic_load_explicit(&word[!me], memory_order_seq_cst);
}

static void check(void)
{
	CHECK(seen[0] + seen[1] >= 1);
}

SCENARIO(bench_pair, "for the bench: two stores, two loads") = {.cpus = 2,
    .lwps = {{"a", 0, body}, {"b", 1, body, word}},
    .check = check};
