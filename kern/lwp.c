/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwp.c - kernel threads: made and ended, and what they rely on when they block.
 *
 * Blocking is two steps. A queue (sleepq.c, turnstile.c) puts the lwp among its waiters, under its
 * own lock; then the lwp parks. Whoever takes it off the queue unparks it, and as it is on one
 * queue at most, each park has exactly one unpark. They may come in either order, also with an
 * interrupt between them that pins the lwp:
 *
 *	CPU 0 (lwp A)                       CPU 1
 *	on the queue
 *	                                    takes A off the queue; unpark(A): A is not parked yet:
 *	                                    l_unparked = true
 *	park: l_unparked: not to sleep
 *
 * Both are in sched.c, under the run queue's lock.
 *
 * The end. lwp_exit() leaves the stack for good in sched_switch(); the reaper frees what is left
 * when l_running is 0. struct lwp itself is kept for another lwp and never freed (type-stable).
 *
 * Contexts: lwp.h. Lock order: lwp_mutex (the list of all) first; zombies_lock last.
 * Invariants: I8 (no lost wakeup). Not for: ithreads' life (ithread.c).
 */
#include <ithaca/lwp.h>

#include "ithread_impl.h"
#include "model.h"

#include <ithaca/cpu.h>
#include <ithaca/entry.h>
#include <ithaca/errno.h>
#include <ithaca/ithread.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sched.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>
#include <ithaca/turnstile.h>
#include <ithaca/witness_wait.h>

static struct mutex lwp_mutex;
static struct list lwp_all = LIST_INIT(lwp_all); /* (m) */
static struct lwp *lwp_unused;                   /* (m) linked by l_next */
static uint32_t lwp_next_id;                     /* (m) */

static struct spin zombies_lock;
static struct list zombies = LIST_INIT(zombies); /* (zombies_lock) by l_waitq */

/* ---- Made ---- */

static void lwp_fill(struct lwp *l, const char *name, int flags, struct cpu *cpu, uint8_t pri)
{
	bool intr = port_intr_disable();

	kstrlcpy(l->l_name, name, sizeof(l->l_name));
	l->l_flags = (uint32_t)flags;
	l->l_state = LWP_FREE;
	l->l_stack_top = ((uintptr_t)l->l_stack + l->l_stack_size) & ~(uintptr_t)15;
	atomic_init(&l->l_cpu, cpu != NULL ? cpu : cpu_lookup(0));
	list_init(&l->l_lent);
	list_init(&l->l_waitq);
	/* Last: who has l_lock next sees the rest, and may know of this lwp by a lock's word alone.
	 * Not initialised (0 is free): somebody who followed a stale pointer may be working out the
	 * l_pri of who had this memory before; see turnstile_repri(). */
	spin_lock(&l->l_lock);
	l->l_basepri = pri;
	atomic_store_explicit(&l->l_pri, pri, memory_order_relaxed);
	spin_unlock(&l->l_lock);
	intr_return(intr);
}

void lwp_init(struct lwp *l, struct cpu *ci, void *stack, size_t size)
{
	mutex_init(&lwp_mutex, "lwp", IPL_NONE);
	l->l_stack = stack;
	l->l_stack_size = size;
	lwp_fill(l, "main", LWP_BOOT, ci, PRI_KERNEL);
	l->l_state = LWP_RUN;
	atomic_init(&l->l_running, 1);
	list_append(&lwp_all, &l->l_all);
}

/* Memory of an lwp that ended, or new; all of it zero. */
static struct lwp *lwp_memory(void)
{
	struct lwp *l;

	mutex_enter(&lwp_mutex);
	l = lwp_unused;
	if (l != NULL)
		lwp_unused = l->l_next;
	mutex_exit(&lwp_mutex);
	if (l == NULL)
		return port_mem_alloc(sizeof(*l));
	l->l_pinned = NULL;
	l->l_sp = 0;
	l->l_ipl = l->l_level = 0;
	l->l_unparked = l->l_expired = false;
	l->l_slice_ns = 0;
	l->l_handler = NULL;
	l->l_wmesg = NULL;
	atomic_store_explicit(&l->l_ticks, 0, memory_order_relaxed);
	atomic_store_explicit(&l->l_switches, 0, memory_order_relaxed);
	return l;
}

