/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rwlock.c - many readers or one writer.
 *
 * A lock is one word: 0 when free, a count of readers, or the writer's address with OWNED; and the
 * WAITERS bit. As with mutexes, the quick ways are a compare-exchange of a word without that bit,
 * and a word with the bit changes only under the turnstile chain's lock. So nobody leaves unseen
 * once somebody has announced that he waits, and no wakeup is lost (I8).
 *
 * Unlike a mutex it is handed over: whoever leaves it to waiters writes them into the word before
 * they run. So it is never free with waiters; and, as readers wait only behind a writer:
 *
 *	held by		with WAITERS		then a new reader	a new writer
 *	a writer	anybody waits		waits			waits
 *	readers		a writer waits, surely	waits			waits
 *
 * Who is next. After readers, the most urgent writer. After a writer, all the readers that wait and
 * are at least as urgent as the most urgent writer; if there are none, that writer. So among equals
 * readers and writers take turns: a writer waits for the readers that are in and for those that
 * came before the writer in front of it, a reader for one writer. Readers less urgent than the
 * writers could wait for ever: when the lock was handed on RW_PASSES_MAX times in a row with
 * readers left waiting, the next writer that leaves lets all of them in.
 *
 * Whom one lends to. A writer is known. Of the readers one is: the one that made the count go from
 * 0 to 1 writes itself into rw_reader after it has entered, and takes itself out before it leaves.
 * That is enough for the lender to believe what it reads:
 *
 *	CPU 0 (reader A)                    CPU 1 (writer W)
 *	enters: 0 -> ONE
 *	rw_reader = A
 *	                                    chain lock
 *	rw_reader = NULL                    word: ONE -> ONE|WAITERS (acquire)
 *	leaves: ONE -> 0 (release) fails    reads rw_reader: A, or NULL
 *	chain lock: waits                   A: lends to it; NULL: to nobody; chain unlock; parks
 *	gives back what it was lent
 *
 * Had A left before W announced itself, W's acquire would have seen A's release, and with it the
 * NULL. Had it not, A has to come through the chain's lock, where it gives back what it was lent: a
 * loan to a lwp that is gone cannot be (I9). Two readers cannot both write, for the count is not 0
 * again before the first has left. What is not lent: the other readers get nothing, and when the
 * one that is known leaves, nobody does until the lock is handed on.
 *
 * The lock checker (witness.c) knows mutexes; each lock has one, rw_class, that nobody ever enters:
 * for it readers and writers are the same, as the rules for them are.
 *
 * An lwp spins only while a writer that runs holds the lock and nobody waits; it would not get
 * past those.
 *
 * Contexts: rwlock.h. Lock order: no other lock is taken but the chain's. Under it the waiters are
 * walked, so a writer's exit is as long as the queue. Invariants: I8, I9. Not for: filters; short
 * sections, where a mutex is quicker. Read turnstile.c next.
 */
#include <ithaca/rwlock.h>

#include "model.h"

#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/turnstile.h>
#include <ithaca/witness.h>
#include <limits.h>

_Static_assert(_Alignof(struct lwp) >= 8, "an lwp's address has room for the bits");

static inline struct lwp *word_owner(uintptr_t word)
{
	return word & RW_OWNED ? (struct lwp *)(word & ~(RW_WAITERS | RW_OWNED)) : NULL;
}

static inline uintptr_t word_readers(uintptr_t word)
{
	return word & RW_OWNED ? 0 : word / RW_ONE;
}

/* The word that an lwp which enters leaves behind, or 0: it has to wait. */
static inline uintptr_t word_entered(uintptr_t word, enum rw_op op, const struct lwp *l)
{
	if (op == RW_WRITER)
		return word == 0 ? (uintptr_t)l | RW_OWNED : 0;
	return word & (RW_OWNED | RW_WAITERS) ? 0 : word + RW_ONE;
}

static inline uintptr_t word_of(const struct rwlock *rw)
{
	return atomic_load_explicit(&rw->rw_word, memory_order_relaxed);
}

