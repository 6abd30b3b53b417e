/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quick.h - the short ways of an access: those of most, which nobody is asked about. They do what
 * points.c, race.c and memory.c do, in the same order, and leave to these what is not for them.
 *
 * A place that nobody but this CPU has touched in this run cannot race, and what was released there
 * this CPU knows. Whether it is such a place is one comparison (xp_alone()). Of any other, race.c
 * looks at the clocks (xp_meet_*()).
 *
 * Contexts: a run, in which xp_quick; for the atomic ones, xp_quick_sc. Next: access.c.
 */
#ifndef SIM_QUICK_H
#define SIM_QUICK_H

#include "places.h"

/* race.c: the place that begins at `addr`, which may be `l`: looked at for a race with an access of
 * this CPU's that is about to be, and told of it. At most 8 bytes. */
struct xp_loc *xp_meet_read(struct xp_loc *l, uint64_t addr, unsigned size, uint32_t pc);
struct xp_loc *xp_meet_write(struct xp_loc *l, uint64_t addr, unsigned size, uint32_t pc);
struct xp_loc *xp_meet_load(struct xp_loc *l, uint64_t addr, unsigned size, uint32_t pc);
struct xp_loc *xp_meet_store(struct xp_loc *l, uint64_t addr, unsigned size, uint32_t pc);

/* Is `l` at `addr`, as large as that, of this run and of this CPU alone, with nothing odd about it?
 * And, for a write, known to the snapshot? */
static inline bool xp_alone(const struct xp_loc *l, uint64_t addr, unsigned size, bool write)
{
	uint64_t state = l->l_state | (write ? 0 : XP_STATE(XP_NOTED, 0));

	return __builtin_expect(l->l_addr == addr && state == xp_mine->x_alone + size, 1);
}

static inline struct xp_loc *xp_place_guess(uint64_t addr)
{
	return xp_place_in(xp_place_slot(addr));
}

static inline void xp_mark(struct xp_loc *l, unsigned kind, uint32_t pc)
{
	unsigned me = xp_mine->x_number;

	l->l_by[kind].b_clk[me] = xp_clocks.now[me][me];
	l->l_by[kind].b_pc[me] = pc;
}

/* ---- Plain ---- */

static inline void xp_plain_quick(uint64_t addr, unsigned size, bool write, uint32_t pc)
{
	struct xp_loc *l = xp_place_guess(addr);

	if (!xp_alone(l, addr, size, write))
		l = write ? xp_meet_write(l, addr, size, pc) : xp_meet_read(l, addr, size, pc);
	xp_mark(l, write ? LC_WRITE : LC_READ, pc);
}

/* ---- Atomic ---- */

static inline void xp_traced(const struct xp_loc *l, uint64_t addr, bool write)
{
	uint64_t who = (xp_mine->x_traced += 256) + write;

	xp_fingerprint += xp_fold(addr ^ (uint64_t)l->l_version << 44, who);
}

/* A load, or a read-modify-write that writes nothing. */
static inline void xp_load_quick(const void *a, unsigned size, int order, uint32_t pc)
{
	uint64_t addr = (uintptr_t)a;
	struct xp_loc *l = xp_place_guess(addr);
	unsigned me = xp_mine->x_number;

	if (!xp_alone(l, addr, size, false)) {
		l = xp_meet_load(l, addr, size, pc);
		xp_acquire(me, l->l_sync, order);
	}
	xp_mark(l, LC_AREAD, pc);
	xp_traced(l, addr, false);
	xp_watch(me, l, false);
}

/* What stores have in common; then memory is written. */
static inline struct xp_loc *xp_stores_quick(const void *a, unsigned size, uint32_t pc, bool *alone)
{
	uint64_t addr = (uintptr_t)a;
	struct xp_loc *l = xp_place_guess(addr);
	struct xp_cpu *x = xp_mine;

	*alone = xp_alone(l, addr, size, true);
	if (!*alone)
		l = xp_meet_store(l, addr, size, pc);
	xp_mark(l, LC_AWRITE, pc);
	xp_traced(l, addr, true);
	l->l_version++;
	x->x_writes++;
	xp_writes++;
	xp_watch(x->x_number, l, true);
	return l;
}

static inline void xp_store_quick(const void *a, unsigned size, int order, uint32_t pc)
{
	bool alone;
	struct xp_loc *l = xp_stores_quick(a, size, pc, &alone);
	unsigned me = xp_mine->x_number;

	l->l_sync = xp_release(me, order);
	xp_tick(me);
}

static inline void xp_rmw_quick(const void *a, unsigned size, int order, uint32_t pc)
{
	bool alone;
	struct xp_loc *l = xp_stores_quick(a, size, pc, &alone);
	unsigned me = xp_mine->x_number;

	if (!alone)
		xp_acquire(me, l->l_sync, order);
	l->l_sync = xp_join(xp_release(me, order), l->l_sync);
	xp_tick(me);
}

#endif
