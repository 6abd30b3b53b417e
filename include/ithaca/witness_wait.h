/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * witness_wait.h - what the lock checker knows of who waits for whom, where no turnstile says it:
 * for callout_stop.c alone, which looks for halts that never return. In a release build nothing is
 * known.
 */
#ifndef ITHACA_WITNESS_WAIT_H
#define ITHACA_WITNESS_WAIT_H

#include <ithaca/lwp.h>
#include <ithaca/witness.h>
#include <stdbool.h>
#include <stddef.h>

#if ITHACA_CHECKED

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
