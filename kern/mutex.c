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
 * first spin mutex entered to the last one left, whatever their order.
 *
 * Contexts: mutex.h. Lock order: no other lock is taken but the chain's. Invariants: I8, I9.
 * Read turnstile.c next.
 */
#include <ithaca/mutex.h>

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

/* Interrupts off, at the mutex's level: from the first spin mutex entered to the last one left. */
static inline void mutex_spin_raise(struct lwp *l, const struct mutex *m, bool intr)
{
	if (l->l_spin_depth++ == 0) {
		l->l_spin_intr = intr;
		l->l_spin_ipl = l->l_ipl;
	}
	if (l->l_ipl < m->m_ipl)
		l->l_ipl = m->m_ipl;
}

/* Apart, so that who does not wait keeps nothing. */
static void __attribute__((noinline)) mutex_spin_wait(struct mutex *m)
{
	do {
		while (atomic_load_explicit(&m->m_held, memory_order_relaxed)) {
			if (panicking())
				return;
			port_pause();
		}
	} while (atomic_exchange_explicit(&m->m_held, 1, memory_order_acquire));
}

void mutex_spin_enter(struct mutex *m)
{
	bool intr = port_intr_disable();

	witness_spin_check(m);
	mutex_spin_raise(curlwp, m, intr);
	/* Acquire: pairs with the release in mutex_spin_exit(). */
	if (unlikely(atomic_exchange_explicit(&m->m_held, 1, memory_order_acquire)))
		mutex_spin_wait(m);
	witness_spin_hold(m);
}

void mutex_spin_exit(struct mutex *m)
{
	struct lwp *l = curlwp;

	witness_spin_exit(m);
	KASSERT(atomic_load_explicit(&m->m_held, memory_order_relaxed) || panicking(),
	    "spin mutex %s exited and not held", m->m_name);
	KASSERT(l->l_spin_depth != 0, "spin mutex %s exited by another", m->m_name);
	atomic_store_explicit(&m->m_held, 0, memory_order_release);
	if (--l->l_spin_depth != 0)
		return;
	l->l_ipl = l->l_spin_ipl;
	intr_return(l->l_spin_intr);
}

/* Inlined, so that its caller's caller is who the checker names. */
static inline __attribute__((always_inline)) bool mutex_spin_tryenter(struct mutex *m)
{
	bool intr = port_intr_disable();
	struct lwp *l = curlwp;

	if (atomic_exchange_explicit(&m->m_held, 1, memory_order_acquire)) {
		port_intr_restore(intr);
		return false;
	}
	mutex_spin_raise(l, m, intr);
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

static void __attribute__((noinline)) mutex_enter_slow(struct mutex *m)
{
	struct lwp *l = curlwp, *owner;
	uintptr_t word;

	for (;;) {
		word = atomic_load_explicit(&m->m_word, memory_order_relaxed);
		if (word == MUTEX_SPIN) {
			mutex_spin_enter(m);
			return;
		}
		if (panicking())
			return;
		model_blocks(m->m_name);
		KASSERT(!IPL_IS_HARD(l->l_ipl), "adaptive mutex %s entered at level %s", m->m_name,
		    spl_name(l->l_ipl));
		owner = word_owner(word);
		KASSERT(owner != l, "mutex %s entered twice by %s", m->m_name, l->l_name);
		if (word == 0) {
			if (atomic_compare_exchange_strong_explicit(&m->m_word, &word, (uintptr_t)l,
				memory_order_acquire, memory_order_relaxed))
				return;
		} else if (owner != NULL && lwp_oncpu(owner)) {
			port_pause();
		} else if (mutex_wait(m, l)) {
			return;
		}
	}
}

void mutex_enter(struct mutex *m)
{
	uintptr_t word = 0;

	if (!IPL_IS_HARD(m->m_ipl))
		model_enters(m->m_name);
	witness_check(m);
	KASSERT(IPL_IS_HARD(m->m_ipl) || !IPL_IS_HARD(curlwp->l_ipl) || panicking(),
	    "adaptive mutex %s entered at level %s", m->m_name, spl_name(curlwp->l_ipl));
	/* Acquire: pairs with the release in mutex_exit(). */
	if (!atomic_compare_exchange_strong_explicit(&m->m_word, &word, (uintptr_t)curlwp,
		memory_order_acquire, memory_order_relaxed))
		mutex_enter_slow(m);
	witness_hold(m);
}

bool mutex_tryenter(struct mutex *m)
{
	struct lwp *l = curlwp;
	uintptr_t word = 0;
	bool done, intr;

	if (atomic_compare_exchange_strong_explicit(&m->m_word, &word, (uintptr_t)l,
		memory_order_acquire, memory_order_relaxed)) {
		witness_tried(m);
		return true;
	}
	if (word == MUTEX_WAITERS) {
		intr = turnstile_lock(m);
		word = atomic_load_explicit(&m->m_word, memory_order_relaxed);
		done = mutex_try_locked(m, word, l);
		turnstile_unlock(m, intr);
		if (done)
			witness_tried(m);
		return done;
	}
	return word == MUTEX_SPIN && mutex_spin_tryenter(m);
}

static void __attribute__((noinline)) mutex_exit_slow(struct mutex *m, uintptr_t word)
{
	struct lwp *l = curlwp, *next;
	bool intr, more;

	if (word == MUTEX_SPIN) {
		mutex_spin_exit(m);
		return;
	}
	if (panicking())
		return;
	KASSERT(word_owner(word) == curlwp, "mutex %s exited by %s, owned by %s", m->m_name,
	    curlwp->l_name, word_owner(word) ? word_owner(word)->l_name : "nobody");
	intr = turnstile_lock(m);
	next = turnstile_take(m, &more);
	/* Release: pairs with the acquires of enter. */
	atomic_store_explicit(&m->m_word, more ? MUTEX_WAITERS : 0, memory_order_release);
	turnstile_unlock(m, false);
	lwp_unpark(next);
	if (atomic_load_explicit(&l->l_wchan, memory_order_relaxed) != NULL)
		sleepq_repri(l); /* cv_wait(): it stands in line at what was lent until now */
	intr_return(intr);
}

void mutex_exit(struct mutex *m)
{
	uintptr_t word = (uintptr_t)curlwp;

	witness_exit(m);
	if (!atomic_compare_exchange_strong_explicit(&m->m_word, &word, 0, memory_order_release,
		memory_order_relaxed))
		mutex_exit_slow(m, word);
}
