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
 * The pool. Each CPU keeps one spare, touched by itself alone, so the fast path has no lock and no
 * line in common with another CPU; nor has it to put anything back: ci_spare stays what it is while
 * that one is attached, till it is divorced. The others are on a free list. When neither is to be
 * had, the CPU starves: it sets its bit in ithread_starved and pokes every other CPU. ithread_put()
 * looks at that word first, and whoever is poked gives its spare (I6).
 *
 *	CPU 0 (starves)                     CPU 1 (puts an ithread away), interrupts off
 *	finds no spare, no free one         reads starved: nobody
 *	starved |= CPU 0                    spare = it
 *	IPI to CPU 1 ---------------------> interrupts on: IPI: starved has CPU 0: gives the spare
 *
 * Without the IPI the two could miss each other: putting away has no fence between its load and its
 * store, and needs none, since the IPI comes before it or after it and never between.
 *
 * So a CPU that was poked and had none to give remembers it, and need not look at that word when
 * its ithread ends: PENDING_LOOK, the bit of IPL_NONE in ci_pending, says that the next one to end
 * is for ithread_put(). The bit also stands while an ithread is attached that is not ci_spare. One
 * that ends with it puts itself away, and leaves as the divorced ones do. Without the bit it is the
 * spare, and nothing more is asked; where the whole of ci_pending is 0, not even what to run next.
 *
 * Contexts: interrupts off, but where ithread.h says otherwise. Locks: pool_resize, then
 * pool_lock alone.
 * Invariants: I4, I5, I6, I7. Not for: softints' queues (softint.c), who runs among ordinary lwps
 * (sched.c). The driver's thread function is called from ithread_main(); read intr_end_slow() in
 * intr.c next.
 */
#include <ithaca/ithread.h>

#include "intr_impl.h"
#include "ithread_impl.h"
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

#define ITHREADS_PER_CPU 2

static struct mutex pool_resize; /* one resize at a time; nothing else is under it */
static struct spin pool_lock;
static struct lwp *pool_free;          /* (pool_lock) linked by l_next */
static unsigned pool_nfree;            /* (pool_lock) */
static unsigned pool_total;            /* (pool_lock) */
static unsigned pool_target;           /* (pool_lock) */
static uint32_t pool_serial;           /* (pool_lock) for names */
static _Atomic unsigned pool_handlers; /* (~) thread handlers established */

/* (~) Set by the CPU that starves, cleared by whoever then gives to it. */
static _Atomic cpuset_t ithread_starved;

void ithread_init(void)
{
	mutex_init(&pool_resize, "ithreads", IPL_NONE);
}

/* ---- The pool ---- */

void ithread_limits(unsigned *min, unsigned *max)
{
	unsigned handlers = atomic_load_explicit(&pool_handlers, memory_order_relaxed);

	*min = ITHREADS_PER_CPU * cpu_count();
	*max = handlers > *min ? handlers : *min;
}

/* Give `it` to the CPU `to`, which finds it by IPI_GIFT. `it` may be on its stack still. */
static void ithread_give(struct cpu *to, struct lwp *it)
{
	struct lwp *head = atomic_load_explicit(&to->ci_gifts, memory_order_relaxed);

	do {
		it->l_next = head;
		/* Release: pairs with the exchange in ithread_take_gifts(). */
	} while (!atomic_compare_exchange_weak_explicit(&to->ci_gifts, &head, it,
	    memory_order_release, memory_order_relaxed));
	cpu_poke(to, IPI_GIFT);
}

/* A CPU that starves, the next one behind `ci`, its bit taken out; or NULL. Whoever gets one must
 * give to it. */
static struct cpu *ithread_starving(const struct cpu *ci)
{
	cpuset_t set = atomic_load_explicit(&ithread_starved, memory_order_relaxed);
	cpuset_t behind, bit;

	while (unlikely(set != 0)) {
		behind = set & ~(CPUSET(ci->ci_index) | (CPUSET(ci->ci_index) - 1));
		bit = behind != 0 ? behind & -behind : set & -set;
		set = atomic_fetch_and_explicit(&ithread_starved, ~bit, memory_order_acq_rel);
		if (set & bit)
			return cpu_lookup((unsigned)__builtin_ctzll(bit));
	}
	return NULL;
}

