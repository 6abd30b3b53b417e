/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * callout_stop.c - disarming callouts, waiting for functions that run, and asking.
 *
 * To disarm is to unlink, under the lock of the wheel that the callout belongs to; whether that
 * prevented a run is known there and then. Waiting is the harder half.
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
 * A halt that never returns. The function waits for a lock, and whoever holds it, directly or
 * through others that wait, is the halter. Arming waits for nobody here, so halting is the only way
 * to get there; dropping the interlock is the way out of it. It does not matter who came first: a
 * checked build has every halter wake up now and then (LOOK_NS, doubled each time) and follow the
 * chain from the lwp that runs the function. Others in it may halt functions themselves, and say
 * so to the lock checker (witness_halts()); in a ring of functions that halt one another there is
 * no lock at all. The halter may be one of several readers of a lock, of whom one at most is known
 * to the lock: the checker knows what the halter holds. While the halter looks it lets go of
 * nothing, so the last of the chain stays where it is if it is found there a second time, and so
 * does each before it: the second walk goes from the end. Then the machine stops, and says who
 * waits for what. So that looking does not hide a wakeup that was lost, whoever finds the run over
 * asserts that it was being woken.
 *
 * Contexts: thread; callout_halt() and callout_shutdown() may block.
 * Lock order, and what the fields mean: callout.c. Invariants: I10; I8's "no lost wakeup" for
 * halters. Not for: waiting for work that is not a callout. Read next: sleepq.c.
 */
#include "callout_impl.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/sleepq.h>
#include <ithaca/turnstile.h>
#include <ithaca/witness_wait.h>

#define LOOK_NS (10 * NS_PER_MS)
#define LOOK_NS_MAX NS_PER_S
#define WAITERS_MAX 16 /* in a chain */
#define SYMBOL_SIZE 64

static __attribute__((noinline, cold)) bool stop_slow(struct callout *c)
{
	bool intr, prevented;
	struct callout_cpu *w = callout_lock(c, &intr);

	prevented = callout_disarm(c);
	callout_unlock(w, intr);
	return prevented;
}

/* The short way: armed, and nothing special about it. Counted as arm_unlock() is. */
bool callout_stop(struct callout *c)
{
	bool intr = port_intr_disable();
	/* Acquire, relaxed: as in callout_lock(). */
	struct callout_cpu *w = atomic_load_explicit(&c->c_wheel, memory_order_acquire);

	if (__builtin_expect(w == NULL, 0)) {
		port_intr_restore(intr);
		return stop_slow(c);
	}
	spin_lock(&w->cw_lock);
	if (__builtin_expect(atomic_load_explicit(&c->c_wheel, memory_order_relaxed) != w ||
		    c->c_flags != (CALLOUT_LIVE | CALLOUT_ARMED),
		0)) {
		callout_unlock(w, intr);
		return stop_slow(c);
	}
	c->c_flags = CALLOUT_LIVE;
	wheel_remove(c);
	spin_unlock(&w->cw_lock);
	port_intr_restore(intr);
	return true;
}

/* runs_here - does the caller stand in the function? */
static bool runs_here(const struct callout_cpu *w, const struct callout *c)
{
	return callout_kind(c) == SOFT && w->cw_runner == curlwp;
}

/* runs_elsewhere - wheel locked: its function runs, and the caller does not stand in it. */
static bool runs_elsewhere(const struct callout_cpu *w, const struct callout *c)
{
	return w != NULL && callout_is_invoking(w, c) && !runs_here(w, c);
}

bool callout_trystop(struct callout *c)
{
	bool intr, still;
	struct callout_cpu *w = callout_lock(c, &intr);

	callout_disarm(c);
	still = !runs_elsewhere(w, c);
	callout_unlock(w, intr);
	return still;
}

/* ---- A halt that never returns ---- */

/* Whoever runs the function that is halted waits for the next, and so on; the last for curlwp. */
struct chain {
	unsigned ch_n;
	struct lwp *ch_lwp[WAITERS_MAX];
	const char *ch_lock[WAITERS_MAX]; /* what it waits for; NULL: it halts what the next runs */
};

/* runner_of - who runs the function of `c`; NULL: nobody. */
static struct lwp *runner_of(const struct callout *c)
{
	bool intr = port_intr_disable();
	struct callout_cpu *w;
	struct lwp *l = NULL;
	unsigned i;