static void lwp_unused_add(struct lwp *l)
{
	mutex_enter(&lwp_mutex);
	l->l_next = lwp_unused;
	lwp_unused = l;
	mutex_exit(&lwp_mutex);
}

struct lwp *lwp_alloc(const char *name, int flags, struct cpu *cpu, uint8_t pri)
{
	struct lwp *l = lwp_memory();

	if (l == NULL)
		return NULL;
	l->l_turnstile = turnstile_alloc();
	if (l->l_turnstile == NULL) {
		lwp_unused_add(l);
		return NULL;
	}
	l->l_stack = port_stack_alloc(&l->l_stack_size);
	if (l->l_stack == NULL) {
		turnstile_free(l->l_turnstile);
		lwp_unused_add(l);
		return NULL;
	}
	lwp_fill(l, name, flags, cpu, pri);
	mutex_enter(&lwp_mutex);
	l->l_id = ++lwp_next_id;
	list_append(&lwp_all, &l->l_all);
	mutex_exit(&lwp_mutex);
	return l;
}

int lwp_create(const char *name, int pri, struct cpu *cpu, int flags, void (*fn)(void *), void *arg,
    struct lwp **out)
{
	struct lwp *l;
	struct cpu *ci;
	bool intr;

	if (pri < PRI_MIN || pri > PRI_MAX || (flags & ~LWP_JOINABLE) || fn == NULL)
		return EINVAL;
	l = lwp_alloc(name, flags | (cpu != NULL ? LWP_BOUND : 0), cpu, (uint8_t)pri);
	if (l == NULL)
		return ENOMEM;
	l->l_fn = fn;
	l->l_arg = arg;
	port_lwp_init(l);
	if (out != NULL)
		*out = l;
	intr = port_intr_disable();
	if (cpu == NULL)
		atomic_store_explicit(&l->l_cpu, curcpu(), memory_order_relaxed);
	ci = sched_lock(l);
	sched_enqueue(ci, l, false);
	spin_unlock(&ci->ci_rq_lock);
	intr_return(intr);
	return 0;
}

void lwp_main(void)
{
	struct lwp *l = curlwp;

	ithread_exit();
	port_intr_enable();
	l->l_fn(l->l_arg);
	lwp_exit();
}

/* ---- Parked and woken ---- */

void preempt_disable(void)
{
	curlwp->l_nopreempt++;
	atomic_signal_fence(memory_order_seq_cst);
}

void preempt_enable(void)
{
	struct lwp *l = curlwp;

	atomic_signal_fence(memory_order_seq_cst);
	KASSERT(l->l_nopreempt != 0, "preempt_enable without preempt_disable");
	if (--l->l_nopreempt == 0)
		ithread_check();
}

void lwp_setpri(struct lwp *l, int pri)
{
	bool intr = port_intr_disable();

	KASSERT(pri >= PRI_MIN && pri < PRI_COUNT, "priority %d", pri);
	spin_lock(&l->l_lock);
	l->l_basepri = (uint8_t)pri;
	spin_unlock(&l->l_lock);
	turnstile_repri(l);
	intr_return(intr);
}

/* ---- The end ---- */

void lwp_exit(void)
{
	struct lwp *l = curlwp;
	struct cpu *ci;

	witness_lwp_exit();
	KASSERT(spl_now() == IPL_NONE && l->l_nopreempt == 0, "%s exits at level %s", l->l_name,
	    spl_name(spl_now()));
	KASSERT(list_empty(&l->l_lent), "%s exits and keeps others waiting", l->l_name);
	(void)port_intr_disable();
	if (!(l->l_flags & LWP_JOINABLE))
		lwp_reap(l);
	ci = curcpu();
	spin_lock(&ci->ci_rq_lock);
	l->l_state = LWP_ZOMBIE;
	spin_unlock(&ci->ci_rq_lock);
	if (l->l_flags & LWP_JOINABLE)
		sleepq_wake(l, -1);
	ci = curcpu();
	spin_lock(&ci->ci_rq_lock);
	sched_switch();
	panic("lwp %s runs after its end", l->l_name);
}

