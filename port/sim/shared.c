/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shared.c - who shares what: the reduction of the exhaustive search, and the trace of a run.
 *
 * The search needs no point before an access that only its own CPU can notice. Which are these is
 * learnt from the runs themselves:
 *
 *	shared		touched by more than one CPU or device, once at least to write. Another
 *			process may act before each access to it
 *	of contexts	touched by more than one context of a CPU, once at least to write. An
 *			interrupt may come before each access to it, and before each to what is
 *			shared
 *	neither		no point: to act before it is to act before the next point
 *
 * A context is an lwp, or all that one delivered interrupt does until its handler returns,
 * ithreads that it is handed off to included.
 *
 * That is sound once it does not change any more. Take the shortest run of the full system in which
 * a place is touched in a way that was not learnt. All its steps before are also made, in an order
 * that differs in independent steps only, in a run of the search; so there the place is touched
 * too, and is learnt. Hence the search begins anew whenever something was learnt (xp_learnt), and
 * when it ends without that, it has left nothing out. A CPU preempted at a point that is not there
 * can be preempted at its next as well, in as many preemptions or fewer.
 *
 * If states are merged (state.c), what one run did before such a state goes together with what
 * another did from there on. So whether two touch the same place is asked of all runs of the search
 * together; a context is an lwp, or the how-manyth of one interrupt on one CPU. As each state is
 * gone on from in some run, each access that any run makes is among them. LF_PLAIN is learnt for
 * state.c, which leaves out when an access was made that cannot race.
 *
 * The trace of a run is the set of its accesses, each with the context that made it, the how-manyth
 * of that context it was, and how many writes its place had seen; one to a place of either sort
 * counts the interrupts that its CPU has taken before, too. Two runs that differ in the order of
 * independent steps have the same trace, and are the same for everybody within, races included.
 * xp_fingerprint is the sum of their hashes, 64 bits wide: at any time that of the run so far.
 *
 * Contexts: a run with xp_config.exact. One host thread. Next: search.c.
 */
#include "places.h"
#include "simint.h"

#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <limits.h>
#include <string.h>

#define LWPS 256u
#define CONTEXTS_MAX 4096u
#define DEVICES_FROM (CONTEXTS_MAX)
#define FLUSHES_FROM (DEVICES_FROM + XP_DEVICES + 1)
#define SEVERAL UINT16_MAX
#define ALL_CONTEXTS (FLUSHES_FROM + XP_CPUS)

/* Who touched a place in this run; if states are merged, in any run of the search. */
struct use {
	uint32_t u_run;                             /* the last one that touched it */
	uint16_t u_readers, u_writers;              /* bits: CPU; XP_BY_DEVICE */
	uint16_t u_read[XP_CPUS], u_wrote[XP_CPUS]; /* by CPU: the context that did first, + 1 */
};

uint32_t xp_context;
bool xp_learnt;

static struct use uses[XP_LOCS];
static uint32_t run;
static uint64_t names[CONTEXTS_MAX], bases[CONTEXTS_MAX]; /* bases: stack pointer when it began */
static uint32_t ops[ALL_CONTEXTS];
static uint32_t ncontexts, begun[64];
static uint32_t taken[XP_CPUS];
static uint8_t where[LWPS]; /* each lwp went on last, + 1 */

void xp_shared_begin(void)
{
	if (!xp_config.exact)
		return;
	if (++run == 0)
		memset(uses, 0, sizeof(uses));
	memset(ops, 0, ncontexts * sizeof(ops[0]));
	memset(ops + CONTEXTS_MAX, 0, (ALL_CONTEXTS - CONTEXTS_MAX) * sizeof(ops[0]));
	memset(begun, 0, sizeof(begun));
	memset(taken, 0, sizeof(taken));
	memset(where, 0, sizeof(where));
	ncontexts = LWPS;
	xp_context = 0;
}

void xp_shared_forget(void)
{
	memset(uses, 0, sizeof(uses));
}

/* ---- Contexts ---- */

void xp_context_lwp(uint64_t sp)
{
	uint64_t top;

	if (xp_config.exact)
		xp_context = sim_stack_slot(sp, &top) % LWPS;
}

