/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpu.c - the CPUs: how they join the core, how they call one another, how they idle.
 *
 * A CPU pokes another by setting bits in its ci_ipi and sending the one IPI that there is. The
 * receiver takes all the bits with one exchange, so pokes merge and none is lost: a bit set after
 * the exchange comes with an interrupt of its own.
 *
 * cpu_barrier() is the other half of every list that the fast path walks without a lock. Dispatch,
 * queueing and ends of handlers run with interrupts off, so a CPU that has answered an IPI has left
 * whatever stretch it was in:
 *
 *	CPU 0 (disestablish)                CPU 1 (dispatch, interrupts off)
 *	                                    stands on handler H
 *	unlinks H
 *	cpu_call to CPU 1 ----------------> (waits until interrupts are on)
 *	                                    queues H, EOI, leaves
 *	                                    answers
 *	H is queued or never will be
 *
 * Contexts: cpu.h, entry.h. No lock but for attaching. Invariants: I12 rests on cpu_barrier().
 * Not for: starting the machine's CPUs, which is the port's business.
 */
#include <ithaca/cpu.h>

#include "intr_impl.h"
#include "migrate_impl.h"

#include <ithaca/callout.h>
#include <ithaca/entry.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sched.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <ithaca/stats.h>
#include <ithaca/sysctl.h>
#include <ithaca/turnstile.h>
#include <ithaca/workqueue.h>

struct cpu_call {
	struct cpu_call *cc_next;
	void (*cc_fn)(void *);
	void *cc_arg;
	_Atomic bool cc_done; /* (~) release by who called fn; acquire by who waits */
};

static struct cpu *cpus[CPU_MAX];      /* (a) below cpus_attached */
static _Atomic unsigned cpus_attached; /* (~) release in cpu_counts(), acquire in readers */
static struct mutex cpu_mutex;         /* one CPU attaches at a time */
static struct lwp lwp_zero;            /* "main" */

unsigned cpu_count(void)
{
	return atomic_load_explicit(&cpus_attached, memory_order_acquire);
}

struct cpu *cpu_lookup(unsigned index)
{
	return index < cpu_count() ? cpus[index] : NULL;
}

/* ---- IPIs ---- */

void cpu_poke(struct cpu *ci, unsigned bits)
{
	/* Release: pairs with the exchange in intr_ipi(). */
	atomic_fetch_or_explicit(&ci->ci_ipi, bits, memory_order_release);
	port_ipi(ci);
}

static void cpu_run_calls(struct cpu *ci)
{
	struct cpu_call *cc, *next;

	cc = atomic_exchange_explicit(&ci->ci_calls, NULL, memory_order_acquire);
	for (; cc != NULL; cc = next) {
		next = cc->cc_next; /* the caller's stack: gone once it is done */
		cc->cc_fn(cc->cc_arg);
		atomic_store_explicit(&cc->cc_done, true, memory_order_release);
	}
}

/* Last, and at the level that was interrupted: a gift is kept if it can be started now, and a
 * handler stays if it can. Who was next may have been overtaken by the time the gift is there. */
static void __attribute__((noinline)) ipi_last(struct cpu *ci, unsigned bits)
{
	if (bits & IPI_GIFT)
		ithread_take_gifts(ci);
	migrate_poked(ci);
}

void intr_ipi(void)
{
	struct cpu *ci = curcpu();
	struct lwp *l = curlwp;
	uint8_t ipl = l->l_ipl;
	unsigned bits;

	l->l_ipl = IPL_SCHED;
	port_stat_add(&ci->ci_ipis, 1);
	bits = atomic_exchange_explicit(&ci->ci_ipi, 0, memory_order_acquire);
	if (bits & IPI_CALL)
		cpu_run_calls(ci);
	if (bits & IPI_ITHREAD)
		ithread_give_spare(ci);
	if (bits & IPI_SOFTINT)
		softint_take_remote(ci);
	if (bits & IPI_RESCHED)
		sched_poked(ci);
	l->l_ipl = ipl;
	if (bits & (IPI_GIFT | IPI_MIGRATE))
		ipi_last(ci, bits);
	ithread_exit();
}

/* cpu_ask - put a request on another CPU's list and tell it. */
static void cpu_ask(struct cpu *ci, struct cpu_call *cc)
{
	cc->cc_next = atomic_load_explicit(&ci->ci_calls, memory_order_relaxed);
	/* Release: pairs with the exchange in cpu_run_calls(). */
	while (!atomic_compare_exchange_weak_explicit(&ci->ci_calls, &cc->cc_next, cc,
	    memory_order_release, memory_order_relaxed))
		;
	cpu_poke(ci, IPI_CALL);
}

static void cpu_answered(struct cpu_call *cc)
{
	/* Acquire: pairs with the release in cpu_run_calls(). */
	while (!atomic_load_explicit(&cc->cc_done, memory_order_acquire))
		port_pause();
}

void cpu_call(struct cpu *ci, void (*fn)(void *), void *arg)
{
	struct cpu_call cc = {NULL, fn, arg, false};
	bool intr;

	KASSERT(!IPL_IS_HARD(spl_now()), "cpu_call at level %s", spl_name(spl_now()));
	intr = port_intr_disable();
	if (ci == curcpu()) {
		fn(arg);
		intr_return(intr);
		return;
	}
	port_intr_restore(intr);
	KASSERT(intr, "cpu_call with interrupts off");
	cpu_ask(ci, &cc);
	cpu_answered(&cc);
}

