/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mutex.c - adaptive and spin mutexes.
 *
 * An adaptive mutex is one word: the owner's address, 0 when free, and the WAITERS bit.
 * Uncontended, enter is one compare-exchange 0 -> curlwp and exit one curlwp -> 0. Both fail when
 * the bit is set, and a word with the bit changes only under the turnstile chain's lock. So:
 *
 *	CPU 0 (owner A exits)               CPU 1 (B finds it held, A off CPU)
 *	                                    chain lock
 *	                                    word: A -> A|WAITERS
 *	compare-exchange A -> 0 fails
 *	chain lock: waits                   B among the waiters; chain unlock; parks
 *	takes B out, word = 0; unparks B
 *
 * and had A been sooner, B's compare-exchange would have failed and it would have looked again. No
 * wakeup is lost (I8), and the exit needs no second look.
 *
 * A mutex is not handed over: the waiter that is woken tries again, and a lwp that comes by may be
 * quicker. While others still wait the free word is WAITERS alone: whoever takes it then, under the
 * chain's lock, adopts the waiters, so that what they lend reaches the new owner (I9).
 *
 * An lwp spins only while the owner is curlwp of some CPU. An owner that is pinned beneath an
 * ithread is not, and nor is one beneath the spinner itself.
 *
 * A spin mutex has MUTEX_SPIN for its word, so the first try of mutex_enter() fails and comes to
 * the slow path, which knows; mutex_spin_enter() goes there directly. Interrupts are off from the
 * first spin mutex entered to the last one left, whatever their order. That is as high as a level
 * gets, so l_ipl stays as it is: nothing comes in that would ask it, and who asks whether it may
 * block asks spl_now(). What has to be remembered is how many are held, and whether interrupts
 * were on before the first. While they are off nobody else writes ci_pending, so both stand there,
 * the count in units of PENDING_SPIN. The exit takes off the count of the last one of a CPU that
 * had them on, for that is what it mostly is; and 0 says that it was, and that nothing pends:
 *
 *	was held     before, but for what pends   less 1 and ON     put right
 *	one, on      1 + ON                       0: sti, done
 *	one, on      1 + ON + pending             pending           run it, sti
 *	n, on        n + ON                       n - 1             n - 1 + ON
 *	n, off       n                            n - 1 - ON        n - 1
 *
 * mutex_spin_left() puts right what was not so. It adds ON again, and has what there was less one,
 * whatever borrows there were. The bits of levels are below ON, where no borrow comes, and those
 * between ON and the count are always 0.
 *
 * Whatever becomes pending in a spin section, by softint_schedule() or lwp_unpark() from it, finds
 * interrupts off, and is left for who has them off; that is the exit, which sees the bit.
 *
 * splx() in a spin section neither runs anything nor lets interrupts in (spl.c), and what was
 * raised in it comes down in it.
 *
 * In a filter interrupts are off, the level is hard, and both stay so until it has returned: there
 * mutex_filter_enter() has nothing to remember, and counts nothing.
 *
 * In a checked build everything comes here, and asks witness.c; the steps themselves are those of
 * mutex.h in any build.
 *
 * Contexts: mutex.h. Lock order: no other lock is taken but the chain's. Invariants: I8, I9.
 * Read turnstile.c next.
 */
#include <ithaca/mutex.h>

#include "ithread_impl.h"
#include "model.h"
#include <ithaca/hint.h>
#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/turnstile.h>

static inline struct lwp *word_owner(uintptr_t word)
{
	return (struct lwp *)(word & ~(MUTEX_WAITERS | MUTEX_SPIN));
}

void mutex_init(struct mutex *m, const char *name, int ipl)
{
	KASSERT(ipl >= IPL_NONE && ipl <= IPL_HIGH, "mutex %s: level %d", name, ipl);
	ipl = model_ipl(ipl);
	atomic_init(&m->m_word, IPL_IS_HARD(ipl) ? MUTEX_SPIN : 0);
	atomic_init(&m->m_held, 0);
	m->m_by_filter = false;
	m->m_ipl = (uint8_t)ipl;
	m->m_name = name;
	witness_mutex_init(m);
}

void mutex_destroy(struct mutex *m)
{
	uintptr_t word = atomic_load_explicit(&m->m_word, memory_order_relaxed);

	(void)word;
	KASSERT(word == 0 || word == MUTEX_SPIN, "mutex %s destroyed while held", m->m_name);
	KASSERT(!atomic_load_explicit(&m->m_held, memory_order_relaxed),
	    "spin mutex %s destroyed while held", m->m_name);
	m->m_name = "(destroyed)";
}

