/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * intr_impl.h - what intr.c does for the rest of the core. Contracts for drivers: ithaca/intr.h.
 */
#ifndef KERN_INTR_IMPL_H
#define KERN_INTR_IMPL_H

#include <ithaca/intr.h>

/* intr_init - for cpu.c: once, before the first source. */
void intr_init(void);

/* intr_end_slow - for ithread.c and the models: the end of a run that has more to do than to become
 * idle, as its source is masked, say, or `settles`: the answer `claimed` says whether the interrupt
 * was claimed. Interrupts off. True: idle now. */
bool intr_end_slow(struct cpu *ci, struct intr_handler *ih, unsigned settles, bool claimed);

/* intr_route - have the source delivered to `ci`, which it is not bound to by that; for balance.c,
 * within intr_source_each(). Errors of intr_bind(). Thread context; may block. */
int intr_route(struct intr_source *is, struct cpu *ci);

/* intr_replay - ask the filters of an edge or message source once, for what came while it was held.
 * For storm.c, on the source's CPU, interrupts off; ithread_exit() is to follow. */
void intr_replay(struct intr_source *is);

#endif
