/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ithread.c - what happens next: pending queues, handoff, divorce, the pool, starvation.
 *
 * A plain handler that found nothing in its way was begun by ithread_start() (ithread.h) already;
 * the others intr.c left in this CPU's pending queue. ithread_exit() is the one place that leaves
 * hard-interrupt context, and also what every "level goes down" ends with (splx(), the exit of a
 * spin mutex, preempt_enable(), a switch). It chooses among three by priority, and whoever is
 * running wins a tie:
 *
 *	the lwp that runs        at its priority, lent or own, or that of its level
 *	the top of the run queue if the lwp, and all that is pinned beneath it, may be preempted
 *	the top pending level    if above the lwp's level, and preemption is not disabled
 *
 * and the run queue wins from the pending queue: what stands there at a level's priority is a
 * divorced ithread that was begun earlier, or one who keeps such a one waiting. A level that is
 * always busy would hold it up for ever otherwise, and its line with it.
 *
 * A pending level is started by handoff: take the CPU's spare ithread, pin the running lwp beneath
 * it, change stacks, drain. The scheduler is not asked. The pinned lwp is on no run queue and can
 * neither move nor be chosen; it goes on where it was when the ithread returns (I7).
 *
 * Divorce. When an attached ithread leaves its CPU, because its handler blocks or because
 * something more urgent became runnable, sched_switch() asks ithread_divorce(): the pinned lwp is
 * cut loose and is what runs next. It finds itself in ithread_exit(), where it stood all the time,
 * sees what is still pending, draws another ithread, and so on until it gets back to its own
 * interrupt return. The divorced ithread is from then on an ordinary lwp bound to its CPU, with
 * the priority of its level; when its handler has ended it goes back to the pool. So one ithread
 * at most drains a level of a CPU (I4): the one that is divorced only finishes the handler it has.
 *
 * What it waits for is mostly a mutex of the very lwp that was interrupted. When that lwp lets go,
 * the ithread is the next to run there, and neither needs the scheduler for that: ithread_resume()
 * pins the lwp beneath it once more, and switches. It is not the handoff of before: at its end
 * there is no port_handoff() to return to, and ithread_leave() switches back.
 *
 * The pool that the ithreads come from, and what happens when it is empty, is in ithread_pool.c.
 * What counts here: each CPU has one of its own, ci_spare, touched by itself alone, so the fast
 * path has no lock and no line in common with another CPU; nor has it to put anything back:
 * ci_spare stays what it is while that one is attached, till it is divorced. One that has to be put
 * away is told by PENDING_LOOK, puts itself away, and leaves as the divorced ones do. Without that
 * bit it is the spare, and nothing more is asked; where the whole of ci_pending is 0, not even what
 * to run next.
 *
 * Contexts: interrupts off, but where ithread.h says otherwise. Locks: none of its own.
 * Invariants: I4, I7. Not for: softints' queues (softint.c), who runs among ordinary lwps
 * (sched.c). The driver's thread function is called from ithread_main(); read intr_end_slow() in
 * intr.c next, then ithread_pool.c.
 */
#include <ithaca/ithread.h>

#include "intr_impl.h"
#include "ithread_impl.h"
#include "migrate_impl.h"
#include "model.h"
#include "softint_impl.h"

#include <ithaca/entry.h>
#include <ithaca/errno.h>
#include <ithaca/hint.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sched.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <ithaca/turnstile.h>

/* ---- The pending queue ---- */

/* The first of a level that has one. */
static inline struct intr_handler *ithread_dequeue(struct cpu *ci, unsigned level)
{
	struct intr_queue *q = &ci->ci_queue[level];
	struct intr_handler *ih = q->q_head;

	q->q_head = ih->ih_qnext;
	if (likely(q->q_head == NULL)) {
		q->q_tail = &q->q_head;
		ci->ci_pending ^= ih->ih_pending;
	}
	return ih;
}

/* ---- The ithread's side ---- */

/* An lwp's own priority, raised, or put back with no mutex held: curlwp's, or that of one that is
 * off the CPU. It is on no queue yet, so nothing follows from it. Interrupts off. */
void ithread_setpri(struct lwp *l, uint8_t pri)
{
	struct cpu *ci = curcpu();

	spin_lock(&l->l_lock);
	spin_lock(&ci->ci_rq_lock);
	ithread_own_pri(l, pri);
	spin_unlock(&ci->ci_rq_lock);
	spin_unlock(&l->l_lock);
}

void ithread_leave(struct cpu *ci, struct lwp *l, struct lwp *beneath, uint8_t pri)
{
	spin_lock(&l->l_lock);
	spin_lock(&ci->ci_rq_lock);
	ithread_own_pri(l, pri);
	spin_unlock(&l->l_lock);
	l->l_divorced = false;
	l->l_state = LWP_FREE;
	if (beneath == NULL)
		sched_switch();
	spin_unlock(&ci->ci_rq_lock);
	port_switch(l, beneath);
	panic("%s came back by itself", l->l_name);
}

