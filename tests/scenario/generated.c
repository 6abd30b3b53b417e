/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the simulator itself: small programs, made from the number of --program. Two or three CPUs
 * with a few accesses each to two words, under a mutex or not; odd numbers with an interrupt that
 * accesses them as well, from a device and from another CPU. tests/system/test_search.py compares
 * what the searches find in them.
 */
#include "dev.h"

#include <ithaca/port.h>

#define OPS 4u

enum op { LOAD, STORE, ADD_ONE, SET_IF_ZERO, MINE, LOCKED, QUIET, OP_COUNT, RING };

struct body {
	enum op op[OPS];
	unsigned word[OPS], n;
};

static _Atomic unsigned words[2];
static _Atomic unsigned mine[3]; /* by CPU: of its lwp and its interrupt alone */
static struct mutex m;
static struct sim_line *line;
static struct intr_handler *ih;
static struct body programs[4];
static uint64_t state;
static bool raises;

static unsigned draw(unsigned below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33) % below;
}

static void step(const struct body *b, unsigned i, unsigned cpu)
{
	_Atomic unsigned *w = &words[b->word[i]];
	unsigned zero = 0;
	bool on;

	switch (b->op[i]) {
	case LOAD:
		(void)atomic_load_explicit(w, memory_order_acquire);
		break;
	case STORE:
		atomic_store_explicit(w, 2 + i, memory_order_release);
		break;
	case ADD_ONE:
		ADD(*w, 1);
		break;
	case SET_IF_ZERO:
		(void)atomic_compare_exchange_strong_explicit(w, &zero, 7, memory_order_acq_rel,
		    memory_order_relaxed);
		break;
	case MINE:
		SET(mine[cpu], GET(mine[cpu]) + 1);
		break;
	case LOCKED:
		mutex_enter(&m);
		ADD(*w, 1);
		mutex_exit(&m);
		break;
	case RING: /* if it has seen a store, the interrupt follows from that */
		if (atomic_load_explicit(w, memory_order_acquire) == 0)
			break;
		sim_line_point(line);
		sim_line_raise(line);
		break;
	default:
		on = port_intr_disable();
		ADD(*w, 1);
		port_intr_restore(on);
		break;
	}
}

static unsigned filter(void *arg)
{
	const struct body *b = arg;

	for (unsigned i = 0; i < b->n; i++)
		step(b, i, 0);
	return FILTER_HANDLED;
}

static void body(void *arg)
{
	const struct body *b = arg;

	for (unsigned i = 0; i < b->n; i++)
		step(b, i, curcpu()->ci_index);
}

static void make(struct body *b, unsigned n, bool in_filter, bool locks)
{
	b->n = n;
	for (unsigned i = 0; i < n; i++) {
		b->op[i] = draw(OP_COUNT);
		if (b->op[i] == LOCKED && (in_filter || !locks))
			b->op[i] = ADD_ONE;
		b->word[i] = draw(2);
	}
}

static void setup(void)
{
	unsigned n = sim_program();

	state = n * 0x9e3779b97f4a7c15ull;
	raises = n % 2 == 1;
	mutex_init(&m, "m", IPL_NONE);
	make(&programs[0], 2 + draw(2), false, n % 4 == 2);
	make(&programs[1], 2 + draw(2), false, n % 4 == 2);
	if (raises)
		programs[1].op[programs[1].n - 1] = RING;
	make(&programs[2], raises ? 0 : draw(3), false, false);
	make(&programs[3], raises ? 1 + draw(2) : 0, true, false);
	line = sim_line_create("line", INTR_EDGE, 0, 0);
	CHECK_EQ(intr_establish(line->sl_source, "line", IPL_VM, 0, filter, NULL, &programs[3],
		     &ih),
	    0);
}

static void raise(void *arg)
{
	(void)arg;
	if (raises)
		sim_line_raise(line);
}

SCENARIO(generated, "for the simulator: small programs by number (--program)") = {.cpus = 3,
    .setup = setup,
    .lwps = {{"a", 0, body, &programs[0]}, {"b", 1, body, &programs[1]},
	{"c", 2, body, &programs[2]}},
    .devices = {{"raise", 1, raise}}};
