/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rwlock.h - many readers or one writer, for lwps.
 *
 * Rules:
 * - For thread levels: never taken in a filter or while a spin mutex is held. Handlers, softints
 *   and callouts may take one, and are divorced when they block.
 * - Not recursive, for readers neither: a writer that came between the two would wait for ever for
 *   the first, and the second for the writer. Who entered exits.
 * - A waiting writer keeps later readers out. When a writer leaves, the readers that wait go in
 *   together, but for those less urgent than a writer that waits; and when they have been passed
 *   over RW_PASSES_MAX times, they go in as well.
 * - Who waits lends its priority to the writer that holds it, or to one of the readers: the first
 *   that went in, as long as it stays. The others are not known, and are lent nothing.
 */
#ifndef ITHACA_RWLOCK_H
#define ITHACA_RWLOCK_H

#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Bits of rw_word beside the owner's address or, with no writer, the count of readers. */
#define RW_WAITERS ((uintptr_t)1) /* lwps wait in the turnstile */
#define RW_OWNED ((uintptr_t)2)   /* the rest is the address of the writer */
#define RW_ONE ((uintptr_t)8)     /* one reader */

#define RW_PASSES_MAX 8 /* times that it is handed on past a waiting reader */

enum rw_op { RW_READER, RW_WRITER };

struct rwlock {
	_Atomic uintptr_t rw_word;     /* (~) acquire in enter, release in exit */
	struct lwp *_Atomic rw_reader; /* (~) the reader that is lent to; the essay of rwlock.c */
	uint8_t rw_passes;             /* (c) times handed on past waiting readers */
	const char *rw_name;           /* (a) */
	struct mutex rw_class;         /* for witness.c: its name and level; never entered */
};

/* rw_init - ready to use; `name` is kept, not copied. Any context. */
void rw_init(struct rwlock *rw, const char *name);

/* rw_destroy - nobody holds it, nobody waits, nobody will come. Any context. */
void rw_destroy(struct rwlock *rw);

/* rw_enter - share it with other readers (RW_READER) or have it alone (RW_WRITER). Thread context;
 * may block. With nobody in the way: one atomic instruction. */
void rw_enter(struct rwlock *rw, enum rw_op op);

/* rw_exit - leave it, whichever way it was entered; the last one out lets in who waits. Thread
 * context; does not block. */
void rw_exit(struct rwlock *rw);

/* rw_tryenter - enter if that takes no waiting: true if so. A reader does not get past a writer
 * that waits. Contexts as rw_enter(). */
bool rw_tryenter(struct rwlock *rw, enum rw_op op);

/* rw_tryupgrade - the reader becomes the writer, with nobody in between, if it is the only one;
 * else nothing changes and false. Never waits. Thread context. */
bool rw_tryupgrade(struct rwlock *rw);

/* rw_downgrade - the writer becomes a reader, with nobody in between, and other readers that wait
 * come in. Thread context; does not block. */
void rw_downgrade(struct rwlock *rw);

/* rw_held - RW_WRITER: the running lwp holds it alone; RW_READER: readers hold it, perhaps not the
 * running lwp, for they are not kept. For assertions. */
bool rw_held(const struct rwlock *rw, enum rw_op op);

/* rw_owner - the writer that holds it at this moment, or NULL. A hint, but to the writer. */
struct lwp *rw_owner(const struct rwlock *rw);

#endif
