/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * points.c - where a CPU may be left for another, or take an interrupt.
 *
 * Between two points a CPU is not interrupted in any sense, so the points are where all happens:
 * xp_point() before each atomic access, and whatever else other CPUs can see; xp_local() before
 * plain accesses and changes of the interrupt flag, which matter to interrupts of this CPU alone.
 * That plain accesses need no more is because they do not race, and that they do not is what race.c
 * looks after in the same runs.
 *
 * At xp_local() nobody is asked while no interrupt is on its way to the CPU, but at the first since
 * others could see something of it: they may answer with one.
 *
 *	CPU 0				CPU 1
 *	waiting = 1 (atomic)
 *					sees waiting, sends an IPI
 *	<- must be able to come here
 *	mine++ (plain)
 *	<- and not only here
 *	waiting = 0 (atomic)
 *
 * Which points a strategy is asked at is its own choice (enum xp_asks): the random ones skip what
 * they do not want, the exhaustive search those where nothing can come of it (shared.c). A point
 * counts in x_seq all the same, so that a log means the same to all of them.
 *
 * A CPU in port_pause() goes on when another has written to a place that it looked at since it
 * paused last (the WATCHED_MAX first of them; if it looked at more, or at none, when another has
 * written anything), when a device has moved, or something else has run on the CPU.
 *
 * Contexts: a run. One host thread. Next: explore.c, which takes the turns; access.c, which comes
 * here.
 */
#include "points.h"

#include "places.h"
#include "simint.h"

struct xp_cpu xp_cpus[XP_CPUS];
struct looked xp_looked[XP_CPUS][WATCH_FOR];
uint32_t xp_writes;
bool xp_quick, xp_quick_sc;
uint64_t xp_pass_to, xp_pass_to_sc;
struct xp_cpu *xp_mine;

void xp_disturbed(void)
{
	xp_cpus[sim_cpu->ci_index].x_woken = true;
}

/* ---- What a CPU in port_pause() waits for ---- */

static struct watched *watched(struct xp_cpu *x, const struct xp_loc *l)
{
	for (unsigned i = 0; i < x->x_nwatched && i < WATCHED_MAX; i++)
		if (x->x_watched[i].w_loc == l)
			return &x->x_watched[i];
	return NULL;
}

/* Its own write is no news to it, unless others wrote between its look and that. */
static void heed(struct xp_cpu *x, const struct looked *k)
{
	struct watched *w;

	if (x->x_nwatched > WATCHED_MAX)
		return;
	w = watched(x, k->k_loc);
	if (w != NULL) {
		if (k->k_write && w->w_version == k->k_version - 1)
			w->w_version = k->k_version;
		return;
	}
	if (x->x_nwatched < WATCHED_MAX)
		x->x_watched[x->x_nwatched] = (struct watched){k->k_loc, k->k_version};
	x->x_nwatched++;
}

void xp_watch_exact(struct xp_cpu *x, struct xp_loc *l, bool write)
{
	heed(x, &(struct looked){l, l->l_version, write});
}

/* Has anything changed of what it looked at? If that is not known, has anything at all? */
bool xp_news(struct xp_cpu *x)
{
	for (; x->x_heeded > x->x_watch && !xp_config.exact; x->x_heeded--)
		heed(x, &xp_looked[x - xp_cpus][x->x_heeded - 1]);
	if (x->x_nwatched == 0 || x->x_nwatched > WATCHED_MAX)
		return xp_writes - x->x_writes != x->x_mark;
	for (unsigned i = 0; i < x->x_nwatched; i++)
		if (x->x_watched[i].w_loc->l_version != x->x_watched[i].w_version)
			return true;
	return false;
}

/* ---- Points ---- */

static bool pending(const struct sim_vcpu *v)
{
	return v->v_ipi || v->v_clock || v->v_nflight != 0;
}

/* Is the search to be asked, where only this CPU's interrupts can tell the difference? At the first
 * such point since others could see something of this CPU, everybody is: they may send one. */
