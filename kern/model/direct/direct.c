/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * direct.c - the model "direct": a handler's thread function, in the interrupt itself.
 *
 * What this file has is one run: upon the lwp that was interrupted, at IPL_VM, interrupts off from
 * before to after it, so that nothing nests but NMIs. When it is to be is settled elsewhere:
 * model_start() runs a plain handler on the spot, and the rest wait in the pending queue until the
 * level of the CPU allows them, as in any model. So splraise() keeps its word, a driver may call
 * hwi_sched() with its mutex held, and a handler that asks for itself goes to the tail.
 *
 * A handler that would block is stopped by direct_blocks(), which is asked by who enters an
 * adaptive lock and by lwp_park().
 *
 * Contexts: interrupts off. Locks: none. Invariants: I1, I2, I3. Read model.h in this folder first.
 */
#include "model.h"

#include "intr_impl.h"
#include "migrate_impl.h"

#include <ithaca/hint.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>

/* It was asked for while it ran: to the tail. If others go first, it may migrate. */
static void direct_again(struct cpu *ci, struct intr_handler *ih)
{
	ithread_queue(ci, ih);
	if (ih->ih_flags & INTR_MIGRATE)
		migrate_soon(ci);
}

/* Call it upon `l`, and end its run. */
static void direct_call(struct cpu *ci, struct lwp *l, struct intr_handler *ih, unsigned settles)
{
	uint32_t gate = l->l_gate;
	bool claimed;

	l->l_gate = lwp_gate(IPL_NONE);
	l->l_ipl = IPL_VM;
	l->l_handler = ih;
	claimed = ih->ih_thread(ih->ih_arg);
	/* Of spin mutexes alone: adaptive ones are those of who was interrupted. */
	witness_filter_return(ih->ih_name, (const void *)(uintptr_t)ih->ih_thread);
	KASSERT(!port_intr_enabled() && l->l_ipl == IPL_VM && l->l_nopreempt == 0,
	    "%s returned at level %s, preemption %u, interrupts %s", ih->ih_name,
	    spl_name(l->l_ipl), l->l_nopreempt, port_intr_enabled() ? "on" : "off");
	l->l_handler = NULL;
	l->l_gate = gate;
	if (settles == 0 && likely(run_end(&ih->ih_state)))
		return;
	if (!intr_end_slow(ci, ih, settles, claimed))
		direct_again(ci, ih);
	else if (atomic_load_explicit(&ih->ih_dying, memory_order_relaxed))
		sleepq_wake(ih, -1); /* as in ithread_end_slow() */
}

bool direct_start(struct cpu *ci, struct lwp *l, uint32_t gate, struct intr_handler *ih,
    enum acct acct)
{
	struct intr_stats *st;

	/* As in ithread_start(), but it takes no spare, and whoever runs has no say. */
	if (unlikely(gate != 0) || unlikely(ci->ci_pending >= 1u << IPL_BIO) ||
	    unlikely(!run_start(&ih->ih_state)))
		return false;
	st = intr_stats_of(ih->ih_stats, ci);
	if (acct == ACCT_LATENCY)
		latency_begun(ci, ih);
	if (acct)
		acct_charge(ci, &st->st_ticks);
	port_stat_add(&st->st_count, 1);
	direct_call(ci, l, ih, 0);
	if (acct)
		acct_charge(ci, lwp_acct(ci, l));
	return true;
}

void direct_level(struct cpu *ci, struct lwp *l, struct lwp *it, unsigned level)
{
	uint32_t gate = l->l_gate;
	struct intr_handler *ih;
	unsigned settles;

	ithread_put(ci, it); /* it was offered, and nobody needs it here */
	ih = ithread_begin(ci, l, level);
	settles = l->l_settles;
	l->l_settles = 0;
	l->l_gate = gate;
	direct_call(ci, l, ih, settles);
	acct_charge(ci, lwp_acct(ci, l));
}

void direct_blocks(const char *what)
{
	const struct intr_handler *ih = curlwp->l_handler;

	if (ih != NULL && !panicking())
		panic("handler %s may block on %s, which it cannot under the model %s", ih->ih_name,
		    what != NULL ? what : "?", MODEL_NAME);
}
