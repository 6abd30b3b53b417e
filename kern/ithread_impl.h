/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ithread_impl.h - what ithread.c does for those of the core that divorced ithreads and softints
 * wait in, or come from (mutex.c, turnstile.c, softint.c), and what it shares with ithread_pool.c
 * and migrate.c. Interrupts off in all of it. Read the essay of ithread.c first.
 */
#ifndef KERN_ITHREAD_IMPL_H
#define KERN_ITHREAD_IMPL_H

#include "model.h"

#include <ithaca/cpu.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/sched.h>
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

/* ithread_due - nothing keeps `level` from being started upon `l` (== curlwp), whose priority is
 * `own`. `top`: of the run queue's first, as far as it may take the CPU. */
static inline bool ithread_due(const struct lwp *l, unsigned level, unsigned own, unsigned top)
{
	return level > l->l_ipl && l->l_nopreempt == 0 && PRI_LEVEL(level) > own &&
	    PRI_LEVEL(level) > top && (MODEL_PINS || IPL_IS_SOFT(level) || sched_preemptible(l));
}

/* ithread_wanted - would this CPU start an ithread now, for its highest pending level, if it had
 * one? Its own CPU. */
static inline bool ithread_wanted(struct cpu *ci)
{
	struct lwp *l = atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed);
	unsigned level = ithread_top_level(ci->ci_pending);
	unsigned top = atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed);

	return level >= IPL_BIO &&
	    ithread_due(l, level, lwp_pri(l), sched_preemptible(l) ? top : 0);
}

/* ---- ithread_pool.c ---- */

/* ithread_spare - the CPU's spare, if it is one now and not attached; from outside only nearly
 * right. ithread_draw - that is out: gifts, then the free list; NULL when there is none.
 * ithread_starve - and this CPU wants one. ithread_not_now - nothing is started now, and this CPU
 * may have been poked while it had no spare. */
struct lwp *ithread_spare(const struct cpu *ci);
struct lwp *ithread_draw(struct cpu *ci);
void ithread_starve(struct cpu *ci);
void ithread_not_now(struct cpu *ci);

#endif
