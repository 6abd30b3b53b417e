/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ithread.h - the pool of interrupt threads. For intr.c, softint.c, sched.c and those who look.
 * The essay is in kern/ithread.c.
 */
#ifndef ITHACA_ITHREAD_H
#define ITHACA_ITHREAD_H

#include <ithaca/cpu.h>
#include <ithaca/hint.h>
#include <ithaca/intr.h>
#include <ithaca/latency.h>
#include <ithaca/port.h>
#include <stdbool.h>

/* ithread_queue - handler to the tail of this CPU's FIFO of its level. Interrupts off. */
static inline void ithread_queue(struct cpu *ci, struct intr_handler *ih)
{
	struct intr_queue *q = &ci->ci_queue[ih->ih_ipl];

	ih->ih_qnext = NULL;
	*q->q_tail = ih;
	q->q_tail = &ih->ih_qnext;
	ci->ci_pending |= ih->ih_pending;
}

/* ithread_main - for port_handoff(): the body of an ithread whose l_handler has begun its run; it
 * returns if that is the CPU's spare again. Interrupts off before and after. */
void ithread_main(struct lwp *it);

/*
 * For the models (kern/model): ithread_handoff - begin the level's first handler on `it`, upon `l`
 * (== curlwp); returns when all is drained or `it` is divorced. ithread_begin - the level's first
 * handler leaves the queue and its run begins on `l`. ithread_retire - curlwp, an ithread upon
 * nobody, goes back to the pool. ithread_setpri - the priority of an lwp that runs here or nowhere.
 * ithread_top_level - the highest of ci_pending, or IPL_NONE. Interrupts off, no lock held.
 */
void ithread_handoff(struct cpu *ci, struct lwp *l, struct lwp *it, unsigned level);
struct intr_handler *ithread_begin(struct cpu *ci, struct lwp *l, unsigned level);
void ithread_retire(struct cpu *ci, struct lwp *l) __attribute__((noreturn));
void ithread_setpri(struct lwp *l, uint8_t pri);
static inline unsigned ithread_top_level(uint32_t pending)
{
	return 31u ^ (unsigned)__builtin_clz((pending & PENDING_LEVELS) | 1);
}

/* ithread_put - an ithread has nothing to do: who starves gets it, or it becomes this CPU's spare,
 * or goes to the pool. Interrupts off. */
void ithread_put(struct cpu *ci, struct lwp *it);

/*
 * ithread_exit - the one place that leaves hard-interrupt context: hand off what is pending above
 * the running lwp's level, preempt if asked. Interrupts off; may return on another CPU.
 */
void ithread_exit(void);

/* ithread_exit_to - the same for who has seen that ci_pending is not 0: with 0 there is nothing,
 * and nobody, to be asked about. `l` is curlwp. ithread_exit_any - the same, and it is not likely
 * that softints are all there is. */
void ithread_exit_to(struct cpu *ci, struct lwp *l);
void ithread_exit_any(struct lwp *l);

/* ithread_check - thread context; nothing with interrupts off. Has something become pending that
 * may run now? Then run it. Cheap if not. What splx() and preempt_enable() end with. */
void ithread_check(void);

/* intr_return - interrupts back on if they were (`on`), after what became pending has run. */
static inline void intr_return(bool on)
{
	if (on) {
		if (unlikely(port_pending()))
			ithread_exit_to(curcpu(), curlwp);
		port_intr_enable();
	}
}

/* lwp_acct - who is charged for the time that an lwp runs: its handler, or itself. Its own CPU,
 * interrupts off. */
static inline _Atomic uint64_t *lwp_acct(const struct cpu *ci, struct lwp *l)
{
	if (l->l_handler != NULL)
		return &intr_stats_of(l->l_handler->ih_stats, ci)->st_ticks;
	return &l->l_ticks;
}

/* acct_charge - the time until now goes to who ran; from now on `to` is charged. Interrupts off. */
static inline void acct_charge(struct cpu *ci, _Atomic uint64_t *to)
{
	uint64_t now;

	if (ci->ci_acct) {
		now = port_counter();
		port_stat_add(ci->ci_acct_to, now - ci->ci_acct_last);
		ci->ci_acct_last = now;
		ci->ci_acct_to = to;
	}
}