	for (i = 0; i < cpu_count() && l == NULL; i++) {
		w = cpu_lookup(i)->ci_callout;
		if (w == NULL)
			continue;
		spin_lock(&w->cw_lock);
		if (w->cw_invoking[SOFT] == c)
			l = w->cw_runner;
		spin_unlock(&w->cw_lock);
	}
	port_intr_restore(intr);
	return l;
}

/* waits_for - whom `l` waits for, and for which lock, NULL if for a function's end. NULL: nobody,
 * or nobody knows. An interlock is let go of, so nobody waits long for that. */
static struct lwp *waits_for(struct lwp *l, const char **lock)
{
	const void *wchan = atomic_load_explicit(&l->l_wchan, memory_order_relaxed);
	const struct callout *c;
	struct lwp *owner;

	*lock = NULL;
	owner = turnstile_blocker(l, lock);
	if (*lock == NULL) {
		c = witness_halted(l);
		return c != NULL ? runner_of(c) : NULL;
	}
	if (atomic_load_explicit(&l->l_wchan, memory_order_relaxed) != wchan)
		return NULL;
	if (witness_holds(wchan)) /* one of several readers, perhaps */
		return curlwp;
	return owner != NULL && witness_interlock(owner, wchan) ? NULL : owner;
}

/* chain_find - does `l`, in the end, wait for curlwp? */
static bool chain_find(struct lwp *l, struct chain *ch)
{
	unsigned n;

	for (n = 0; n < WAITERS_MAX && l != NULL; n++) {
		ch->ch_lwp[n] = l;
		l = waits_for(l, &ch->ch_lock[n]);
		ch->ch_n = n + 1;
		if (l == curlwp)
			return true;
	}
	return false;
}

/* chain_holds - it is one chain at one time: from its end, each still waits for the next, who does
 * nothing meanwhile. */
static bool chain_holds(const struct chain *ch)
{
	unsigned i = ch->ch_n;
	const struct lwp *next = curlwp;
	const char *lock;

	while (i-- > 0) {
		if (waits_for(ch->ch_lwp[i], &lock) != next || lock != ch->ch_lock[i])
			return false;
		next = ch->ch_lwp[i];
	}
	return true;
}

static void chain_say(const struct callout *c, const struct chain *ch)
{
	const char *next;
	unsigned i;

	for (i = 0; i < ch->ch_n; i++) {
		next = i + 1 < ch->ch_n ? ch->ch_lwp[i + 1]->l_name : curlwp->l_name;
		if (ch->ch_lock[i] != NULL)
			kprintf("callout %p: %s waits for lock \"%s\", which %s holds\n",
			    (const void *)c, ch->ch_lwp[i]->l_name, ch->ch_lock[i], next);
		else
			kprintf("callout %p: %s halts the function that %s runs\n", (const void *)c,
			    ch->ch_lwp[i]->l_name, next);
	}
}

/* halt_look - the function of `c` still runs: can it ever return? */
static void halt_look(struct callout *c)
{
	struct chain ch;
	char symbol[SYMBOL_SIZE];
	bool intr, waits;
	struct callout_cpu *w = callout_lock(c, &intr);
	struct lwp *runner = w->cw_runner;
	void (*fn)(void *) = w->cw_fn;

	waits = runs_elsewhere(w, c);
	callout_unlock(w, intr);
	if (!waits || !chain_find(runner, &ch) || !chain_holds(&ch) || runner_of(c) != runner)
		return;
	chain_say(c, &ch);
	port_symbol((const void *)(uintptr_t)fn, symbol, sizeof(symbol));
	if (ch.ch_lock[ch.ch_n - 1] != NULL)
		panic(
		    "callout %p: halt by %s, which holds lock \"%s\", never returns: function %s, "
		    "run by %s, waits for it; give the lock as interlock, or let go of it",
		    (void *)c, curlwp->l_name, ch.ch_lock[ch.ch_n - 1], symbol, runner->l_name);
	panic(
	    "callout %p: halt by %s, of function %s, never returns: %u lwps wait for one another, "
	    "or halt one another in a ring",
	    (void *)c, curlwp->l_name, symbol, ch.ch_n + 1);
}

/* ---- Waiting ---- */

/* halt_forgotten - this lwp waited for a run and was not woken until `deadline_ns`: if the run was
 * over before, and those who waited had been woken, it should have been. */
static void halt_forgotten(struct callout_cpu *w, const struct callout *c, uint64_t deadline_ns)
{
	bool intr = port_intr_disable();

	spin_lock(&w->cw_lock);
	KASSERT(w->cw_invoking[SOFT] == c || w->cw_waking == c || w->cw_woken_ns >= deadline_ns,
	    "callout %p has run, and %s, which waited for that, was not woken", (const void *)c,
	    curlwp->l_name);
	callout_unlock(w, intr);
}

