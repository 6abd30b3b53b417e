/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * callout.c - functions that run at a time: a hierarchical timing wheel for each CPU.
 *
 * The wheel. Time is cut into ticks of 2^16 ns (65.5 us) and a tick number into eight digits of
 * six bits, which is all of 64-bit time. A level of the wheel is one digit: 64 slots. A callout
 * stands at the level of the highest digit in which its tick differs from cw_tick, the tick up to
 * which the wheel was looked at, in the slot of its own digit there. Hence:
 *
 *	(1) whatever stands at a level comes before all that stands at the levels above;
 *	(2) at one level, a lower slot comes before a higher one, and all are above cw_tick's digit;
 *	(3) the earliest callout is in the first occupied slot of the lowest occupied level.
 *
 * So arming and cancelling are O(1), and finding the next deadline is two counts of trailing
 * zeros. A slot above level 0 keeps the earliest tick that was put in it (cw_first), so a lone
 * callout costs one clock interrupt however far away it was; a cancelled one may cost one for
 * nothing. When time reaches the start of such a slot, its callouts cascade to the levels below.
 *
 * Who does what. The clock interrupt only compares the next deadline with the time and schedules
 * the softint (callout_tick): no loop there. Cascading and the functions run in the CPU's
 * IPL_SOFTCLOCK softint, in batches with the lock let go between them, so interrupts are never off
 * for longer than BATCH moves, however many callouts fall due at once. While it is on its way or
 * at work (cw_busy), nobody else needs to ask for the clock: it asks when it has finished.
 *
 * Never early, and never beside itself. A tick is rounded up. While a function runs, its callout
 * is cw_invoking of the wheel it ran from and stays with that wheel even if it is armed from
 * another CPU; a wheel runs one function at a time. After the function has returned the callout
 * is not looked at, so a function may free what it stands in.
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
 * comes after it does not wait.
 *
 * Contexts: callout_tick() with interrupts off; the rest in thread context.
 * Lock order: adaptive mutexes -> cw_lock (two of them: lower CPU first) -> sleep queue chain.
 * Invariants: I10; I8's "no lost wakeup" for halters.
 * Not for: work that sleeps for long (it holds up its CPU's callouts), nor for filters.
 * Read next: clock.c, softint.c.
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

#define TICK_SHIFT 16
#define DIGIT_BITS 6
#define SLOTS (1u << DIGIT_BITS)
#define LEVELS 8
#define TICK_MAX (((uint64_t)1 << (DIGIT_BITS * LEVELS)) - 1)
#define BATCH 32   /* callouts that cascade in one stretch with interrupts off */
#define RUN_MAX 64 /* functions before other softints of the level get their turn */

_Static_assert(1u << TICK_SHIFT == CALLOUT_RESOLUTION_NS, "callout.h promises it");
_Static_assert(TICK_SHIFT + DIGIT_BITS * LEVELS == 64, "the wheel covers all of time");

/* c_state */
enum {
	CALLOUT_DEAD, /* destroyed, or memory that was never initialised */
	CALLOUT_IDLE,
	CALLOUT_ARMED /* in a slot, on cw_moving or on cw_due */
};

/* Locking key: (a) set once before it is shared; (w) cw_lock, interrupts off. */
struct callout_cpu {
	struct spin cw_lock;
	bool cw_busy;                /* (w) the softint is scheduled or at work */
	bool cw_halters;             /* (w) somebody waits for cw_invoking to return */
	uint8_t cw_levels;           /* (w) bit a level: it has an occupied slot */
	uint64_t cw_tick;            /* (w) the wheel was looked at up to here */
	uint64_t cw_want_ns;         /* (w) the clock was asked for this; UINT64_MAX: not */
	struct callout *cw_invoking; /* (w) its function runs */
	struct lwp *cw_runner;       /* (w) who runs it */
	struct list cw_due;          /* (w) to be run, in order */
	struct list cw_moving;       /* (w) left of a slot that is cascading; start == cw_tick */
	struct cpu *cw_cpu;          /* (a) */
	struct softint *cw_softint;  /* (a) */
	uint64_t cw_map[LEVELS];     /* (w) bit a slot: it is occupied */
	struct list cw_slot[LEVELS][SLOTS];
	uint64_t cw_first[LEVELS][SLOTS]; /* (w) no callout of that occupied slot is before */
};

/* ---- The wheel: all with its lock held ---- */

static uint64_t tick_of(uint64_t when_ns)
{
	uint64_t tick = when_ns >> TICK_SHIFT;

	if ((when_ns & (CALLOUT_RESOLUTION_NS - 1)) != 0 && tick < TICK_MAX)
		tick++;
	return tick;
}

/* wheel_insert - to its slot, or to the due if its time has come. */
static void wheel_insert(struct callout_cpu *w, struct callout *c)
{
	uint64_t tick = tick_of(c->c_when_ns), bit;
	unsigned level, slot;

	if (tick <= w->cw_tick) {
		list_append(&w->cw_due, &c->c_entry);
		return;
	}
	level = (63 - (unsigned)__builtin_clzll(tick ^ w->cw_tick)) / DIGIT_BITS;
	slot = (unsigned)(tick >> (level * DIGIT_BITS)) & (SLOTS - 1);
	bit = (uint64_t)1 << slot;
	c->c_slot_level = (uint8_t)level;
	c->c_slot = (uint8_t)slot;
	if ((w->cw_map[level] & bit) == 0) {
		w->cw_map[level] |= bit;
		w->cw_levels |= (uint8_t)(1u << level);
		w->cw_first[level][slot] = tick;
	} else if (tick < w->cw_first[level][slot]) {
		w->cw_first[level][slot] = tick;
	}
	list_append(&w->cw_slot[level][slot], &c->c_entry);
}

static void slot_vacate(struct callout_cpu *w, unsigned level, unsigned slot)
{
	w->cw_map[level] &= ~((uint64_t)1 << slot);
	if (w->cw_map[level] == 0)
		w->cw_levels &= (uint8_t) ~(1u << level);
}

/* wheel_remove - from wherever it stands. Of one that is due or cascading c_slot is only where it
 * stood: to vacate that when it is empty changes nothing. */
static void wheel_remove(struct callout_cpu *w, struct callout *c)
{
	list_remove(&c->c_entry);
	if (list_empty(&w->cw_slot[c->c_slot_level][c->c_slot]))
		slot_vacate(w, c->c_slot_level, c->c_slot);
}

/* wheel_next_ns - when to look again; UINT64_MAX: nothing is armed. */
static uint64_t wheel_next_ns(const struct callout_cpu *w)
{
	unsigned level;

	if (!list_empty(&w->cw_due) || !list_empty(&w->cw_moving))
		return 0;
	if (w->cw_levels == 0)
		return UINT64_MAX;
	level = (unsigned)__builtin_ctz(w->cw_levels);
	return w->cw_first[level][__builtin_ctzll(w->cw_map[level])] << TICK_SHIFT;
}

static void list_splice(struct list *to, struct list *from)
{
	struct list *first = from->next, *last = from->prev;

	if (list_empty(from))
		return;
	first->prev = to->prev;
	to->prev->next = first;
	last->next = to;
	to->prev = last;
	list_init(from);
}

/* wheel_step - bring the first slot that starts at or before `now` nearer to the due: false when
 * there is none, and cw_tick is `now`. */
static bool wheel_step(struct callout_cpu *w, uint64_t now)
{
	unsigned level, slot, shift;
	uint64_t start;

	if (w->cw_levels != 0) {
		level = (unsigned)__builtin_ctz(w->cw_levels);
		slot = (unsigned)__builtin_ctzll(w->cw_map[level]);
		shift = level * DIGIT_BITS;
		start = w->cw_tick >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS);
		start |= (uint64_t)slot << shift;
		KASSERT(start > w->cw_tick, "callout wheel: level %u slot %u lies in the past",
		    level, slot);
		if (start <= now) {
			w->cw_tick = start;
			list_splice(level == 0 ? &w->cw_due : &w->cw_moving,
			    &w->cw_slot[level][slot]);
			slot_vacate(w, level, slot);
			return true;
		}
	}
	if (w->cw_tick < now)
		w->cw_tick = now;
	return false;
}

