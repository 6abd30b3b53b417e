/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dedicated.c - the model "dedicated": the thread of one handler.
 *
 *	parked --wanted: woken--> begin, run, end --asked meanwhile--> begin, ...
 *	   ^                            |idle
 *	   +----------------------------+
 *
 * A request finds the handler idle at most once between two ends (runstate.h), so each wakeup is
 * met by one lwp_park(). To end the thread its handler, idle by then and never wanted again, is
 * marked and it is woken once more.
 *
 * It is bound, but not for good: while it sleeps, whoever wakes it may take it to his own CPU,
 * under the locks of both run queues. Where that is not to be had at once it stays where it was.
 *
 * Contexts: attach and detach in thread context; they may block. Locks: none on entry; of run
 * queues two, and the second is only tried. Invariants: I1, I2.
 * Read model.h in this folder first.
 */
#include "model.h"

#include "intr_impl.h"

#include <ithaca/errno.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sched.h>
#include <ithaca/sleepq.h>

/* One run, at the handler's level, interrupts on in it. True: idle now. */
static bool dedicated_run(struct lwp *l, struct intr_handler *ih)
{
	struct cpu *ci = curcpu();
	struct intr_stats *st = intr_stats_of(ih->ih_stats, ci);
	unsigned settles = run_begin(&ih->ih_state) & RUN_SETTLES;
	bool claimed, idle;

	l->l_gate = ih->ih_gate;
	l->l_handler = ih;
	if (ci->ci_acct && unlikely(latency_wanted()))
		latency_begun(ci, ih);
	acct_charge(ci, &st->st_ticks);
	port_stat_add(&st->st_count, 1);
	port_intr_enable();
	claimed = ih->ih_thread(ih->ih_arg);
	port_intr_off();
	ci = curcpu();
	witness_return("handler", ih->ih_name, (const void *)(uintptr_t)ih->ih_thread);
	KASSERT(l->l_gate == ih->ih_gate, "%s returned at level %s, preemption %u", ih->ih_name,
	    spl_name(l->l_ipl), l->l_nopreempt);
	l->l_handler = NULL;
	idle = intr_end_slow(ci, ih, settles, claimed);
	if (idle && atomic_load_explicit(&ih->ih_dying, memory_order_relaxed))
		sleepq_wake(ih, -1);
	acct_charge(ci, &l->l_ticks);
	l->l_gate = 0;
	return idle;
}

static void dedicated_main(void *arg)
{
	struct intr_handler *ih = arg;
	struct lwp *l = curlwp;

	for (;;) {
		lwp_park();
		if (ih->ih_ended)
			return;
		port_intr_off();
		while (!dedicated_run(l, ih)) {
			sched_yield(); /* its neighbours first */
			ithread_exit();
		}
		intr_return(true);
	}
}

void dedicated_wake(struct cpu *ci, struct lwp *l)
{
	struct cpu *at = sched_lock(l);

	/* Acquire: pairs with the release in port_switch(): it is off its stack. */
	if (at != ci && l->l_state == LWP_SLEEP &&
	    !atomic_load_explicit(&l->l_running, memory_order_acquire) &&
	    spin_trylock(&ci->ci_rq_lock)) {
		atomic_store_explicit(&l->l_cpu, ci, memory_order_relaxed);
		spin_unlock(&ci->ci_rq_lock);
	}
	spin_unlock(&at->ci_rq_lock);
	lwp_unpark(l); /* once: only an idle handler is woken, and then it is not idle */
}

int dedicated_attach(struct intr_handler *ih)
{
	struct cpu *ci = atomic_load_explicit(&ih->ih_source->is_cpu, memory_order_relaxed);
	struct lwp *l;
	bool intr;

	if (ih->ih_thread == NULL)
		return 0;
	l = lwp_alloc(ih->ih_name, LWP_BOUND | LWP_JOINABLE, ci, (uint8_t)PRI_LEVEL(ih->ih_ipl));
	if (l == NULL)
		return ENOMEM;
	l->l_fn = dedicated_main;
	l->l_arg = ih;
	ih->ih_lwp = l;
	port_lwp_init(l);
	intr = port_intr_disable();
	spin_lock(&ci->ci_rq_lock);
	sched_enqueue(ci, l, false);
	spin_unlock(&ci->ci_rq_lock);
	intr_return(intr);
	return 0;
}

void dedicated_detach(struct intr_handler *ih)
{
	if (ih->ih_lwp == NULL)
		return;
	ih->ih_ended = true;
	lwp_unpark(ih->ih_lwp);
	lwp_join(ih->ih_lwp);
}
