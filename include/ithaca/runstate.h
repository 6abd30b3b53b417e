/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runstate.h - the state of something that is run on request and never beside itself: handlers,
 * softints. For intr.c, ithread.c and softint.c; the essay is in kern/intr.c.
 *
 *	0 idle --request--> BUSY|WANT, queued --begin--> BUSY, running --end--> 0
 *	0 idle --start-------------------------------> BUSY, running --end--> 0
 *
 * One byte that is only ever exchanged. Most runs end by taking BUSY off, which leaves 0. Where
 * more is to be done at an end, somebody has marked the run with SLOW, and it does not. A request
 * may take the mark away; but then WANT stands there, and it is not 0 all the same. Not 0 is not
 * idle, whatever it is, so BUSY may be put back then as if it had never gone.
 *
 * What is idle can be made idle for good: OVER, which is not 0, so that run_request_idle() fails.
 */
#ifndef ITHACA_RUNSTATE_H
#define ITHACA_RUNSTATE_H

#include <ithaca/hint.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RUN_BUSY 0x1    /* queued or running; clear only when idle, which is 0 */
#define RUN_WANT 0x2    /* a run that has not begun is owed */
#define RUN_SETTLES 0x4 /* that run says whether the interrupt was claimed: no filter did */
#define RUN_SLOW 0x8    /* the end of the run has more to do than to become idle */
#define RUN_OVER 0x10   /* it stays when all else goes: idle for good, and not found idle */

typedef _Atomic uint8_t runstate_t;

/* run_request - ask for a run; true: it was idle, and the caller has to queue it. Any context. */
static inline bool run_request(runstate_t *state, unsigned settles)
{
	/* Pairs with the exchange in run_begin() and those of the ends. */
	return atomic_exchange_explicit(state, (uint8_t)(RUN_BUSY | RUN_WANT | settles),
		   memory_order_acq_rel) == 0;
}

/* run_request_idle - ask for a run of what is idle, which the caller then has to queue. False: it
 * is not idle, or it is for good, and nothing was done. */
static inline bool run_request_idle(runstate_t *state)
{
	uint8_t idle = 0;

	/* Pairs as in run_request(). */
	return atomic_compare_exchange_strong_explicit(state, &idle, RUN_BUSY | RUN_WANT,
	    memory_order_acq_rel, memory_order_relaxed);
}

/* run_start - request and begin in one, of what is idle. False: it is not, and nothing was done. */
static inline bool run_start(runstate_t *state)
{
	uint8_t idle = 0;

	/* Acquire: pairs with the end of the run before, which may have been on another CPU. */
	return atomic_compare_exchange_strong_explicit(state, &idle, RUN_BUSY, memory_order_acquire,
	    memory_order_relaxed);
}

/* run_begin - the run begins; returns the state before. What was written before the request is
 * visible to the run. */
static inline unsigned run_begin(runstate_t *state)
{
	return atomic_exchange_explicit(state, RUN_BUSY, memory_order_acq_rel);
}

/* run_begin_marked - the same for who does not ask what the state was: a mark stays. */
static inline void run_begin_marked(runstate_t *state)
{
	(void)atomic_fetch_and_explicit(state, (uint8_t)~RUN_WANT, memory_order_acq_rel);
}

/* run_slow - mark what is queued or runs: its end is run_end_slow(). False: it is idle. */
static inline bool run_slow(runstate_t *state)
{
	uint8_t was = atomic_load_explicit(state, memory_order_relaxed);

	/* Acquire: pairs with the release of the end, for who waits until it is idle. */
	while (was != 0 &&
	    !atomic_compare_exchange_weak_explicit(state, &was, (uint8_t)(was | RUN_SLOW),
		memory_order_acquire, memory_order_relaxed))
		;
	if (was == 0)
		atomic_thread_fence(memory_order_acquire);
	return was != 0;
}

/* run_end - the run has ended; true: idle now, and that is all. False: run_end_slow(). */
static inline bool run_end(runstate_t *state)
{
	/* Release: pairs with the acquire of the next start, begin, or who waits for it. */
	if (likely(atomic_fetch_sub_explicit(state, RUN_BUSY, memory_order_release) == RUN_BUSY))
		return true;
	atomic_fetch_or_explicit(state, RUN_BUSY, memory_order_relaxed);
	return false;
}

/* run_over - who is idle stays so for good: nobody finds it idle any more. True: it does. False: it
 * is queued or runs, and will come to that at its end, run_end_slow(). Nobody calls run_request()
 * any more. */
static inline bool run_over(runstate_t *state)
{
	uint8_t was = atomic_load_explicit(state, memory_order_relaxed);

	/* Acquire: pairs with the release of the end, for who waits until it is idle. */
	while (!atomic_compare_exchange_weak_explicit(state, &was, was | RUN_OVER,
	    memory_order_acquire, memory_order_relaxed))
		;
	return (was & ~RUN_OVER) == 0; /* without BUSY alone it may be at its end */
}

/* run_end_slow - a run has ended that was marked, or asked for again. True: idle now, for good if
 * run_over() was called. False: queue it again. */
static inline bool run_end_slow(runstate_t *state)
{
	uint8_t was = atomic_load_explicit(state, memory_order_relaxed);

	do {
		if (was & RUN_WANT) {
			/* Acquire: what was written before the request is there for the run. */
			atomic_thread_fence(memory_order_acquire);
			return false;
		}
	} while (!atomic_compare_exchange_weak_explicit(state, &was, was & RUN_OVER,
	    memory_order_release, memory_order_relaxed));
	return true;
}

#endif