/* Take an lwp to pieces: nobody knows it any more, but perhaps its own last instructions. */
static void lwp_free(struct lwp *l)
{
	/* Pairs with the release in port_switch(). */
	while (atomic_load_explicit(&l->l_running, memory_order_acquire))
		port_pause();
	mutex_enter(&lwp_mutex);
	list_remove(&l->l_all);
	mutex_exit(&lwp_mutex);
	turnstile_free(l->l_turnstile);
	l->l_turnstile = NULL;
	if (l->l_flags & LWP_BOOT)
		return;
	port_stack_free(l->l_stack, l->l_stack_size);
	lwp_unused_add(l);
}

static bool lwp_is_zombie(struct lwp *l)
{
	struct cpu *ci;
	bool zombie;

	ci = sched_lock(l);
	zombie = l->l_state == LWP_ZOMBIE;
	spin_unlock(&ci->ci_rq_lock);
	return zombie;
}

void lwp_join(struct lwp *l)
{
	bool intr;

	witness_sleep("lwpjoin");
	KASSERT(l->l_flags & LWP_JOINABLE, "%s is not joinable", l->l_name);
	KASSERT(l != curlwp, "%s joins itself", l->l_name);
	witness_joins(l);
	for (;;) {
		intr = sleepq_lock(l);
		if (lwp_is_zombie(l))
			break;
		sleepq_wait(l, "lwpjoin", SLEEP_FOREVER, intr);
	}
	sleepq_unlock(l, intr);
	witness_joined(l);
	lwp_free(l);
}

void lwp_reap(struct lwp *l)
{
	bool intr = port_intr_disable();

	spin_lock(&zombies_lock);
	list_append(&zombies, &l->l_waitq);
	spin_unlock(&zombies_lock);
	sleepq_wake(&zombies, 1);
	intr_return(intr);
}

static void lwp_reaper(void *arg)
{
	struct list *e;
	bool intr;

	(void)arg;
	for (;;) {
		intr = sleepq_lock(&zombies);
		spin_lock(&zombies_lock);
		e = list_take(&zombies);
		spin_unlock(&zombies_lock);
		if (e == NULL) {
			sleepq_wait(&zombies, "reaper", SLEEP_FOREVER, intr);
			continue;
		}
		sleepq_unlock(&zombies, intr);
		lwp_free(container_of(e, struct lwp, l_waitq));
	}
}

void lwp_start_reaper(void)
{
	if (lwp_create("reaper", PRI_KERNEL, NULL, 0, lwp_reaper, NULL, NULL) != 0)
		panic("no memory for the reaper");
}

/* ---- For people ---- */

void lwp_each(void (*fn)(struct lwp *l, void *arg), void *arg)
{
	struct list *e;

	mutex_enter(&lwp_mutex);
	LIST_EACH(e, &lwp_all)
		fn(container_of(e, struct lwp, l_all), arg);
	mutex_exit(&lwp_mutex);
}

bool lwp_is_attached(const struct cpu *ci, const struct lwp *it)
{
	const struct lwp *l = atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed);
	unsigned depth;

	for (depth = 0; l != NULL && depth < IPL_COUNT; depth++, l = l->l_pinned)
		if (l == it)
			return l->l_pinned != NULL;
	return false;
}

const char *lwp_state_name(const struct lwp *l)
{
	static const char *const name[] = {"free", "run", "sleep", "zombie"};
	const struct cpu *ci = atomic_load_explicit(&l->l_cpu, memory_order_relaxed);

	if (ci != NULL && ci->ci_onproc == l)
		return "onproc";
	if (l->l_flags & LWP_IDLE)
		return "run"; /* whenever nobody else is runnable */
	if (l->l_state == LWP_FREE && ci != NULL && lwp_is_attached(ci, l))
		return "active";
	return l->l_state < sizeof(name) / sizeof(name[0]) ? name[l->l_state] : "?";
}
