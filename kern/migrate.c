/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * migrate.c - handlers with INTR_MIGRATE, drained by an idle CPU when their own is backlogged.
 *
 * Backlogged: the handler is queued, and would not be the next to begin, at once, if the CPU left
 * its interrupt now. So it waits behind another of its level or a higher one, or something keeps
 * its level out: an lwp that raised it, holds preemption off, or runs at a priority above it. No
 * time has to pass; what begins at once never migrates.
 *
 * Nobody reaches into the queue of another CPU. The CPU that has the handler takes it out and
 * passes it on; the one that idles queues it as if it had been asked for there, and all that
 * follows (handoff, end, unmask, divorce, another run asked for by hwi_sched()) is that CPU's. So
 * the pending queues stay what they are, own CPU alone and no lock, and who has not the flag pays
 * nothing: not a load.
 *
 *	CPU 0 (backlogged)                      CPU 1 (idle)
 *	queue: G, H                             halted
 *	migrate_look(): H is not the next
 *	sched_claim(): CPU 1
 *	H leaves the queue; passed |= H
 *	IPI to CPU 1 -------------------------> takes H from passed, to its own queue
 *	begins G                                begins H, upon its idle lwp
 *
 * When nobody idles, CPU 0 says that something waits, and a CPU that becomes idle asks:
 *
 *	CPU 0 (backlogged)                      CPU 1 (becomes idle)
 *	waiting |= CPU 0                        idlers |= CPU 1
 *	fence                                   fence
 *	idlers: CPU 1? then as above            waiting: CPU 0? then waiting &= ~CPU 0
 *	IPI <---------------------------------- IPI to CPU 0
 *	migrate_look(), as above
 *
 * One of the two sees the other, so no CPU halts beside what it could run. `waiting` is written
 * when somebody waits in vain and when somebody idles thereafter, so CPUs that idle read a line
 * that nobody writes. Its bit may stand when nothing waits any more: that costs one IPI.
 *
 * Where a look is taken. What waits and is not published can only come to be by being queued:
 *
 *	dispatch	a source with such a handler has is_moving in is_plain, whose filter asks
 *			all the others, as that of is_any does, and has intr_queue() look when the
 *			lwp that was interrupted has its level back: what begins next is known then
 *	hwi_sched()	in a thread, the same. In another filter, or with interrupts off, nobody
 *			knows what begins next: the CPU interrupts itself, and looks then; so does
 *			a dispatch that began before is_moving was there
 *	its own end	one that was asked for while it ran goes to the tail (ithread_again())
 *	an IPI		of one who asks, or passes one on, or gives an ithread
 *
 * The CPU that was claimed may have something else to do by the time. Then the handler is
 * backlogged there, and the look that follows its arrival passes it on or publishes it, as
 * anywhere. It is claimed by a bit that only comes back when it idles anew, so this ends.
 *
 * I4, order: those that stay keep their order, one that is passed on goes to the tail of its level
 * on the CPU where it arrives. Two handlers of one level, of which one may migrate, can run at the
 * same time, on two CPUs; that is what the flag asks for. I12: between two queues its state is
 * "queued", so who wants it gone waits, as for any that is. I3: the set is the source's, under
 * is_lock, and who clears the last bit unmasks, on whatever CPU. The time it takes is charged to
 * the CPU on which it runs; to the source as well (storm.c adds up all CPUs), and not to the CPU
 * that it was passed on by (balance.c).
 *
 * Contexts: interrupts off. Locks: none. Invariants: I1, I2, I4, I12, and its own, I13: nothing
 * that may migrate waits while a CPU with an ithread idles, but where its own CPU has starved since
 * the last look. Not for: sources, which balance.c moves; lwps, which idle CPUs steal (sched.c).
 * Read balance.c next.
 */
#include "migrate_impl.h"

#include "ithread_impl.h"

#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sched.h>

_Atomic cpuset_t migrate_waiting;

/* ---- Passing on ---- */

/* Where the first that may migrate is linked, highest level first, FIFO within it; `but` is none.
 * NULL: there is none. */
static struct intr_handler **migrate_first(struct cpu *ci, const struct intr_handler *but)
{
	struct intr_handler **at;
	unsigned level;

