/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * race.c - what happens before what, by the orders of C11, and what a load may read.
 *
 * Each CPU has a vector clock: what it runs is in one order, whatever lwp or interrupt it is. A
 * release leaves the clock with the place it stores to, an acquire that reads from there joins it;
 * a read-modify-write goes on with the release sequence of the store before; fences stand for the
 * relaxed accesses around them; an IPI carries what was written before it (port.h). A plain access
 * races with one of another CPU, plain or atomic, that is not ordered before it, if one of the two
 * writes.
 *
 * The order of one CPU is kept though lwps and interrupts take turns on it: a CPU sees its own
 * accesses in the order in which it made them, whoever made them, and the core relies on it where
 * it has interrupts off. What it may not rely on, that an interrupt stays away, is not a question
 * of order: the explorer lets it come there. An lwp that moves takes its order along by the lock of
 * the queue, and by l_running, as any other datum.
 *
 * Places are those of places.c: accesses that have one byte in common are compared, wherever they
 * begin. Memory that was freed begins anew.
 *
 * The memory models. SC: a load reads memory. TSO (memory.c): stores wait in a buffer of their
 * CPU. C11 (memory.c): a load may read a store that was overwritten, as long as nothing that
 * happened before the load has seen a newer one. Memory itself always holds the newest.
 *
 * Fingerprint: the sum over all atomic accesses of a hash of (CPU, its how-manyth, place, how many
 * writes there before): what the random strategies count as a trace. The exhaustive search has an
 * exact one (shared.c).
 *
 * Contexts: a run. One host thread. Not for: atomicity on one CPU against its own interrupts, which
 * xp_local() explores. Next: memory.c.
 */
#include "explore.h"

#include "quick.h"
#include "simint.h"

#include <stdio.h>
#include <string.h>

struct xp_clocks xp_clocks;
v4 xp_ipi_clock[XP_CPUS];

#define CLOCK_MAX (UINT32_MAX / 4)

void xp_race_begin(void)
{
	v4 past = {0};
	bool anew = false;

	for (unsigned c = 0; c < XP_CPUS; c++) {
		past[c] = xp_clocks.now[c][c];
		anew |= past[c] > CLOCK_MAX;
	}
	if (anew)
		past = (v4){0};
	memset(&xp_clocks, 0, sizeof(xp_clocks));
	for (unsigned c = 0; c < XP_CPUS; c++) {
		xp_clocks.now[c] = past;
		xp_clocks.now[c][c]++;
		xp_ipi_clock[c] = (v4){0};
	}
	xp_places_begin(anew);
	xp_shared_begin();
	xp_state_begin();
	xp_memory_begin();
}

/* ---- Races ---- */

static void race(const struct xp_loc *l, unsigned me, uint32_t pc, const char *what, v4 now)
{
	static const char *const kind[] = {"read", "write", "atomic read", "atomic write"};
	bool atomic = what[0] == 'a', write = strstr(what, "write") != NULL;

	for (unsigned k = 0; k < 4; k++) {
		for (unsigned c = 0; c < XP_CPUS; c++) {
			if (c == me || l->l_by[k].b_clk[c] <= now[c])
				continue;
			if ((atomic && k >= 2) || (!write && k % 2 == 0))
				continue;
			xp_race_found(l->l_addr, me, pc, what, c, l->l_by[k].b_pc[c], kind[k]);
		}
	}
}

static inline bool any(v4 m)
{
	typedef uint64_t v2 __attribute__((vector_size(16)));
	v2 u = (v2)m;

	return (u[0] | u[1]) != 0;
}

static inline void touch(struct xp_loc *l, unsigned kind, unsigned me, uint32_t pc)
{
	l->l_by[kind].b_clk[me] = xp_clocks.now[me][me];
	l->l_by[kind].b_pc[me] = pc;
	l->l_cpus |= (uint8_t)(1u << me);
}

/* An access that races with one of these would be a race. */
static inline v4 later(const struct xp_loc *l, v4 now, bool atomic, bool write)
{
	v4 bad = xp_later(l->l_by[LC_WRITE].b_clk, now);

	if (write)
		bad |= xp_later(l->l_by[LC_READ].b_clk, now);
	if (!atomic)
		bad |= xp_later(l->l_by[LC_AWRITE].b_clk, now);
	if (!atomic && write)
		bad |= xp_later(l->l_by[LC_AREAD].b_clk, now);
	return bad;
}

static const char *const kinds[] = {"read", "write", "atomic read", "atomic write"};