/* wheel_advance - BATCH moves towards `now`: true if more are to be made. */
static bool wheel_advance(struct callout_cpu *w, uint64_t now)
{
	unsigned moves;

	for (moves = 0; moves < BATCH; moves++) {
		struct list *e = list_take(&w->cw_moving);

		if (e != NULL)
			wheel_insert(w, container_of(e, struct callout, c_entry));
		else if (!wheel_step(w, now))
			return false;
	}
	return true;
}

/* ---- The softint ---- */

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

/* softclock_run - run the function of the first that is due. Lock held on entry and return, let go
 * meanwhile. */
static void softclock_run(struct callout_cpu *w, bool intr)
{
	struct callout *c = container_of(w->cw_due.next, struct callout, c_entry);
	void (*fn)(void *) = c->c_fn;
	void *arg = c->c_arg;
	bool halters;

	KASSERT(c->c_state == CALLOUT_ARMED && w->cw_invoking == NULL,
	    "callout %p is due in state %u", (void *)c, c->c_state);
	wheel_remove(w, c);
	c->c_state = CALLOUT_IDLE;
	c->c_expired = true;
	w->cw_invoking = c;
	w->cw_runner = curlwp;
	wheel_unlock(w, intr);

	fn(arg);

	KASSERT(port_intr_enabled() && curlwp->l_spin_depth == 0,
	    "callout function %p returned with a spin mutex held or interrupts off",
	    (void *)(uintptr_t)fn);
	wheel_lock(w);
	halters = w->cw_halters;
	w->cw_halters = false;
	w->cw_invoking = NULL;
	w->cw_runner = NULL;
	if (halters) {
		wheel_unlock(w, intr);
		sleepq_wake(c, -1);
		wheel_lock(w);
	}
}

