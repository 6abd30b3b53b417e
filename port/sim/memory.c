/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.c - what an atomic access reads and writes, under the memory model that was asked for.
 *
 * SC	A load reads memory, a store writes it.
 *
 * TSO	A store that is not seq_cst goes to the end of its CPU's buffer, from which it is written to
 *	memory later: a process of its own, that the strategy lets run. The CPU's own loads look
 *	into the buffer first. Read-modify-writes, seq_cst stores and fences, switches of stacks and
 *	IPIs empty it.
 *
 * C11	Memory holds the newest store of each place, its history the HISTORY newest. Each store
 *	knows at which moment of its own clock each CPU first wrote or read it. A load may read
 *	a store unless one that is newer is known to the loading CPU, that is, some CPU had seen
 *	the newer one before the moment up to which the loader is synchronised with it. A
 *	seq_cst load reads nothing older than the newest seq_cst store. Stores and
 *	read-modify-writes come in the order of the run: a store that takes its place before an
 *	older one is not explored.
 *	A CPU that comes out of port_pause() reads newest values until it stores: whoever waits
 *	sees every store in the end. And what was stored a millisecond ago everybody sees: when
 *	time goes on by so much at once, older stores are forgotten.
 *
 * Plain accesses read and write memory at once: they do not race (race.c).
 *
 * Contexts: a run. One host thread. Next: access.c.
 */
#include "places.h"
#include "simint.h"

#include <string.h>

#define BUFFER 8u
#define HISTORY 6u
#define UNSEEN UINT32_MAX

struct buffered {
	void *b_at;
	uint64_t b_value;
	v4 b_sync;
	uint32_t b_pc, b_clk; /* who and when, for races: when it was issued */
	unsigned b_size;
};

struct record {
	uint64_t r_value;
	v4 r_sync;
	v4 r_seen; /* by CPU: its clock when it first knew of it */
	bool r_seq;
};

struct history {
	unsigned h_n, h_size;
	uint32_t h_settled;
	struct record h_rec[HISTORY]; /* oldest first */
};

static struct buffered buffers[XP_CPUS][BUFFER];
static unsigned nbuffered[XP_CPUS];
static struct history histories[XP_LOCS];
static bool fresh[XP_CPUS];
static uint32_t settled; /* goes up whenever all older stores are forgotten */
bool xp_flushing;

void xp_memory_begin(void)
{
	memset(nbuffered, 0, sizeof(nbuffered));
	memset(fresh, 0, sizeof(fresh));
}

/* ---- TSO ---- */

bool xp_buffered(unsigned cpu)
{
	return nbuffered[cpu] != 0;
}

void xp_flush(unsigned cpu)
{
	struct buffered b = buffers[cpu][0];
	struct xp_loc *l;

	memmove(buffers[cpu], buffers[cpu] + 1, --nbuffered[cpu] * sizeof(b));
	xp_flushing = true;
	l = xp_atomic(cpu, (uintptr_t)b.b_at, b.b_size, true, b.b_pc);
	xp_flushing = false;
	l->l_by[LC_AWRITE].b_clk[cpu] = b.b_clk;
	l->l_sync = b.b_sync;
	xp_place_dirty(l, (uintptr_t)b.b_at, b.b_size);
	xp_put(b.b_at, b.b_size, b.b_value);
	if (xp_tracing)
		xp_note(XE_NOTE, (uintptr_t)b.b_at, b.b_value, b.b_pc, "store seen by all");
}

void xp_drain(unsigned cpu)
{
	while (nbuffered[cpu] != 0)
		xp_flush(cpu);
}

static void buffer(unsigned me, void *a, unsigned size, uint64_t v, int order, uint32_t pc)
{
	if (nbuffered[me] == BUFFER)
		xp_flush(me);
	buffers[me][nbuffered[me]++] =
	    (struct buffered){a, v, xp_release(me, order), pc, xp_clocks.now[me][me], size};
	xp_ask_now();
	xp_seen_issued(xp_place((uintptr_t)a), me, v);
	xp_tick(me);
}