static bool search_local(const struct sim_vcpu *v, struct xp_cpu *x, enum sim_kind kind,
    uint64_t addr)
{
	unsigned flags = 0;

	if (addr != 0)
		flags = xp_shared(addr);
	x->x_narrow = false;
	if ((flags & LF_DEVICE) != 0)
		return true;
	if (!v->v_intr)
		return false;
	if (xp_config.reduction < XP_SHARED)
		return true;
	if (kind != SIM_DISABLE && (flags & (LF_SHARED | LF_CONTEXTS)) == 0)
		return false;
	x->x_narrow = !x->x_after;
	if (x->x_narrow && !pending(v))
		return false;
	x->x_after = false;
	return true;
}

/* Can others? */
static bool search_point(uint64_t addr)
{
	if (xp_config.reduction < XP_SHARED || (addr != 0 && addr < XA_END))
		return true;
	return addr != 0 && (xp_shared(addr) & LF_SHARED) != 0;
}

void xp_point(enum sim_kind kind, uint64_t addr, bool write, uint32_t pc)
{
	const struct sim_vcpu *v = sim_me();
	struct xp_cpu *x = &xp_cpus[v->v_ci.ci_index];
	bool ask = true, seen = true;

	if (sim_in_event)
		return;
	if (xp_config.exact)
		xp_context_step();
	switch (xp_config.strategy->asks) {
	case XP_AT_TIMES:
		ask = xp_steps + 1 >= xp_ask_at;
		break;
	case XP_ALWAYS:
		break;
	case XP_WHERE_SEEN:
		seen = search_point(addr);
		x->x_narrow = false;
		if (!seen)
			ask = search_local(v, x, kind, addr);
		break;
	}
	if (ask) {
		xp_turn(kind, addr, write, pc);
		x = &xp_cpus[sim_cpu->ci_index];
	} else {
		xp_steps++;
		x->x_seq++;
	}
	if (seen)
		x->x_after = true;
}

/* As xp_local() has it for XP_AT_TIMES, when it is time; without branches. */
static inline bool asks_now(const struct sim_vcpu *v, const struct xp_cpu *x)
{
	return (v->v_intr & (v->v_ipi | v->v_clock | (v->v_nflight != 0) | x->x_after)) != 0;
}

void xp_local(enum sim_kind kind, uint64_t addr)
{
	const struct sim_vcpu *v = sim_me();
	struct xp_cpu *x = &xp_cpus[v->v_ci.ci_index];
	bool ask;

	if (sim_in_event || xp_passes_local())
		return;
	if (xp_quick && !asks_now(v, x)) {
		x->x_seq++;
		return;
	}
	if (xp_config.exact)
		xp_context_step();
	switch (xp_config.strategy->asks) {
	case XP_AT_TIMES:
		ask = asks_now(v, x) && xp_steps + 1 >= xp_ask_at;
		break;
	case XP_ALWAYS:
		ask = true;
		break;
	default:
		ask = search_local(v, x, kind, addr);
		break;
	}
	if (!ask) {
		x->x_seq++;
		return;
	}
	x->x_after = false;
	xp_turn(kind, addr, false, 0);
	/* A device's register: the device can tell, and may interrupt. */
	if (xp_config.strategy->asks == XP_WHERE_SEEN && !xp_cpus[sim_cpu->ci_index].x_narrow)
		xp_cpus[sim_cpu->ci_index].x_after =
		    addr != 0 && (xp_shared(addr) & LF_DEVICE) != 0;
}

void xp_ipi(unsigned to)
{
	xp_point(SIM_IPI, XA_IPI(to), true, (uint32_t)(uintptr_t)__builtin_return_address(0));
	xp_drain(sim_cpu->ci_index);
	xp_race_ipi_sent(to);
	xp_touch(XA_IPI(to), true);
	xp_ask_now();
}

/* A register of a device, written by code that is not instrumented. */
void xp_register(uint64_t addr, size_t size)
{
	if (xp_on) {
		xp_local(SIM_ACCESS, addr);
		xp_touch(addr, true);
	}
	xp_dirty(addr, size);
}
