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
 * Halting against a run that ends, the wheel's lock deciding:
 *
 *	halter						softclock
 *	lock wheel: cw_invoking is c			fn(arg)
 *	cw_halters = true, join sleep queue of c	fn returns
 *	unlock						lock wheel
 *	mutex_exit(interlock)				cw_invoking = NULL, cw_halters seen
 *	sleepq_block()					unlock; sleepq_wake(c): all of them
 *	again from the top: disarm what was armed meanwhile, wait if it runs again
 *
 * A halter that comes before the softclock's lock is in the queue when the wake comes; one that
 * comes after it does not wait. (One that runs in the clock interrupt is waited for by spinning.)
 *
 * Contexts: callout_tick() with interrupts off; the rest in thread context.
 * Lock order: adaptive mutexes -> cw_lock (two of them: lower CPU first) -> sleep queue chain.
 * Invariants: I10; I8's "no lost wakeup" for halters.
 * Not for: work that sleeps for long (it holds up its CPU's callouts), nor for filters.
 * Read next: wheel.c, clock.c, softint.c.
 */
#include <ithaca/callout.h>

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/ithread.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <ithaca/wheel.h>

#define BATCH 32   /* steps in one stretch with interrupts off */
#define RUN_MAX 64 /* functions before other softints of the level get their turn */

/* c_state */
enum {
	CALLOUT_DEAD, /* destroyed, or memory that was never initialised */
	CALLOUT_IDLE,
	CALLOUT_ARMED
};

enum {
	SOFT, /* run in the softint */
	HARD  /* run in the clock interrupt */
};

/* Locking key: (a) set once before it is shared; (w) cw_lock, interrupts off. */
struct callout_cpu {
	struct spin cw_lock;
	bool cw_busy;                   /* (w) the softint is scheduled or at work */
	bool cw_halters;                /* (w) somebody waits for cw_invoking[SOFT] to return */
	uint64_t cw_want_ns;            /* (w) the clock was asked for this; UINT64_MAX: not */
	struct callout *cw_invoking[2]; /* (w) whose function runs */
	struct lwp *cw_runner;          /* (w) which lwp runs that of cw_invoking[SOFT] */
	struct cpu *cw_cpu;             /* (a) */
	struct softint *cw_softint;     /* (a) */
	struct wheel cw_wheel[2];       /* (w) */
};

static struct wheel *wheel_of(struct callout_cpu *w, const struct callout *c)
{
	return &w->cw_wheel[c->c_hard];
}

static bool invoking(const struct callout_cpu *w, const struct callout *c)
{
	return w->cw_invoking[c->c_hard] == c;
}

static bool wheel_lock(struct callout_cpu *w)
{
	bool intr = port_intr_disable();

	spin_lock(&w->cw_lock);
	return intr;
}

static void wheel_unlock(struct callout_cpu *w, bool intr)
{
	spin_unlock(&w->cw_lock);
	port_intr_restore(intr);
}

/* callout_begin - the first that is due begins: no longer armed. Lock held. */
static struct callout *callout_begin(struct callout_cpu *w, struct wheel *wh)
{
	struct callout *c = container_of(wh->wh_due.next, struct callout, c_entry);

	KASSERT(c->c_state == CALLOUT_ARMED && w->cw_invoking[c->c_hard] == NULL,
	    "callout %p is due in state %u", (void *)c, c->c_state);
	wheel_remove(wh, c);
	c->c_state = CALLOUT_IDLE;
	c->c_expired = true;
	w->cw_invoking[c->c_hard] = c;
	return c;
}

/* softclock_run - run the function of the first that is due. Lock held on entry and return, let go
 * meanwhile. */
static void softclock_run(struct callout_cpu *w, bool intr)
{
	struct callout *c = callout_begin(w, &w->cw_wheel[SOFT]);
	void (*fn)(void *) = c->c_fn;
	void *arg = c->c_arg;
	bool halters;

	w->cw_runner = curlwp;
	wheel_unlock(w, intr);

	fn(arg);

	witness_return("callout", "", (const void *)(uintptr_t)fn);
	KASSERT(port_intr_enabled() && curlwp->l_spin_depth == 0,
	    "callout function %p returned with a spin mutex held or interrupts off",
	    (void *)(uintptr_t)fn);
	wheel_lock(w);
	halters = w->cw_halters;
	w->cw_halters = false;
	w->cw_invoking[SOFT] = NULL;
	w->cw_runner = NULL;
	if (halters) {
		wheel_unlock(w, intr);
		sleepq_wake(c, -1);
		wheel_lock(w);
	}
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void callout_softclock(void *arg)
{
	struct callout_cpu *w = arg;
	struct wheel *wh = &w->cw_wheel[SOFT];
	unsigned runs = 0;
	bool intr = wheel_lock(w);

	for (;;) {
		if (!list_empty(&wh->wh_due)) {
			if (runs++ == RUN_MAX) {
				wheel_unlock(w, intr);
				softint_schedule(w->cw_softint);
				return;
			}
			softclock_run(w, intr);
			continue;
		}
		if (!wheel_advance(wh, clock_ns(), BATCH) && list_empty(&wh->wh_due))
			break;
		wheel_unlock(w, intr); /* let interrupts in */
		wheel_lock(w);
	}
	KASSERT(w->cw_cpu == curcpu(), "softclock of another CPU");
	w->cw_busy = false;
	w->cw_want_ns = sooner(w->cw_want_ns, wheel_next_ns(wh));
	if (w->cw_want_ns != UINT64_MAX)
		clock_want(w->cw_cpu, w->cw_want_ns);
	wheel_unlock(w, intr);
}

/* ---- The clock interrupt ---- */

/* hardclock_run - the second wheel. Lock held on entry and return, interrupts off; returns when to
 * look again. */
static uint64_t hardclock_run(struct callout_cpu *w, uint64_t now_ns)
{
	struct wheel *wh = &w->cw_wheel[HARD];
	struct callout *c;
	void (*fn)(void *);
	void *arg;
	unsigned steps;

	for (steps = 0; steps < BATCH; steps++) {
		if (list_empty(&wh->wh_due)) {
			if (!wheel_advance(wh, now_ns, 1) && list_empty(&wh->wh_due))
				return wheel_next_ns(wh);
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
	return now_ns;
}

uint64_t callout_tick(struct cpu *ci, uint64_t now_ns)
{
	struct callout_cpu *w = ci->ci_callout;
	uint64_t next, hard;
	bool kick = false;

	if (w == NULL)
		return UINT64_MAX;
	spin_lock(&w->cw_lock);
	hard = hardclock_run(w, now_ns);
	next = w->cw_busy ? UINT64_MAX : wheel_next_ns(&w->cw_wheel[SOFT]);
	if (next <= now_ns) {
		w->cw_busy = true;
		kick = true;
		next = UINT64_MAX;
	}
	next = sooner(next, hard);
	w->cw_want_ns = next;
	spin_unlock(&w->cw_lock);
	if (kick)
		softint_schedule(w->cw_softint);
	return next;
}

/* ---- Which wheel: finding it, and moving ---- */

/* callout_wheel - which wheel `c` belongs to; the first time it is asked, this CPU's. Interrupts
 * off. NULL before core_init(). */
static struct callout_cpu *callout_wheel(struct callout *c)
{
	struct callout_cpu *w, *here;

	/* Acquire: pairs with the exchange below and the store in callout_lock_here(). */
	w = atomic_load_explicit(&c->c_wheel, memory_order_acquire);
	if (w != NULL)
		return w;
	here = curcpu()->ci_callout;
	if (here == NULL)
		return NULL;
	/* Release: after what callout_init() wrote; acquire: another CPU was faster. */
	if (atomic_compare_exchange_strong_explicit(&c->c_wheel, &w, here, memory_order_acq_rel,
		memory_order_acquire))
		return here;
	return w;
}

/* callout_lock - lock the wheel that `c` belongs to, interrupts off. */
static struct callout_cpu *callout_lock(struct callout *c, bool *intr)
{
	struct callout_cpu *w;

	*intr = port_intr_disable();
	for (;;) {
		w = callout_wheel(c);
		if (w == NULL)
			break;
		spin_lock(&w->cw_lock);
		/* Relaxed: it is written under this very lock. */
		if (atomic_load_explicit(&c->c_wheel, memory_order_relaxed) == w)
			break;
		spin_unlock(&w->cw_lock);
	}
	KASSERT(c->c_state == CALLOUT_IDLE || c->c_state == CALLOUT_ARMED,
	    "callout %p is not initialised, or destroyed", (void *)c);
	return w;
}

static void callout_unlock(struct callout_cpu *w, bool intr)
{
	if (w != NULL)
		spin_unlock(&w->cw_lock);
	port_intr_restore(intr);
}

static void lock_both(struct callout_cpu *a, struct callout_cpu *b)
{
	bool a_first = a->cw_cpu->ci_index < b->cw_cpu->ci_index;

	spin_lock(a_first ? &a->cw_lock : &b->cw_lock);
	spin_lock(a_first ? &b->cw_lock : &a->cw_lock);
}

/*
 * callout_lock_here - bring `c` to this CPU's wheel, unless its function runs on another, and lock
 * the one it belongs to then. Interrupts off. One that was armed stays so, out of any slot.
 */
static struct callout_cpu *callout_lock_here(struct callout *c)
{
	struct callout_cpu *here = curcpu()->ci_callout, *w;

	KASSERT(here != NULL, "callout %p armed before core_init()", (void *)c);
	for (;;) {
		w = callout_wheel(c);
		if (w == here)
			spin_lock(&here->cw_lock);
		else
			lock_both(here, w);
		/* Relaxed: as in callout_lock(). */
		if (atomic_load_explicit(&c->c_wheel, memory_order_relaxed) == w)
			break;
		spin_unlock(&here->cw_lock);
		if (w != here)
			spin_unlock(&w->cw_lock);
	}
	KASSERT(c->c_state == CALLOUT_IDLE || c->c_state == CALLOUT_ARMED,
	    "callout %p is not initialised, or destroyed", (void *)c);
	if (w == here)
		return here;
	if (invoking(w, c)) {
		spin_unlock(&here->cw_lock);
		return w;
	}
	if (c->c_state == CALLOUT_ARMED)
		wheel_remove(wheel_of(w, c), c);
	/* Release: pairs with the load in callout_lock(). */
	atomic_store_explicit(&c->c_wheel, here, memory_order_release);
	spin_unlock(&w->cw_lock);
	return here;
}

/* arm_clock - something was armed here: is it sooner than what the clock was asked for? Wheel
 * locked; true if the softint is to be scheduled. */
static bool arm_clock(struct callout_cpu *w, const struct callout *c)
{
	uint64_t next_ns;

	if (w->cw_cpu != curcpu()) {
		KASSERT(w->cw_busy || w->cw_invoking[HARD] != NULL,
		    "callout armed on a CPU that is not at work");
		return false; /* at work, and will look again when that is done */
	}
	if (w->cw_busy && !c->c_hard)
		return false;
	next_ns = wheel_next_ns(wheel_of(w, c));
	if (next_ns == 0 && !c->c_hard) {
		w->cw_busy = true;
		return true;
	}
	if (next_ns < w->cw_want_ns) {
		w->cw_want_ns = next_ns;
		clock_want(w->cw_cpu, next_ns);
	}
	return false;
}

/* callout_arm - the one place that arms. Wheel locked, unlocks. */
static bool callout_arm(struct callout_cpu *w, struct callout *c, uint64_t when_ns, bool intr)
{
	bool was = c->c_state == CALLOUT_ARMED, kick;

	if (was)
		wheel_remove(wheel_of(w, c), c);
	c->c_state = CALLOUT_ARMED;
	c->c_expired = false;
	c->c_when_ns = when_ns;
	wheel_insert(wheel_of(w, c), c);
	kick = arm_clock(w, c);
	spin_unlock(&w->cw_lock);
	if (!kick) {
		port_intr_restore(intr);
		return was;
	}
	softint_schedule(w->cw_softint);
	intr_return(intr);
	return was;
}

/* callout_disarm - wheel locked; was it armed? */
static bool callout_disarm(struct callout_cpu *w, struct callout *c)
{
	c->c_expired = false;
	if (c->c_state != CALLOUT_ARMED)
		return false;
	wheel_remove(wheel_of(w, c), c);
	c->c_state = CALLOUT_IDLE;
	return true;
}

/* ---- For everybody ---- */

void callout_init(struct callout *c)
{
	list_init(&c->c_entry);
	atomic_init(&c->c_wheel, NULL);
	c->c_when_ns = 0;
	c->c_fn = NULL;
	c->c_arg = NULL;
	c->c_state = CALLOUT_IDLE;
	c->c_slot_level = 0;
	c->c_slot = 0;
	c->c_expired = false;
	c->c_shut = false;
	c->c_hard = false;
}

void callout_init_hard(struct callout *c)
{
	callout_init(c);
	c->c_hard = true;
}

void callout_destroy(struct callout *c)
{
	bool intr;
	struct callout_cpu *w = callout_lock(c, &intr);

	KASSERT(c->c_state == CALLOUT_IDLE, "callout %p destroyed while armed", (void *)c);
	if (w != NULL && invoking(w, c)) {
		KASSERT(!c->c_hard && w->cw_runner == curlwp && !w->cw_halters,
		    "callout %p destroyed while its function runs", (void *)c);
		w->cw_invoking[SOFT] = NULL;
	}
	c->c_state = CALLOUT_DEAD;
	callout_unlock(w, intr);
}

void callout_setfunc(struct callout *c, void (*fn)(void *), void *arg)
{
	bool intr;
	struct callout_cpu *w = callout_lock(c, &intr);

	KASSERT(c->c_state == CALLOUT_IDLE, "callout %p given a function while armed", (void *)c);
	c->c_fn = fn;
	c->c_arg = arg;
	callout_unlock(w, intr);
}

/* arm_check - what must be true of whoever arms. */
static void arm_check(const struct callout *c)
{
	KASSERT(!IPL_IS_HARD(curlwp->l_ipl) && curlwp->l_spin_depth == 0,
	    "callout %p armed at level %s: not from a filter or with a spin mutex held; "
	    "schedule a softint that arms it",
	    (const void *)c, spl_name(curlwp->l_ipl));
}

static uint64_t ns_from_now(uint64_t ns)
{
	uint64_t now = clock_ns();

	return ns < UINT64_MAX - now ? now + ns : UINT64_MAX;
}

bool callout_schedule_at(struct callout *c, uint64_t when_ns)
{
	struct callout_cpu *w;
	bool intr;

	arm_check(c);
	intr = port_intr_disable();
	w = callout_lock_here(c);
	KASSERT(c->c_fn != NULL, "callout %p armed without a function", (void *)c);
	if (c->c_shut) {
		callout_unlock(w, intr);
		return false;
	}
	return callout_arm(w, c, when_ns, intr);
}

bool callout_schedule(struct callout *c, uint64_t ns)
{
	return callout_schedule_at(c, ns_from_now(ns));
}

bool callout_reset(struct callout *c, uint64_t ns, void (*fn)(void *), void *arg)
{
	struct callout_cpu *w;
	uint64_t when_ns = ns_from_now(ns);
	bool intr;

	arm_check(c);
	KASSERT(fn != NULL, "callout %p armed without a function", (void *)c);
	intr = port_intr_disable();
	w = callout_lock_here(c);
	if (c->c_shut) {
		callout_unlock(w, intr);
		return false;
	}
	c->c_fn = fn;
	c->c_arg = arg;
	return callout_arm(w, c, when_ns, intr);
}

bool callout_stop(struct callout *c)
{
	bool intr, prevented;
	struct callout_cpu *w = callout_lock(c, &intr);

	prevented = callout_disarm(w, c);
	callout_unlock(w, intr);
	return prevented;
}

/* runs_here - does the caller stand in the function? */
static bool runs_here(const struct callout_cpu *w, const struct callout *c)
{
	return !c->c_hard && w->cw_runner == curlwp;
}

bool callout_trystop(struct callout *c)
{
	bool intr, still;
	struct callout_cpu *w = callout_lock(c, &intr);

	callout_disarm(w, c);
	still = w == NULL || !invoking(w, c) || runs_here(w, c);
	callout_unlock(w, intr);
	return still;
}

/* halt_wait - the function runs elsewhere, wheel locked: wait until it has returned. Unlocks. */
static void halt_wait(struct callout_cpu *w, struct callout *c, struct mutex *interlock, bool intr)
{
	bool chain_intr;

	w->cw_halters = true;
	chain_intr = sleepq_lock(c);
	sleepq_enqueue(c, "callout");
	sleepq_unlock(c, chain_intr);
	wheel_unlock(w, intr);
	if (interlock != NULL)
		mutex_exit(interlock);
	sleepq_block(SLEEP_FOREVER);
	if (interlock != NULL) {
		witness_from(interlock);
		mutex_enter(interlock);
	}
}

/* halt_spin - the function runs in another CPU's clock interrupt, wheel locked. Unlocks. */
static void halt_spin(struct callout_cpu *w, bool intr)
{
	wheel_unlock(w, intr);
	port_pause();
}

static bool halt(struct callout *c, struct mutex *interlock, bool shut)
{
	struct callout_cpu *w;
	bool intr, prevented = false;

	KASSERT(!IPL_IS_HARD(curlwp->l_ipl) && curlwp->l_spin_depth == 0,
	    "callout %p halted at level %s: it may have to sleep", (void *)c,
	    spl_name(curlwp->l_ipl));
	KASSERT(interlock == NULL || mutex_owned(interlock),
	    "callout %p halted with an interlock that the caller does not hold", (void *)c);
	for (;;) {
		w = callout_lock(c, &intr);
		if (shut)
			c->c_shut = true;
		prevented |= callout_disarm(w, c);
		if (w == NULL || !invoking(w, c) || runs_here(w, c))
			break;
		if (c->c_hard)
			halt_spin(w, intr);
		else
			halt_wait(w, c, interlock, intr);
	}
	callout_unlock(w, intr);
	return prevented;
}

bool callout_halt(struct callout *c, struct mutex *interlock)
{
	witness_sleep("callout");
	return halt(c, interlock, false);
}

bool callout_shutdown(struct callout *c, struct mutex *interlock)
{
	witness_sleep("callout");
	return halt(c, interlock, true);
}

bool callout_pending(struct callout *c)
{
	bool intr, yes;
	struct callout_cpu *w = callout_lock(c, &intr);

	yes = c->c_state == CALLOUT_ARMED;
	callout_unlock(w, intr);
	return yes;
}

bool callout_invoking(struct callout *c)
{
	bool intr, yes;
	struct callout_cpu *w = callout_lock(c, &intr);

	yes = w != NULL && invoking(w, c);
	callout_unlock(w, intr);
	return yes;
}

bool callout_expired(struct callout *c)
{
	bool intr, yes;
	struct callout_cpu *w = callout_lock(c, &intr);

	yes = c->c_expired;
	callout_unlock(w, intr);
	return yes;
}

bool callout_active(struct callout *c)
{
	bool intr, yes;
	struct callout_cpu *w = callout_lock(c, &intr);

	yes = c->c_expired || c->c_state == CALLOUT_ARMED;
	callout_unlock(w, intr);
	return yes;
}

void callout_ack(struct callout *c)
{
	bool intr;
	struct callout_cpu *w = callout_lock(c, &intr);

	c->c_expired = false;
	callout_unlock(w, intr);
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
	w->cw_cpu = ci;
	w->cw_want_ns = UINT64_MAX;
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
