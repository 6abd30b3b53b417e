/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * callout.c - functions that run at a time.
 *
 * Each CPU has two timing wheels (wheel.c) under one lock. The callouts of the first run in the
 * CPU's IPL_SOFTCLOCK softint: in a thread, so they may take mutexes. Those of the second, made
 * with callout_init_hard(), run in the clock interrupt itself: they only wake somebody, and they
 * are how a sleep with a time limit ends. Were those in the softint too, a callout function that
 * slept with a limit, or that waited for a mutex whose owner did, would wait for itself for ever.
 *
 * Who does what. For the first wheel the clock interrupt compares the next deadline with the time
 * and schedules the softint (callout_tick): no loop. Cascading and the functions are the softint's,
 * in batches with the lock let go between them. While the softint is on its way or at work
 * (cw_busy), nobody else asks the clock for that wheel: it does so itself when it has finished.
 * The second wheel is served in the interrupt, BATCH steps at most; if that was not enough, the
 * clock is asked to come again at once. So interrupts are never off for longer than BATCH steps,
 * however many callouts are due together.
 *
 * Never beside itself. While a function runs, its callout is cw_invoking of the wheel it ran from
 * and stays with that CPU even if it is armed from another; a wheel runs one function at a time.
 * After the function has returned the callout is not looked at, so a function may free what it
 * stands in.
 *
 * Who asks the clock. cw_want is the tick by which the clock comes, and nothing that is armed is
 * due before it; so whoever arms for later is done. While somebody is at work on that wheel
 * (cw_busy), nobody else asks the clock for it. A callout that is armed on a CPU that is neither
 * this one nor at work (callout_bind) sends that CPU's softint on its way, which asks.
 *
 * Periodic callouts are armed again, on their grid, when a run begins and not when it has ended:
 * so the function finds its callout armed and may stop it, and nothing has to be looked at
 * afterwards. Runs whose time has passed by then are left out.
 *
 * Deferred arming. callout_schedule_deferred() puts the callout on cw_later, and the softclock puts
 * it into the wheel. It is armed from the first moment and its list entry is the same, so stopping
 * makes no difference between the two. A filter may do that: the lock is held with interrupts off,
 * and nobody who holds it waits for a spin mutex.
 *
 * Tolerance. Of the ticks that a callout may run in, one is chosen by which the clock comes anyway,
 * or else the one with the most low zero bits, which its neighbours choose as well.
 *
 * Contexts: callout_tick() with interrupts off; callout_schedule_deferred() in any; the rest in
 * thread context.
 * Lock order: mutexes of both kinds -> cw_lock (two of them: lower CPU first) -> sleep queue chain.
 * Invariants: I10; I8's "no lost wakeup" for halters.
 * Not for: work that sleeps for long (it holds up its CPU's callouts), nor for filters.
 * Read next: callout_stop.c (how a halt waits), wheel.c, clock.c, softint.c.
 */
#include <ithaca/callout.h>

#include "callout_impl.h"
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/sleepq.h>

#define BATCH 32   /* steps in one stretch with interrupts off */
#define RUN_MAX 64 /* functions before other softints of the level get their turn */

#define NS_MAX ((uint64_t)INT64_MAX) /* never, for all that anybody will see */

#define SHORT_WAY static inline __attribute__((always_inline))

/* Any of these, and arming is not the short way. */
#define ARM_SLOW                                                                                   \
	(CALLOUT_ARMED | CALLOUT_SHUT | CALLOUT_HARD | CALLOUT_BOUND | CALLOUT_PERIODIC |          \
	    CALLOUT_TOLERANT)

static uint64_t tick_ns(uint64_t tick)
{
	return tick > WHEEL_TICK_MAX ? UINT64_MAX : tick << WHEEL_TICK_SHIFT;
}

/* ---- When ---- */

/* callout_choose - of the ticks in which it may run, one that is shared. Wheel locked. */
static uint64_t callout_choose(const struct callout_cpu *w, const struct callout *c)
{
	uint64_t first = wheel_tick(c->c_when_ns), last;
	unsigned kind;

	if ((c->c_flags & CALLOUT_TOLERANT) == 0 || first == 0)
		return first;
	last = first + c->c_tolerance;
	if (last > WHEEL_TICK_MAX)
		last = WHEEL_TICK_MAX;
	for (kind = SOFT; kind <= HARD; kind++)
		if (w->cw_want[kind] >= first && w->cw_want[kind] <= last)
			return w->cw_want[kind];
	/* The highest bit in which last is greater than first - 1, and zeros below it. */
	return last >> (63 ^ __builtin_clzll((first - 1) ^ last))
	    << (63 ^ __builtin_clzll((first - 1) ^ last));
}

/* callout_place - into the wheel, at c_when_ns. Locked. */
static void callout_place(struct callout_cpu *w, struct callout *c)
{
	wheel_insert(&w->cw_wheel[callout_kind(c)], c, callout_choose(w, c));
}

/* callout_again - a periodic one begins: armed for its next time that is to come. Locked. */
static void callout_again(struct callout_cpu *w, struct callout *c)
{
	uint64_t late_ns = clock_ns() - c->c_when_ns, missed = late_ns / c->c_period_ns;
	uint64_t left_ns = c->c_period_ns - late_ns % c->c_period_ns;

	KASSERT(late_ns <= NS_MAX, "callout %p began %llu ns early", (void *)c,
	    (unsigned long long)-late_ns);
	c->c_missed += missed;
	c->c_when_ns += late_ns; /* now */
	c->c_when_ns = left_ns <= NS_MAX ? c->c_when_ns + left_ns : UINT64_MAX;
	c->c_flags |= CALLOUT_ARMED;
	callout_place(w, c);
}

/* ---- Running ---- */

/* callout_begin - the first that is due begins. Locked. */
static struct callout *callout_begin(struct callout_cpu *w, struct wheel *wh)
{
	struct callout *c = container_of(wh->wh_due.next, struct callout, c_entry);
	unsigned kind = callout_kind(c);

	KASSERT((c->c_flags & CALLOUT_ARMED) != 0 && w->cw_invoking[kind] == NULL,
	    "callout %p is due, its flags %#x", (void *)c, c->c_flags);
	wheel_remove(c);
	c->c_flags = (c->c_flags & ~CALLOUT_ARMED) | CALLOUT_EXPIRED;
	w->cw_invoking[kind] = c;
	if ((c->c_flags & CALLOUT_PERIODIC) != 0)
		callout_again(w, c);
	return c;
}

/* softclock_run - run the function of the first that is due. Locked on entry and return, let go
 * meanwhile. */
static void softclock_run(struct callout_cpu *w, bool intr)
{
	struct callout *c = callout_begin(w, &w->cw_wheel[SOFT]);
	void (*fn)(void *) = c->c_fn;
	void *arg = c->c_arg;
	bool halters;

	w->cw_runner = curlwp;
	w->cw_fn = fn;
	callout_unlock(w, intr);

	fn(arg);

	witness_return("callout", "", (const void *)(uintptr_t)fn);
	KASSERT(port_intr_enabled() && curlwp->l_ipl == IPL_SOFTCLOCK && curlwp->l_nopreempt == 0,
	    "callout function %p returned at level %s, preemption %u, interrupts %s",
	    (void *)(uintptr_t)fn, spl_name(spl_now()), curlwp->l_nopreempt,
	    port_intr_enabled() ? "on" : "off");
	port_intr_off();
	spin_lock(&w->cw_lock);
	halters = w->cw_halters;
	w->cw_halters = false;
	w->cw_invoking[SOFT] = NULL;
	w->cw_runner = NULL;
	if (halters) {
		w->cw_waking = c;
		callout_unlock(w, intr);
		sleepq_wake(c, -1);
		port_intr_off();
		spin_lock(&w->cw_lock);
		w->cw_waking = NULL;
		w->cw_woken_ns = clock_ns();
	}
}

/* softclock_gather - what is due by now, and what was deferred, a batch of each: true if there may
 * be more. Locked. */
static bool softclock_gather(struct callout_cpu *w)
{
	struct wheel *wh = &w->cw_wheel[SOFT];
	struct list *e = NULL;
	unsigned n;

	for (n = 0; n < BATCH; n++) {
		e = list_take(&w->cw_later);
		if (e == NULL)
			break;
		callout_place(w, container_of(e, struct callout, c_entry));
	}
	return wheel_advance(wh, clock_ns(), BATCH) || e != NULL || !list_empty(&wh->wh_due);
}

static void callout_softclock(void *arg)
{
	struct callout_cpu *w = arg;
	struct wheel *wh = &w->cw_wheel[SOFT];
	unsigned runs = 0;
	bool intr = port_intr_disable();

	spin_lock(&w->cw_lock);
	while (softclock_gather(w)) {
		while (!list_empty(&wh->wh_due) && runs < RUN_MAX) {
			softclock_run(w, intr);
			runs++;
		}
		callout_unlock(w, intr); /* let interrupts in */
		if (runs == RUN_MAX) {
			softint_schedule(w->cw_softint);
			return;
		}
		port_intr_off();
		spin_lock(&w->cw_lock);
	}
	KASSERT(w->cw_cpu == curcpu(), "softclock of another CPU");
	w->cw_busy[SOFT] = false;
	w->cw_want[SOFT] = wheel_next(wh);
	if (w->cw_want[SOFT] != WHEEL_NEVER)
		clock_want(w->cw_cpu, tick_ns(w->cw_want[SOFT]));
	callout_unlock(w, intr);
}

/* softclock_kick - send the softint on its way; whoever arms meanwhile need not ask the clock. The
 * wheel is locked, and not busy; unlocks. Any context. */
static void softclock_kick(struct callout_cpu *w, bool intr)
{
	KASSERT(!w->cw_busy[SOFT], "softclock of cpu%u is on its way", w->cw_cpu->ci_index);
	w->cw_busy[SOFT] = true;
	w->cw_want[SOFT] = WHEEL_NEVER;
	spin_unlock(&w->cw_lock);
	softint_schedule_cpu(w->cw_softint, w->cw_cpu);
	intr_return(intr);
}

/* ---- The clock interrupt ---- */

/* hardclock_run - the second wheel. Locked on entry and return, interrupts off. */
static void hardclock_run(struct callout_cpu *w, uint64_t now_ns)
{
	struct wheel *wh = &w->cw_wheel[HARD];
	struct callout *c;
	void (*fn)(void *);
	void *arg;
	unsigned steps;

	w->cw_busy[HARD] = true;
	w->cw_want[HARD] = WHEEL_NEVER;
	for (steps = 0; steps < BATCH; steps++) {
		if (list_empty(&wh->wh_due)) {
			if (!wheel_advance(wh, now_ns, 1) && list_empty(&wh->wh_due))
				break;
			continue;
		}
		c = callout_begin(w, wh);
		fn = c->c_fn;
		arg = c->c_arg;
		spin_unlock(&w->cw_lock);
		fn(arg);
		spin_lock(&w->cw_lock);
		w->cw_invoking[HARD] = NULL;
	}
	w->cw_busy[HARD] = false;
	w->cw_want[HARD] = steps < BATCH ? wheel_next(wh) : now_ns >> WHEEL_TICK_SHIFT;
}

uint64_t callout_tick(struct cpu *ci, uint64_t now_ns)
{
	struct callout_cpu *w = ci->ci_callout;
	uint64_t next;

	if (w == NULL)
		return UINT64_MAX;
	spin_lock(&w->cw_lock);
	hardclock_run(w, now_ns);
	next = tick_ns(w->cw_want[HARD]);
	if (w->cw_busy[SOFT]) {
		spin_unlock(&w->cw_lock);
		return next;
	}
	w->cw_want[SOFT] = wheel_next(&w->cw_wheel[SOFT]);
	if (tick_ns(w->cw_want[SOFT]) <= now_ns) {
		softclock_kick(w, false);
		return next;
	}
	if (tick_ns(w->cw_want[SOFT]) < next)
		next = tick_ns(w->cw_want[SOFT]);
	spin_unlock(&w->cw_lock);
	return next;
}

/* ---- Which wheel: finding it, and moving ---- */

struct callout_cpu *callout_wheel_claim(struct callout *c)
{
	struct callout_cpu *w = NULL, *here = curcpu()->ci_callout;

	/* Release: after what callout_init() wrote; acquire: another CPU was faster. */
	if (here == NULL ||
	    atomic_compare_exchange_strong_explicit(&c->c_wheel, &w, here, memory_order_acq_rel,
		memory_order_acquire))
		return here;
	return w;
}

/* lock_both - two wheels, or one. Interrupts off. */
static void lock_both(struct callout_cpu *a, struct callout_cpu *b)
{
	bool a_first = a->cw_cpu->ci_index < b->cw_cpu->ci_index;

	spin_lock(a_first ? &a->cw_lock : &b->cw_lock);
	if (a != b)
		spin_lock(a_first ? &b->cw_lock : &a->cw_lock);
}

/* callout_lock_two - lock `other` and the wheel that `c` belongs to, and return that. */
static struct callout_cpu *callout_lock_two(struct callout *c, struct callout_cpu *other)
{
	struct callout_cpu *w;

	for (;;) {
		/* Acquire, relaxed: as in callout_lock(). */
		w = atomic_load_explicit(&c->c_wheel, memory_order_acquire);
		if (w == NULL)
			w = callout_wheel_claim(c);
		lock_both(w, other);
		if (atomic_load_explicit(&c->c_wheel, memory_order_relaxed) == w)
			break;
		spin_unlock(&other->cw_lock);
		if (w != other)
			spin_unlock(&w->cw_lock);
	}
	KASSERT((c->c_flags & CALLOUT_LIVE) != 0, "callout %p is not initialised, or destroyed",
	    (void *)c);
	return w;
}

/* callout_move - out of `from`, where it is not armed any more, to `to`. Both locked. */
static void callout_move(struct callout *c, struct callout_cpu *to)
{
	/* Release: pairs with the load in callout_lock(). */
	atomic_store_explicit(&c->c_wheel, to, memory_order_release);
}

/*
 * callout_lock_here - bring `c`, disarmed, to this CPU's wheel, unless it is bound or its function
 * runs on another, and lock the one it belongs to then. Interrupts off. *was: it had been armed.
 */
static struct callout_cpu *callout_lock_here(struct callout *c, bool *was)
{
	struct callout_cpu *here = curcpu()->ci_callout, *w;

	KASSERT(here != NULL, "callout %p armed before core_init()", (void *)c);
	w = callout_lock_two(c, here);
	*was = callout_disarm(c);
	if (w == here)
		return here;
	if (callout_is_invoking(w, c) || (c->c_flags & CALLOUT_BOUND) != 0) {
		spin_unlock(&here->cw_lock);
		return w;
	}
	callout_move(c, here);
	spin_unlock(&w->cw_lock);
	return here;
}

/* ---- Arming ---- */

/* arm_locked - armed, as c_flags and c_when_ns say. Wheel locked, unlocks; returns `was`. */
static bool arm_locked(struct callout_cpu *w, struct callout *c, bool was, bool intr)
{
	unsigned kind = callout_kind(c);

	KASSERT(c->c_fn != NULL, "callout %p armed without a function", (void *)c);
	c->c_flags |= CALLOUT_ARMED;
	callout_place(w, c);
	if (w->cw_busy[kind] || c->c_tick >= w->cw_want[kind]) {
		callout_unlock(w, intr);
	} else if (w->cw_cpu == curcpu() &&
	    (kind == HARD || c->c_tick > w->cw_wheel[SOFT].wh_tick)) {
		w->cw_want[kind] = c->c_tick;
		clock_want(w->cw_cpu, tick_ns(c->c_tick));
		callout_unlock(w, intr);
	} else {
		KASSERT(kind == SOFT, "callout %p armed on a CPU that is not at work", (void *)c);
		softclock_kick(w, intr);
	}
	return was;
}

/* rearm - one that is armed here, to be moved, and nothing special otherwise: done if true. */
static inline bool rearm(struct callout *c, uint64_t when_ns, void (*fn)(void *), void *arg)
{
	bool intr = port_intr_disable(), done;
	struct callout_cpu *w = curcpu()->ci_callout;
	uint64_t tick = wheel_tick(when_ns);

	KASSERT(w != NULL, "callout %p armed before core_init()", (void *)c);
	spin_lock(&w->cw_lock);
	/* Relaxed: as in callout_lock(). */
	done = atomic_load_explicit(&c->c_wheel, memory_order_relaxed) == w &&
	    c->c_flags == (CALLOUT_LIVE | CALLOUT_ARMED) && tick >= w->cw_want[SOFT];
	if (done) {
		if (fn != NULL) {
			c->c_fn = fn;
			c->c_arg = arg;
		}
		wheel_remove(c);
		wheel_insert_later(&w->cw_wheel[SOFT], c, tick);
	}
	callout_unlock(w, intr);
	return done;
}

/* arm_slow - one that is armed, bound, due before the clock comes, and so on. Interrupts as they
 * may be, no lock. Returns whether it was armed. */
static __attribute__((noinline)) bool arm_slow(struct callout *c, uint64_t when_ns,
    void (*fn)(void *), void *arg)
{
	struct callout_cpu *w;
	bool intr, was;

	if (rearm(c, when_ns, fn, arg))
		return true;
	intr = port_intr_disable();
	w = callout_lock_here(c, &was);
	if ((c->c_flags & CALLOUT_SHUT) != 0) {
		callout_unlock(w, intr);
		return false;
	}
	if (fn != NULL) {
		c->c_fn = fn;
		c->c_arg = arg;
	}
	c->c_when_ns = when_ns;
	return arm_locked(w, c, was, intr);
}

/* arm_check - what must be true of whoever arms. */
static inline void arm_check(const struct callout *c)
{
	KASSERT(!IPL_IS_HARD(spl_now()),
	    "callout %p armed at level %s: not from a filter or with a spin mutex held; "
	    "that is callout_schedule_deferred()",
	    (const void *)c, spl_name(spl_now()));
}

/* arm_lock - is it one for the short way: not armed, of this CPU, nothing special, and due after
 * the clock comes? Then the wheel is locked, interrupts off. NULL: it is not. */
SHORT_WAY struct callout_cpu *arm_lock(struct callout *c, uint64_t tick, bool *intr)
{
	struct callout_cpu *w;

	arm_check(c);
	*intr = port_intr_disable();
	w = curcpu()->ci_callout;
	KASSERT(w != NULL, "callout %p armed before core_init()", (void *)c);
	spin_lock(&w->cw_lock);
	/* Relaxed: as in callout_lock(). */
	if (__builtin_expect(atomic_load_explicit(&c->c_wheel, memory_order_relaxed) == w &&
		    (c->c_flags & ARM_SLOW) == 0 && tick >= w->cw_want[SOFT],
		1))
		return w;
	callout_unlock(w, *intr);
	return NULL;
}

/* arm_unlock - and arm. Every instruction from arm_lock() to here is counted: nothing is called,
 * and nothing looked at but the callout, the head of the wheel and the slot. */
SHORT_WAY void arm_unlock(struct callout_cpu *w, struct callout *c, uint64_t tick, bool intr)
{
	KASSERT((c->c_flags & CALLOUT_LIVE) != 0, "callout %p is not initialised, or destroyed",
	    (void *)c);
	KASSERT(c->c_fn != NULL, "callout %p armed without a function", (void *)c);
	KASSERT(tick > w->cw_wheel[SOFT].wh_tick, "callout wheel: the clock is asked for the past");
	c->c_flags = CALLOUT_LIVE | CALLOUT_ARMED;
	wheel_insert_later(&w->cw_wheel[SOFT], c, tick);
	callout_unlock(w, intr);
}

/* when_from_now - no overflow: a clock that counts nanoseconds has 292 years to NS_MAX. */
static uint64_t when_from_now(uint64_t ns)
{
	return clock_ns() + (ns > NS_MAX ? NS_MAX : ns);
}

bool callout_schedule_at(struct callout *c, uint64_t when_ns)
{
	arm_check(c);
	return arm_slow(c, when_ns, NULL, NULL);
}

bool callout_schedule(struct callout *c, uint64_t ns)
{
	uint64_t tick = (clock_ns() + ns + CALLOUT_RESOLUTION_NS - 1) >> WHEEL_TICK_SHIFT;
	struct callout_cpu *w;
	bool intr;

	if (__builtin_expect(ns > NS_MAX, 0))
		return arm_slow(c, when_from_now(ns), NULL, NULL);
	w = arm_lock(c, tick, &intr);
	if (w == NULL)
		return arm_slow(c, when_from_now(ns), NULL, NULL);
	arm_unlock(w, c, tick, intr);
	return false;
}

bool callout_reset(struct callout *c, uint64_t ns, void (*fn)(void *), void *arg)
{
	uint64_t tick = (clock_ns() + ns + CALLOUT_RESOLUTION_NS - 1) >> WHEEL_TICK_SHIFT;
	struct callout_cpu *w;
	bool intr;

	KASSERT(fn != NULL, "callout %p armed without a function", (void *)c);
	if (__builtin_expect(ns > NS_MAX, 0))
		return arm_slow(c, when_from_now(ns), fn, arg);
	w = arm_lock(c, tick, &intr);
	if (w == NULL)
		return arm_slow(c, when_from_now(ns), fn, arg);
	c->c_fn = fn;
	c->c_arg = arg;
	arm_unlock(w, c, tick, intr);
	return false;
}

bool callout_schedule_periodic(struct callout *c, uint64_t period_ns)
{
	struct callout_cpu *w;
	bool intr, was;

	arm_check(c);
	KASSERT(period_ns != 0, "callout %p armed with a period of 0", (void *)c);
	intr = port_intr_disable();
	w = callout_lock_here(c, &was);
	KASSERT(callout_kind(c) == SOFT, "callout %p is hard: not periodic", (void *)c);
	if ((c->c_flags & CALLOUT_SHUT) != 0) {
		callout_unlock(w, intr);
		return false;
	}
	c->c_flags |= CALLOUT_PERIODIC;
	c->c_when_ns = when_from_now(period_ns);
	c->c_period_ns = period_ns;
	c->c_missed = 0;
	return arm_locked(w, c, was, intr);
}

bool callout_schedule_deferred(struct callout *c, uint64_t ns)
{
	bool intr = port_intr_disable(), was;
	struct callout_cpu *w = callout_lock_here(c, &was);

	KASSERT(c->c_fn != NULL, "callout %p armed without a function", (void *)c);
	KASSERT(callout_kind(c) == SOFT, "callout %p is hard: not deferred", (void *)c);
	if ((c->c_flags & CALLOUT_SHUT) != 0) {
		callout_unlock(w, intr);
		return false;
	}
	c->c_flags |= CALLOUT_ARMED;
	c->c_when_ns = when_from_now(ns);
	list_append(&w->cw_later, &c->c_entry);
	if (w->cw_busy[SOFT])
		callout_unlock(w, intr);
	else
		softclock_kick(w, intr);
	return was;
}

/* ---- Made, given properties, unmade ---- */

void callout_init(struct callout *c)
{
	list_init(&c->c_entry);
	atomic_init(&c->c_wheel, NULL);
	c->c_tick = 0;
	c->c_fn = NULL;
	c->c_arg = NULL;
	c->c_flags = CALLOUT_LIVE;
	c->c_tolerance = 0;
	c->c_when_ns = 0;
	c->c_period_ns = 0;
	c->c_missed = 0;
}

void callout_init_hard(struct callout *c)
{
	callout_init(c);
	c->c_flags |= CALLOUT_HARD;
}

void callout_destroy(struct callout *c)
{
	bool intr;
	struct callout_cpu *w = callout_lock(c, &intr);

	KASSERT((c->c_flags & CALLOUT_ARMED) == 0, "callout %p destroyed while armed", (void *)c);
	if (w != NULL && callout_is_invoking(w, c)) {
		KASSERT(callout_kind(c) == SOFT && w->cw_runner == curlwp && !w->cw_halters,
		    "callout %p destroyed while its function runs", (void *)c);
		w->cw_invoking[SOFT] = NULL;
	}
	c->c_flags = 0;
	callout_unlock(w, intr);
}

void callout_setfunc(struct callout *c, void (*fn)(void *), void *arg)
{
	bool intr;
	struct callout_cpu *w = callout_lock(c, &intr);

	KASSERT((c->c_flags & CALLOUT_ARMED) == 0, "callout %p given a function while armed",
	    (void *)c);
	c->c_fn = fn;
	c->c_arg = arg;
	callout_unlock(w, intr);
}

void callout_tolerance(struct callout *c, uint64_t ns)
{
	uint64_t ticks = ns >> WHEEL_TICK_SHIFT;
	bool intr;
	struct callout_cpu *w = callout_lock(c, &intr);

	KASSERT((c->c_flags & CALLOUT_HARD) == 0, "callout %p is hard: not tolerant", (void *)c);
	c->c_tolerance = ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
	c->c_flags &= ~CALLOUT_TOLERANT;
	if (ticks != 0)
		c->c_flags |= CALLOUT_TOLERANT;
	callout_unlock(w, intr);
}

int callout_bind(struct callout *c, struct cpu *ci)
{
	bool intr = port_intr_disable();
	struct callout_cpu *to = (ci != NULL ? ci : curcpu())->ci_callout, *w;
	int error = 0;

	if (to == NULL) {
		port_intr_restore(intr);
		return ENODEV;
	}
	w = callout_lock_two(c, to);
	KASSERT((c->c_flags & CALLOUT_HARD) == 0, "callout %p is hard: not to be bound", (void *)c);
	if ((c->c_flags & CALLOUT_ARMED) != 0 || (w != to && callout_is_invoking(w, c))) {
		error = EBUSY;
	} else {
		callout_move(c, to);
		c->c_flags &= ~CALLOUT_BOUND;
		if (ci != NULL)
			c->c_flags |= CALLOUT_BOUND;
	}
	spin_unlock(&w->cw_lock);
	if (w != to)
		spin_unlock(&to->cw_lock);
	port_intr_restore(intr);
	return error;
}

int callout_attach(struct cpu *ci)
{
	struct callout_cpu *w = port_mem_alloc(sizeof(*w));
	int error;

	if (w == NULL)
		return ENOMEM;
	spin_init(&w->cw_lock);
	wheel_init(&w->cw_wheel[SOFT], clock_ns());
	wheel_init(&w->cw_wheel[HARD], clock_ns());
	list_init(&w->cw_later);
	w->cw_cpu = ci;
	w->cw_want[SOFT] = WHEEL_NEVER;
	w->cw_want[HARD] = WHEEL_NEVER;
	error = softint_establish("callout", IPL_SOFTCLOCK, callout_softclock, w, &w->cw_softint);
	if (error != 0) {
		port_mem_free(w, sizeof(*w));
		return error;
	}
	ci->ci_callout = w;
	return 0;
}

void callout_detach(struct cpu *ci)
{
	struct callout_cpu *w = ci->ci_callout;

	if (w == NULL)
		return;
	ci->ci_callout = NULL;
	softint_disestablish(w->cw_softint);
	port_mem_free(w, sizeof(*w));
}