static inline void reader_set(struct rwlock *rw, struct lwp *l)
{
	/* Relaxed: ordered by the release of rw_exit() and the acquire of rw_announce(). */
	atomic_store_explicit(&rw->rw_reader, l, memory_order_relaxed);
}

static inline struct lwp *reader_of(const struct rwlock *rw)
{
	return atomic_load_explicit(&rw->rw_reader, memory_order_relaxed);
}

void rw_init(struct rwlock *rw, const char *name)
{
	atomic_init(&rw->rw_word, 0);
	atomic_init(&rw->rw_reader, NULL);
	rw->rw_passes = 0;
	rw->rw_name = name;
	mutex_init(&rw->rw_class, name, IPL_NONE);
}

void rw_destroy(struct rwlock *rw)
{
	KASSERT(word_of(rw) == 0, "rwlock %s destroyed while held", rw->rw_name);
	rw->rw_name = "(destroyed)";
}

struct lwp *rw_owner(const struct rwlock *rw)
{
	return word_owner(word_of(rw));
}

bool rw_held(const struct rwlock *rw, enum rw_op op)
{
	uintptr_t word = word_of(rw);

	return op == RW_WRITER ? word_owner(word) == curlwp : word_readers(word) != 0;
}

/* ---- In ---- */

/* Enter as the word stands; false: it has to wait, *word says for whom. */
static inline bool rw_try(struct rwlock *rw, enum rw_op op, struct lwp *l, uintptr_t *word)
{
	uintptr_t next;

	do {
		next = word_entered(*word, op, l);
		if (next == 0)
			return false;
		/* Acquire: pairs with the release in rw_exit() and rw_downgrade(). */
	} while (!atomic_compare_exchange_weak_explicit(&rw->rw_word, word, next,
	    memory_order_acquire, memory_order_relaxed));
	if (next == RW_ONE)
		reader_set(rw, l);
	return true;
}

/* Chain locked: from here on nobody leaves without the chain's lock. False: the word changed. */
static inline bool rw_announce(struct rwlock *rw, uintptr_t word)
{
	/* Acquire: pairs with the release in rw_exit(), for rw_reader (the essay above). */
	return (word & RW_WAITERS) ||
	    atomic_compare_exchange_strong_explicit(&rw->rw_word, &word, word | RW_WAITERS,
		memory_order_acquire, memory_order_relaxed);
}

/* Should one spin for the owner, rather than block? */
static inline bool rw_spins(uintptr_t word)
{
	return (word & (RW_OWNED | RW_WAITERS)) == RW_OWNED && lwp_oncpu(word_owner(word));
}

/* To the turnstile. True: it was handed over, or was free; false: look again. */
static bool rw_wait(struct rwlock *rw, enum rw_op op, struct lwp *l)
{
	struct lwp *owner;
	uintptr_t word;
	bool intr;

	ithread_leaving(l);
	intr = turnstile_lock(rw);
	word = word_of(rw);
	if (rw_try(rw, op, l, &word)) {
		turnstile_unlock(rw, intr);
		return true;
	}
	if (rw_spins(word) || !rw_announce(rw, word)) {
		turnstile_unlock(rw, intr);
		return false;
	}
	owner = word & RW_OWNED ? word_owner(word) : reader_of(rw);
	KASSERT(owner != l, "rwlock %s entered twice by %s", rw->rw_name, l->l_name);
	turnstile_block(rw, rw->rw_name, op == RW_WRITER ? TS_WRITER : TS_READER, owner, intr);
	/* Whoever handed it over wrote us into the word; its unpark is what orders the rest. */
	return true;
}

static void __attribute__((noinline)) rw_enter_slow(struct rwlock *rw, enum rw_op op)
{
	struct lwp *l = curlwp;
	uintptr_t word;

	for (;;) {
		word = word_of(rw);
		if (panicking() || rw_try(rw, op, l, &word))
			return;
		model_blocks(rw->rw_name);
		KASSERT(word_owner(word) != l, "rwlock %s entered twice by %s", rw->rw_name,
		    l->l_name);
		if (rw_spins(word))
			port_pause();
		else if (rw_wait(rw, op, l))
			return;
	}
}

