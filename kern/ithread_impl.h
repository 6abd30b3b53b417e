/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ithread_impl.h - what ithread.c does for those of the core that divorced ithreads and softints
 * wait in, or come from: mutex.c, turnstile.c, softint.c. Interrupts off in all of it. Read the
 * essay of ithread.c first, "Divorce".
 */
#ifndef KERN_ITHREAD_IMPL_H
#define KERN_ITHREAD_IMPL_H

#include <ithaca/cpu.h>
#include <ithaca/lwp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * ithread_resume - curlwp has just taken `it`, which sleeps, out of a turnstile. If that is an
 * ithread or a softint's lwp that was divorced on this CPU, and would be the next to run here, it
 * goes on at once: handed the CPU as it was the first time, upon curlwp, which no run queue sees.
 * True: so it did, and has ended its handler or was divorced anew. False: nothing was done, and
 * lwp_unpark() is to wake it. Interrupts off, but not for long: they were on.
 */
bool ithread_resume(struct lwp *it);

/* ithread_leave - for those that were divorced or put away: curlwp, with nothing more to do, leaves
 * its CPU to who was beneath it (NULL: to the scheduler); `pri` is its own priority from now on.
 * Interrupts off. Does not return. */
void ithread_leave(struct cpu *ci, struct lwp *l, struct lwp *beneath, uint8_t pri)
    __attribute__((noreturn));

/* lwp_is_attached - `l` stands on another lwp of `ci`. Exact on that CPU, interrupts off; else a
 * hint. Any context. */
bool lwp_is_attached(const struct cpu *ci, const struct lwp *l);

/* ithread_own_pri - an lwp's own priority becomes `pri`. l_lock held, and that of its run queue;
 * this one need not be for an attached ithread, which is on none and nobody's ci_onproc. */
static inline void ithread_own_pri(struct lwp *l, uint8_t pri)
{
	/* Else it was lent more, or gives the rest back by itself. */
	if (lwp_pri(l) < pri || lwp_pri(l) == l->l_basepri)
		atomic_store_explicit(&l->l_pri, pri, memory_order_relaxed);
	l->l_basepri = pri;
}

#endif
