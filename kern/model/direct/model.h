/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model.h - the model "direct": thread functions run in the interrupt, at a hard level, under spin
 * mutexes: the old way. kern/model/handoff/model.h says what each function is for.
 *
 * A mutex for a level of handlers is a spin mutex. A handler that blocks cannot be had: whoever
 * knows that he has one asks intr_may_block(); who blocks nevertheless ends in a panic that names
 * the handler and what it waits for. hwi_sched() runs the handler where it is called; from the
 * handler itself, once more when it returns, before anything else gets the CPU.
 */
#ifndef KERN_MODEL_H
#define KERN_MODEL_H

#include <ithaca/ithread.h>

#define MODEL_NAME "direct"
#define MODEL_PINS false
#define MODEL_MAY_BLOCK false

void direct_run(struct cpu *ci, struct intr_handler *ih);

static inline bool model_start(struct cpu *ci, struct lwp *l, uint32_t gate,
    struct intr_handler *ih, bool acct)
{
	(void)ci, (void)l, (void)gate, (void)ih, (void)acct;
	return false;
}

static inline void model_queue(struct cpu *ci, struct intr_handler *ih)
{
	direct_run(ci, ih);
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
	(void)ih;
	return 0;
}

static inline void model_detach(struct intr_handler *ih)
{
	(void)ih;
}

static inline int model_ipl(int ipl)
{
	return ipl >= IPL_BIO && ipl < IPL_VM ? IPL_VM : ipl;
}

#endif
