/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * softint.c - software interrupts.
 *
 * Each CPU has one lwp a level, started by the same handoff as an ithread (ithread.c): a level with
 * something in its queue has its bit in ci_pending, and ithread_exit() picks it like any other. The
 * queue lives with the lwp, not with the pool, so a softint that blocks holds up its level on its
 * CPU alone:
 *
 *	attached   started by handoff, pinned lwp beneath; drains its queue; returns
 *	away       divorced: the pending bit stays clear, and what is scheduled meanwhile only joins
 *	           the queue, which the same lwp drains when it goes on, as an ordinary lwp
 *	home       the queue is empty: waits for the next handoff
 *
 * A softint's state is that of a handler (the essay of intr.c): exchanged, never read and then
 * written. Scheduling for another CPU pushes it on a list there and sends an IPI.
 *
 * A filter schedules what is idle by one compare-exchange, and does not look whether it is dying:
 * disestablish makes what is idle, or comes to be, idle for good (run_over()), and then it fails.
 * All others look, which is enough: after the barrier nobody asks who has not seen it.
 *
 *	CPU 0 (softint_disestablish)        CPU 1 (a filter, interrupts off)
 *	dying = true; barrier
 *	                                    compare-exchange(0, BUSY|WANT): queued
 *	run_over(): BUSY|WANT|OVER: sleep
 *	                                    asked again: busy; dying: no
 *	                                    runs; run_end_slow(): OVER; wakes
 *	run_over(): idle for good
 *	                                    asked again: not idle; dying: no
 *	barrier; free
 *
 * Contexts: softint.h. No lock: queues belong to their CPU, interrupts off. Invariants: I1, I2, I4.
 * Not for: work that sleeps long (workqueue). Read ithread.c first.
 */
#include <ithaca/softint.h>

#include "ithread_impl.h"
#include "softint_impl.h"

#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/hint.h>
#include <ithaca/intr.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sched.h>
#include <ithaca/sleepq.h>
#include <ithaca/witness_wait.h>

/* It is not the only one of its queue. */
static void __attribute__((noinline)) softint_append(struct softint_cpu *sc, struct softint *si)
{
	struct softint *last = sc->sc_head->si_next == NULL ? sc->sc_head : sc->sc_last;

	last->si_next = si;
	sc->sc_last = si;
}

/* To the tail of its level's queue on this CPU; si_next is NULL. Interrupts off. */
static inline void softint_queue(struct cpu *ci, struct softint *si)
{
	struct softint_cpu *sc = (struct softint_cpu *)(void *)((char *)ci + si->si_offset);

	if (likely(sc->sc_head == NULL))
		sc->sc_head = si;
	else
		softint_append(sc, si);
	ci->ci_pending |= sc->sc_pending;
}

static void __attribute__((noinline)) softint_schedule_any(struct softint *si)
{
	bool intr = port_intr_disable();

	if (likely(!atomic_load_explicit(&si->si_dying, memory_order_relaxed)) &&
	    likely(run_request(&si->si_state, 0)))
		softint_queue(curcpu(), si);
	intr_return(intr);
}

void softint_schedule(struct softint *si)
{
	/* In a filter interrupts are off, and stay so. */
	KASSERT(!IPL_IS_HARD(curlwp->l_ipl) || !port_intr_enabled(),
	    "softint %s is scheduled at level %s, interrupts on", si->si_name,
	    spl_name(curlwp->l_ipl));
	if (likely(IPL_IS_HARD(curlwp->l_ipl)) && likely(run_request_idle(&si->si_state)))
		softint_queue(curcpu(), si);
	else
		softint_schedule_any(si);
}

void softint_schedule_cpu(struct softint *si, struct cpu *ci)
{
	struct softint *head;
	bool intr = port_intr_disable();

	if (ci == curcpu()) {
		softint_schedule(si);
	} else if (!atomic_load_explicit(&si->si_dying, memory_order_relaxed) &&
	    run_request(&si->si_state, 0)) {
		head = atomic_load_explicit(&ci->ci_softint_remote, memory_order_relaxed);
		do {
			si->si_next = head;
			/* Release: pairs with the exchange in softint_take_remote(). */
		} while (!atomic_compare_exchange_weak_explicit(&ci->ci_softint_remote, &head, si,
		    memory_order_release, memory_order_relaxed));
		cpu_poke(ci, IPI_SOFTINT);
	}
	intr_return(intr);
}

void softint_take_remote(struct cpu *ci)
{
	struct softint *si, *next, *fifo = NULL;

	si = atomic_exchange_explicit(&ci->ci_softint_remote, NULL, memory_order_acquire);
	for (; si != NULL; si = next) { /* last in, first out: turn it round */
		next = si->si_next;
		si->si_next = fifo;
		fifo = si;
	}
	for (; fifo != NULL; fifo = next) {
		next = fifo->si_next;
		fifo->si_next = NULL;
		softint_queue(ci, fifo);
	}
}

/* A divorced softint lwp has drained its queue: home again, off the CPU. Does not return. */
static void __attribute__((noreturn))
softint_retire(struct cpu *ci, struct lwp *l, struct softint_cpu *sc)
{
	struct lwp *beneath = l->l_pinned;

	sc->sc_pending = 1u << l->l_level;
	l->l_pinned = NULL;
	ithread_leave(ci, l, beneath, PRI_IPL(l->l_level));
}

