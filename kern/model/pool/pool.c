/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool.c - the model "pool": ithreads that the scheduler starts.
 *
 * An ithread of the pool is off the CPU and has nothing on its stack. To start it, its first switch
 * is prepared anew, its run has begun (its handler stands in l_handler), and it is queued at the
 * priority of the level. When a run ends it takes the next handler of the CPU that comes before
 * whatever else is runnable, and else goes back to the pool.
 *
 * Contexts: interrupts off. Locks: none held on entry; the run queue's alone is taken. Invariants:
 * I1, I2, I4 (handlers are drawn by the CPU alone), I5. Read model.h in this folder first.
 */
#include "model.h"

#include <ithaca/port.h>
#include <ithaca/sched.h>

static void pool_main(void *arg)
{
	(void)arg;
	port_intr_off();
	ithread_main(curlwp);
}

void pool_level(struct cpu *ci, struct lwp *it, unsigned level)
{
	(void)ithread_begin(ci, it, level);
	run_slow(&it->l_handler->ih_state); /* no end of its is a handoff's */
	it->l_pinned = NULL;
	it->l_divorced = true; /* from the beginning: there is nobody beneath */
	it->l_fn = pool_main;
	port_lwp_init(it);
	ithread_setpri(it, (uint8_t)PRI_LEVEL(level));
	spin_lock(&ci->ci_rq_lock);
	sched_enqueue(ci, it, false);
	spin_unlock(&ci->ci_rq_lock);
}

struct intr_handler *pool_next(struct cpu *ci, struct lwp *it)
{
	unsigned level = ithread_top_level(ci->ci_pending);
	struct intr_handler *ih;

	/* One that is runnable at the same level was begun earlier, and comes first. */
	if (level < IPL_BIO ||
	    atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed) >= PRI_LEVEL(level))
		ithread_retire(ci, it);
	ithread_setpri(it, (uint8_t)PRI_LEVEL(level));
	ih = ithread_begin(ci, it, level);
	run_slow(&ih->ih_state);
	return ih;
}