uint64_t xp_buffer_state(unsigned cpu)
{
	uint64_t h = nbuffered[cpu];

	for (unsigned i = 0; i < nbuffered[cpu]; i++)
		h = xp_mix(h, xp_mix((uintptr_t)buffers[cpu][i].b_at, buffers[cpu][i].b_value));
	return h;
}

static bool forwarded(unsigned me, const void *a, unsigned size, uint64_t *v)
{
	for (unsigned i = nbuffered[me]; i-- > 0;) {
		if (buffers[me][i].b_at != a || buffers[me][i].b_size != size)
			continue;
		*v = buffers[me][i].b_value;
		return true;
	}
	return false;
}

/* ---- C11 ---- */

void xp_history_forget(struct xp_loc *l)
{
	l->l_history = false;
}

void xp_settled(void)
{
	settled++;
}

/* Its history; begun with what memory holds if there is none. */
static struct history *history(struct xp_loc *l, unsigned size, uint64_t addr)
{
	struct history *h = &histories[xp_place_index(l)];

	if (l->l_history && h->h_size == size) {
		if (h->h_settled != settled) {
			h->h_rec[0] = h->h_rec[h->h_n - 1];
			h->h_n = 1;
			h->h_settled = settled;
		}
		return h;
	}
	l->l_history = true;
	l->l_cpus |= XP_ODD;
	h->h_settled = settled;
	h->h_n = 1;
	h->h_size = size;
	h->h_rec[0] = (struct record){.r_value = xp_get((void *)addr, size)};
	h->h_rec[0].r_sync = l->l_sync;
	return h;
}

void xp_history_add(struct xp_loc *l, unsigned me, uint64_t value, v4 sync, bool seq, unsigned size,
    uint64_t addr)
{
	struct history *h = history(l, size, addr);
	struct record *r;

	if (h->h_n == HISTORY)
		memmove(h->h_rec, h->h_rec + 1, --h->h_n * sizeof(h->h_rec[0]));
	r = &h->h_rec[h->h_n++];
	*r = (struct record){value, sync, {UNSEEN, UNSEEN, UNSEEN, UNSEEN}, seq};
	r->r_seen[me] = xp_clocks.now[me][me];
}

static bool known(const struct record *r, unsigned me)
{
	for (unsigned c = 0; c < XP_CPUS; c++)
		if (r->r_seen[c] <= xp_clocks.now[me][c])
			return true;
	return false;
}

static uint64_t load_c11(struct xp_loc *l, void *a, unsigned me, unsigned size, int order)
{
	struct history *h = history(l, size, (uintptr_t)a);
	unsigned n = 1, k;
	struct record *r;

	while (n < h->h_n) {
		r = &h->h_rec[h->h_n - n];
		if (known(r, me) || (order == __ATOMIC_SEQ_CST && r->r_seq))
			break;
		n++;
	}
	k = n > 1 && !fresh[me] ? xp_pick_value(n) : 0;
	if (k != 0)
		xp_disturbed(); /* there is a newer one: not what to wait for */
	r = &h->h_rec[h->h_n - 1 - k];
	if (xp_clocks.now[me][me] < r->r_seen[me])
		r->r_seen[me] = xp_clocks.now[me][me];
	xp_acquire(me, r->r_sync, order);
	if (k != 0 && xp_tracing)
		xp_note(XE_NOTE, (uintptr_t)a, r->r_value, 0, "reads an older store");
	return r->r_value;
}

void xp_fresh(unsigned cpu)
{
	fresh[cpu] = true;
}

/* ---- For access.c ---- */

uint64_t xp_load(void *a, unsigned size, int order, uint32_t pc)
{
	struct xp_loc *l;
	uint64_t v;
	unsigned me;

	if (sim_in_event) {
		if (xp_in_device())
			xp_device_touched(xp_place((uintptr_t)a), false);
		return xp_get(a, size);
	}
	if (!xp_passes())
		xp_point(SIM_ACCESS, (uintptr_t)a, false, pc);
	me = sim_cpu->ci_index;
	l = xp_atomic(me, (uintptr_t)a, size, false, pc);
	if (xp_config.memory == XP_C11) {
		v = load_c11(l, a, me, size, order);
	} else if (nbuffered[me] == 0 || !forwarded(me, a, size, &v)) {
		v = xp_get(a, size);
		xp_acquire(me, l->l_sync, order);
	}
	if (xp_tracing)
		xp_note(XE_LOAD, (uintptr_t)a, v, pc, NULL);
	return v;
}

