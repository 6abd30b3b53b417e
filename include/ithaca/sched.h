/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched.h - run queues and the switch. For lwp.c, ithread.c and cpu.c; lwp_park(), lwp_unpark() and
 * lwp_yield() of lwp.h are sched.c's too. The essay is in kern/sched.c.
 */
#ifndef ITHACA_SCHED_H
#define ITHACA_SCHED_H

#include <ithaca/cpu.h>
#include <stdbool.h>

/* sched_attach - a CPU's empty run queues. */
void sched_attach(struct cpu *ci);

/* sched_lock - lock the run queue that `l` belongs to, interrupts off; returns its CPU. */
struct cpu *sched_lock(struct lwp *l);

/* sched_enqueue - `l` (its CPU's run queue locked, l_state not RUN) becomes runnable there, at the
 * head or tail of its priority, and whoever should run it hears of it. */
void sched_enqueue(struct cpu *ci, struct lwp *l, bool head);

/* sched_setpri - l->l_pri becomes `pri` (l_lock held): moves it in its queue. */
void sched_setpri(struct lwp *l, uint8_t pri);

/* sched_switch - curlwp, its l_state set and the run queue of its CPU locked by it, leaves.
 * Unlocks. Interrupts off; returns when curlwp runs again, interrupts off, possibly on another
 * CPU. */
void sched_switch(void);

/* sched_preempt - something more urgent than curlwp is runnable: let it run. Interrupts off. */
void sched_preempt(void);

/* sched_yield - let another of the same priority run, if there is one. Interrupts off. */
void sched_yield(void);

/* sched_preemptible - may curlwp be preempted by another lwp at this point? Interrupts off. */
bool sched_preemptible(const struct lwp *l);

/* sched_slice - clock_intr(): is curlwp's time slice over, with others waiting? Returns when to
 * look again (ns), UINT64_MAX if nobody waits. */
uint64_t sched_slice(struct cpu *ci, uint64_t now_ns);

/* sched_idle - declare this CPU idle and look for work elsewhere: true if its run queue has
 * something now. sched_busy - take the declaration back. Idle lwp, interrupts off. */
bool sched_idle(struct cpu *ci);
void sched_busy(struct cpu *ci);

/* sched_claim - a CPU other than `ci` that idles, or NULL. Nobody else is given the same, till it
 * has looked for work once more; it does when it is interrupted, which is the caller's to do. */
struct cpu *sched_claim(const struct cpu *ci);

/* sched_poked - IPI_RESCHED arrived: start a time slice if an equal waits. Interrupts off. */
void sched_poked(struct cpu *ci);

/* sched_dump - each CPU's running lwp, what is pinned beneath, and its run queue. Takes no lock. */
void sched_dump(void);

#endif