struct lwp *mutex_owner(const struct mutex *m)
{
	return word_owner(atomic_load_explicit(&m->m_word, memory_order_relaxed));
}

bool mutex_owned(const struct mutex *m)
{
	if (IPL_IS_HARD(m->m_ipl))
		return atomic_load_explicit(&m->m_held, memory_order_relaxed);
	return mutex_owner(m) == curlwp;
}

/* ---- Spin ---- */

void __attribute__((noinline)) mutex_spin_wait(struct mutex *m)
{
	do {
		while (atomic_load_explicit(&m->m_held, memory_order_relaxed)) {
			if (panicking())
				return;
			port_pause();
		}
	} while (atomic_exchange_explicit(&m->m_held, 1, memory_order_acquire));
}

void __attribute__((noinline)) mutex_spin_left(struct cpu *ci)
{
	uint32_t pending = ci->ci_pending + PENDING_SPIN_ON;

	if ((pending & (PENDING_SPINS | PENDING_SPIN_ON)) == PENDING_SPIN_ON)
		intr_return(true); /* the last one, and something pends */
	else
		ci->ci_pending = pending;
}

void mutex_spin_enter_checked(struct mutex *m)
{
	bool intr = port_intr_disable();

	witness_spin_check(m);
	mutex_spin_raise(intr);
	mutex_spin_take(m);
	m->m_by_filter = false;
	witness_spin_hold(m);
}

/* It is held, and is left as it was entered. */
static void spin_exit_check(const struct mutex *m, bool by_filter)
{
	(void)by_filter;
	KASSERT(atomic_load_explicit(&m->m_held, memory_order_relaxed) || panicking(),
	    "spin mutex %s exited and not held", m->m_name);
	KASSERT(m->m_by_filter == by_filter || panicking(),
	    "spin mutex %s exited by mutex_%s_exit(), entered by mutex_%s_enter()", m->m_name,
	    by_filter ? "filter" : "spin", by_filter ? "spin" : "filter");
}

void mutex_spin_exit_checked(struct mutex *m)
{
	const struct lwp *l = curlwp;

	witness_spin_exit(m);
	spin_exit_check(m, false);
	KASSERT(spins_held() != 0, "spin mutex %s exited by another", m->m_name);
	KASSERT(spins_held() != 1 || !(curcpu()->ci_pending & PENDING_SPIN_ON) ||
		!IPL_IS_HARD(l->l_ipl),
	    "spin mutex %s exited at level %s, which was raised under it", m->m_name,
	    spl_name(l->l_ipl));
	mutex_spin_drop(m);
}

void mutex_filter_enter_checked(struct mutex *m)
{
	KASSERT(!port_intr_enabled() && IPL_IS_HARD(curlwp->l_ipl),
	    "mutex_filter_enter() of %s at level %s, interrupts %s", m->m_name,
	    spl_name(curlwp->l_ipl), port_intr_enabled() ? "on" : "off");
	witness_spin_check(m);
	mutex_spin_take(m);
	m->m_by_filter = true;
	witness_spin_hold(m);
}

void mutex_filter_exit_checked(struct mutex *m)
{
	witness_spin_exit(m);
	spin_exit_check(m, true);
	KASSERT(!port_intr_enabled(), "mutex_filter_exit() of %s with interrupts on", m->m_name);
	mutex_filter_drop(m);
}

/* Inlined, so that its caller's caller is who the checker names. */
static inline __attribute__((always_inline)) bool mutex_spin_tryenter(struct mutex *m)
{
	bool intr = port_intr_disable();

	if (atomic_exchange_explicit(&m->m_held, 1, memory_order_acquire)) {
		port_intr_restore(intr);
		return false;
	}
	mutex_spin_raise(intr);
	m->m_by_filter = false;
	witness_spin_tried(m);
	return true;
}

/* ---- Adaptive ---- */

/* Chain locked: take it if it is free; adopt those that wait. */
static bool mutex_try_locked(struct mutex *m, uintptr_t word, struct lwp *l)
{
	if (word == MUTEX_WAITERS) {
		/* Nobody else changes a word with the bit while we hold the chain. */
		atomic_store_explicit(&m->m_word, (uintptr_t)l | MUTEX_WAITERS,
		    memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire); /* the store of the exit before */
		turnstile_give(m, curlwp);
		return true;
	}
	return word == 0 &&
	    atomic_compare_exchange_strong_explicit(&m->m_word, &word, (uintptr_t)l,
		memory_order_acquire, memory_order_relaxed);
}

