/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * state.c - what the whole machine is like, in 64 bits. Two runs that have come to the same state
 * go on alike, whatever led there: the exhaustive search goes on from one of them only.
 *
 *	memory	the words that the run has written, where they are not what the snapshot has:
 *		the core's and the scenario's, and what invariant.c, watch.c and their like keep
 *	stacks	those in use, from where their lwp stands to their top. Where a CPU stands is
 *		before xp_turn(), its registers saved there: what the simulator does beneath is
 *		not part of the state
 *	machine	interrupts on their way, clocks, lines, the allocator's lists, the time
 *	CPUs	before what each stands, in which context; what it waits for, if it pauses
 *	clocks	what race.c needs to find the races that are still to come. Of each CPU's times
 *		only their order matters to it: between two plain accesses to what is shared,
 *		which may yet race, all times of a release are alike. So each is told by how
 *		many such accesses came before it
 *
 * Not in it: how often a place was written, how many accesses a context has made, the names that
 * shared.c gives to contexts by their order. What has been lying on a stack, left by a function
 * that has returned, would be: access.c and switch.S blank it, or hardly any two states were alike.
 *
 * Nothing here is undone when a run begins but what says so. Contexts: a run with xp_merges. One
 * host thread. Invariant: what is left out has no say in what a run does from here on. Not for
 * store buffers and older stores: with these the search goes by traces. Next: search.c.
 */
#include "invariant.h"
#include "places.h"
#include "simint.h"

#include <ithaca/lwp.h>
#include <string.h>

#define STACKS 256u
#define TOUCHED_MAX (XP_LOCS / 4)
#define TICKS_MAX 16384u /* of a CPU in a run */
#define RANK_MAX 4096u   /* plain accesses that are told apart, of one CPU */

static struct lwp *lwps[STACKS]; /* by stack */
static struct xp_loc *touched[TOUCHED_MAX];
static unsigned ntouched;
static uint32_t base[XP_CPUS];          /* clocks when the run began */
static uint64_t marks[TICKS_MAX / 64];  /* times of plain accesses: a bit each */
static uint16_t before[TICKS_MAX / 64]; /* so many of them before these 64 */
static uint64_t parts;

static uint64_t words(const void *p, size_t size, uint64_t h)
{
	const uint64_t *w = p;

	for (size_t i = 0; i < size / sizeof(*w); i++)
		h = xp_fold(h, w[i]);
	return h;
}

/* ---- Memory ---- */

/* `all`, or without what the invariants keep for themselves? */
static uint64_t area(const struct xp_area *a, bool all)
{
	const uint64_t *now = (const uint64_t *)a->a_base;
	const uint64_t *image = (const uint64_t *)(const void *)a->a_image;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < a->a_n; i++) {
		uint32_t w = a->a_words[i];
		uint64_t kept = (uintptr_t)&now[w] - (uintptr_t)__start_inv_kept;

		if (now[w] != image[w] &&
		    (all || kept >= (uint64_t)(__stop_inv_kept - __start_inv_kept)))
			sum += xp_mix((uintptr_t)&now[w], now[w]);
	}
	return sum;
}

static void part(void *p, size_t size)
{
	size_t whole = size & ~(size_t)7;
	uint64_t last = 0;

	memcpy(&last, (char *)p + whole, size - whole);
	parts = xp_fold(words(p, whole, parts), last);
}

static uint64_t memory_and_machine(bool all)
{
	parts = xp_mix(area(&xp_data, all), area(&xp_heap, all));
	sim_machine_state(part);
	sim_line_state(part);
	sim_mem_state(part);
	return parts;
}

/* ---- Stacks ---- */

void xp_stack_is(struct lwp *l)
{
	uint64_t top;
	unsigned slot = sim_stack_slot(l->l_stack_top - 1, &top);

	if (slot >= STACKS)
		return; /* snapshot.c says so, if it is explored */
	xp_dirty((uintptr_t)&lwps[slot], sizeof(lwps[slot]));
	lwps[slot] = l;
}

/* From where it is in use; 0: it is not. */
static uint64_t stack_from(unsigned slot)
{
	uint64_t top, sp;

	for (unsigned c = 0; c < sim_ncpus; c++) {
		sp = xp_cpus[c].x_sp != 0 ? xp_cpus[c].x_sp : sim_vcpus[c].v_sp;
		if (sim_stack_slot(sp, &top) == slot)
			return sp;
	}
	if (lwps[slot] == NULL)
		return 0;
	sp = lwps[slot]->l_sp; /* or what was made of it, if it is freed */
	return sim_stack_slot(sp, &top) == slot ? sp : 0;
}

static uint64_t stacks(void)
{
	uint64_t h = 0, from, top;

	for (unsigned i = 0; i < xp_ndirty_stacks; i++) {
		from = stack_from(xp_dirty_stacks[i]);
		if (from == 0)
			continue;
		(void)sim_stack_slot(from, &top);
		h += words((void *)from, top - from, from);
	}
	return h;
}