/* halt_sleep - until the function has returned; this lwp is in the sleep queue. In a checked build
 * perhaps sooner: the caller looks again. */
static void halt_sleep(struct callout_cpu *w, struct callout *c, uint64_t look_ns)
{
	uint64_t deadline_ns = ITHACA_CHECKED ? clock_ns() + look_ns : SLEEP_FOREVER;

	if (sleepq_block(deadline_ns) == ETIMEDOUT) {
		halt_forgotten(w, c, deadline_ns);
		halt_look(c);
	}
}

/* halt_wait - the function runs elsewhere, wheel locked: wait until it has returned. Unlocks. */
static void halt_wait(struct callout_cpu *w, struct callout *c, struct mutex *interlock,
    uint64_t look_ns, bool intr)
{
	bool chain_intr;

	w->cw_halters = true;
	chain_intr = sleepq_lock(c);
	sleepq_enqueue(c, "callout");
	sleepq_unlock(c, chain_intr);
	callout_unlock(w, intr);
	if (interlock != NULL)
		mutex_exit(interlock);
	witness_halts(c, interlock);
	halt_sleep(w, c, look_ns);
	witness_halts(NULL, interlock);
	if (interlock != NULL) {
		witness_from(interlock);
		mutex_enter(interlock);
	}
}

static bool halt(struct callout *c, struct mutex *interlock, uint32_t shut)
{
	struct callout_cpu *w;
	uint64_t look_ns = LOOK_NS;
	bool intr, prevented = false, waited = false;

	KASSERT(!IPL_IS_HARD(spl_now()), "callout %p halted at level %s: it may have to sleep",
	    (void *)c, spl_name(spl_now()));
	KASSERT(interlock == NULL || mutex_owned(interlock),
	    "callout %p halted with an interlock that the caller does not hold", (void *)c);
	for (;;) {
		w = callout_lock(c, &intr);
		c->c_flags |= shut;
		prevented |= callout_disarm(c);
		if (!runs_elsewhere(w, c))
			break;
		if (callout_kind(c) == HARD) { /* in another CPU's clock interrupt */
			callout_unlock(w, intr);
			port_pause();
			continue;
		}
		halt_wait(w, c, interlock, look_ns, intr);
		waited = true;
		if (look_ns < LOOK_NS_MAX)
			look_ns *= 2;
	}
	callout_unlock(w, intr);
	if (waited) /* not, within a wait, for the callout of its time limit */
		witness_halts(NULL, NULL);
	return prevented;
}

bool callout_halt(struct callout *c, struct mutex *interlock)
{
	witness_sleep("callout");
	return halt(c, interlock, 0);
}

bool callout_shutdown(struct callout *c, struct mutex *interlock)
{
	witness_sleep("callout");
	return halt(c, interlock, CALLOUT_SHUT);
}

/* ---- Asking ---- */

/* callout_flags - of this moment. */
static uint32_t callout_flags(struct callout *c)
{
	bool intr;
	struct callout_cpu *w = callout_lock(c, &intr);
	uint32_t flags = c->c_flags;

	callout_unlock(w, intr);
	return flags;
}

bool callout_pending(struct callout *c)
{
	return (callout_flags(c) & CALLOUT_ARMED) != 0;
}

bool callout_expired(struct callout *c)
{
	return (callout_flags(c) & CALLOUT_EXPIRED) != 0;
}

bool callout_active(struct callout *c)
{
	return (callout_flags(c) & (CALLOUT_ARMED | CALLOUT_EXPIRED)) != 0;
}

bool callout_invoking(struct callout *c)
{
	bool intr, yes;
	struct callout_cpu *w = callout_lock(c, &intr);

	yes = w != NULL && callout_is_invoking(w, c);
	callout_unlock(w, intr);
	return yes;
}

void callout_ack(struct callout *c)
{
	bool intr;
	struct callout_cpu *w = callout_lock(c, &intr);

	c->c_flags &= ~(uint32_t)CALLOUT_EXPIRED;
	callout_unlock(w, intr);
}

uint64_t callout_missed(struct callout *c)
{
	bool intr;
	struct callout_cpu *w = callout_lock(c, &intr);
	uint64_t missed = c->c_missed;

	callout_unlock(w, intr);
	return missed;
}
