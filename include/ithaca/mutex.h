/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mutex.h - mutual exclusion between lwps, handlers and filters.
 *
 * A mutex's kind follows from its level. At a thread level (IPL_NONE to IPL_TTY) it is adaptive:
 * whoever finds it held spins while the owner runs on another CPU and otherwise blocks, lending
 * its priority to the owner. At a hard level (IPL_VM up) it is a spin mutex: interrupts are off
 * while it is held, and nothing may block.
 *
 * Rules:
 * - Not recursive; the lwp that entered exits.
 * - An adaptive mutex is never taken in a filter or while a spin mutex is held.
 * - Spin mutexes are exited in any order; interrupts come back with the last one.
 * - A level that is raised while a spin mutex is held comes down before the last one is exited.
 *
 * What nobody contends for is done here, in the caller (always, for the checker names the caller of
 * whatever it is called from); the rest, and what checked builds ask, is in kern/mutex.c.
 */
#ifndef ITHACA_MUTEX_H
#define ITHACA_MUTEX_H

#include <ithaca/cpu.h>
#include <ithaca/hint.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Bits of m_word beside the owner's address. */
#define MUTEX_WAITERS ((uintptr_t)1) /* adaptive: lwps wait in the turnstile */
#define MUTEX_SPIN ((uintptr_t)2)    /* never owned by mutex_enter()'s first try: a spin mutex */

struct mutex {
	_Atomic uintptr_t m_word; /* (~) owner | bits; acquire in enter, release in exit */
	_Atomic uint8_t m_held;   /* (~) spin: 1 while held; acquire, release */
	uint8_t m_ipl;            /* (a) */
	_Atomic uint16_t m_class; /* (~) witness.c: 0 until it is looked up */
	bool m_by_filter;         /* (m) itself; checked builds: by mutex_filter_enter() */
	const char *m_name;       /* (a) */
};

/* mutex_init - ready to use; `name` is kept, not copied. Any context. */
void mutex_init(struct mutex *m, const char *name, int ipl);

/* mutex_destroy - nobody holds it, nobody waits, nobody will come. Any context. */
void mutex_destroy(struct mutex *m);

/* mutex_enter_slow, mutex_exit_slow, mutex_spin_enter_checked, mutex_spin_exit_checked,
 * mutex_filter_enter_checked, mutex_filter_exit_checked - the other half of those below. */
void mutex_enter_slow(struct mutex *m);
void mutex_exit_slow(struct mutex *m);
void mutex_spin_enter_checked(struct mutex *m);
void mutex_spin_exit_checked(struct mutex *m);
void mutex_filter_enter_checked(struct mutex *m);
void mutex_filter_exit_checked(struct mutex *m);

/* mutex_try, mutex_leave - the first try of mutex_enter() and of mutex_exit(): it is free, and
 * curlwp's now; curlwp has it, nobody waits, and it is free now. */
static inline bool mutex_try(struct mutex *m)
{
	uintptr_t word = 0;

	/* Acquire: pairs with the release in mutex_leave() and mutex_exit_slow(). */
	return atomic_compare_exchange_strong_explicit(&m->m_word, &word, (uintptr_t)curlwp,
	    memory_order_acquire, memory_order_relaxed);
}

static inline bool mutex_leave(struct mutex *m)
{
	uintptr_t word = (uintptr_t)curlwp;

	return atomic_compare_exchange_strong_explicit(&m->m_word, &word, 0, memory_order_release,
	    memory_order_relaxed);
}

/* mutex_enter - own it. Adaptive: thread context, may block. Spin: any context; interrupts off
 * until the exit. Uncontended: one atomic instruction; for a spin mutex one more than
 * mutex_spin_enter(). */
static inline __attribute__((always_inline)) void mutex_enter(struct mutex *m)
{
	if (ITHACA_CHECKED || unlikely(!mutex_try(m)))
		mutex_enter_slow(m);
}

/* mutex_exit - give it up; wakes the most urgent waiter, gives back what was lent, and runs what
 * became pending meanwhile. */
static inline __attribute__((always_inline)) void mutex_exit(struct mutex *m)
{
	if (ITHACA_CHECKED || unlikely(!mutex_leave(m)))
		mutex_exit_slow(m);
}

/* mutex_tryenter - own it if that takes no waiting: true if so. Contexts as mutex_enter(). */
bool mutex_tryenter(struct mutex *m);

/* mutex_spin_wait - `m` was held: wait for it, and take it. mutex_spin_left - the end of
 * mutex_spin_drop(), if it was not the last one, or interrupts were off, or something pends. */
void mutex_spin_wait(struct mutex *m);
void mutex_spin_left(struct cpu *ci);

/* mutex_spin_raise, mutex_spin_take, mutex_spin_drop, mutex_filter_drop - what mutex_spin_enter(),
 * mutex_filter_enter() and their exits are made of; see kern/mutex.c for the count. */
static inline void mutex_spin_raise(bool intr)
{
	curcpu()->ci_pending += PENDING_SPIN + PENDING_SPIN_ON * intr;
}

static inline void mutex_spin_take(struct mutex *m)
{
	/* Acquire: pairs with the release in mutex_spin_drop() and mutex_filter_drop(). */
	if (unlikely(atomic_exchange_explicit(&m->m_held, 1, memory_order_acquire)))
		mutex_spin_wait(m);
}

static inline void mutex_spin_drop(struct mutex *m)
{
	struct cpu *ci = curcpu();

	atomic_store_explicit(&m->m_held, 0, memory_order_release);
	ci->ci_pending -= PENDING_SPIN + PENDING_SPIN_ON;
	if (unlikely(ci->ci_pending != 0))
		mutex_spin_left(ci);
	else
		port_intr_enable();
}

static inline void mutex_filter_drop(struct mutex *m)
{
	atomic_store_explicit(&m->m_held, 0, memory_order_release);
}

/* mutex_spin_enter, mutex_spin_exit - the same for a mutex known to be a spin mutex; shorter. */
static inline __attribute__((always_inline)) void mutex_spin_enter(struct mutex *m)
{
	if (ITHACA_CHECKED) {
		mutex_spin_enter_checked(m);
	} else {
		mutex_spin_raise(port_intr_disable());
		mutex_spin_take(m);
	}
}

static inline __attribute__((always_inline)) void mutex_spin_exit(struct mutex *m)
{
	if (ITHACA_CHECKED)
		mutex_spin_exit_checked(m);
	else
		mutex_spin_drop(m);
}

/* mutex_filter_enter, mutex_filter_exit - the same where interrupts are off for another reason and
 * stay so until the exit: in a filter, and elsewhere at a hard level. Shorter still. */
static inline __attribute__((always_inline)) void mutex_filter_enter(struct mutex *m)
{
	if (ITHACA_CHECKED)
		mutex_filter_enter_checked(m);
	else
		mutex_spin_take(m);
}

static inline __attribute__((always_inline)) void mutex_filter_exit(struct mutex *m)
{
	if (ITHACA_CHECKED)
		mutex_filter_exit_checked(m);
	else
		mutex_filter_drop(m);
}

/* mutex_owned - the running lwp owns it (spin: somebody does). For assertions. */
bool mutex_owned(const struct mutex *m);

/* mutex_owner - who owns an adaptive mutex at this moment, or NULL. A hint unless it is held still
 * by the turnstile chain's lock. */
struct lwp *mutex_owner(const struct mutex *m);

#endif