/* A device writes: at once, for all to see. */
static void by_event(void *a, unsigned size, uint64_t v)
{
	if (xp_in_device())
		xp_device_touched(xp_place((uintptr_t)a), true);
	xp_dirty((uintptr_t)a, size);
	xp_put(a, size, v);
}

void xp_store(void *a, unsigned size, uint64_t v, int order, uint32_t pc)
{
	struct xp_loc *l;
	unsigned me;

	if (sim_in_event) {
		by_event(a, size, v);
		return;
	}
	if (!xp_passes())
		xp_point(SIM_ACCESS, (uintptr_t)a, true, pc);
	me = sim_cpu->ci_index;
	fresh[me] = false;
	if (xp_tracing)
		xp_note(XE_STORE, (uintptr_t)a, v, pc, NULL);
	if (xp_config.memory == XP_TSO && order != __ATOMIC_SEQ_CST) {
		buffer(me, a, size, v, order, pc);
		return;
	}
	xp_drain(me);
	l = xp_atomic(me, (uintptr_t)a, size, true, pc);
	l->l_sync = xp_release(me, order);
	xp_place_dirty(l, (uintptr_t)a, size);
	if (xp_config.memory == XP_C11)
		xp_history_add(l, me, v, l->l_sync, order == __ATOMIC_SEQ_CST, size, (uintptr_t)a);
	xp_put(a, size, v);
	xp_tick(me);
}

/* Followed by xp_rmw_end() or, if nothing is to be written, xp_rmw_none(). */
uint64_t xp_rmw_begin(void *a, unsigned size, int order, uint32_t pc)
{
	(void)order;
	if (!sim_in_event) {
		if (!xp_passes())
			xp_point(SIM_ACCESS, (uintptr_t)a, true, pc);
		xp_drain(sim_cpu->ci_index);
	}
	return xp_get(a, size);
}

void xp_rmw_end(void *a, unsigned size, uint64_t v, int order, uint32_t pc)
{
	unsigned me = sim_cpu->ci_index;
	struct xp_loc *l;
	v4 sync;

	if (sim_in_event) {
		by_event(a, size, v);
		return;
	}
	fresh[me] = false;
	l = xp_atomic(me, (uintptr_t)a, size, true, pc);
	xp_place_dirty(l, (uintptr_t)a, size);
	xp_acquire(me, l->l_sync, order);
	sync = xp_release(me, order); /* and what the store before released goes on */
	sync = xp_join(sync, l->l_sync);
	if (xp_config.memory == XP_C11)
		xp_history_add(l, me, v, sync, order == __ATOMIC_SEQ_CST, size, (uintptr_t)a);
	l->l_sync = sync;
	xp_put(a, size, v);
	if (xp_tracing)
		xp_note(XE_RMW, (uintptr_t)a, v, pc, NULL);
	xp_tick(me);
}

void xp_rmw_none(void *a, unsigned size, int order, uint32_t pc)
{
	unsigned me = sim_cpu->ci_index;
	struct xp_loc *l;
	struct history *h;

	if (sim_in_event)
		return;
	l = xp_atomic(me, (uintptr_t)a, size, false, pc);
	xp_acquire(me, l->l_sync, order);
	if (xp_config.memory == XP_C11) {
		h = history(l, size, (uintptr_t)a);
		if (xp_clocks.now[me][me] < h->h_rec[h->h_n - 1].r_seen[me])
			h->h_rec[h->h_n - 1].r_seen[me] = xp_clocks.now[me][me];
	}
	if (xp_tracing)
		xp_note(XE_LOAD, (uintptr_t)a, xp_get(a, size), pc, NULL);
}
