/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runstate.h - the state of something that is run on request and never beside itself: handlers,
 * softints. For intr.c, ithread.c and softint.c; the essay is in kern/intr.c.
 *
 *	0 idle --request--> BUSY|WANT, queued --begin--> BUSY, running --end--> 0
 *
 * One byte that is only ever exchanged.
 */
#ifndef ITHACA_RUNSTATE_H
#define ITHACA_RUNSTATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RUN_BUSY 0x1    /* queued or running; clear only when idle, which is 0 */
#define RUN_WANT 0x2    /* a run that has not begun is owed */
#define RUN_SETTLES 0x4 /* that run says whether the interrupt was claimed: no filter did */

typedef _Atomic uint8_t runstate_t;

/* run_request - ask for a run; true: it was idle, and the caller has to queue it. Any context. */
static inline bool run_request(runstate_t *state, unsigned settles)
{
	/* Pairs with the exchange in run_begin() and the compare-exchange in run_end(). */
	return atomic_exchange_explicit(state, (uint8_t)(RUN_BUSY | RUN_WANT | settles),
		   memory_order_acq_rel) == 0;
}

/* run_begin - the run begins; returns the state before. What was written before the request is
 * visible to the run. */
static inline unsigned run_begin(runstate_t *state)
{
	return atomic_exchange_explicit(state, RUN_BUSY, memory_order_acq_rel);
}

/* run_end - the run has ended; true: idle now. False: somebody asked meanwhile, queue it again. */
static inline bool run_end(runstate_t *state)
{
	uint8_t busy = RUN_BUSY;

	/* Sequentially consistent: pairs with the store of ih_dying (si_dying), which is followed
	 * by a look at the state: one of the two sees the other. */
	return atomic_compare_exchange_strong_explicit(state, &busy, 0, memory_order_seq_cst,
	    memory_order_acquire);
}

#endif