/* To the free list, or to the reaper when the pool is too large. */
static void pool_put(struct lwp *it)
{
	bool reap;

	spin_lock(&pool_lock);
	reap = pool_total > pool_target;
	if (reap) {
		pool_total--;
	} else {
		it->l_next = pool_free;
		pool_free = it;
		pool_nfree++;
	}
	spin_unlock(&pool_lock);
	if (reap)
		lwp_reap(it);
}

/* The first of the free list, or NULL. pool_lock held. */
static struct lwp *pool_pop(void)
{
	struct lwp *it = pool_free;

	if (it != NULL) {
		pool_free = it->l_next;
		pool_nfree--;
	}
	return it;
}

/* Attached ithreads of a CPU, but for two. From outside: bounded, and only nearly right. */
static unsigned ithread_attached(struct cpu *ci, const struct lwp *but, const struct lwp *nor)
{
	struct lwp *l = atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed);
	unsigned n = 0, depth;

	for (depth = 0; l != NULL && depth < IPL_COUNT; depth++, l = l->l_pinned)
		n += l->l_pinned != NULL && (l->l_flags & LWP_ITHREAD) != 0 && l != but && l != nor;
	return n;
}

/* The spare, if it is one now and not attached. From outside: only nearly right. */
static struct lwp *ithread_spare(const struct cpu *ci)
{
	struct lwp *it = ci->ci_spare;

	return it != NULL && !lwp_is_attached(ci, it) ? it : NULL;
}

/* PENDING_LOOK is as it should be, after a change to what it depends on: a CPU starves, or one is
 * attached that is not ci_spare and has to be put away. `but` counts as put away. */
static void ithread_look(struct cpu *ci, const struct lwp *but)
{
	if (atomic_load_explicit(&ithread_starved, memory_order_relaxed) != 0 ||
	    ithread_attached(ci, but, ci->ci_spare) != 0)
		ci->ci_pending |= PENDING_LOOK;
	else
		ci->ci_pending &= ~PENDING_LOOK;
}

void ithread_put(struct cpu *ci, struct lwp *it)
{
	struct cpu *to = ithread_starving(ci);

	if (ci->ci_spare == it)
		ci->ci_spare = NULL;
	if (to != NULL && to != ci)
		ithread_give(to, it);
	else if (ci->ci_spare == NULL)
		ci->ci_spare = it;
	else
		pool_put(it);
	ithread_look(ci, it);
}

/* `it` comes to this CPU from a list; it may be on its stack still: see ithread_retire(). */
static void ithread_arrive(struct cpu *ci, struct lwp *it)
{
	/* Acquire: pairs with the release in port_switch(). */
	while (atomic_load_explicit(&it->l_running, memory_order_acquire))
		port_pause();
	atomic_store_explicit(&it->l_cpu, ci, memory_order_relaxed);
}

static struct lwp *pool_take(struct cpu *ci)
{
	struct lwp *it;

	spin_lock(&pool_lock);
	it = pool_pop();
	spin_unlock(&pool_lock);
	if (it != NULL)
		ithread_arrive(ci, it);
	return it;
}

/* The spare is out: gifts, then the free list. NULL when there is none. */
static struct lwp *ithread_draw(struct cpu *ci)
{
	struct lwp *it;

	ithread_take_gifts(ci);
	it = ithread_spare(ci);
	if (it != NULL)
		return it;
	it = pool_take(ci);
	if (ci->ci_spare == NULL)
		ci->ci_spare = it;
	return it;
}

static void ithread_starve(struct cpu *ci)
{
	cpuset_t bit = CPUSET(ci->ci_index);
	unsigned i;

	if (atomic_fetch_or_explicit(&ithread_starved, bit, memory_order_acq_rel) & bit)
		return;
	port_stat_add(&ci->ci_starvations, 1);
	for (i = 0; i < cpu_count(); i++)
		if (i != ci->ci_index)
			cpu_poke(cpu_lookup(i), IPI_ITHREAD);
}

