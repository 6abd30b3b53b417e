/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * witness_wait.h - what the lock checker knows of who waits for whom, where no turnstile says it:
 * hooks for the functions of the core that wait until another function, a work queue or an lwp has
 * ended, and, for callout_stop.c, what is needed to look for halts that never return. The essay is
 * in kern/witness_wait.c. In a release build nothing is known.
 */
#ifndef ITHACA_WITNESS_WAIT_H
#define ITHACA_WITNESS_WAIT_H

#include <ithaca/lwp.h>
#include <ithaca/witness.h>
#include <stdbool.h>
#include <stddef.h>

struct intr_handler;
struct softint;

#if ITHACA_CHECKED

/*
 * witness_waits_handler, witness_waits_softint, witness_waits_queue, witness_waits_work - curlwp is
 * about to wait until this does not run any more: a handler, softint, any work of the queue of that
 * name, one function of its work. Then witness_waited(). The place in a report: the caller of the
 * function that this stands in. Any context in which a mutex may be entered.
 * witness_waits_handler_at, witness_waits_softint_at, witness_waits_work_at - the other half.
 */
void witness_waits_handler_at(const struct intr_handler *ih, const void *place);
void witness_waits_softint_at(const struct softint *si, const void *place);
void witness_waits_work_at(const char *queue, void (*fn)(void *), const void *place);
void witness_waited(void);
#define witness_waits_handler(ih) witness_waits_handler_at(ih, WITNESS_PLACE)
#define witness_waits_softint(si) witness_waits_softint_at(si, WITNESS_PLACE)
#define witness_waits_queue(queue) witness_waits_work_at(queue, NULL, WITNESS_PLACE)
#define witness_waits_work(queue, fn) witness_waits_work_at(queue, fn, WITNESS_PLACE)

/* witness_works - curlwp begins a work of that queue; with NULLs: has done it. `queue` is kept. */
void witness_works(const char *queue, void (*fn)(void *));

/* witness_joins - curlwp is about to wait for the end of `l`; witness_joined - and has. Places and
 * contexts as above. witness_joins_at - the other half. */
void witness_joins_at(struct lwp *l, const void *place);
void witness_joined(struct lwp *l);
#define witness_joins(l) witness_joins_at(l, WITNESS_PLACE)

/* witness_holds - curlwp has this mutex or rwlock. Thread context. */
bool witness_holds(const void *lock);

/* witness_halts - curlwp waits for the function of `c`, and has let go of `interlock`, which may be
 * NULL; or, NULL and the interlock, takes that again, to look; or, both NULL, waits no more. */
void witness_halts(const struct callout *c, const struct mutex *interlock);

/* witness_halted - the callout whose function `l` waits for, or NULL. Any context. */
const struct callout *witness_halted(struct lwp *l);

/* witness_interlock - `lock` is what `l` lets go of, as seen by whoever called witness_halted() for
 * it before. Any context. */
bool witness_interlock(struct lwp *l, const void *lock);

#else

#define witness_waits_handler(ih) ((void)0)
#define witness_waits_softint(si) ((void)0)
#define witness_waits_queue(queue) ((void)0)
#define witness_waits_work(queue, fn) ((void)0)
#define witness_waited() ((void)0)
#define witness_works(queue, fn) ((void)0)
#define witness_joins(l) ((void)0)
#define witness_joined(l) ((void)0)

static inline bool witness_holds(const void *lock)
{
	(void)lock;
	return false;
}

static inline void witness_halts(const struct callout *c, const struct mutex *interlock)
{
	(void)c;
	(void)interlock;
}

static inline const struct callout *witness_halted(struct lwp *l)
{
	(void)l;
	return NULL;
}

static inline bool witness_interlock(struct lwp *l, const void *lock)
{
	(void)l;
	(void)lock;
	return false;
}

#endif

#endif
