/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * softint_impl.h - how a softint begins, for softint.c, ithread.c and intr.c.
 *
 * Inline, as it is on the way of every filter that schedules one. All of it with interrupts off, on
 * the CPU whose queues they are; no lock. Read softint.c first.
 */
#ifndef KERN_SOFTINT_IMPL_H
#define KERN_SOFTINT_IMPL_H

#include <ithaca/cpu.h>
#include <ithaca/hint.h>
#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/softint.h>

/* softint_begin - the first of a queue, which is not empty, begins its run on the level's lwp.
 * Interrupts off. */
static inline struct softint *softint_begin(struct softint_cpu *sc, struct lwp *it)
{
	struct softint *si = sc->sc_head;

	sc->sc_head = si->si_next;
	si->si_next = NULL;
	it->l_softint = si;
	run_begin_marked(&si->si_state);
	return si;
}

/*
 * softint_start - what a filter schedules most: a softint, upon an lwp whose l_gate is 0, with no
 * handler pending. Its level has been drained, or was divorced, when this returns. False: something
 * is in the way, and nothing was done. As in ithread_choose(), but for what is rare. Something is
 * pending; interrupts off; `l` is curlwp, `gate` its l_gate.
 */
static inline __attribute__((always_inline)) bool softint_start(struct cpu *ci, struct lwp *l,
    uint32_t gate, bool acct)
{
	struct softint_cpu *sc;
	struct lwp *it;
	uint32_t pending = ci->ci_pending, offset;

	/* Nobody above it is runnable either: PENDING_RESCHED would stand, and is a bit above all
	 * levels. */
	if (unlikely(gate != 0) ||
	    unlikely(pending - (PENDING_LOOK + 1) >= (1u << IPL_BIO) - (PENDING_LOOK + 1)) ||
	    unlikely(lwp_pri(l) >= PRI_LEVEL(IPL_SOFTCLOCK)))
		return false;
	/* In 32 bits: those of an int would have to be extended. */
	offset = (31u ^ (unsigned)__builtin_clz(pending)) * (uint32_t)sizeof(*sc);
	sc = (struct softint_cpu *)(void *)((char *)ci->ci_softint + offset);
	it = sc->sc_lwp;
	it->l_pinned = l;
	if (acct)
		acct_charge(ci, &it->l_ticks);
	(void)softint_begin(sc, it);
	port_stat_add(&ci->ci_handoffs, 1);
	port_handoff(l, it, softint_main);
	return true;
}

#endif