static void callout_softclock(void *arg)
{
	struct callout_cpu *w = arg;
	unsigned runs = 0;
	bool intr = wheel_lock(w);

	for (;;) {
		if (!list_empty(&w->cw_due)) {
			if (runs++ == RUN_MAX) {
				wheel_unlock(w, intr);
				softint_schedule(w->cw_softint);
				return;
			}
			softclock_run(w, intr);
			continue;
		}
		if (!wheel_advance(w, clock_ns() >> TICK_SHIFT) && list_empty(&w->cw_due))
			break;
		wheel_unlock(w, intr); /* let interrupts in */
		wheel_lock(w);
	}
	KASSERT(w->cw_cpu == curcpu(), "softclock of another CPU");
	w->cw_busy = false;
	w->cw_want_ns = wheel_next_ns(w);
	if (w->cw_want_ns != UINT64_MAX)
		clock_want(w->cw_cpu, w->cw_want_ns);
	wheel_unlock(w, intr);
}

uint64_t callout_tick(struct cpu *ci, uint64_t now_ns)
{
	struct callout_cpu *w = ci->ci_callout;
	bool kick = false;
	uint64_t next;

	if (w == NULL)
		return UINT64_MAX;
	spin_lock(&w->cw_lock);
	next = w->cw_busy ? UINT64_MAX : wheel_next_ns(w);
	if (next <= now_ns) {
		w->cw_busy = true;
		kick = true;
		next = UINT64_MAX;
	}
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
	if (w->cw_invoking == c) {
		spin_unlock(&here->cw_lock);
		return w;
	}
	if (c->c_state == CALLOUT_ARMED)
		wheel_remove(w, c);
	/* Release: pairs with the load in callout_lock(). */
	atomic_store_explicit(&c->c_wheel, here, memory_order_release);
	spin_unlock(&w->cw_lock);
	return here;
}

/* callout_arm - the one place that arms. Wheel locked, unlocks. */
static bool callout_arm(struct callout_cpu *w, struct callout *c, uint64_t when_ns, bool intr)
{
	bool was = c->c_state == CALLOUT_ARMED, kick = false;

	if (was)
		wheel_remove(w, c);
	c->c_state = CALLOUT_ARMED;
	c->c_expired = false;
	c->c_when_ns = when_ns;
	wheel_insert(w, c);
	if (!w->cw_busy) {
		uint64_t next_ns = wheel_next_ns(w);

		KASSERT(w->cw_cpu == curcpu(), "callout armed on a CPU that is not at work");
		if (next_ns == 0) {
			w->cw_busy = true;
			kick = true;
		} else if (next_ns < w->cw_want_ns) {
			w->cw_want_ns = next_ns;
			clock_want(w->cw_cpu, next_ns);
		}
	}
	spin_unlock(&w->cw_lock);
	if (kick)
		softint_schedule(w->cw_softint);
	if (kick)
		intr_return(intr);
	else
		port_intr_restore(intr);
	return was;
}

/* callout_disarm - wheel locked; was it armed? */
static bool callout_disarm(struct callout_cpu *w, struct callout *c)
{
	c->c_expired = false;
	if (c->c_state != CALLOUT_ARMED)
		return false;
	wheel_remove(w, c);
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
}

void callout_destroy(struct callout *c)
{
	bool intr;
	struct callout_cpu *w = callout_lock(c, &intr);

	KASSERT(c->c_state == CALLOUT_IDLE, "callout %p destroyed while armed", (void *)c);
	if (w != NULL && w->cw_invoking == c) {
		KASSERT(w->cw_runner == curlwp && !w->cw_halters,
		    "callout %p destroyed while its function runs", (void *)c);
		w->cw_invoking = NULL;
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

bool callout_trystop(struct callout *c)
{
	bool intr, still;
	struct callout_cpu *w = callout_lock(c, &intr);

	callout_disarm(w, c);
	still = w == NULL || w->cw_invoking != c || w->cw_runner == curlwp;
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
	if (interlock != NULL)
		mutex_enter(interlock);
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
		if (w == NULL || w->cw_invoking != c || w->cw_runner == curlwp)
			break;
		halt_wait(w, c, interlock, intr);
	}
	callout_unlock(w, intr);
	return prevented;
}

bool callout_halt(struct callout *c, struct mutex *interlock)
{
	return halt(c, interlock, false);
}

bool callout_shutdown(struct callout *c, struct mutex *interlock)
{
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

	yes = w != NULL && w->cw_invoking == c;
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
	unsigned level, slot;
	int error;

	if (w == NULL)
		return ENOMEM;
	spin_init(&w->cw_lock);
	list_init(&w->cw_due);
	list_init(&w->cw_moving);
	for (level = 0; level < LEVELS; level++) {
		for (slot = 0; slot < SLOTS; slot++)
			list_init(&w->cw_slot[level][slot]);
	}
	w->cw_cpu = ci;
	w->cw_want_ns = UINT64_MAX;
	w->cw_tick = clock_ns() >> TICK_SHIFT;
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