void cpu_call_all(void (*fn)(void *), void *arg)
{
	struct cpu_call cc[CPU_MAX];
	unsigned n = cpu_count();
	bool intr;

	KASSERT(!IPL_IS_HARD(spl_now()), "cpu_call_all at level %s", spl_name(spl_now()));
	intr = port_intr_disable();
	KASSERT(intr, "cpu_call_all with interrupts off");
	for (unsigned i = 0; i < n; i++) {
		cc[i] = (struct cpu_call){NULL, fn, arg, cpus[i] == curcpu()};
		if (cpus[i] != curcpu())
			cpu_ask(cpus[i], &cc[i]);
	}
	fn(arg);
	intr_return(intr);
	for (unsigned i = 0; i < n; i++)
		cpu_answered(&cc[i]);
}

static void cpu_nothing(void *arg)
{
	(void)arg;
}

void cpu_barrier(void)
{
	unsigned i, n = cpu_count();

	/* The stores before must be out when another CPU looks; its answer orders the rest. */
	atomic_thread_fence(memory_order_seq_cst);
	for (i = 0; i < n; i++)
		cpu_call(cpus[i], cpu_nothing, NULL);
}

/* ---- Joining ---- */

static void cpu_fill(struct cpu *ci, unsigned index)
{
	unsigned i;

	ci->ci_self = ci;
	ci->ci_index = index;
	ci->ci_acct = true;
	ci->ci_clock_next = UINT64_MAX;
	ci->ci_stats_offset = index * (uint32_t)sizeof(struct intr_stats);
	for (i = 0; i < IPL_COUNT; i++)
		ci->ci_queue[i].q_tail = &ci->ci_queue[i].q_head;
	sched_attach(ci);
}

void core_boot(struct cpu *ci, void *stack, size_t size)
{
	cpu_fill(ci, 0);
	cpus[0] = ci;
	atomic_store_explicit(&cpus_attached, 1, memory_order_release);
	turnstile_init();
	sleepq_init();
	intr_init();
	ithread_init();
	mutex_init(&cpu_mutex, "cpu", IPL_NONE);
	lwp_init(&lwp_zero, ci, stack, size);
	ci->ci_onproc = &lwp_zero;
	ci->ci_acct_to = &lwp_zero.l_ticks;
	ci->ci_acct_last = port_counter();
	atomic_store_explicit(&ci->ci_curlwp, &lwp_zero, memory_order_relaxed);
}

/* Give back what cpu_equip() had made of a CPU that will not run. */
static void cpu_strip(struct cpu *ci)
{
	int level;

	if (ci->ci_idle != NULL)
		lwp_reap(ci->ci_idle);
	for (level = IPL_SOFTCLOCK; level <= IPL_SOFTSERIAL; level++)
		if (ci->ci_softint[level].sc_lwp != NULL)
			lwp_reap(ci->ci_softint[level].sc_lwp);
	callout_detach(ci);
}

/* What every CPU needs: an idle lwp, softints, a wheel, ithreads. */
static int cpu_equip(struct cpu *ci)
{
	char name[LWP_NAME_MAX];

	ksnprintf(name, sizeof(name), "idle/%u", ci->ci_index);
	ci->ci_idle = lwp_alloc(name, LWP_IDLE | LWP_BOUND, ci, PRI_IDLE);
	if (ci->ci_idle != NULL && softint_attach(ci) == 0 && callout_attach(ci) == 0 &&
	    ithread_attach(ci) == 0)
		return 0;
	cpu_strip(ci);
	return ENOMEM;
}

static void cpu_idle_lwp(void *arg)
{
	(void)arg;
	(void)port_intr_disable();
	cpu_main();
}

static void core_panic_dump(void)
{
	sched_dump();
	intr_dump();
	softint_dump();
	turnstile_dump();
	workqueue_dump();
}

void core_init(void)
{
	struct cpu *ci = cpus[0];

	lwp_zero.l_turnstile = turnstile_alloc();
	if (lwp_zero.l_turnstile == NULL || cpu_equip(ci) != 0)
		panic("no memory for the first CPU's threads");
	ci->ci_idle->l_fn = cpu_idle_lwp;
	port_lwp_init(ci->ci_idle);
	panic_register(core_panic_dump);
	sysctl_init();
	stats_init();
	witness_init();
	port_intr_enable();
	lwp_start_reaper();
}

int cpu_attach(struct cpu *ci)
{
	unsigned index;
	int error = ENOMEM;

	mutex_enter(&cpu_mutex);
	index = cpu_count();
	if (index == CPU_MAX) {
		mutex_exit(&cpu_mutex);
		return EINVAL;
	}
	cpu_fill(ci, index);
	error = cpu_equip(ci);
	if (error == 0) {
		ci->ci_onproc = ci->ci_idle;
		ci->ci_acct_to = &ci->ci_idle->l_ticks;
		atomic_store_explicit(&ci->ci_idle->l_running, 1, memory_order_relaxed);
		atomic_store_explicit(&ci->ci_curlwp, ci->ci_idle, memory_order_relaxed);
		cpus[index] = ci;
	}
	mutex_exit(&cpu_mutex);
	return error;
}

void cpu_counts(void)
{
	struct cpu *ci = curcpu();

	/* Release: pairs with the acquire in cpu_count(). */
	if (ci->ci_index == cpu_count())
		atomic_store_explicit(&cpus_attached, ci->ci_index + 1, memory_order_release);
}

void cpu_main(void)
{
	struct cpu *ci = curcpu();

	ci->ci_acct_last = port_counter();
	cpu_counts();
	for (;;) {
		ithread_exit(); /* whatever is runnable comes before idling */
		if (!sched_idle(ci))
			port_idle();
		sched_busy(ci);
	}
}