/* An ithread that was divorced or has to be put away has ended its handler: back to the pool, off
 * the CPU. Does not return. */
void ithread_retire(struct cpu *ci, struct lwp *l)
{
	struct lwp *beneath = l->l_pinned;

	l->l_ipl = IPL_NONE;
	l->l_level = IPL_NONE;
	/* Away before it is off its stack: who takes it waits for l_running, 0 yet after a handoff.
	 * Relaxed: it is put away with a release. */
	atomic_store_explicit(&l->l_running, 1, memory_order_relaxed);
	if (beneath != NULL && ci->ci_spare == NULL && !(ci->ci_pending & PENDING_LOOK))
		ci->ci_spare = l; /* as in ithread_main() */
	else
		ithread_put(ci, l);
	l->l_pinned = NULL;
	ithread_leave(ci, l, beneath, PRI_IPL(IPL_BIO));
}

/* ithread_begun - what beginning a run ends with, accounted for or not. */
static inline struct intr_handler *ithread_begun(struct lwp *l, struct intr_handler *ih,
    struct intr_stats *st)
{
	unsigned asked;

	port_stat_add(&st->st_count, 1);
	asked = run_begin(&ih->ih_state);
	l->l_settles = asked & RUN_SETTLES;
	if (ih->ih_level || (asked & (RUN_SETTLES | RUN_SLOW)))
		run_slow(&ih->ih_state);
	return ih;
}

static struct intr_handler *__attribute__((noinline))
ithread_begin_acct(struct cpu *ci, struct lwp *l, struct intr_handler *ih, struct intr_stats *st)
{
	if (unlikely(latency_wanted()))
		latency_begun(ci, ih);
	acct_charge(ci, &st->st_ticks);
	return ithread_begun(l, ih, st);
}

/* The first handler of a level begins its run on `l`. Interrupts off. */
struct intr_handler *ithread_begin(struct cpu *ci, struct lwp *l, unsigned level)
{
	struct intr_handler *ih = ithread_dequeue(ci, level);
	struct intr_stats *st = intr_stats_of(ih->ih_stats, ci);

	l->l_gate = ih->ih_gate;
	l->l_handler = ih;
	if (unlikely(ci->ci_acct))
		return ithread_begin_acct(ci, l, ih, st);
	return ithread_begun(l, ih, st);
}

/* Is `level`, the highest pending, not for `l`, whose run has ended? Softints have lwps of their
 * own; and if somebody more urgent than this is runnable, the lwp beneath sees to it, who may have
 * been lent more itself meanwhile. */
static inline bool ithread_leaves_it(const struct cpu *ci, const struct lwp *l, unsigned level)
{
	return level < IPL_BIO || level <= l->l_pinned->l_ipl ||
	    lwp_pri(l->l_pinned) >= PRI_LEVEL(level) ||
	    atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed) >= PRI_LEVEL(level);
}

/* It was asked for while it ran: to the tail. If others go first, it may migrate. */
static void __attribute__((noinline))
ithread_again(struct cpu *ci, const struct lwp *l, struct intr_handler *ih)
{
	unsigned level;

	ithread_queue(ci, ih);
	level = ithread_top_level(ci->ci_pending);
	if ((ih->ih_flags & INTR_MIGRATE) &&
	    (l->l_divorced || ithread_leaves_it(ci, l, level) || ci->ci_queue[level].q_head != ih))
		migrate_soon(ci);
}

/* The end of a run was marked, or it was asked for again. */
static void ithread_end_slow(struct cpu *ci, struct lwp *l, struct intr_handler *ih, bool claimed)
{
	unsigned settles = l->l_settles;

	l->l_settles = 0;
	l->l_handler = NULL;
	if (!intr_end_slow(ci, ih, settles, claimed))
		ithread_again(ci, l, ih);
	else if (atomic_load_explicit(&ih->ih_dying, memory_order_relaxed))
		sleepq_wake(ih, -1); /* ih lives on until the barrier at the end of disestablish */
}

/*
 * End the run of a handler, and begin the next: highest level first, FIFO within it, down to what
 * the lwp beneath keeps out. NULL: nothing more for this ithread. Interrupts off.
 */
static inline struct intr_handler *ithread_next(bool claimed)
{
	struct cpu *ci = curcpu();
	struct lwp *l = curlwp;
	struct intr_handler *ih = l->l_handler;
	unsigned level;

	if (!run_end(&ih->ih_state))
		ithread_end_slow(ci, l, ih, claimed);
	l->l_handler = NULL;
	if (l->l_divorced)
		return model_next(ci, l);
	level = ithread_top_level(ci->ci_pending);
	if (ithread_leaves_it(ci, l, level))
		return NULL;
	return ithread_begin(ci, l, level);
}

