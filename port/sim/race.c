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
 * A place is known by the address of its first byte. Each access of several bytes is one place,
 * copies of structures are one place a byte; accesses that overlap without beginning at the same
 * byte are not compared. Memory that was freed begins anew.
 *
 * The memory models. SC: a load reads memory. TSO (memory.c): stores wait in a buffer of their
 * CPU. C11 (memory.c): a load may read a store that was overwritten, as long as nothing that
 * happened before the load has seen a newer one. Memory itself always holds the newest.
 *
 * Fingerprint: the sum over all synchronising accesses of a hash of (CPU, its how-manyth, place,
 * how many writes there before): the same for two runs exactly if they differ in the order of
 * independent steps only (but for collisions).
 *
 * Contexts: a run. One host thread. Not for: atomicity on one CPU against its own interrupts, which
 * xp_local() explores. Next: memory.c.
 */
#include "explore.h"

#include "clock.h"
#include "simint.h"

#include <stdio.h>
#include <string.h>

#define FENCES 4

struct xp_clocks xp_clocks;
static struct xp_loc locs[XP_LOCS];
static uint32_t run, nlocs;
static v4 ipi_clock[XP_CPUS];
static uint32_t ops[XP_CPUS];

void xp_race_begin(void)
{
	memset(&xp_clocks, 0, sizeof(xp_clocks));
	for (unsigned c = 0; c < XP_CPUS; c++) {
		xp_clocks.now[c][c] = 1;
		ipi_clock[c] = (v4){0};
		ops[c] = 0;
	}
	nlocs = 0;
	if (++run == 0) {
		memset(locs, 0, sizeof(locs));
		run = 1;
	}
	xp_memory_begin();
}

struct xp_loc *xp_place(uint64_t addr)
{
	uint32_t i = (uint32_t)((addr * 0x9e3779b97f4a7c15ull) >> (64 - XP_LOCS_BITS));
	struct xp_loc *l;

	for (;; i = (i + 1) % XP_LOCS) {
		l = &locs[i];
		if (l->l_run != run)
			break;
		if (l->l_addr == addr)
			return l;
	}
	if (++nlocs > XP_LOCS / 4 * 3)
		sim_failed("a run touches more than %u places", XP_LOCS / 4 * 3);
	memset(l, 0, offsetof(struct xp_loc, l_pc));
	l->l_addr = addr;
	l->l_run = run;
	return l;
}

unsigned xp_place_index(const struct xp_loc *l)
{
	return (unsigned)(l - locs);
}

/* ---- Races ---- */

static void race(const struct xp_loc *l, unsigned me, uint32_t pc, const char *what, v4 now)
{
	static const char *const kind[] = {"read", "write", "atomic read", "atomic write"};
	bool atomic = what[0] == 'a', write = strstr(what, "write") != NULL;

	for (unsigned k = 0; k < 4; k++) {
		for (unsigned c = 0; c < XP_CPUS; c++) {
			if (c == me || l->l_clk[k][c] <= now[c])
				continue;
			if ((atomic && k >= 2) || (!write && k % 2 == 0))
				continue;
			xp_race_found(l->l_addr, me, pc, what, c, l->l_pc[k][c], kind[k]);
		}
	}
}

static inline bool any(v4 m)
{
	uint64_t u[2];

	memcpy(u, &m, sizeof(u));
	return (u[0] | u[1]) != 0;
}

static inline void touch(struct xp_loc *l, unsigned kind, unsigned me, uint32_t pc)
{
	l->l_clk[kind][me] = xp_clocks.now[me][me];
	l->l_pc[kind][me] = pc;
}

static inline void plain_one(uint64_t addr, bool write, uint32_t pc)
{
	unsigned me = sim_cpu->ci_index;
	struct xp_loc *l = xp_place(addr);
	v4 now = xp_clocks.now[me], bad;

	bad = (v4)(l->l_clk[LC_WRITE] > now) | (v4)(l->l_clk[LC_AWRITE] > now);
	if (write)
		bad |= (v4)(l->l_clk[LC_READ] > now) | (v4)(l->l_clk[LC_AREAD] > now);
	if (__builtin_expect(any(bad), 0))
		race(l, me, pc, write ? "write" : "read", now);
	touch(l, write ? LC_WRITE : LC_READ, me, pc);
	if (write && l->l_history)
		xp_history_forget(l);
}

void xp_plain(uint64_t addr, unsigned size, bool write, uint32_t pc)
{
	if (xp_tracing && !sim_in_event)
		xp_note(write ? XE_WRITE : XE_READ, addr, size, pc, NULL);
	if (write)
		xp_dirty(addr, size);
	if (sim_in_event)
		xp_device_touched(addr);
	if (sim_in_event && write && xp_config.memory == XP_C11)
		xp_history_forget(xp_place(addr));
	if (sim_in_event || !xp_config.races)
		return;
	if (size <= 8) {
		plain_one(addr, write, pc);
		return;
	}
	for (unsigned i = 0; i < size; i++)
		plain_one(addr + i, write, pc);
}

