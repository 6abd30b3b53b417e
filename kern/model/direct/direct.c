/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * direct.c - the model "direct": a handler's thread function, in the interrupt itself.
 *
 * It is called where the other models queue: state WANT, interrupts off, no lock held. Whoever asks
 * while it runs, on this CPU or another, leaves WANT behind, and it runs again here, so it never
 * runs beside itself.
 *
 * Contexts: interrupts off; the level is IPL_VM meanwhile. Locks: none. Invariants: I1, I2, I3.
 * Read model.h in this folder first.
 */
#include "model.h"

#include "intr_impl.h"

#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>

void direct_run(struct cpu *ci, struct intr_handler *ih)
{
	struct lwp *l = curlwp;
	struct intr_handler *before = l->l_handler;
	struct intr_stats *st = intr_stats_of(ih->ih_stats, ci);
	uint8_t ipl = l->l_ipl;
	unsigned settles;
	bool claimed;

	if (ipl < IPL_VM)
		l->l_ipl = IPL_VM;
	l->l_handler = ih;
	acct_charge(ci, &st->st_ticks);
	do {
		port_stat_add(&st->st_count, 1);
		settles = run_begin(&ih->ih_state) & RUN_SETTLES;
		claimed = ih->ih_thread(ih->ih_arg);
		KASSERT(!port_intr_enabled(), "%s returned with interrupts on", ih->ih_name);
	} while (!intr_end_slow(ci, ih, settles, claimed));
	l->l_handler = before;
	l->l_ipl = ipl;
	acct_charge(ci, lwp_acct(ci, l));
	if (atomic_load_explicit(&ih->ih_dying, memory_order_relaxed))
		sleepq_wake(ih, -1);
}