/* ---- CPUs ---- */

/* What its next pause will wait for, so far: which of what it has looked at is old already. */
static uint64_t watches(const struct xp_cpu *x)
{
	uint64_t h = xp_writes - x->x_writes != x->x_mark;

	if (x->x_nwatched > WATCHED_MAX)
		return h + 2;
	for (unsigned i = 0; i < x->x_nwatched; i++) {
		const struct watched *w = &x->x_watched[i];

		h += xp_mix(w->w_loc->l_addr, w->w_loc->l_version != w->w_version);
	}
	return h;
}

static uint64_t cpus(void)
{
	uint64_t h = 0;

	for (unsigned c = 0; c < sim_ncpus; c++) {
		const struct xp_cpu *x = &xp_cpus[c];
		unsigned bits =
		    (unsigned)x->x_op.o_kind * 8 + x->x_narrow * 4u + x->x_after * 2u + x->x_woken;

		h = xp_fold(h, xp_mix(x->x_op.o_addr, bits));
		h = xp_fold(h, xp_mix(watches(x), xp_context_number(x->x_context)));
	}
	return h;
}

/* ---- Clocks ---- */

void xp_state_begin(void)
{
	ntouched = 0;
	for (unsigned c = 0; c < XP_CPUS; c++)
		base[c] = xp_clocks.now[c][c];
}

/* First in this run, and it is shared. */
void xp_state_touched(struct xp_loc *l)
{
	if (ntouched == TOUCHED_MAX)
		sim_failed("exhaustive: a run shares more than %u places", TOUCHED_MAX);
	touched[ntouched++] = l;
}

/* May an access to it race? Atomic ones alone do not. */
static bool may_race(const struct xp_loc *l)
{
	return (l->l_flags & (LF_PLAIN | LF_OVERLAPS)) != 0;
}

/* So many plain accesses of that CPU, with times of their own, came before `clk` or then. */
static inline uint64_t rank(uint32_t clk, uint32_t from)
{
	uint32_t t = clk - from;

	if (clk < from)
		return 0;
	return before[t / 64] +
	    (unsigned)__builtin_popcountll(marks[t / 64] & ~(uint64_t)0 >> (63 - t % 64));
}

static void mark(unsigned c, uint32_t from)
{
	uint32_t n = (xp_clocks.now[c][c] - from) / 64 + 1, count = 0;

	if (n > TICKS_MAX / 64)
		sim_failed("exhaustive: more than %u releases of a CPU in a run", TICKS_MAX - 64);
	memset(marks, 0, n * sizeof(marks[0]));
	for (unsigned i = 0; i < ntouched; i++) {
		for (unsigned k = 0; k < 4 && may_race(touched[i]); k++) {
			uint32_t t = touched[i]->l_by[k].b_clk[c] - from;

			if (touched[i]->l_by[k].b_clk[c] >= from)
				marks[t / 64] |= (uint64_t)1 << t % 64;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		before[i] = (uint16_t)count;
		count += (unsigned)__builtin_popcountll(marks[i]);
	}
	if (count >= RANK_MAX)
		sim_failed("exhaustive: a CPU shares more than %u accesses", RANK_MAX - 1);
}

static uint64_t times_of(const struct xp_loc *l, unsigned c, uint32_t from)
{
	uint64_t r = rank(l->l_sync[c], from);

	for (unsigned k = 0; k < 4 && may_race(l); k++)
		r = r * RANK_MAX + rank(l->l_by[k].b_clk[c], from);
	return r;
}

static uint64_t clocks_of(unsigned c)
{
	uint32_t from = base[c];
	uint64_t h = 0, r;

	mark(c, from);
	for (unsigned i = 0; i < ntouched; i++) {
		r = times_of(touched[i], c, from);
		if (r != 0)
			h += xp_mix(touched[i]->l_addr, r);
	}
	for (unsigned m = 0; m < sim_ncpus; m++) {
		h = xp_fold(h, m == c ? 0 : rank(xp_clocks.now[m][c], from));
		h = xp_fold(h, rank(xp_clocks.pending[m][c], from));
		h = xp_fold(h, rank(xp_clocks.fence[m][c], from));
		h = xp_fold(h, rank(xp_ipi_clock[m][c], from));
	}
	return xp_fold(h, rank(xp_clocks.seq[c], from));
}

/* ---- All of it ---- */

uint64_t xp_machine_state(void)
{
	uint64_t h = memory_and_machine(true);

	h = xp_fold(h, cpus());
	h = xp_fold(h, stacks());
	h = xp_fold(h, xp_shared_state());
	for (unsigned c = 0; c < sim_ncpus; c++)
		h = xp_fold(h, clocks_of(c));
	return h;
}

uint64_t xp_end_state(void)
{
	return memory_and_machine(false);
}