/* A run: returns what the driver's function claimed. Interrupts off, but for that. */
static inline bool ithread_run(const struct intr_handler *ih)
{
	bool claimed;

	port_intr_enable();
	claimed = ih->ih_thread(ih->ih_arg);
	port_intr_off();
	return claimed;
}

/* It has returned, and is as it was called. */
static inline void ithread_ran(const struct lwp *l)
{
	const struct intr_handler *ih = l->l_handler;

	(void)ih;
	witness_return("handler", ih->ih_name, (const void *)(uintptr_t)ih->ih_thread);
	KASSERT(l->l_gate == ih->ih_gate, "%s returned at level %s, preemption %u", ih->ih_name,
	    spl_name(l->l_ipl), l->l_nopreempt);
}

/* The rest of ithread_main(), where the first end was not all. */
static void __attribute__((noinline)) ithread_goes_on(bool claimed)
{
	struct intr_handler *ih;

	while ((ih = ithread_next(claimed)) != NULL) {
		claimed = ithread_run(ih);
		ithread_ran(curlwp);
	}
	if (curcpu()->ci_pending & PENDING_LOOK)
		ithread_retire(curcpu(), curlwp);
}

/* The CPU and the lwp are found anew after the driver's function: nothing is kept over it. */
void ithread_main(struct lwp *l)
{
	bool claimed = ithread_run(l->l_handler);

	ithread_ran(curlwp);
	if (unlikely(port_pending()) || unlikely(!run_end(&curlwp->l_handler->ih_state)))
		ithread_goes_on(claimed);
}

/* ---- The interrupted side ---- */

/* Nothing is pending above the level of `l` (== curlwp), and nobody more urgent is runnable. */
static inline bool ithread_nothing(struct cpu *ci, const struct lwp *l)
{
	if (atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed) + l->l_expired > lwp_pri(l))
		return false;
	/* Nobody is, as far as this lwp is concerned; one that is pinned beneath it asks again. */
	if (l->l_pinned == NULL)
		ci->ci_pending &= ~PENDING_RESCHED;
	return ((ci->ci_pending & PENDING_LEVELS) >> l->l_ipl) <= 1;
}

/* The spare, or whatever else is to be had, to run upon `l` (== curlwp). NULL: nothing. */
static inline struct lwp *ithread_take(struct cpu *ci, const struct lwp *l)
{
	struct lwp *it = ci->ci_spare;

	/* Upon one that stands on nobody no ithread is attached. */
	if (unlikely(it == NULL) || (unlikely(l->l_pinned != NULL) && lwp_is_attached(ci, it)))
		it = ithread_draw(ci);
	if (!MODEL_PINS && it == ci->ci_spare)
		ci->ci_spare = NULL; /* it will be on a run queue */
	return it;
}

/* Run a level over curlwp, until it is drained or divorced: `it`, or the softint's own lwp. */
void ithread_handoff(struct cpu *ci, struct lwp *l, struct lwp *it, unsigned level)
{
	void (*body)(struct lwp *) = softint_main;

	if (level >= IPL_BIO) {
		(void)ithread_begin(ci, it, level);
		body = ithread_main;
	} else {
		acct_charge(ci, &it->l_ticks);
		(void)softint_begin(it->l_softq, it);
	}
	it->l_pinned = l;
	port_stat_add(&ci->ci_handoffs, 1);
	if (l->l_pinned != NULL) {
		port_stat_add(&ci->ci_nested, 1);
		if (level >= IPL_BIO && it != ci->ci_spare)
			ci->ci_pending |= PENDING_LOOK; /* the spare is the one beneath */
	}
	port_handoff(l, it, body);
	if (ci->ci_acct)
		acct_charge(ci, lwp_acct(ci, l));
}

/* Softints have their lwps: while the pool is empty, what they do may be what it waits for. */
static bool ithread_starving_step(struct cpu *ci, struct lwp *l, unsigned top)
{
	unsigned level = ithread_top_level(ci->ci_pending & ((1u << IPL_BIO) - 1));

	ithread_starve(ci);
	if (level <= l->l_ipl || PRI_LEVEL(level) <= lwp_pri(l) || PRI_LEVEL(level) <= top)
		return false;
	ithread_handoff(ci, l, ci->ci_softint[level].sc_lwp, level);
	return true;
}

/* Something is pending or runnable: does any of it come before the lwp that runs? One step; false
 * when there is no more to do. */
