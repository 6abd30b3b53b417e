/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model.h - the model "pool": a queue a CPU and a pool of ithreads that the scheduler starts, as
 * Baldwin proposed it. kern/model/handoff/model.h says what each function is for.
 *
 * Handlers wait in the pending queue as with handoff. What differs is the start: an ithread out of
 * the pool is put on the run queue at the level's priority, and the lwp that was interrupted is
 * preempted. So the interrupted lwp is not pinned, and pays for two switches. An lwp that may not
 * be preempted, as it has raised its level or disabled preemption, holds up every level, and not
 * only those that it keeps out: no ithread is taken for what could not start.
 */
#ifndef KERN_MODEL_H
#define KERN_MODEL_H

#include <ithaca/ithread.h>

#define MODEL_NAME "pool"
#define MODEL_PINS false
#define MODEL_MAY_BLOCK true
#define MODEL_MIGRATES true

static inline bool model_start(struct cpu *ci, struct lwp *l, uint32_t gate,
    struct intr_handler *ih, enum acct acct)
{
	(void)ci, (void)l, (void)gate, (void)ih, (void)acct;
	return false;
}

static inline void model_queue(struct cpu *ci, struct intr_handler *ih)
{
	ithread_queue(ci, ih);
}

/* pool_level - begin the level's first handler on `it`, which the scheduler starts. pool_next -
 * another handler for `it`, or NULL, never: then it is back in the pool. */
void pool_level(struct cpu *ci, struct lwp *it, unsigned level);
struct intr_handler *pool_next(struct cpu *ci, struct lwp *it);

static inline void model_level(struct cpu *ci, struct lwp *l, struct lwp *it, unsigned level)
{
	(void)l;
	pool_level(ci, it, level);
}

static inline struct intr_handler *model_next(struct cpu *ci, struct lwp *it)
{
	return pool_next(ci, it);
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