/* Process p, an interrupt, is delivered on the stack that is in use. */
void xp_context_interrupt(unsigned p)
{
	if (!xp_config.exact)
		return;
	if (ncontexts == CONTEXTS_MAX)
		sim_failed("exhaustive: more than %u interrupts in a run", CONTEXTS_MAX - LWPS);
	names[ncontexts] = ALL_CONTEXTS + 64 * (uint64_t)begun[p]++ + p;
	bases[ncontexts] = (uintptr_t)__builtin_frame_address(0);
	taken[xp_irq_cpu(p)]++;
	xp_context = ncontexts++;
}

/* The same in every run: that of an lwp is its stack's. */
static uint64_t context_name(uint32_t context)
{
	return context >= LWPS && context < CONTEXTS_MAX ? names[context] : context;
}

/* SEVERAL: too many, taken for another than itself. */
uint16_t xp_context_number(uint32_t context)
{
	uint64_t name = context_name(context);

	if (name >= ALL_CONTEXTS)
		name = name - ALL_CONTEXTS + LWPS;
	return name < SEVERAL - 1 ? (uint16_t)(name + 1) : SEVERAL;
}

/* A point, or an access: where the context stands. */
void xp_context_step(void)
{
	ops[xp_context]++;
}

uint64_t xp_context_at(uint32_t context)
{
	return xp_mix(context_name(context), ops[context]);
}

/* On the stack in use, in a frame of the context: nobody else knows of it, as far as was learnt. */
static bool own_frame(uint64_t addr, unsigned flags)
{
	uint64_t here = (uintptr_t)__builtin_frame_address(0), base = bases[xp_context], top, other;
	unsigned slot = sim_stack_slot(here, &top);

	if (flags & (LF_SHARED | LF_CONTEXTS) || sim_stack_slot(addr, &other) != slot)
		return false;
	if (xp_context >= LWPS && sim_stack_slot(base, &other) == slot)
		return addr < base;
	return true;
}

/* ---- The trace ---- */

static inline void record(uint32_t context, uint64_t what, uint64_t more)
{
	uint64_t who = (context_name(context) << 32) + ++ops[context];

	xp_fingerprint += xp_fold(xp_fold(who, what), more);
}

void xp_seen_outcome(unsigned outcome)
{
	if (xp_config.exact)
		record(xp_context, 3, outcome);
}

static void learn(struct xp_loc *l, unsigned flag)
{
	if (l->l_flags & flag)
		return;
	l->l_flags |= (uint8_t)flag;
	xp_learnt = true;
}

/* Does anybody but `cpu` use it, in a way that conflicts with this? */
static void learn_shared(struct xp_loc *l, struct use *u, unsigned cpu, bool write)
{
	unsigned mine = 1u << cpu, others = u->u_writers & ~mine;

	if (write)
		others |= u->u_readers & ~mine;
	if (others != 0)
		learn(l, LF_SHARED);
	if (others != 0 && ((others | mine) & 1u << XP_BY_DEVICE) != 0)
		learn(l, LF_DEVICE);
	if (write)
		u->u_writers |= (uint16_t)mine;
	else
		u->u_readers |= (uint16_t)mine;
}

/* The place that stands for all that overlap this one. */
static struct xp_loc *standing_for(struct xp_loc *l)
{
	return l->l_flags & LF_OVERLAPS ? xp_place((l->l_addr & ~(uint64_t)7) | XP_OVERLAPPED) : l;
}

/* An access to it that was seen was no atomic one: it may race. */
void xp_seen_plain(struct xp_loc *l)
{
	if (standing_for(l)->l_flags & LF_SHARED)
		learn(l, LF_PLAIN);
	else
		l->l_flags |= LF_PLAIN;
}

/* For state.c: what names future contexts have, and who moves when it goes on next. */
uint64_t xp_shared_state(void)
{
	uint64_t h = 0;

	for (unsigned p = 0; p < 64; p++)
		if (begun[p] != 0)
			h += xp_mix(p, begun[p]);
	for (unsigned i = 0; i < LWPS; i++)
		if (where[i] != 0)
			h += xp_mix(64 + i, where[i]);
	return h;
}

static bool another(uint16_t context, uint16_t me)
{
	return context != 0 && (context != me || me == SEVERAL);
}

