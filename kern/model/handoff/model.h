/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model.h - how the thread function of a handler gets to run: by handoff, as the design has it.
 *
 * The core asks its model nine questions, all in this file; `make MODEL=` chooses the folder, so
 * the one that is shipped pays nothing for the others:
 *
 *	model_start()    begin an idle handler's run on the spot? False: it is to be queued
 *	model_queue()    it was idle and is wanted: where does it wait?
 *	model_level()    the pending level comes before what runs: begin its first handler on `it`
 *	model_next()     a run has ended, and its ithread has no lwp beneath it: what now?
 *	model_attach()   a handler is established; model_detach() - it has gone
 *	model_ipl()      the level of a mutex that is initialised for `ipl`
 *	model_enters()   an adaptive lock is entered, free or not, in a checked build; may it be?
 *	model_blocks()   curlwp is about to wait for a lock or to sleep; may it?
 *
 * Here: an idle handler upon an ordinary lwp starts at once; others wait in the pending queue of
 * their CPU, and an ithread runs upon what they interrupt. Contexts: interrupts off, but attach and
 * detach, in thread context, and the last three, anywhere. Read ithread.c next.
 */
#ifndef KERN_MODEL_H
#define KERN_MODEL_H

#include <ithaca/ithread.h>

#define MODEL_NAME "handoff"
#define MODEL_PINS true      /* handlers run upon the lwp that they interrupt */
#define MODEL_MAY_BLOCK true /* and may block */
#define MODEL_MIGRATES true  /* and be drained by another CPU (INTR_MIGRATE) */

static inline bool model_start(struct cpu *ci, struct lwp *l, uint32_t gate,
    struct intr_handler *ih, enum acct acct)
{
	return ithread_start(ci, l, gate, ih, acct);
}

static inline void model_queue(struct cpu *ci, struct intr_handler *ih)
{
	ithread_queue(ci, ih);
}

static inline void model_level(struct cpu *ci, struct lwp *l, struct lwp *it, unsigned level)
{
	ithread_handoff(ci, l, it, level);
}

static inline struct intr_handler *model_next(struct cpu *ci, struct lwp *it)
{
	ithread_retire(ci, it); /* divorced */
}

static inline int model_attach(struct intr_handler *ih)
{
	(void)ih;
	return 0;
}

static inline void model_detach(struct intr_handler *ih)
{
	(void)ih;
}

static inline int model_ipl(int ipl)
{
	return ipl;
}

static inline void model_enters(const char *what)
{
	(void)what;
}

static inline void model_blocks(const char *what)
{
	(void)what;
}

#endif
