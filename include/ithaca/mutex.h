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
 * - Spin mutexes are exited in any order; the level comes back with the last one.
 */
#ifndef ITHACA_MUTEX_H
#define ITHACA_MUTEX_H

#include <ithaca/lwp.h>
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
	const char *m_name;       /* (a) */
};

/* mutex_init - ready to use; `name` is kept, not copied. Any context. */
void mutex_init(struct mutex *m, const char *name, int ipl);

/* mutex_destroy - nobody holds it, nobody waits, nobody will come. Any context. */
void mutex_destroy(struct mutex *m);

/* mutex_enter - own it. Adaptive: thread context, may block. Spin: any context; interrupts off
 * until the exit. Uncontended: one atomic instruction; for a spin mutex one more than
 * mutex_spin_enter(). */
void mutex_enter(struct mutex *m);

/* mutex_exit - give it up; wakes the most urgent waiter, gives back what was lent, and runs what
 * became pending meanwhile. */
void mutex_exit(struct mutex *m);

/* mutex_tryenter - own it if that takes no waiting: true if so. Contexts as mutex_enter(). */
bool mutex_tryenter(struct mutex *m);

/* mutex_spin_enter, mutex_spin_exit - the same for a mutex known to be a spin mutex; shorter. */
void mutex_spin_enter(struct mutex *m);
void mutex_spin_exit(struct mutex *m);

/* mutex_owned - the running lwp owns it (spin: somebody does). For assertions. */
bool mutex_owned(const struct mutex *m);

/* mutex_owner - who owns an adaptive mutex at this moment, or NULL. A hint unless it is held still
 * by the turnstile chain's lock. */
struct lwp *mutex_owner(const struct mutex *m);

#endif
