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
 * chain from the lwp that runs the function. While the halter looks it lets go of nothing, so a
 * chain that ends in it cannot come undone; and that it was one chain at one time is known when a
 * second walk finds it too. Then the machine stops, and says who waits for what. So that looking
 * does not hide a wakeup that was lost, whoever finds the run over asserts that it was being woken.
 *
 * The other such ring has no lock in it: functions on several CPUs each of which halts the next.
 * Each says in its wheel (cw_halts) whom it waits for, and the halter that looks follows that in
 * the same way.
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

/* waits_for_me - what of: `runner` waits for a lock whose holder waits, and so on, and the last of
 * them is the caller's: how many; 0: no. The names are those of the locks and of who waits. */
static unsigned waits_for_me(struct lwp *runner, const char **locks, const char **lwps)
{
	struct lwp *l = runner;
	unsigned n;

	for (n = 0; n < WAITERS_MAX; n++) {
		lwps[n] = l->l_name;
		l = turnstile_blocker(l, &locks[n]);
		if (l == NULL)
			return 0;
		if (l == curlwp)
			return n + 1;
	}
	return 0;
}

/* my_wheel - that whose function the caller is in; NULL: none. */
static struct callout_cpu *my_wheel(void)
{
	struct cpu *ci = curcpu(); /* a softclock lwp stays on its own */

	return curlwp == ci->ci_softint[IPL_SOFTCLOCK].sc_lwp ? ci->ci_callout : NULL;
}

/* halts - the function that the caller is in, if it is in one, waits for `c`; NULL: no more. */
static void halts(const struct callout *c)
{
	struct callout_cpu *w = my_wheel();
	bool intr;

	if (!ITHACA_CHECKED || w == NULL)
		return;
	intr = port_intr_disable();
	spin_lock(&w->cw_lock);
	w->cw_halts = c;
	callout_unlock(w, intr);
}

/* halted_by - the wheel whose function that of `w` waits for; NULL: none. */
static struct callout_cpu *halted_by(struct callout_cpu *w)
{
	bool intr = port_intr_disable(), found = false;
	const struct callout *c;
	unsigned i;

	spin_lock(&w->cw_lock);
	c = w->cw_halts;
	spin_unlock(&w->cw_lock);
	for (i = 0; c != NULL && i < cpu_count() && !found; i++) {
		w = cpu_lookup(i)->ci_callout;
		if (w == NULL)
			continue;
		spin_lock(&w->cw_lock);
		found = w->cw_invoking[SOFT] == c;
		spin_unlock(&w->cw_lock);
	}
	port_intr_restore(intr);
	return found ? w : NULL;
}

/* ring - the function of `w` waits for another's end, and so on, and the last for that which the
 * caller is in: how many functions that is, with the caller's; 0: no. The names are of who runs
 * them. */
static unsigned ring(struct callout_cpu *w, const char **lwps)
{
	struct callout_cpu *mine = my_wheel();
	unsigned n;

	for (n = 0; mine != NULL && w != NULL && n < WAITERS_MAX; n++) {
		lwps[n] = w->cw_cpu->ci_softint[IPL_SOFTCLOCK].sc_lwp->l_name;
		if (w == mine)
			return n + 1;
		w = halted_by(w);
	}
	return 0;
}

/* halt_look_ring - the function of `c`, which `w` runs, may wait for ours. */
static void halt_look_ring(const struct callout *c, struct callout_cpu *w)
{
	const char *lwps[WAITERS_MAX];
	unsigned n, i;

	if (ring(w, lwps) == 0)
		return;
	n = ring(w, lwps); /* found twice, it was there in between */
	if (n == 0)
		return;
	for (i = 0; i < n; i++)
		kprintf("callout: the function that %s runs halts that which %s runs\n", lwps[i],
		    lwps[(i + 1) % n]);
	panic("callout %p: halt by %s never returns: %u functions halt one another in a ring",
	    (const void *)c, curlwp->l_name, n);
}

/* halt_look - the function of `c` still runs: can it ever return? */
static void halt_look(struct callout *c)
{
	const char *locks[WAITERS_MAX], *lwps[WAITERS_MAX];
	char symbol[SYMBOL_SIZE];
	bool intr, waits;
	struct callout_cpu *w = callout_lock(c, &intr);
	struct lwp *runner = w->cw_runner;
	void (*fn)(void *) = w->cw_fn;
	unsigned n, i;

	waits = runs_elsewhere(w, c);
	callout_unlock(w, intr);
	if (!waits)
		return;
	halt_look_ring(c, w);
	if (waits_for_me(runner, locks, lwps) == 0)
		return;
	n = waits_for_me(runner, locks, lwps);
	w = callout_lock(c, &intr);
	waits = n != 0 && runs_elsewhere(w, c) && w->cw_runner == runner;
	callout_unlock(w, intr);
	if (!waits)
		return;
	for (i = 0; i < n; i++)
		kprintf("callout %p: %s waits for lock \"%s\", which %s holds\n", (void *)c,
		    lwps[i], locks[i], i + 1 < n ? lwps[i + 1] : curlwp->l_name);
	port_symbol((const void *)(uintptr_t)fn, symbol, sizeof(symbol));
	panic("callout %p: halt by %s, which holds lock \"%s\", never returns: function %s, run by "
	      "%s, waits for it; give the lock as interlock, or let go of it",
	    (void *)c, curlwp->l_name, locks[n - 1], symbol, runner->l_name);
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
	halts(c);
	halt_sleep(w, c, look_ns);
	halts(NULL);
	if (interlock != NULL) {
		witness_from(interlock);
		mutex_enter(interlock);
	}
}

static bool halt(struct callout *c, struct mutex *interlock, uint32_t shut)
{
	struct callout_cpu *w;
	uint64_t look_ns = LOOK_NS;
	bool intr, prevented = false;

	KASSERT(!IPL_IS_HARD(curlwp->l_ipl) && curlwp->l_spin_depth == 0,
	    "callout %p halted at level %s: it may have to sleep", (void *)c,
	    spl_name(curlwp->l_ipl));
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
		if (look_ns < LOOK_NS_MAX)
			look_ns *= 2;
	}
	callout_unlock(w, intr);
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