/* Others that have some of its bytes. */
static void look_around(struct xp_loc *l, unsigned me, uint32_t pc, bool atomic, bool write)
{
	struct xp_loc *other[XP_OVERLAPS_MAX];
	unsigned n = xp_place_others(l, other);

	for (unsigned i = 0; i < n; i++) {
		if (xp_config.races && any(later(other[i], xp_clocks.now[me], atomic, write)))
			race(other[i], me, pc, kinds[2 * atomic + write], xp_clocks.now[me]);
		if (write)
			xp_history_forget(other[i]);
	}
}

static __attribute__((noinline)) void look_again(struct xp_loc *l, unsigned me, unsigned size,
    uint32_t pc, bool atomic, bool write)
{
	if (size > l->l_size)
		xp_place_grow(l, size);
	if (xp_config.races && any(later(l, xp_clocks.now[me], atomic, write)))
		race(l, me, pc, kinds[2 * atomic + write], xp_clocks.now[me]);
	if (l->l_flags & LF_OVERLAPS)
		look_around(l, me, pc, atomic, write);
}

/* Does it race? Not if the place is alone in its bytes, and nothing there is later. */
static inline void look(struct xp_loc *l, unsigned me, unsigned size, uint32_t pc, bool atomic,
    bool write)
{
	if (size > l->l_size || (l->l_flags & LF_OVERLAPS) ||
	    ((l->l_cpus & ~(XP_NOTED | XP_ODD | 1u << me)) != 0 &&
		any(later(l, xp_clocks.now[me], atomic, write))))
		look_again(l, me, size, pc, atomic, write);
}

/* For quick.h, which makes the access. Nothing here is exact, and no buffer is flushed. */
static inline __attribute__((always_inline)) struct xp_loc *meet(struct xp_loc *l, uint64_t addr,
    unsigned size, uint32_t pc, bool atomic, bool write)
{
	unsigned me = xp_mine->x_number;

	l = xp_place_or(l, addr);
	look(l, me, size, pc, atomic, write);
	l->l_cpus |= (uint8_t)(1u << me);
	if (write)
		xp_place_dirty(l, addr, size);
	if (write && !atomic && l->l_history)
		xp_history_forget(l);
	return l;
}

struct xp_loc *xp_meet_read(struct xp_loc *l, uint64_t addr, unsigned size, uint32_t pc)
{
	return meet(l, addr, size, pc, false, false);
}

struct xp_loc *xp_meet_write(struct xp_loc *l, uint64_t addr, unsigned size, uint32_t pc)
{
	return meet(l, addr, size, pc, false, true);
}

struct xp_loc *xp_meet_load(struct xp_loc *l, uint64_t addr, unsigned size, uint32_t pc)
{
	return meet(l, addr, size, pc, true, false);
}

struct xp_loc *xp_meet_store(struct xp_loc *l, uint64_t addr, unsigned size, uint32_t pc)
{
	return meet(l, addr, size, pc, true, true);
}

static inline __attribute__((always_inline)) void plain_one(uint64_t addr, unsigned size,
    bool write, uint32_t pc)
{
	unsigned me = sim_cpu->ci_index;
	struct xp_loc *l = xp_place(addr);

	look(l, me, size, pc, false, write);
	touch(l, write ? LC_WRITE : LC_READ, me, pc);
	if (write)
		xp_place_dirty(l, addr, size);
	if (write && l->l_history)
		xp_history_forget(l);
	if (xp_config.exact) {
		xp_seen(l, me, write);
		xp_seen_plain(l);
	}
}

/* In pieces that do not cross the granules of places.c, if it is larger than one. */
static inline void in_pieces(uint64_t addr, unsigned size, bool write, uint32_t pc,
    void (*one)(uint64_t addr, unsigned size, bool write, uint32_t pc))
{
	while (size > 8) {
		unsigned piece = 8 - (unsigned)(addr & 7);

		one(addr, piece, write, pc);
		addr += piece;
		size -= piece;
	}
	one(addr, size, write, pc);
}

void xp_device_touched(struct xp_loc *l, bool write)
{
	if (xp_config.exact)
		xp_seen(l, XP_BY_DEVICE, write);
	if (write) {
		l->l_version++;
		xp_history_forget(l);
	}
}

/* A device touches what CPUs touch too. */
static void by_device(uint64_t addr, unsigned size, bool write, uint32_t pc)
{
	struct xp_loc *l = xp_place(addr);

	(void)pc;
	if (size > l->l_size)
		xp_place_grow(l, size);
	xp_device_touched(l, write);
}