/* What a variant of the dispatch notes: nothing, times, and how long handlers waited as well. */
enum acct { ACCT_NONE, ACCT_TIME, ACCT_LATENCY };

/*
 * ithread_start - the way that nearly every handler takes: idle, upon an lwp whose l_gate is 0,
 * with nobody before it in a queue, it needs no queue of its own. Its run begins, by handoff, and
 * has ended, or was divorced, when this returns. False: something is in the way, and nothing was
 * done. As in ithread_choose(), but for what is rare; and with l_gate 0 it is upon no ithread, so
 * ci_spare is one to be had. Interrupts off; `l` is curlwp.
 */
static inline bool ithread_start(struct cpu *ci, struct lwp *l, uint32_t gate,
    struct intr_handler *ih, enum acct acct)
{
	struct lwp *it = ci->ci_spare;
	struct intr_stats *st;

	/* Nobody above it is runnable either: PENDING_RESCHED would stand, and is a bit above all
	 * levels. */
	if (unlikely(gate != 0) || unlikely(ci->ci_pending >= 1u << IPL_BIO) ||
	    unlikely(lwp_pri(l) >= PRI_LEVEL(IPL_BIO)))
		return false;
	if (unlikely(it == NULL) || unlikely(!run_start(&ih->ih_state)))
		return false;
	st = intr_stats_of(ih->ih_stats, ci);
	it->l_gate = ih->ih_gate;
	it->l_handler = ih;
	it->l_pinned = l;
	if (acct == ACCT_LATENCY)
		latency_begun(ci, ih);
	if (acct)
		acct_charge(ci, &st->st_ticks);
	port_stat_add(&st->st_count, 1);
	port_stat_add(&ci->ci_handoffs, 1);
	port_handoff(l, it, ithread_main);
	return true;
}

/* ithread_divorce - curlwp, attached, leaves its CPU: called by sched.c with the run queue locked;
 * returns the pinned lwp to continue. */
struct lwp *ithread_divorce(struct cpu *ci, struct lwp *l);

/* ithread_leaving - curlwp is about to block or be preempted: its priority becomes that of what it
 * runs. Before its place in a queue is found; that queue's lock may be held. Nothing for an
 * ordinary lwp; ithread_leaving_it - for another. ithread_staying - it did not block after all.
 * Interrupts off, no lock held. */
void ithread_leaving_it(struct lwp *l);
static inline void ithread_leaving(struct lwp *l)
{
	if (unlikely(l->l_pinned != NULL) && l->l_basepri != PRI_IPL(l->l_level))
		ithread_leaving_it(l);
}
void ithread_staying(struct lwp *l);

/* ithread_init - for cpu.c: once, first of all. */
void ithread_init(void);

/* ithread_attach - for cpu.c: another CPU, two more ithreads. ENOMEM. */
int ithread_attach(struct cpu *ci);

/* ithread_take_gifts, ithread_give_spare - for cpu.c: IPI_GIFT and IPI_ITHREAD. Interrupts off. */
void ithread_take_gifts(struct cpu *ci);
void ithread_give_spare(struct cpu *ci);

/*
 * ithread_resize - have `n` ithreads (sysctl hw.intr.threads). Thread context; may block; those
 * that are busy go when they have finished. ERANGE: outside ithread_limits(); ENOMEM: as many as
 * could be.
 */
int ithread_resize(unsigned n);
void ithread_limits(unsigned *min, unsigned *max);

struct ithread_counts {
	unsigned total;    /* in the pool, busy or not */
	unsigned target;   /* hw.intr.threads */
	unsigned free;     /* on the free list */
	unsigned spare;    /* kept ready by a CPU */
	unsigned active;   /* attached to a CPU */
	unsigned divorced; /* finishing a handler as ordinary lwps */
};

/* ithread_count - a count that adds up (I5) when the system is still, else nearly. Any context. */
void ithread_count(struct ithread_counts *out);

/* ithread_handlers - a thread handler came (delta 1) or went (-1): the pool's upper limit; a pool
 * that is above it shrinks. Thread context; may block. */
void ithread_handlers(int delta);

#endif