static inline void rw_check_level(const struct rwlock *rw)
{
	model_enters(rw->rw_name);
	KASSERT(!IPL_IS_HARD(spl_now()) || panicking(), "rwlock %s entered at level %s",
	    rw->rw_name, spl_name(spl_now()));
}

void rw_enter(struct rwlock *rw, enum rw_op op)
{
	uintptr_t word = op == RW_WRITER ? 0 : word_of(rw);

	witness_check(&rw->rw_class);
	rw_check_level(rw);
	if (!rw_try(rw, op, curlwp, &word))
		rw_enter_slow(rw, op);
	witness_hold(&rw->rw_class);
}

bool rw_tryenter(struct rwlock *rw, enum rw_op op)
{
	uintptr_t word = word_of(rw);

	rw_check_level(rw);
	if (!rw_try(rw, op, curlwp, &word))
		return false;
	witness_tried(&rw->rw_class);
	return true;
}

/* ---- Out. The chain is locked and WAITERS is set. ---- */

/* Handed on: store the word, with WAITERS if anybody still waits, who then lend to `owner`. */
static void rw_settle(struct rwlock *rw, uintptr_t word, struct lwp *owner)
{
	bool readers = turnstile_waits(rw, TS_READER) >= 0;
	bool more = readers || turnstile_waits(rw, TS_WRITER) >= 0;

	if (!readers)
		rw->rw_passes = 0;
	else if (rw->rw_passes < RW_PASSES_MAX)
		rw->rw_passes++;
	if (more)
		turnstile_give(rw, owner);
	/* Release: pairs with the acquire in rw_try(). */
	atomic_store_explicit(&rw->rw_word, word | (more ? RW_WAITERS : 0), memory_order_release);
}

/* The readers that go in now, onto `in`; returns how many. */
static unsigned rw_readers_in(struct rwlock *rw, struct list *in)
{
	int best = turnstile_waits(rw, TS_WRITER);

	if (best < 0 || rw->rw_passes >= RW_PASSES_MAX)
		best = PRI_IDLE; /* all of them */
	return turnstile_take_some(rw, TS_READER, best, UINT_MAX, in);
}

/* The most urgent writer is handed the lock. */
static void rw_hand_to_writer(struct rwlock *rw, struct list *in)
{
	struct lwp *l;
	unsigned n = turnstile_take_some(rw, TS_WRITER, PRI_IDLE, 1, in);

	(void)n;
	KASSERT(n == 1, "rwlock %s: nobody to hand it to", rw->rw_name);
	l = container_of(in->next, struct lwp, l_waitq);
	rw_settle(rw, (uintptr_t)l | RW_OWNED, l);
}

/* curlwp, the writer, leaves, or stays as a reader: readers first, by the rule of the essay. */
static void rw_writer_out(struct rwlock *rw, struct lwp *stays, struct list *in)
{
	unsigned n;
	struct lwp *l = stays;

	turnstile_disown(rw);
	n = rw_readers_in(rw, in);
	if (n == 0 && stays == NULL) {
		rw_hand_to_writer(rw, in);
		return;
	}
	if (l == NULL)
		l = container_of(in->next, struct lwp, l_waitq);
	reader_set(rw, l);
	rw_settle(rw, (n + (stays != NULL)) * RW_ONE, l);
}

static void rw_reader_out(struct rwlock *rw, struct list *in)
{
	/* Acquire: pairs with the release of readers that left, for the writer that follows. */
	uintptr_t word = atomic_load_explicit(&rw->rw_word, memory_order_acquire);

	turnstile_disown(rw);
	if (word_readers(word) > 1)
		atomic_store_explicit(&rw->rw_word, word - RW_ONE, memory_order_release);
	else
		rw_hand_to_writer(rw, in);
}

