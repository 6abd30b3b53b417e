/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model.h - the model "direct": thread functions run in the interrupt, at a hard level, under spin
 * mutexes: the old way. kern/model/handoff/model.h says what each function is for.
 *
 * A plain handler runs at once. The others wait in the pending queue, as with handoff, and run upon
 * the lwp as soon as its level permits: before the interrupt returns, or in its splx(). No level
 * interrupts another's handler, for interrupts are off in them.
 *
 * A mutex for a level of handlers is a spin mutex. A handler that blocks cannot be had: whoever
 * knows that he has one asks intr_may_block(); who blocks nevertheless ends in a panic that names
 * the handler and what it waits for.
 */
#ifndef KERN_MODEL_H
#define KERN_MODEL_H

#include <ithaca/ithread.h>
#include <ithaca/print.h>

#define MODEL_NAME "direct"
#define MODEL_PINS true
#define MODEL_MAY_BLOCK false
#define MODEL_MIGRATES true

/* direct_start, direct_level - as model_start(), model_level(). direct_blocks - panic if curlwp is
 * in a handler, which names it and `what`. Any context. */
bool direct_start(struct cpu *ci, struct lwp *l, uint32_t gate, struct intr_handler *ih,
    enum acct acct);
void direct_level(struct cpu *ci, struct lwp *l, struct lwp *it, unsigned level);
void direct_blocks(const char *what);

static inline bool model_start(struct cpu *ci, struct lwp *l, uint32_t gate,
    struct intr_handler *ih, enum acct acct)
{
	return direct_start(ci, l, gate, ih, acct);
}

static inline void model_queue(struct cpu *ci, struct intr_handler *ih)
{
	ithread_queue(ci, ih);
}

static inline void model_level(struct cpu *ci, struct lwp *l, struct lwp *it, unsigned level)
{
	direct_level(ci, l, it, level);
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

static inline void model_enters(const char *what)
{
	(void)what;
	KASSERT(curlwp->l_handler == NULL || panicking(),
	    "handler %s may block on %s, which it cannot under the model %s",
	    curlwp->l_handler->ih_name, what, MODEL_NAME);
}

static inline void model_blocks(const char *what)
{
	direct_blocks(what);
}

#endif