/* Nothing keeps `level` from being started upon `l` (== curlwp), whose priority is `own`. `top`: of
 * the run queue's first, as far as it may take the CPU. */
static inline bool ithread_due(const struct lwp *l, unsigned level, unsigned own, unsigned top)
{
	return level > l->l_ipl && l->l_nopreempt == 0 && PRI_LEVEL(level) > own &&
	    PRI_LEVEL(level) > top && (MODEL_PINS || IPL_IS_SOFT(level) || sched_preemptible(l));
}

/* Would this CPU start an ithread if it had one? */
static bool ithread_wanted(struct cpu *ci)
{
	struct lwp *l = atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed);
	unsigned level = ithread_top_level(ci->ci_pending);
	unsigned top = atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed);

	return level >= IPL_BIO &&
	    ithread_due(l, level, lwp_pri(l), sched_preemptible(l) ? top : 0);
}

/*
 * A gift is kept only by who would start it now. What is pending but kept out has no use for it,
 * and may have none for long, while another starves. And what keeps it out may come after this
 * look: so ithread_choose() looks again (ithread_not_now()).
 *
 *	CPU 0 (starves)			CPU 1 (has starved)
 *	starved |= CPU 0, IPI to CPU 1
 *					IPI: no spare to give; a gift, which a level is waiting for
 *	wakes a divorced ithread of
 *	CPU 1: first of the run queue
 *					ithread_choose(): that one comes first, the level is kept
 *					out: the gift goes on to CPU 0
 */
void ithread_take_gifts(struct cpu *ci)
{
	struct lwp *it, *next;

	/* Acquire: pairs with the release in ithread_give(). */
	it = atomic_exchange_explicit(&ci->ci_gifts, NULL, memory_order_acquire);
	for (; it != NULL; it = next) {
		next = it->l_next;
		port_stat_add(&ci->ci_rescues, 1);
		ithread_arrive(ci, it);
		if (ithread_spare(ci) == NULL && ithread_wanted(ci))
			ci->ci_spare = it;
		else
			ithread_put(ci, it); /* not needed here any more: another may starve */
	}
	ithread_look(ci, NULL);
}

void ithread_give_spare(struct cpu *ci)
{
	struct lwp *it = ithread_spare(ci);
	struct cpu *to;

	if (it != NULL) {
		ci->ci_spare = NULL;
	} else {
		it = pool_take(ci); /* put there just before the other set its bit */
		if (it == NULL) {
			ithread_look(ci, NULL);
			return;
		}
	}
	to = ithread_starving(ci);
	if (to == NULL || to == ci) /* served meanwhile; or an old bit: it has one */
		ithread_put(ci, it);
	else
		ithread_give(to, it);
}

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

/* The end of a run was marked, or it was asked for again. */
static void ithread_end_slow(struct cpu *ci, struct lwp *l, struct intr_handler *ih, bool claimed)
{
	unsigned settles = l->l_settles;

	l->l_settles = 0;
	l->l_handler = NULL;
	if (!intr_end_slow(ci, ih, settles, claimed))
		ithread_queue(ci, ih);
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
	/* Softints have lwps of their own; and if somebody more urgent than this is runnable, the
	 * lwp beneath sees to it, who may have been lent more itself meanwhile. */
	if (level < IPL_BIO || level <= l->l_pinned->l_ipl ||
	    lwp_pri(l->l_pinned) >= PRI_LEVEL(level) ||
	    atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed) >= PRI_LEVEL(level))
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