/* Off the lists already, so each goes its way as soon as it is woken. Interrupts off. */
static void rw_wake(struct list *in)
{
	struct list *e;

	while ((e = list_take(in)) != NULL)
		lwp_unpark(container_of(e, struct lwp, l_waitq));
}

static void __attribute__((noinline)) rw_exit_slow(struct rwlock *rw)
{
	struct lwp *l = curlwp;
	struct list in = LIST_INIT(in);
	uintptr_t word;
	bool intr;

	if (panicking())
		return;
	intr = turnstile_lock(rw);
	word = word_of(rw);
	KASSERT(word_readers(word) != 0 || word_owner(word) == l,
	    "rwlock %s exited by %s, owned by %s", rw->rw_name, l->l_name,
	    word_owner(word) ? word_owner(word)->l_name : "nobody");
	if (word & RW_OWNED)
		rw_writer_out(rw, NULL, &in);
	else
		rw_reader_out(rw, &in);
	turnstile_unlock(rw, false);
	rw_wake(&in);
	intr_return(intr);
}

void rw_exit(struct rwlock *rw)
{
	struct lwp *l = curlwp;
	uintptr_t word = word_of(rw), next;

	witness_left(&rw->rw_class, word & RW_OWNED ? word_owner(word) : reader_of(rw));
	if (word_readers(word) != 0 && reader_of(rw) == l)
		reader_set(rw, NULL);
	do {
		next = word & RW_OWNED ? 0 : word - RW_ONE;
		if ((word & RW_WAITERS) || word == 0 ||
		    ((word & RW_OWNED) && word_owner(word) != l)) {
			rw_exit_slow(rw);
			return;
		}
		/* Release: pairs with the acquire in rw_try() and rw_announce(). */
	} while (!atomic_compare_exchange_weak_explicit(&rw->rw_word, &word, next,
	    memory_order_release, memory_order_relaxed));
}

/* ---- From one to the other ---- */

bool rw_tryupgrade(struct rwlock *rw)
{
	struct lwp *l = curlwp;
	uintptr_t word = RW_ONE, mine = (uintptr_t)l | RW_OWNED;
	bool intr;

	KASSERT(word_readers(word_of(rw)) != 0, "rwlock %s upgraded by %s: no reader holds it",
	    rw->rw_name, l->l_name);
	/* Acquire: pairs with the release of the readers that left before. */
	if (atomic_compare_exchange_strong_explicit(&rw->rw_word, &word, mine, memory_order_acquire,
		memory_order_relaxed)) {
		reader_set(rw, NULL);
		return true;
	}
	if (word != (RW_ONE | RW_WAITERS))
		return false;
	/* The only reader, with WAITERS: the word does not change but by us. Acquire: as above. */
	intr = turnstile_lock(rw);
	atomic_thread_fence(memory_order_acquire);
	reader_set(rw, NULL);
	turnstile_give(rw, l);
	atomic_store_explicit(&rw->rw_word, mine | RW_WAITERS, memory_order_relaxed);
	turnstile_unlock(rw, intr);
	return true;
}

void rw_downgrade(struct rwlock *rw)
{
	struct lwp *l = curlwp;
	struct list in = LIST_INIT(in);
	uintptr_t word = (uintptr_t)l | RW_OWNED;
	bool intr;

	if (panicking())
		return;
	KASSERT(word_owner(word_of(rw)) == l, "rwlock %s downgraded by %s, which does not own it",
	    rw->rw_name, l->l_name);
	reader_set(rw, l);
	/* Release: pairs with the acquire in rw_try(). */
	if (atomic_compare_exchange_strong_explicit(&rw->rw_word, &word, RW_ONE,
		memory_order_release, memory_order_relaxed))
		return;
	intr = turnstile_lock(rw);
	rw_writer_out(rw, l, &in);
	turnstile_unlock(rw, false);
	rw_wake(&in);
	intr_return(intr);
}