	for (level = IPL_TTY; level >= IPL_BIO; level--)
		for (at = &ci->ci_queue[level].q_head; *at != NULL; at = &(*at)->ih_qnext)
			if (((*at)->ih_flags & INTR_MIGRATE) && *at != but)
				return at;
	return NULL;
}

/* Out of the midst of its queue. */
static struct intr_handler *migrate_unlink(struct cpu *ci, struct intr_handler **at)
{
	struct intr_handler *ih = *at;
	struct intr_queue *q = &ci->ci_queue[ih->ih_ipl];

	*at = ih->ih_qnext;
	if (*at == NULL)
		q->q_tail = at;
	if (q->q_head == NULL)
		ci->ci_pending ^= ih->ih_pending;
	return ih;
}

/* A CPU that idles, claimed: it must be interrupted. NULL: none does, and those that will know that
 * something waits here. */
static struct cpu *migrate_to(const struct cpu *ci)
{
	struct cpu *to = sched_claim(ci);

	if (to != NULL)
		return to;
	atomic_fetch_or_explicit(&migrate_waiting, CPUSET(ci->ci_index), memory_order_relaxed);
	/* Pairs with the fence in sched_idle(): it declares itself idle and then looks who waits;
	 * we have said that we do, and now look who idles. */
	atomic_thread_fence(memory_order_seq_cst);
	return sched_claim(ci);
}

static void migrate_pass(struct cpu *to, struct intr_handler *ih)
{
	struct intr_handler *head = atomic_load_explicit(&to->ci_passed, memory_order_relaxed);

	do {
		ih->ih_qnext = head;
		/* Release: pairs with the exchange in migrate_arrive(). */
	} while (!atomic_compare_exchange_weak_explicit(&to->ci_passed, &head, ih,
	    memory_order_release, memory_order_relaxed));
	cpu_poke(to, IPI_MIGRATE);
}

void migrate_look(struct cpu *ci)
{
	unsigned level = ithread_top_level(ci->ci_pending);
	const struct intr_handler *next = ithread_wanted(ci) ? ci->ci_queue[level].q_head : NULL;
	struct intr_handler **at;
	struct cpu *to;

	while ((at = migrate_first(ci, next)) != NULL) {
		to = migrate_to(ci);
		if (to == NULL)
			break;
		migrate_pass(to, migrate_unlink(ci, at));
	}
}

void migrate_soon(struct cpu *ci)
{
	cpu_poke(ci, IPI_MIGRATE);
}

/* ---- Arriving ---- */

/* What was passed on to this CPU, the first one first. */
static void migrate_arrive(struct cpu *ci)
{
	struct intr_handler *ih, *next, *first = NULL;

	/* Acquire: pairs with the release in migrate_pass(). */
	ih = atomic_exchange_explicit(&ci->ci_passed, NULL, memory_order_acquire);
	for (; ih != NULL; ih = next) {
		next = ih->ih_qnext;
		ih->ih_qnext = first;
		first = ih;
	}
	for (ih = first; ih != NULL; ih = next) {
		next = ih->ih_qnext;
		port_stat_add(&intr_stats_of(ih->ih_stats, ci)->st_migrated, 1);
		port_stat_add(&ci->ci_migrated, 1);
		ithread_queue(ci, ih);
	}
}

void migrate_poked(struct cpu *ci)
{
	migrate_arrive(ci);
	migrate_look(ci);
}

void migrate_ask_all(struct cpu *ci)
{
	cpuset_t own = CPUSET(ci->ci_index), set;

	/* Whoever is asked sets its bit again if nobody idles by then. */
	set = atomic_fetch_and_explicit(&migrate_waiting, own, memory_order_relaxed) & ~own;
	for (; set != 0; set &= set - 1)
		cpu_poke(cpu_lookup((unsigned)__builtin_ctzll(set)), IPI_MIGRATE);
}

/* ---- For people ---- */

void migrate_dump(void)
{
	const struct intr_handler *ih;
	unsigned i, n;

	for (i = 0; i < cpu_count(); i++) {
		ih = atomic_load_explicit(&cpu_lookup(i)->ci_passed, memory_order_relaxed);
		if (ih == NULL)
			continue;
		kprintf("  passed on to cpu%u, the last one first:", i);
		for (n = 0; ih != NULL && n < 64; ih = ih->ih_qnext, n++)
			kprintf(" %s", ih->ih_name);
		kprintf("\n");
	}
}
