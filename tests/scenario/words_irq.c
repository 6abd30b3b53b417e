/* SPDX-License-Identifier: BSD-2-Clause */
/* For the simulator itself: a filter between the accesses of two CPUs. */
#include "scenario.h"

static _Atomic unsigned w[2];
static struct sim_line *line;
static struct intr_handler *ih;

static unsigned filter(void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&w[0], 1, memory_order_relaxed);
	return FILTER_HANDLED;
}

static void setup(void)
{
	line = sim_line_create("line", INTR_EDGE, 0, 0);
	CHECK_EQ(intr_establish(line->sl_source, "line", IPL_VM, 0, filter, NULL, NULL, &ih), 0);
}

static void raise(void *arg)
{
	(void)arg;
	sim_line_raise(line);
}

static void body(void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&w[0], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&w[1], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&w[0], 1, memory_order_relaxed);
}

SCENARIO(words_irq, "for the simulator: all traces of two CPUs and a filter") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 1, raise}}};