/* End the run of a softint, and begin the next; NULL: the queue is empty, and the level is quiet.
 * Interrupts off. Does not return if `l` was divorced and is through. */
static struct softint *__attribute__((noinline)) softint_next(struct lwp *l)
{
	struct cpu *ci = curcpu();
	struct softint_cpu *sc = l->l_softq;
	struct softint *si = l->l_softint;

	if (!run_end(&si->si_state)) {
		if (!run_end_slow(&si->si_state))
			softint_queue(ci, si);
		else if (atomic_load_explicit(&si->si_dying, memory_order_relaxed))
			sleepq_wake(si, -1); /* as in ithread_end_slow() */
	}
	l->l_softint = NULL;
	if (sc->sc_head != NULL) {
		si = softint_begin(sc, l);
		if (l->l_divorced)
			run_slow(&si->si_state); /* divorced: no end is a quick one */
		return si;
	}
	if (l->l_divorced)
		softint_retire(ci, l, sc);
	ci->ci_pending &= ~(1u << l->l_level);
	return NULL;
}

/* As ithread_main(): nothing is kept over the function. */
void softint_main(struct lwp *l)
{
	struct softint *si = l->l_softint;
	struct softint_cpu *sc;
	struct cpu *ci;

	do {
		port_intr_enable();
		si->si_fn(si->si_arg);
		port_intr_off();
		ci = curcpu();
		l = atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed);
		si = l->l_softint;
		witness_return("softint", si->si_name, (const void *)(uintptr_t)si->si_fn);
		KASSERT(l->l_ipl == si->si_level && l->l_nopreempt == 0,
		    "softint %s returned at level %s, preemption %u", si->si_name,
		    spl_name(l->l_ipl), l->l_nopreempt);
		port_stat_add(&si->si_count, 1);
		sc = l->l_softq;
		if (likely(sc->sc_head == NULL && run_end(&si->si_state))) {
			l->l_softint = NULL;
			ci->ci_pending ^= sc->sc_pending;
			return;
		}
		si = softint_next(l);
	} while (si != NULL);
}

/* ---- Made and unmade ---- */

int softint_establish(const char *name, int level, void (*fn)(void *), void *arg,
    struct softint **out)
{
	struct softint *si;

	if (!IPL_IS_SOFT(level) || fn == NULL)
		return EINVAL;
	si = port_mem_alloc(sizeof(*si));
	if (si == NULL)
		return ENOMEM;
	si->si_name = name;
	si->si_level = (uint8_t)level;
	si->si_offset = (uint32_t)(offsetof(struct cpu, ci_softint) +
	    (unsigned)level * sizeof(struct softint_cpu));
	si->si_fn = fn;
	si->si_arg = arg;
	*out = si;
	return 0;
}

int softint_disestablish(struct softint *si)
{
	bool intr;

	witness_sleep("softdis");
	if (curlwp->l_softint == si)
		return EDEADLK;
	witness_waits_softint(si);
	atomic_store_explicit(&si->si_dying, true, memory_order_seq_cst);
	cpu_barrier(); /* whoever saw it alive has queued it, or never will */
	for (;;) {
		intr = sleepq_lock(si);
		if (run_over(&si->si_state))
			break; /* else its end wakes; as in intr_drain() */
		sleepq_wait(si, "softdis", SLEEP_FOREVER, intr);
	}
	sleepq_unlock(si, intr);
	witness_waited();
	cpu_barrier(); /* whoever ended the last run may be looking at si_dying still */
	port_mem_free(si, sizeof(*si));
	return 0;
}

int softint_attach(struct cpu *ci)
{
	static const char *const name[] = {"", "clock", "bio", "net", "serial"};
	char buf[LWP_NAME_MAX];
	struct lwp *l;
	int level;

	for (level = IPL_SOFTCLOCK; level <= IPL_SOFTSERIAL; level++) {
		ksnprintf(buf, sizeof(buf), "soft%s/%u", name[level], ci->ci_index);
		l = lwp_alloc(buf, LWP_SOFTINT | LWP_BOUND, ci, PRI_IPL(level));
		if (l == NULL)
			return ENOMEM;
		l->l_gate = lwp_gate((uint8_t)level); /* for good */
		ci->ci_softint[level].sc_lwp = l;
		l->l_softq = &ci->ci_softint[level];
		ci->ci_softint[level].sc_pending = 1u << level;
	}
	return 0;
}

void softint_dump(void)
{
	struct softint_cpu *sc;
	struct softint *si;
	unsigned i, n;
	int level;

	kprintf("softints:\n");
	for (i = 0; i < cpu_count(); i++) {
		for (level = IPL_SOFTCLOCK; level <= IPL_SOFTSERIAL; level++) {
			sc = &cpu_lookup(i)->ci_softint[level];
			if (sc->sc_lwp == NULL || (sc->sc_head == NULL && sc->sc_pending != 0))
				continue;
			kprintf("  cpu%u %s%s:", i, spl_name(level),
			    sc->sc_pending == 0 ? " (away)" : "");
			n = 0;
			for (si = sc->sc_head; si != NULL && n < 64; si = si->si_next, n++)
				kprintf(" %s", si->si_name);
			kprintf("\n");
		}
	}
}