void xp_race_freed(uint64_t addr, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint32_t n =
		    (uint32_t)(((addr + i) * 0x9e3779b97f4a7c15ull) >> (64 - XP_LOCS_BITS));

		for (; locs[n].l_run == run; n = (n + 1) % XP_LOCS) {
			if (locs[n].l_addr != addr + i)
				continue;
			memset(locs[n].l_clk, 0, sizeof(locs[n].l_clk));
			xp_history_forget(&locs[n]);
			break;
		}
	}
}

/* ---- Orders ---- */

static inline v4 join(v4 a, v4 b)
{
	v4 more = (v4)(a > b);

	return (a & more) | (b & ~more);
}

static inline bool acquires(int order)
{
	return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME ||
	    order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static inline bool releases(int order)
{
	return order >= __ATOMIC_RELEASE;
}

void xp_acquire(unsigned me, v4 sync, int order)
{
	if (acquires(order))
		xp_clocks.now[me] = join(xp_clocks.now[me], sync);
	else
		xp_clocks.pending[me] = join(xp_clocks.pending[me], sync);
}

/* What a store of that order leaves for those who read it. */
v4 xp_release(unsigned me, int order)
{
	return releases(order) ? xp_clocks.now[me] : xp_clocks.fence[me];
}

static inline void fingerprint(unsigned me, const struct xp_loc *l, bool write)
{
	uint64_t h = (l->l_addr ^ ((uint64_t)l->l_version << 40) ^ ((uint64_t)me << 56)) + write;

	h = (h ^ ((uint64_t)++ops[me] << 20)) * 0xbf58476d1ce4e5b9ull;
	xp_fingerprint += h ^ (h >> 29);
}

/* An atomic access of this CPU to a place. */
struct xp_loc *xp_atomic(unsigned me, uint64_t addr, bool write, uint32_t pc)
{
	struct xp_loc *l = xp_place(addr);
	v4 now = xp_clocks.now[me], bad = (v4)(l->l_clk[LC_WRITE] > now);

	if (write)
		bad |= (v4)(l->l_clk[LC_READ] > now);
	if (__builtin_expect(any(bad), 0) && xp_config.races)
		race(l, me, pc, write ? "atomic write" : "atomic read", now);
	touch(l, write ? LC_AWRITE : LC_AREAD, me, pc);
	fingerprint(me, l, write);
	if (write) {
		l->l_version++;
		xp_wrote(me);
	}
	return l;
}

/* After a step that others may acquire from, this CPU's clock goes on. */
void xp_tick(unsigned me)
{
	xp_clocks.now[me][me]++;
}

void xp_fence(int order, uint32_t pc)
{
	unsigned me;

	if (order == __ATOMIC_SEQ_CST)
		xp_point(SIM_ACCESS, 0, true, pc);
	me = sim_cpu->ci_index; /* not before: the point may have been another CPU's turn */
	if (xp_tracing)
		xp_note(XE_FENCE, 0, (uint64_t)order, pc, NULL);
	if (acquires(order))
		xp_clocks.now[me] = join(xp_clocks.now[me], xp_clocks.pending[me]);
	if (order == __ATOMIC_SEQ_CST) {
		xp_drain(me);
		xp_clocks.now[me] = xp_clocks.seq = join(xp_clocks.now[me], xp_clocks.seq);
	}
	if (releases(order)) {
		xp_clocks.fence[me] = xp_clocks.now[me];
		xp_tick(me);
	}
}

void xp_race_released(uint64_t addr)
{
	unsigned me = sim_cpu->ci_index;
	struct xp_loc *l;

	xp_drain(me);
	l = xp_atomic(me, addr, true, 0);
	l->l_sync = xp_clocks.now[me];
	xp_dirty(addr, 1);
	if (xp_config.memory == XP_C11)
		xp_history_add(l, me, 0, l->l_sync, false, 1, addr);
	xp_tick(me);
}

void xp_machine_store(uint64_t addr, uint64_t value)
{
	unsigned me = sim_cpu->ci_index;
	struct xp_loc *l = xp_atomic(me, addr, true, 0);

	xp_dirty(addr, sizeof(value));
	l->l_sync = xp_clocks.fence[me];
	if (xp_config.memory == XP_C11)
		xp_history_add(l, me, value, l->l_sync, false, sizeof(value), addr);
	xp_tick(me);
}

void xp_race_ipi_sent(unsigned to)
{
	unsigned me = sim_cpu->ci_index;

	ipi_clock[to] = join(ipi_clock[to], xp_clocks.now[me]);
	xp_tick(me);
}

void xp_race_ipi_taken(unsigned cpu)
{
	xp_clocks.now[cpu] = join(xp_clocks.now[cpu], ipi_clock[cpu]);
}