static void in_event(uint64_t addr, unsigned size, bool write)
{
	if (write)
		xp_dirty(addr, size);
	if (xp_looking)
		return;
	if (size > 8)
		in_pieces(addr, size, write, 0, by_device);
	else
		by_device(addr, size, write, 0);
}

static void one_piece(uint64_t addr, unsigned size, bool write, uint32_t pc)
{
	plain_one(addr, size, write, pc);
}

static __attribute__((noinline)) void plain_slow(uint64_t addr, unsigned size, bool write,
    uint32_t pc)
{
	if (xp_tracing)
		xp_note(write ? XE_WRITE : XE_READ, addr, size, pc, NULL);
	if (xp_config.races || xp_config.exact)
		in_pieces(addr, size, write, pc, one_piece);
	else if (write)
		xp_dirty(addr, size);
}

void xp_plain(uint64_t addr, unsigned size, bool write, uint32_t pc)
{
	if (sim_in_event)
		in_event(addr, size, write);
	else if (size <= 8 && xp_quick)
		xp_plain_quick(addr, size, write, pc);
	else
		plain_slow(addr, size, write, pc);
}

/* ---- Orders ---- */

static inline void fingerprint(unsigned me, const struct xp_loc *l, bool write)
{
	uint64_t who = (xp_cpus[me].x_traced += 256) + write;

	xp_fingerprint += xp_fold(l->l_addr ^ (uint64_t)l->l_version << 44, who);
}

/* An atomic access of this CPU to a place. */
struct xp_loc *xp_atomic(unsigned me, uint64_t addr, unsigned size, bool write, uint32_t pc)
{
	struct xp_loc *l = xp_place(addr);

	look(l, me, size, pc, true, write);
	touch(l, write ? LC_AWRITE : LC_AREAD, me, pc);
	if (xp_flushing && xp_seen_before(l)) {
		xp_wrote(me);
		return l;
	}
	if (xp_config.exact)
		xp_seen(l, me, write);
	else
		fingerprint(me, l, write);
	if (write) {
		l->l_version++;
		xp_wrote(me);
	}
	xp_watch(me, l, write);
	return l;
}

void xp_fence(int order, uint32_t pc)
{
	unsigned me;

	if (order == __ATOMIC_SEQ_CST)
		xp_point(SIM_ACCESS, xp_config.memory == XP_C11 ? XA_FENCE : 0, true, pc);
	me = sim_cpu->ci_index; /* not before: the point may have been another CPU's turn */
	if (xp_tracing)
		xp_note(XE_FENCE, 0, (uint64_t)order, pc, NULL);
	if (xp_acquires(order))
		xp_clocks.now[me] = xp_join(xp_clocks.now[me], xp_clocks.pending[me]);
	if (order == __ATOMIC_SEQ_CST) {
		if (xp_config.memory == XP_C11)
			xp_touch(XA_FENCE, true);
		xp_drain(me);
		xp_clocks.now[me] = xp_clocks.seq = xp_join(xp_clocks.now[me], xp_clocks.seq);
	}
	if (xp_releases(order)) {
		xp_clocks.fence[me] = xp_clocks.now[me];
		xp_tick(me);
	}
}

void xp_race_released(uint64_t addr)
{
	unsigned me = sim_cpu->ci_index;
	struct xp_loc *l;

	xp_drain(me);
	l = xp_atomic(me, addr, 1, true, 0);
	l->l_sync = xp_clocks.now[me];
	xp_place_dirty(l, addr, 1);
	if (xp_config.memory == XP_C11)
		xp_history_add(l, me, 0, l->l_sync, false, 1, addr);
	xp_tick(me);
}

void xp_machine_store(uint64_t addr, uint64_t value)
{
	unsigned me = sim_cpu->ci_index;
	struct xp_loc *l = xp_atomic(me, addr, sizeof(value), true, 0);

	xp_place_dirty(l, addr, sizeof(value));
	l->l_sync = xp_clocks.fence[me];
	if (xp_config.memory == XP_C11)
		xp_history_add(l, me, value, l->l_sync, false, sizeof(value), addr);
	xp_tick(me);
}

void xp_race_ipi_sent(unsigned to)
{
	unsigned me = sim_cpu->ci_index;

	xp_ipi_clock[to] = xp_join(xp_ipi_clock[to], xp_clocks.now[me]);
	xp_tick(me);
}

void xp_race_ipi_taken(unsigned cpu)
{
	xp_clocks.now[cpu] = xp_join(xp_clocks.now[cpu], xp_ipi_clock[cpu]);
}
