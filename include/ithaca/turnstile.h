/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * turnstile.h - the queue of lwps that wait for an adaptive mutex or rwlock, and the priority they
 * lend. For mutex.c and rwlock.c; the essay is in kern/turnstile.c.
 *
 * A lock (`obj`) is an address and a name. Its WAITERS bit is set exactly while a turnstile with
 * waiters stands in the chain, and a word with that bit changes only under the chain's lock.
 */
#ifndef ITHACA_TURNSTILE_H
#define ITHACA_TURNSTILE_H

#include <ithaca/lwp.h>
#include <ithaca/queue.h>
#include <ithaca/spin.h>
#include <stdbool.h>

/* How an lwp waits. */
#define TS_WRITER 0 /* for itself alone: a mutex too */
#define TS_READER 1

/* Locking key: (c) the chain's lock; (l) l_lock of the owner; (c+l) either to read, both to write.
 */
struct turnstile {
	struct list ts_chain;   /* (c) entry of the chain */
	struct list ts_waiters; /* (c) most urgent first, FIFO among equals */
	struct list ts_free;    /* (c) turnstiles that later waiters brought along */
	struct list ts_lent;    /* (l) entry of the owner's l_lent */
	const void *ts_obj;     /* (c) */
	const char *ts_name;    /* (c) */
	struct lwp *ts_owner;   /* (c) who is lent to; NULL while free, or with readers unknown */
	uint8_t ts_pri;         /* (c+l) priority of the first waiter */
};

/* turnstile_init - for cpu.c: once, first of all. */
void turnstile_init(void);

/* turnstile_alloc, turnstile_free - one for each lwp, when it is made and unmade. NULL: no memory.
 */
struct turnstile *turnstile_alloc(void);
void turnstile_free(struct turnstile *ts);

/* turnstile_lock - lock the chain of `obj`, interrupts off; returns what turnstile_unlock()
 * wants. */
bool turnstile_lock(const void *obj);
void turnstile_unlock(const void *obj, bool intr);

/* turnstile_block - chain locked, WAITERS set, `owner` not running: wait as `kind` (TS_*), lending
 * to it (NULL: to nobody). Unlocks. A mutex: the caller tries again when it returns. */
void turnstile_block(const void *obj, const char *name, unsigned kind, struct lwp *owner,
    bool intr);

/* turnstile_give - chain locked; `owner`, which waits for nothing, holds a lock with waiters: what
 * they lend now goes to it. turnstile_disown - curlwp lets go: it is lent nothing for `obj` any
 * more. */
void turnstile_give(const void *obj, struct lwp *owner);
void turnstile_disown(const void *obj);

/* turnstile_take - chain locked, curlwp owns the mutex and gives it up: takes the most urgent
 * waiter out, for lwp_unpark(); *more says whether others still wait. What was lent is given back.
 */
struct lwp *turnstile_take(const void *obj, bool *more);

/* turnstile_waits - chain locked: the priority of the most urgent that waits as `kind`; -1: nobody
 * does. */
int turnstile_waits(const void *obj, unsigned kind);

/* turnstile_take_some - chain locked, nobody is lent to: takes out, most urgent first and by
 * l_waitq onto `out`, at most `max` that wait as `kind` and are as urgent as `pri`. Returns how
 * many; each is for lwp_unpark(). */
unsigned turnstile_take_some(const void *obj, unsigned kind, int pri, unsigned max,
    struct list *out);

/* turnstile_repri - l_basepri changed, or what is lent: work out l_pri, along the whole chain.
 * Interrupts off, no lock held. */
void turnstile_repri(struct lwp *l);

/* turnstile_blocker - who holds the lock that `l` waits for, and *name, what it is called; NULL: it
 * waits for none, or nobody is known to hold it. Thread context, or interrupts off. No lwp's memory
 * ever becomes anything else, so any pointer to one will do; the answer may be old when it comes.
 */
struct lwp *turnstile_blocker(struct lwp *l, const char **name);

/* turnstile_dump - every lock waited for, its owner and waiters. Takes no lock. */
void turnstile_dump(void);

#endif