/* Held by one that does not run, or free with waiters: to the turnstile. True: it is ours. */
static bool mutex_wait(struct mutex *m, struct lwp *l)
{
	struct lwp *owner;
	uintptr_t word;
	bool intr;

	intr = turnstile_lock(m);
	word = atomic_load_explicit(&m->m_word, memory_order_relaxed);
	if (mutex_try_locked(m, word, l)) {
		turnstile_unlock(m, intr);
		return true;
	}
	owner = word_owner(word);
	if (owner == NULL || lwp_oncpu(owner) ||
	    (!(word & MUTEX_WAITERS) &&
		!atomic_compare_exchange_strong_explicit(&m->m_word, &word, word | MUTEX_WAITERS,
		    memory_order_relaxed, memory_order_relaxed))) {
		turnstile_unlock(m, intr); /* it has changed: look again */
		return false;
	}
	turnstile_block(m, m->m_name, TS_WRITER, owner, intr);
	return false;
}

/* It is held, or was a moment ago. */
static void mutex_enter_held(struct mutex *m)
{
	struct lwp *l = curlwp, *owner;
	uintptr_t word;

	for (;;) {
		if (panicking())
			return;
		word = atomic_load_explicit(&m->m_word, memory_order_relaxed);
		owner = word_owner(word);
		KASSERT(owner != l, "mutex %s entered twice by %s", m->m_name, l->l_name);
		if (word == 0) {
			if (mutex_try(m))
				return;
		} else if (owner != NULL && lwp_oncpu(owner)) {
			port_pause();
		} else if (mutex_wait(m, l)) {
			return;
		}
	}
}

void __attribute__((noinline)) mutex_enter_slow(struct mutex *m)
{
	bool spin = atomic_load_explicit(&m->m_word, memory_order_relaxed) == MUTEX_SPIN;

	if (!spin)
		model_enters(m->m_name); /* before witness.c, which does not know of models */
	witness_check(m);
	if (spin) {
		mutex_spin_enter(m);
		return;
	}
	KASSERT(!IPL_IS_HARD(spl_now()) || panicking(), "adaptive mutex %s entered at level %s",
	    m->m_name, spl_name(spl_now()));
	/* Others have tried already. */
	if (!ITHACA_CHECKED || !mutex_try(m)) {
		model_blocks(m->m_name);
		mutex_enter_held(m);
	}
	witness_hold(m);
}

bool mutex_tryenter(struct mutex *m)
{
	uintptr_t word;
	bool done, intr;

	if (mutex_try(m)) {
		witness_tried(m);
		return true;
	}
	word = atomic_load_explicit(&m->m_word, memory_order_relaxed);
	if (word == MUTEX_WAITERS) {
		intr = turnstile_lock(m);
		word = atomic_load_explicit(&m->m_word, memory_order_relaxed);
		done = mutex_try_locked(m, word, curlwp);
		turnstile_unlock(m, intr);
		if (done)
			witness_tried(m);
		return done;
	}
	return word == MUTEX_SPIN && mutex_spin_tryenter(m);
}

/* Others wait, or it is not ours. */
static void mutex_exit_held(struct mutex *m)
{
	struct lwp *l = curlwp, *next, *owner = mutex_owner(m);
	bool intr, more;

	if (panicking())
		return;
	(void)owner;
	KASSERT(owner == l, "mutex %s exited by %s, owned by %s", m->m_name, l->l_name,
	    owner != NULL ? owner->l_name : "nobody");
	intr = turnstile_lock(m);
	next = turnstile_take(m, &more);
	/* Release: pairs with the acquires of enter. */
	atomic_store_explicit(&m->m_word, more ? MUTEX_WAITERS : 0, memory_order_release);
	turnstile_unlock(m, false);
	if (atomic_load_explicit(&l->l_wchan, memory_order_relaxed) != NULL)
		sleepq_repri(l); /* cv_wait(): it stands in line at what was lent until now */
	if (!intr || !ithread_resume(next))
		lwp_unpark(next);
	intr_return(intr);
}

void __attribute__((noinline)) mutex_exit_slow(struct mutex *m)
{
	witness_exit(m);
	if (atomic_load_explicit(&m->m_word, memory_order_relaxed) == MUTEX_SPIN)
		mutex_spin_exit(m);
	else if (!ITHACA_CHECKED || !mutex_leave(m))
		mutex_exit_held(m);
}
