/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * turnstile.h - the queue of lwps that wait for an adaptive mutex, and the priority they lend.
 * For mutex.c; the essay is in kern/turnstile.c.
 *
 * The WAITERS bit of a mutex is set exactly while a turnstile with waiters stands in the chain, and
 * a word with that bit changes only under the chain's lock.
 */
#ifndef ITHACA_TURNSTILE_H
#define ITHACA_TURNSTILE_H

#include <ithaca/lwp.h>
#include <ithaca/queue.h>
#include <ithaca/spin.h>
#include <stdbool.h>

struct mutex;

/* Locking key: (c) the chain's lock; (l) l_lock of the owner; (c+l) either to read, both to write.
 */
struct turnstile {
	struct list ts_chain;   /* (c) entry of the chain */
	struct list ts_waiters; /* (c) most urgent first, FIFO among equals */
	struct list ts_free;    /* (c) turnstiles that later waiters brought along */
	struct list ts_lent;    /* (l) entry of the owner's l_lent */
	struct mutex *ts_obj;   /* (c) */
	struct lwp *ts_owner;   /* (c) who is lent to; NULL while the mutex is free */
	uint8_t ts_pri;         /* (c+l) priority of the first waiter */
};

/* turnstile_init - for cpu.c: once, first of all. */
void turnstile_init(void);

/* turnstile_alloc, turnstile_free - one for each lwp, when it is made and unmade. NULL: no memory.
 */
struct turnstile *turnstile_alloc(void);
void turnstile_free(struct turnstile *ts);

/* turnstile_lock - lock the chain of `m`, interrupts off; returns what turnstile_unlock() wants. */
bool turnstile_lock(struct mutex *m);
void turnstile_unlock(struct mutex *m, bool intr);

/* turnstile_block - chain locked, WAITERS set, `owner` not running: wait, lending to it. Unlocks.
 * The caller tries for the mutex again when it returns. */
void turnstile_block(struct mutex *m, struct lwp *owner, bool intr);

/* turnstile_adopt - chain locked, the running lwp has just become owner of a mutex with waiters:
 * what they lend now goes to it. */
void turnstile_adopt(struct mutex *m);

/* turnstile_take - chain locked, curlwp owns the mutex and gives it up: takes the most urgent
 * waiter out, for lwp_unpark(); *more says whether others still wait. What was lent is given back.
 */
struct lwp *turnstile_take(struct mutex *m, bool *more);

/* turnstile_repri - l_basepri changed, or what is lent: work out l_pri, along the whole chain.
 * Interrupts off, no lock held. */
void turnstile_repri(struct lwp *l);

/* turnstile_dump - every mutex waited for, its owner and waiters. Takes no lock. */
void turnstile_dump(void);

#endif
