/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model.h - the model "dedicated": a thread for each handler, which the scheduler starts, as
 * FreeBSD ships it. kern/model/handoff/model.h says what each function is for.
 *
 * Nothing waits in a pending queue: who is wanted is woken, at the priority of its level, and
 * preempts the lwp that was interrupted. Handlers of a level run in the order in which they were
 * woken, and one that is asked for while it runs gives way to its equals first. A thread runs on
 * the CPU that woke it, to which it moves while it sleeps. An lwp that may not be preempted holds
 * up every level, as under the model pool.
 */
#ifndef KERN_MODEL_H
#define KERN_MODEL_H

#include <ithaca/ithread.h>
#include <ithaca/lwp.h>

#define MODEL_NAME "dedicated"
#define MODEL_PINS false
#define MODEL_MAY_BLOCK true
#define MODEL_MIGRATES false

static inline bool model_start(struct cpu *ci, struct lwp *l, uint32_t gate,
    struct intr_handler *ih, enum acct acct)
{
	(void)ci, (void)l, (void)gate, (void)ih, (void)acct;
	return false;
}

/* dedicated_wake - the thread of an idle handler is to run, here if it can move. dedicated_attach,
 * dedicated_detach - as model_attach(), model_detach(). */
void dedicated_wake(struct cpu *ci, struct lwp *l);
int dedicated_attach(struct intr_handler *ih);
void dedicated_detach(struct intr_handler *ih);

static inline void model_queue(struct cpu *ci, struct intr_handler *ih)
{
	dedicated_wake(ci, ih->ih_lwp);
}

static inline void model_level(struct cpu *ci, struct lwp *l, struct lwp *it, unsigned level)
{
	(void)ci, (void)l, (void)it, (void)level; /* nothing is ever pending at these levels */
}

static inline struct intr_handler *model_next(struct cpu *ci, struct lwp *it)
{
	ithread_retire(ci, it);
}

static inline int model_attach(struct intr_handler *ih)
{
	return dedicated_attach(ih);
}

static inline void model_detach(struct intr_handler *ih)
{
	dedicated_detach(ih);
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
