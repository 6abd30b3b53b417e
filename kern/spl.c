/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spl.c - raising and lowering the level of the CPU.
 *
 * At a thread level nothing is done to the machine: the level stands in l_ipl, and ithread_exit()
 * and sched_preemptible() respect it. From IPL_VM up interrupts are off. Interrupts that arrive at
 * a raised thread level are dispatched, their filters run, and their handlers wait in the pending
 * queue for splx():
 *
 *	lwp                                 interrupt on the same CPU
 *	s = splraise(IPL_NET)
 *	                                    filter; handler at NET queued; level not above: return
 *	splx(s): l_ipl = NONE; pending -> handoff, here
 *
 * An interrupt between the store to l_ipl and the look at what is pending hands off by itself, and
 * the look then finds nothing.
 *
 * While a spin mutex is held (mutex.c) interrupts are off whatever the level. splx() then sets the
 * level and no more: it neither lets interrupts in nor runs what became pending, which is left for
 * the exit of the last one. Levels and spin mutexes are left innermost first.
 *
 * Contexts: any. Invariants: I7. Not for: exclusion between CPUs; that is what mutexes are for.
 */
#include <ithaca/spl.h>

#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/print.h>

int splraise(int ipl)
{
	struct lwp *l = curlwp;
	int before = l->l_ipl;

	KASSERT(ipl >= IPL_NONE && ipl <= IPL_HIGH, "splraise(%d)", ipl);
	if (ipl > before) {
		if (IPL_IS_HARD(ipl))
			(void)port_intr_disable();
		l->l_ipl = (uint8_t)ipl;
		atomic_signal_fence(memory_order_seq_cst);
	}
	return before;
}

void splx(int ipl)
{
	struct lwp *l = curlwp;
	bool hard = IPL_IS_HARD(l->l_ipl);

	KASSERT(ipl >= IPL_NONE && ipl <= l->l_ipl, "splx(%s) at level %s", spl_name(ipl),
	    spl_name(l->l_ipl));
	KASSERT(ipl >= l->l_level, "splx(%s) in %s, which runs at level %s", spl_name(ipl),
	    l->l_name, spl_name(l->l_level));
	if (ipl == l->l_ipl)
		return;
	witness_splx(ipl);
	atomic_signal_fence(memory_order_seq_cst);
	l->l_ipl = (uint8_t)ipl;
	atomic_signal_fence(memory_order_seq_cst);
	if (IPL_IS_HARD(ipl))
		return;
	if (hard)
		intr_return(cpu_spins(curcpu()) == 0); /* else they are off for a spin mutex */
	else
		ithread_check();
}

const char *spl_name(int ipl)
{
	static const char *const name[IPL_COUNT] = {"none", "softclock", "softbio", "softnet",
	    "softserial", "bio", "net", "tty", "vm", "sched", "high"};

	return ipl >= 0 && ipl < IPL_COUNT ? name[ipl] : "?";
}
