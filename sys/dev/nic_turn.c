/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_turn.c - a queue's handler comes back instead of waiting for another's.
 *
 * The client of the cards may have to do one thing at a time: TCP/IP has one lock (net/core.c). A
 * handler that waited for it would spin, and do nothing with its CPU meanwhile; or it would block,
 * and each run begin with a wakeup of another CPU, during which nobody works. Where CPUs are
 * threads of a host that does not run all of them at once, either costs many times the work.
 *
 * But a handler need not wait. Its card is quiet, and what comes gathers in the ring. So it puts
 * itself on a list and returns, and whoever leaves queues those that are there, on his own CPU: he
 * is the one that runs, and has the client's data in his caches. As long as several queues are
 * busy, one CPU does the work of all of them, a ring after the other, each run a whole batch, and
 * the others are free for what else there is. A handler is a guest there: when its ring is dry, its
 * interrupts come to its own CPU again; and when that CPU has had enough (nic_pace.c) it goes home
 * at once.
 *
 * Who leaves must not overlook who puts himself off at that moment:
 *
 *	CPU 0 (leaves)				CPU 1 (finds it busy)
 *						on the list
 *	busy = 0				fence
 *	fence					busy?
 *	anybody?
 *
 * Of two such one at least sees what the other wrote. If CPU 0 does, it queues him. If CPU 1 sees
 * that nobody is busy, it takes itself off again and goes on; and if it is on the list no more,
 * CPU 0 was quicker, and the handler, which is running, will run again (I1).
 *
 * Nobody is put off for ever. Those on the list are queued in their order, but a fresh interrupt on
 * another CPU may come between two of them. So a handler that was put off PUT_OFF_MAX times in a
 * row is so no more, and waits for the lock as anybody would.
 *
 * Contexts: as nic_turn.h says. Lock order: the mutex is a leaf, but for what hwi_sched() takes.
 * Invariants: I1, I12 (a queue that is taken down is on the list no more). Not for: lwps, which
 * wait for the lock and lend it their priority. Read next: nic_pace.c, net/core.c.
 */
#include "nic_turn.h"

#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/print.h>

#define PUT_OFF_MAX 8

static struct mutex turn_mutex;
static struct list waiting;
static _Atomic bool anybody; /* (~) on the list; the fences are in the essay */

void nic_turn_init(void)
{
	mutex_init(&turn_mutex, "nic turn", IPL_VM);
	list_init(&waiting);
}

void nic_turn_start(struct nic_turn *nt)
{
	list_init(&nt->nt_list);
	nt->nt_ih = NULL;
	nt->nt_stopped = false;
	nt->nt_times = 0;
}

/* The mutex is held. True: it was on the list. */
static bool take_off(struct nic_turn *nt)
{
	bool was = list_linked(&nt->nt_list);

	list_remove(&nt->nt_list);
	/* Relaxed: whoever sees too much finds the list empty, with the mutex. */
	atomic_store_explicit(&anybody, !list_empty(&waiting), memory_order_relaxed);
	return was;
}

void nic_turn_stop(struct nic_turn *nt)
{
	mutex_spin_enter(&turn_mutex);
	nt->nt_stopped = true;
	(void)take_off(nt);
	mutex_spin_exit(&turn_mutex);
}

/* To the list, unless it is there from a run that something else brought about. */
static bool put_on(struct nic_turn *nt)
{
	bool may;

	mutex_spin_enter(&turn_mutex);
	may = !nt->nt_stopped;
	if (may && !list_linked(&nt->nt_list))
		list_append(&waiting, &nt->nt_list);
	if (may) /* Relaxed: the fence is our caller's. */
		atomic_store_explicit(&anybody, true, memory_order_relaxed);
	mutex_spin_exit(&turn_mutex);
	return may;
}

/* It is busy: true if the handler will be queued. */
static bool wait(struct nic_turn *nt, const _Atomic unsigned *busy)
{
	bool was;

	KASSERT(nt->nt_ih != NULL, "a queue without a handler is put off");
	if (!put_on(nt))
		return false;
	atomic_thread_fence(memory_order_seq_cst); /* pairs with that in nic_turn_next() */
	if (atomic_load_explicit(busy, memory_order_relaxed) != 0)
		return true;
	mutex_spin_enter(&turn_mutex);
	was = take_off(nt);
	mutex_spin_exit(&turn_mutex);
	return !was;
}

bool nic_turn_put_off(struct nic_turn *nt, const _Atomic unsigned *busy)
{
	/* Relaxed: a hint; wait() looks again. */
	bool off = atomic_load_explicit(busy, memory_order_relaxed) != 0 &&
	    nt->nt_times < PUT_OFF_MAX && wait(nt, busy);

	nt->nt_times = off ? nt->nt_times + 1 : 0;
	return off;
}

void nic_turn_next(void)
{
	struct list *e;

	atomic_thread_fence(memory_order_seq_cst); /* pairs with that in wait() */
	if (!atomic_load_explicit(&anybody, memory_order_relaxed))
		return;
	mutex_spin_enter(&turn_mutex);
	while ((e = list_take(&waiting)) != NULL)
		hwi_sched(container_of(e, struct nic_turn, nt_list)->nt_ih);
	atomic_store_explicit(&anybody, false, memory_order_relaxed);
	mutex_spin_exit(&turn_mutex);
}