static bool ithread_choose(struct cpu *ci, struct lwp *l)
{
	unsigned level = ithread_top_level(ci->ci_pending);
	unsigned top = atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed);
	int own = lwp_pri(l);
	unsigned pri = (unsigned)(own > PRI_IPL(l->l_ipl) ? own : PRI_IPL(l->l_ipl));
	bool preempt = top + l->l_expired > pri && sched_preemptible(l);
	struct lwp *it;

	if (!preempt)
		top = 0; /* it has to wait whatever its priority */
	if (ithread_due(l, level, (unsigned)own, top)) {
		it = IPL_IS_SOFT(level) ? ci->ci_softint[level].sc_lwp : ithread_take(ci, l);
		if (it != NULL) {
			if (IPL_IS_SOFT(level))
				ithread_handoff(ci, l, it, level);
			else
				model_level(ci, l, it, level);
			return true;
		}
		if (ithread_starving_step(ci, l, top))
			return true;
	}
	if (unlikely(ci->ci_pending & PENDING_LOOK))
		ithread_not_now(ci);
	if (preempt)
		sched_preempt();
	return preempt;
}

void ithread_exit_any(struct lwp *l)
{
	struct cpu *ci;

	do
		ci = curcpu(); /* a preempted lwp may be back on another */
	while (!ithread_nothing(ci, l) && ithread_choose(ci, l));
}

void ithread_exit_to(struct cpu *ci, struct lwp *l)
{
	if (likely(softint_start(ci, l, l->l_gate, true))) {
		ci = curcpu();
		l = atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed);
		if (unlikely(ci->ci_acct))
			acct_charge(ci, lwp_acct(ci, l));
		if (likely(ci->ci_pending == 0))
			return;
	}
	ithread_exit_any(l);
}

void ithread_exit(void)
{
	if (port_pending())
		ithread_exit_to(curcpu(), curlwp);
}

void ithread_check(void)
{
	struct lwp *l = curlwp;
	bool intr;

	if (IPL_IS_HARD(l->l_ipl))
		return;
	intr = port_intr_disable();
	if (intr) /* else they wait for whoever has them off */
		ithread_exit();
	port_intr_restore(intr);
}

struct lwp *ithread_divorce(struct cpu *ci, struct lwp *l)
{
	struct lwp *pinned = l->l_pinned;

	KASSERT(curcpu() == ci, "divorce on another CPU");
	l->l_pinned = NULL;
	l->l_divorced = true;
	port_stat_add(&ci->ci_divorces, 1);
	if (l->l_flags & LWP_SOFTINT) {
		ci->ci_pending &= ~l->l_softq->sc_pending;
		l->l_softq->sc_pending = 0;
		run_slow(&l->l_softint->si_state); /* its end is a different one now */
	} else {
		run_slow(&l->l_handler->ih_state);
		if (ci->ci_spare == l)
			ci->ci_spare = NULL;
	}
	return pinned;
}

bool ithread_resume(struct lwp *it)
{
	struct cpu *ci = curcpu();
	struct lwp *l = curlwp;

	if (!MODEL_PINS || l->l_gate != 0 || !(it->l_flags & (LWP_ITHREAD | LWP_SOFTINT)) ||
	    atomic_load_explicit(&it->l_cpu, memory_order_relaxed) != ci)
		return false;
	spin_lock(&ci->ci_rq_lock);
	if (it->l_state != LWP_SLEEP || lwp_pri(it) <= lwp_pri(l) ||
	    lwp_pri(it) <= atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed)) {
		spin_unlock(&ci->ci_rq_lock);
		return false;
	}
	it->l_state = LWP_FREE; /* as of any that is attached */
	spin_unlock(&ci->ci_rq_lock);
	/* Relaxed, both: only who acquires the 0 of port_switch() draws conclusions. */
	atomic_store_explicit(&it->l_running, 1, memory_order_relaxed);
	it->l_pinned = l;
	port_stat_add(&ci->ci_handoffs, 1);
	if (unlikely(ci->ci_acct))
		acct_charge(ci, lwp_acct(ci, it));
	port_switch(l, it);
	atomic_store_explicit(&l->l_running, 1, memory_order_relaxed);
	if (unlikely(ci->ci_acct))
		acct_charge(ci, lwp_acct(ci, l));
	return true;
}

void ithread_leaving_it(struct lwp *l)
{
	bool intr;

	intr = port_intr_disable();
	ithread_setpri(l, PRI_IPL(l->l_level));
	port_intr_restore(intr);
}

/* Left as it was, the next handler of this ithread would keep out levels that are above its own. */
void ithread_staying(struct lwp *l)
{
	if (l->l_pinned == NULL || !(l->l_flags & LWP_ITHREAD) || l->l_basepri == PRI_IPL(IPL_BIO))
		return;
	spin_lock(&l->l_lock);
	l->l_basepri = PRI_IPL(IPL_BIO);
	spin_unlock(&l->l_lock);
	turnstile_repri(l); /* it may hold mutexes that others wait for */
}
