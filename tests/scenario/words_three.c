/* SPDX-License-Identifier: BSD-2-Clause */
/* For the simulator itself: three CPUs and two words, no waiting; every trace must be found. */
#include "scenario.h"

static _Atomic unsigned w[2];

static void body_a(void *arg)
{
	(void)arg;
	atomic_store_explicit(&w[0], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&w[1], 1, memory_order_acq_rel);
	(void)atomic_load_explicit(&w[0], memory_order_acquire);
}

static void body_b(void *arg)
{
	(void)arg;
	(void)atomic_load_explicit(&w[1], memory_order_acquire);
	atomic_fetch_add_explicit(&w[0], 1, memory_order_acq_rel);
}

static void body_c(void *arg)
{
	(void)arg;
	atomic_store_explicit(&w[1], 5, memory_order_release);
	(void)atomic_load_explicit(&w[0], memory_order_relaxed);
}

SCENARIO(words_three, "for the simulator: all traces of three CPUs on two words") = {.cpus = 3,
    .lwps = {{"a", 0, body_a}, {"b", 1, body_b}, {"c", 2, body_c}}};