/* Nothing is started now, and this CPU may have been poked while it had no spare. */
static void __attribute__((noinline)) ithread_not_now(struct cpu *ci)
{
	if (ithread_spare(ci) != NULL &&
	    atomic_load_explicit(&ithread_starved, memory_order_relaxed) != 0)
		ithread_give_spare(ci);
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

/* ---- Size ---- */

static struct lwp *ithread_make(void)
{
	char name[LWP_NAME_MAX];
	uint32_t serial;
	bool intr = port_intr_disable();

	spin_lock(&pool_lock);
	serial = pool_serial++;
	spin_unlock(&pool_lock);
	intr_return(intr);
	ksnprintf(name, sizeof(name), "ithread%u", serial);
	return lwp_alloc(name, LWP_ITHREAD | LWP_BOUND, NULL, PRI_IPL(IPL_BIO));
}

/* One more into the pool; whoever starves gets it. */
static void pool_add(struct lwp *it)
{
	struct cpu *to;
	bool intr = port_intr_disable();

	spin_lock(&pool_lock);
	pool_total++;
	spin_unlock(&pool_lock);
	to = ithread_starving(curcpu());
	if (to != NULL)
		ithread_give(to, it);
	else
		pool_put(it);
	intr_return(intr);
}

static int ithread_add(void)
{
	struct lwp *it = ithread_make();

	if (it == NULL)
		return ENOMEM;
	pool_add(it);
	return 0;
}

/* One less, if one is free and there are too many still: others come back to the pool meanwhile,
 * and pool_put() takes them away, too. */
static bool ithread_remove(void)
{
	struct lwp *it = NULL;
	bool intr = port_intr_disable();

	spin_lock(&pool_lock);
	if (pool_total > pool_target)
		it = pool_pop();
	if (it != NULL)
		pool_total--;
	spin_unlock(&pool_lock);
	if (it != NULL)
		lwp_reap(it);
	intr_return(intr);
	return it != NULL;
}

static unsigned pool_set_target(unsigned n)
{
	unsigned total;
	bool intr = port_intr_disable();

	spin_lock(&pool_lock);
	pool_target = n;
	total = pool_total;
	spin_unlock(&pool_lock);
	intr_return(intr);
	return total;
}

static unsigned pool_target_now(void)
{
	unsigned target;
	bool intr = port_intr_disable();

	spin_lock(&pool_lock);
	target = pool_target;
	spin_unlock(&pool_lock);
	intr_return(intr);
	return target;
}

int ithread_resize(unsigned n)
{
	unsigned min, max, total;
	int error = 0;

	mutex_enter(&pool_resize);
	ithread_limits(&min, &max);
	if (n < min || n > max) {
		mutex_exit(&pool_resize);
		return ERANGE;
	}
	total = pool_set_target(n);
	while (total < n && (error = ithread_add()) == 0)
		total++;
	if (error)
		pool_set_target(total);
	while (ithread_remove())
		;
	mutex_exit(&pool_resize);
	return error;
}

void ithread_handlers(int delta)
{
	unsigned min, max;

	atomic_fetch_add_explicit(&pool_handlers, (unsigned)delta, memory_order_relaxed);
	ithread_limits(&min, &max);
	if (delta < 0 && pool_target_now() > max)
		(void)ithread_resize(max); /* to shrink cannot fail; ERANGE: another was quicker */
}

int ithread_attach(struct cpu *ci)
{
	struct lwp *spare = ithread_make(), *more = ithread_make();
	bool intr;

	if (spare == NULL || more == NULL) {
		if (spare != NULL)
			lwp_reap(spare);
		if (more != NULL)
			lwp_reap(more);
		return ENOMEM;
	}
	atomic_store_explicit(&spare->l_cpu, ci, memory_order_relaxed);
	/* The CPU does not run yet, or is this one, before its first interrupt. */
	ci->ci_spare = spare;
	intr = port_intr_disable();
	spin_lock(&pool_lock);
	pool_total++;
	pool_target += ITHREADS_PER_CPU;
	spin_unlock(&pool_lock);
	intr_return(intr);
	pool_add(more);
	return 0;
}

void ithread_count(struct ithread_counts *out)
{
	struct cpu *ci;
	unsigned i;
	bool intr;

	*out = (struct ithread_counts){0};
	intr = port_intr_disable();
	if (!panicking())
		spin_lock(&pool_lock);
	out->total = pool_total;
	out->target = pool_target;
	out->free = pool_nfree;
	if (!panicking())
		spin_unlock(&pool_lock);
	intr_return(intr);
	for (i = 0; i < cpu_count(); i++) {
		ci = cpu_lookup(i);
		out->spare += ithread_spare(ci) != NULL;
		out->active += ithread_attached(ci, NULL, NULL);
	}
	if (out->total >= out->free + out->spare + out->active)
		out->divorced = out->total - out->free - out->spare - out->active;
}
