/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * condvar.c - condition variables, on sleep queues.
 *
 * The waiter joins the sleep queue before it drops the mutex, and whoever signals holds the mutex:
 * so a signal that comes after the condition was tested finds the waiter in the queue. cv_waiters
 * is counted up before the mutex is dropped and down after it is taken again, under the mutex; a
 * signal to nobody costs one load.
 *
 * Contexts: condvar.h. Lock order: the mutex of the waits, then the sleep queue. Invariants: I8.
 * Not for: filters, which schedule a handler or a softint that signals. Read sleepq.c.
 */
#include <ithaca/condvar.h>

#include "model.h"

#include <ithaca/clock.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>

void cv_init(struct condvar *cv, const char *name)
{
	cv->cv_name = name;
	atomic_init(&cv->cv_waiters, 0);
}

void cv_destroy(struct condvar *cv)
{
	KASSERT(atomic_load_explicit(&cv->cv_waiters, memory_order_relaxed) == 0,
	    "condvar %s destroyed with waiters", cv->cv_name);
	cv->cv_name = "(destroyed)";
}

/* Under the model direct `m` may be a spin mutex, which is left before anybody sleeps: the only one
 * held, then, and lwp_park() asks witness. */
static inline void cv_may_sleep(const struct condvar *cv, const struct mutex *m)
{
	(void)cv;
	if (MODEL_MAY_BLOCK || !IPL_IS_HARD(m->m_ipl))
		witness_sleep(cv->cv_name);
}

static int cv_wait_until(struct condvar *cv, struct mutex *m, uint64_t deadline_ns)
{
	bool intr;
	int error;

	KASSERT(!IPL_IS_HARD(m->m_ipl) || (!MODEL_MAY_BLOCK && spins_held() == 1),
	    "condvar %s waits with spin mutex %s", cv->cv_name, m->m_name);
	KASSERT(mutex_owned(m), "condvar %s waits without %s", cv->cv_name, m->m_name);
	atomic_fetch_add_explicit(&cv->cv_waiters, 1, memory_order_relaxed);
	intr = sleepq_lock(cv);
	sleepq_enqueue(cv, cv->cv_name);
	sleepq_unlock(cv, intr);
	mutex_exit(m);
	error = sleepq_block(deadline_ns);
	mutex_enter(m);
	atomic_fetch_sub_explicit(&cv->cv_waiters, 1, memory_order_relaxed);
	return error;
}

void cv_wait(struct condvar *cv, struct mutex *m)
{
	cv_may_sleep(cv, m);
	witness_from(m); /* that is who enters it again */
	cv_wait_until(cv, m, SLEEP_FOREVER);
}

int cv_timedwait(struct condvar *cv, struct mutex *m, uint64_t ns)
{
	uint64_t now = clock_ns();

	cv_may_sleep(cv, m);
	witness_from(m);
	return cv_wait_until(cv, m, ns < SLEEP_FOREVER - now ? now + ns : SLEEP_FOREVER);
}

void cv_signal(struct condvar *cv)
{
	if (atomic_load_explicit(&cv->cv_waiters, memory_order_relaxed) != 0)
		sleepq_wake(cv, 1);
}

void cv_broadcast(struct condvar *cv)
{
	if (atomic_load_explicit(&cv->cv_waiters, memory_order_relaxed) != 0)
		sleepq_wake(cv, -1);
}
