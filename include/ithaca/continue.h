/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * continue.h - continuations: what a filter leaves behind, to be done in a thread.
 *
 * A handler that has no thread function, or more to do than one function, says INTR_CONTINUE or
 * INTR_CONTINUE_SLEEP (or both) when it is established, and how many may wait at a time:
 * INTR_SLOTS(n). Memory is set aside then; leaving a continuation behind needs none.
 *
 * Rules:
 * - Those of one handler and kind run one after another, in the order in which they were left.
 * - intr_continue(): in a softint, so it may take adaptive mutexes but does not sleep for long: the
 *   other softints of that level and CPU wait meanwhile.
 * - intr_continue_sleep(): in an lwp of the handler's own, so it may sleep as long as it likes:
 *   nobody waits but the handler's next one.
 * - A continuation does not keep a level line masked, as a thread function does: the filter has
 *   to quiet the device.
 * - intr_disestablish() waits for those that were left; from then on they are refused.
 */
#ifndef ITHACA_CONTINUE_H
#define ITHACA_CONTINUE_H

#include <stdbool.h>

struct intr_handler;

/*
 * intr_continue, intr_continue_sleep - run fn(arg) soon, once for each call. Whatever was written
 * before is visible to it. From the handler's filter, its thread function, its continuations and
 * whoever knows that it is established; any context up to filters; never blocks or allocates.
 * EAGAIN: all slots are taken (said once on the console, with the handler's name, and counted: the
 * filter does without, or lets the device wait). ESHUTDOWN: intr_disestablish() has begun. The
 * handler was established with the flag of that kind (asserted; else EINVAL).
 */
int intr_continue(struct intr_handler *ih, void (*fn)(void *), void *arg);
int intr_continue_sleep(struct intr_handler *ih, void (*fn)(void *), void *arg);

/* continue_attach - for intr.c: slots, softint, lwp, as `flags` say. Thread context; may block.
 * EINVAL: INTR_SLOTS() without a kind; ENOMEM: nothing is left behind. */
int continue_attach(struct intr_handler *ih, unsigned flags);

/* continue_detach - for intr.c: nothing more is left behind; waits for what was, and frees all.
 * Thread context; blocks. */
void continue_detach(struct intr_handler *ih);

/* continue_mine - the caller is one of the handler's continuations. Thread context. */
bool continue_mine(const struct intr_handler *ih);

/* continue_dump - for intr.c's dump: what waits, what was refused. Takes no lock. */
void continue_dump(const struct intr_handler *ih);

#endif
