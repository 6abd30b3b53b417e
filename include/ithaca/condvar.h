/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * condvar.h - wait under a mutex until somebody says that things have changed.
 *
 *	mutex_enter(&m);
 *	while (!condition)
 *		cv_wait(&cv, &m);
 *
 * Rules: the condition is changed and signalled under the same adaptive mutex; it is tested again
 * after every wait. cv_wait() is for lwps, ithreads included.
 */
#ifndef ITHACA_CONDVAR_H
#define ITHACA_CONDVAR_H

#include <ithaca/mutex.h>
#include <stdint.h>

struct condvar {
	const char *cv_name;         /* (a) shown as what the lwp waits for */
	_Atomic unsigned cv_waiters; /* (~) written under the sleep queue's lock; lets a signal to
	                                nobody cost one load */
};

/* cv_init - ready to use; `name` is kept. cv_destroy - nobody waits. Any context. */
void cv_init(struct condvar *cv, const char *name);
void cv_destroy(struct condvar *cv);

/* cv_wait - drop `m`, sleep until signalled, take `m` again. Thread context; blocks. */
void cv_wait(struct condvar *cv, struct mutex *m);

/* cv_timedwait - as cv_wait(), at most `ns` nanoseconds: then ETIMEDOUT; else 0. `m` is held again
 * in either case. */
int cv_timedwait(struct condvar *cv, struct mutex *m, uint64_t ns);

/* cv_signal, cv_broadcast - wake the most urgent waiter, or all. The mutex of the waits is held.
 * Thread context. */
void cv_signal(struct condvar *cv);
void cv_broadcast(struct condvar *cv);

#endif