static void learn_contexts(struct xp_loc *l, struct use *u, unsigned cpu, bool write)
{
	uint16_t me = xp_context_number(xp_context);

	if (another(u->u_wrote[cpu], me) || (write && another(u->u_read[cpu], me)))
		learn(l, LF_CONTEXTS);
	if (write && u->u_wrote[cpu] == 0)
		u->u_wrote[cpu] = me;
	if (!write)
		u->u_read[cpu] = another(u->u_read[cpu], me) ? SEVERAL : me;
}

static struct use *use_of(const struct xp_loc *l)
{
	struct use *u = &uses[xp_place_index(l)];

	if (!xp_merges && u->u_run != run)
		*u = (struct use){0};
	return u;
}

void xp_seen(struct xp_loc *l, unsigned cpu, bool write)
{
	bool device = cpu == XP_BY_DEVICE, overlapped = (l->l_flags & LF_OVERLAPS) != 0;
	uint32_t context = device ? DEVICES_FROM + xp_device_number()
	    : xp_flushing         ? FLUSHES_FROM + cpu
				  : xp_context;
	struct use *u, *first = &uses[xp_place_index(l)];
	struct xp_loc *itself = l;
	uint64_t count = 0, top, addr = l->l_addr;

	l = standing_for(l);
	if (sim_stack_slot(addr, &top) != UINT_MAX) {
		if (!device && !xp_flushing && own_frame(addr, l->l_flags))
			return;
		learn(l, LF_SHARED);
		learn(l, LF_CONTEXTS);
	}
	if (first->u_run != run && (l->l_flags & LF_SHARED))
		xp_state_touched(itself);
	u = use_of(l);
	u->u_run = first->u_run = run;
	learn_shared(l, u, cpu, write);
	if (!device && !xp_flushing) {
		learn_contexts(l, u, cpu, write);
		if (l->l_flags & (LF_SHARED | LF_CONTEXTS))
			count = taken[cpu] + 1;
	}
	record(context, (l->l_addr << 1) + write, ((uint64_t)l->l_version << 32) + count);
	/* Its accesses count here; the callers count those of `l` itself. */
	if (write && overlapped)
		l->l_version++;
}

/* A store that waits in the buffer has been seen as it was issued, if nobody else can tell when it
 * comes to memory. */
bool xp_seen_before(struct xp_loc *l)
{
	return xp_config.exact && !(standing_for(l)->l_flags & LF_SHARED);
}

void xp_seen_issued(struct xp_loc *l, unsigned cpu, uint64_t value)
{
	if (!xp_config.exact)
		return;
	if (!xp_seen_before(l)) {
		record(xp_context, l->l_addr << 1, xp_mix(value, taken[cpu]));
		return;
	}
	xp_seen(l, cpu, true);
	l->l_version++;
	xp_watch(cpu, l, true);
}

/* A place that is no memory: a line, an IPI. */
void xp_touch(uint64_t place, bool write)
{
	bool device = xp_in_device();
	struct xp_loc *l;

	if (!xp_on || (sim_in_event && !device))
		return;
	l = xp_place(place);
	if (xp_config.exact)
		xp_seen(l, device ? XP_BY_DEVICE : sim_cpu->ci_index, write);
	if (write)
		l->l_version++;
	if (!device)
		xp_watch(sim_cpu->ci_index, l, write);
}

/* curcpu() is asked on this CPU; an lwp goes on there, which may have been elsewhere before. */
static uint64_t whereabouts(const struct lwp *l)
{
	uint64_t top;

	return XA_WHERE(sim_stack_slot(l->l_stack_top - 1, &top) % LWPS);
}

void xp_asks_where(void)
{
	uint64_t at;

	if (sim_in_event)
		return;
	if (!xp_config.exact) {
		xp_local(SIM_ACCESS, XA_WHERE(0));
		return;
	}
	at = whereabouts(curlwp);
	xp_local(SIM_ACCESS, at);
	xp_touch(at, false);
}

void xp_goes_on(const struct lwp *l)
{
	uint8_t now = (uint8_t)(sim_cpu->ci_index + 1), *last;
	uint64_t at;

	if (!xp_config.exact)
		return;
	at = whereabouts(l);
	last = &where[at - XA_WHERE(0)];
	if (*last != 0 && *last != now)
		xp_touch(at, true);
	*last = now;
}

/* How the places of an access of the current context matter to others: LF_*. */
unsigned xp_shared(uint64_t addr)
{
	return standing_for(xp_place(addr))->l_flags;
}
