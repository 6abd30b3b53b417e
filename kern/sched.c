/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched.c - run queues, and the one place where lwps are switched.
 *
 * Each CPU has a run queue: 64 priorities, a bit map, FIFO within a priority. An lwp belongs to the
 * CPU it last ran on (l_cpu) and is woken there; an idle CPU steals from the others what is not
 * bound. So there is no choice to make at a wakeup, and no lock of another CPU on the way but the
 * run queue's own.
 *
 * sched_switch() is called with the run queue locked and the lwp's new state set. It unlocks before
 * it changes stacks: nobody of this CPU can look in between, for interrupts are off, and a thief
 * leaves alone what still runs (l_running, which port_switch clears once the stack is left):
 *
 *	CPU 0 (lwp A goes to sleep)         CPU 1
 *	A->state = SLEEP; unlock
 *	                                    unpark(A): state = RUN, on CPU 0's queue
 *	                                    steals: A->l_running is 1: not this one
 *	port_switch: A->l_running = 0
 *	                                    steals: acquires 0: A is all saved
 *
 * An attached ithread or softint that leaves is divorced: what runs next is the lwp pinned beneath
 * it (ithread.c), which then looks by itself whether it should be preempted.
 *
 * Who should be preempted is asked at every exit from an interrupt, so the question has to be
 * quick: it is, whether ci_pending is 0. PENDING_RESCHED in it stands from the moment that somebody
 * on the run queue may come before the lwp of this CPU (queued or stolen, offered by IPI_RESCHED,
 * its slice over, its priority lowered, an ithread divorced from it) until that lwp itself, with
 * nobody upon it, has looked and found that nobody does (ithread_nothing()). Only its own CPU
 * writes it, interrupts off; another sends the IPI. It may stand without need; it is never missing,
 * but while that IPI is on its way.
 *
 * Whoever comes out of a switch has interrupts off and goes through ithread_exit(), for handlers
 * may be pending that the lwp before kept out by its level.
 *
 * Idle CPUs. One that idles declares itself in sched_idlers and then looks through the queues; who
 * leaves something in a queue looks at sched_idlers afterwards and wakes one (sched_offer()). The
 * thief that finds more than it takes wakes the next, so a crowd spreads over all that idle.
 *
 * Contexts: interrupts off. Lock order: turnstile chain or sleep queue -> l_lock -> run queue. Two
 * run queues are held together by a thief only, which does not wait for the second.
 * Invariants: I7, I9 (an lwp is queued at l_pri, which sched_setpri() alone changes).
 * Not for: policy among user processes. Read lwp.c next.
 */
#include <ithaca/sched.h>

#include <ithaca/clock.h>
#include <ithaca/hint.h>
#include <ithaca/intr.h>
#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/print.h>

#define SLICE_NS (10 * NS_PER_MS)

/* (~) CPUs that idle. Set and cleared by themselves; read by who has an lwp to give. */
static _Atomic cpuset_t sched_idlers;

void sched_attach(struct cpu *ci)
{
	unsigned i;

	spin_init(&ci->ci_rq_lock);
	for (i = 0; i < PRI_COUNT; i++)
		list_init(&ci->ci_rq[i]);
}

struct cpu *sched_lock(struct lwp *l)
{
	struct cpu *ci;

	for (;;) {
		ci = atomic_load_explicit(&l->l_cpu, memory_order_relaxed);
		spin_lock(&ci->ci_rq_lock);
		if (atomic_load_explicit(&l->l_cpu, memory_order_relaxed) == ci)
			return ci;
		spin_unlock(&ci->ci_rq_lock); /* stolen meanwhile */
	}
}

/* ---- The queue itself; its lock is held. ---- */

static inline void runq_count(struct cpu *ci, struct lwp *l, unsigned n)
{
	if (!(l->l_flags & LWP_BOUND))
		atomic_store_explicit(&ci->ci_rq_len,
		    atomic_load_explicit(&ci->ci_rq_len, memory_order_relaxed) + n,
		    memory_order_relaxed);
}

static inline void runq_insert(struct cpu *ci, struct lwp *l, bool head)
{
	struct list *queue = &ci->ci_rq[lwp_pri(l)];

	KASSERT(!list_linked(&l->l_runq), "%s is on a run queue already", l->l_name);
	list_insert_before(head ? queue->next : queue, &l->l_runq);
	ci->ci_rq_map |= (uint64_t)1 << lwp_pri(l);
	if (lwp_pri(l) > atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed))
		atomic_store_explicit(&ci->ci_top_pri, lwp_pri(l), memory_order_relaxed);
	runq_count(ci, l, 1);
}

static inline void runq_remove(struct cpu *ci, struct lwp *l)
{
	list_remove(&l->l_runq);
	runq_count(ci, l, -1u);
	if (!list_empty(&ci->ci_rq[lwp_pri(l)]))
		return;
	ci->ci_rq_map ^= (uint64_t)1 << lwp_pri(l);
	atomic_store_explicit(&ci->ci_top_pri,
	    ci->ci_rq_map == 0 ? 0 : (uint8_t)(63 ^ __builtin_clzll(ci->ci_rq_map)),
	    memory_order_relaxed);
}

/* The best of the queue, taken out, or the idle lwp. */
static struct lwp *runq_pick(struct cpu *ci)
{
	unsigned pri = atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed);
	struct lwp *l;

	if (pri == 0)
		return ci->ci_idle;
	l = container_of(ci->ci_rq[pri].next, struct lwp, l_runq);
	runq_remove(ci, l);
	return l;
}

/* ---- Becoming runnable ---- */

/* Somebody waits who may have to share this CPU: have sched_slice() called, once, until nobody
 * does. So a switch does not read the clock, and a slice is one to two SLICE_NS long. Own CPU. */
static inline void slice_start(struct cpu *ci)
{
	if (ci->ci_slicing)
		return;
	ci->ci_slicing = true;
	clock_want(ci, clock_ns() + SLICE_NS);
}

/* How many wait on `ci` that could run elsewhere. A hint unless its queue is locked. */
static unsigned sched_left(struct cpu *ci)
{
	return atomic_load_explicit(&ci->ci_rq_len, memory_order_relaxed);
}

/* `ci` has more than it runs: wake an idle CPU. Its bit is taken, so that the next offer goes to
 * another; if it is busy by the time, it passes the offer on (sched_poked()). */
static void sched_offer(struct cpu *ci)
{
	cpuset_t idlers, bit;

	/* Pairs with the fence in sched_idle(): it declares itself idle and then looks at the
	 * queues; we have queued and now look who is idle. */
	atomic_thread_fence(memory_order_seq_cst);
	idlers = atomic_load_explicit(&sched_idlers, memory_order_relaxed);
	while ((idlers &= ~CPUSET(ci->ci_index)) != 0) {
		bit = idlers & -idlers;
		idlers = atomic_fetch_and_explicit(&sched_idlers, ~bit, memory_order_relaxed);
		if (idlers & bit) {
			cpu_poke(cpu_lookup((unsigned)__builtin_ctzll(bit)), IPI_RESCHED);
			return;
		}
	}
}

/* `l` was queued on `ci`, whose queue is locked: who should know? */
static void sched_notify(struct cpu *ci, struct lwp *l)
{
	/* ci_onproc and l_pri stand still under the lock, so nobody is poked for nothing and
	 * nobody is forgotten: an equal has to be told too, to start its time slice. */
	if (lwp_pri(l) >= lwp_pri(ci->ci_onproc)) {
		if (ci != curcpu())
			cpu_poke(ci, IPI_RESCHED);
		else if (lwp_pri(l) > lwp_pri(ci->ci_onproc))
			ci->ci_pending |= PENDING_RESCHED;
		else
			slice_start(ci);
	}
	/* An idle CPU runs the first one itself. */
	if (!(l->l_flags & LWP_BOUND) && (ci->ci_onproc != ci->ci_idle || sched_left(ci) > 1))
		sched_offer(ci);
}

void sched_enqueue(struct cpu *ci, struct lwp *l, bool head)
{
	l->l_state = LWP_RUN;
	runq_insert(ci, l, head);
	sched_notify(ci, l);
}

/* An lwp of this CPU runs at `pri` now, which is less than it was. */
static void sched_lowered(struct cpu *ci, uint8_t pri)
{
	ci->ci_pending |= PENDING_RESCHED;
	if (pri == atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed))
		slice_start(ci);
}

void sched_setpri(struct lwp *l, uint8_t pri)
{
	struct cpu *ci = sched_lock(l);
	bool queued = l->l_state == LWP_RUN && list_linked(&l->l_runq);
	uint8_t before = lwp_pri(l);

	if (queued)
		runq_remove(ci, l);
	atomic_store_explicit(&l->l_pri, pri, memory_order_relaxed);
	if (queued) {
		runq_insert(ci, l, pri < before); /* one that was lent to gives way to nobody new */
		if (pri > before)
			sched_notify(ci, l);
	} else if (pri < before && (ci->ci_onproc == l || lwp_oncpu(l))) {
		/* Somebody may come before it now, or share the CPU with it as an equal. */
		if (ci == curcpu())
			sched_lowered(ci, pri);
		else
			cpu_poke(ci, IPI_RESCHED);
	}
	spin_unlock(&ci->ci_rq_lock);
}

/* ---- The switch ---- */

/* `next`, which is on no queue, runs instead of `l`, which has been put where it belongs. The run
 * queue is locked; it is not when this returns, in the next life of `l`. */
static inline void sched_run(struct cpu *ci, struct lwp *l, struct lwp *next)
{
	if (likely(atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed) != 0)) {
		slice_start(ci);
		if (sched_left(ci) != 0)
			sched_offer(ci);
	}
	spin_unlock(&ci->ci_rq_lock);
	port_stat_add(&ci->ci_switches, 1);
	port_stat_add(&next->l_switches, 1);
	if (unlikely(ci->ci_acct))
		acct_charge(ci, lwp_acct(ci, next));
	port_switch(l, next);
}

/* It was chosen, off the queue: what runs. */
static inline void sched_chosen(struct cpu *ci, struct lwp *next)
{
	next->l_state = LWP_ONPROC;
	/* Relaxed: only who acquires the 0 of port_switch() draws conclusions. */
	atomic_store_explicit(&next->l_running, 1, memory_order_relaxed);
	ci->ci_onproc = next;
}

void sched_switch(void)
{
	struct lwp *l = curlwp, *next;
	struct cpu *ci = curcpu();

	if (l == ci->ci_idle)
		sched_busy(ci);
	if (l->l_pinned != NULL) {
		next = ithread_divorce(ci, l);
		ci->ci_pending |= PENDING_RESCHED; /* it may be less than who is runnable */
	} else {
		next = runq_pick(ci);
		sched_chosen(ci, next);
	}
	if (l->l_state != LWP_RUN || l->l_expired)
		l->l_slice_ns = 0; /* else preempted: its slice goes on when it does */
	l->l_expired = false;
	if (next == l)
		spin_unlock(&ci->ci_rq_lock);
	else
		sched_run(ci, l, next);
}

bool sched_preemptible(const struct lwp *l)
{
	if (likely(l->l_gate == 0 && l->l_pinned == NULL))
		return true;
	/* Who runs instead of an attached ithread is the lwp beneath: if that one may not be
	 * preempted in its turn, nothing is won but that it comes before both. */
	for (; l != NULL; l = l->l_pinned)
		if (l->l_nopreempt != 0 || l->l_ipl > l->l_level)
			return false;
	return true;
}

void sched_preempt(void)
{
	struct lwp *l = curlwp;
	struct cpu *ci;

	KASSERT(!port_intr_enabled(), "preempted with interrupts on");
	ithread_leaving(l);
	ci = curcpu();
	spin_lock(&ci->ci_rq_lock);
	if (l == ci->ci_idle) {
		/* Never queued: it runs when nothing else does. */
	} else {
		l->l_state = LWP_RUN;
		runq_insert(ci, l, !l->l_expired); /* its slice goes on, or is over */
	}
	sched_switch();
}

uint64_t sched_slice(struct cpu *ci, uint64_t now_ns)
{
	struct lwp *l = ci->ci_onproc; /* not an ithread that happens to be upon it */
	unsigned top = atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed);

	ci->ci_slicing = top != 0 && l != ci->ci_idle;
	if (!ci->ci_slicing)
		return UINT64_MAX;
	if (l->l_level != IPL_NONE || top < lwp_pri(l))
		return now_ns + SLICE_NS; /* an interrupt's thread has no slice */
	if (l->l_slice_ns > now_ns)
		return l->l_slice_ns;
	if (l->l_slice_ns == 0) { /* the first look at it since its slice began */
		l->l_slice_ns = now_ns + SLICE_NS;
		return l->l_slice_ns;
	}
	l->l_slice_ns = 0;
	l->l_expired = true;
	ci->ci_pending |= PENDING_RESCHED; /* ithread_exit() does the rest */
	return now_ns + SLICE_NS;
}

/* An equal waits, and `l` is an ordinary lwp: the first of the queue out, `l` to its end. Neither
 * the map nor the best priority changes. The queue is locked. */
static inline struct lwp *runq_rotate(struct cpu *ci, struct lwp *l, unsigned pri)
{
	struct list *queue = &ci->ci_rq[pri];
	struct lwp *next = container_of(queue->next, struct lwp, l_runq);

	list_remove(&next->l_runq);
	list_insert_before(queue, &l->l_runq);
	if (unlikely((l->l_flags ^ next->l_flags) & LWP_BOUND)) {
		runq_count(ci, next, -1u);
		runq_count(ci, l, 1);
	}
	return next;
}

void sched_yield(void)
{
	struct lwp *l = curlwp, *next;
	struct cpu *ci = curcpu();
	unsigned pri = lwp_pri(l);

	if (atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed) < pri ||
	    !sched_preemptible(l) || l == ci->ci_idle)
		return;
	ithread_leaving(l);
	spin_lock(&ci->ci_rq_lock);
	l->l_state = LWP_RUN;
	l->l_slice_ns = 0; /* given up */
	if (unlikely(atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed) != lwp_pri(l) ||
		l->l_pinned != NULL)) {
		runq_insert(ci, l, false);
		sched_switch();
		return;
	}
	next = runq_rotate(ci, l, lwp_pri(l));
	sched_chosen(ci, next);
	l->l_expired = false;
	sched_run(ci, l, next);
}

void sched_poked(struct cpu *ci)
{
	unsigned top, i, n = cpu_count();

	ci->ci_pending |= PENDING_RESCHED;
	spin_lock(&ci->ci_rq_lock);
	top = atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed);
	if (top != 0 && top == lwp_pri(ci->ci_onproc))
		slice_start(ci);
	spin_unlock(&ci->ci_rq_lock);
	if (curlwp == ci->ci_idle && top == 0)
		return; /* it looks by itself */
	/* Offered something while it was idle, which it is no more, or not now: it has its own
	 * to run, or an interrupt's work upon the idle lwp. To the next, if there is one. */
	if (atomic_load_explicit(&sched_idlers, memory_order_relaxed) == 0)
		return;
	for (i = 0; i < n; i++) {
		if (sched_left(cpu_lookup(i)) != 0) {
			sched_offer(cpu_lookup(i));
			return;
		}
	}
}

/* ---- Idle ---- */

/* Somebody on `from` that may move to `ci` and is off its stack. Both queues are locked. */
static struct lwp *sched_stealable(struct cpu *from)
{
	uint64_t map = from->ci_rq_map;
	struct list *e;
	struct lwp *l;
	unsigned pri;

	for (; map != 0; map &= ~((uint64_t)1 << pri)) {
		pri = 63u - (unsigned)__builtin_clzll(map);
		LIST_EACH(e, &from->ci_rq[pri]) {
			l = container_of(e, struct lwp, l_runq);
			/* Acquire: pairs with the release in port_switch(). */
			if (!(l->l_flags & LWP_BOUND) &&
			    !atomic_load_explicit(&l->l_running, memory_order_acquire))
				return l;
		}
	}
	return NULL;
}

enum stolen { STOLEN_NONE, STOLEN_ONE, STOLEN_LATER };

/* LATER: there is one, but its queue is locked or it is still on its stack; both are short. */
static enum stolen sched_steal(struct cpu *ci, struct cpu *from)
{
	struct lwp *l = NULL;

	if (sched_left(from) == 0)
		return STOLEN_NONE;
	spin_lock(&ci->ci_rq_lock);
	if (spin_trylock(&from->ci_rq_lock)) {
		l = sched_stealable(from);
		if (l != NULL) {
			runq_remove(from, l);
			atomic_store_explicit(&l->l_cpu, ci, memory_order_relaxed);
			runq_insert(ci, l, false);
			ci->ci_pending |= PENDING_RESCHED;
		}
		spin_unlock(&from->ci_rq_lock);
	}
	spin_unlock(&ci->ci_rq_lock);
	if (sched_left(from) != 0 && l != NULL)
		sched_offer(from);
	return l != NULL ? STOLEN_ONE : sched_left(from) != 0 ? STOLEN_LATER : STOLEN_NONE;
}

bool sched_idle(struct cpu *ci)
{
	unsigned n = cpu_count(), i;
	enum stolen got;
	bool later;

	do {
		atomic_fetch_or_explicit(&sched_idlers, CPUSET(ci->ci_index), memory_order_relaxed);
		atomic_thread_fence(memory_order_seq_cst); /* pairs with that in sched_offer() */
		later = false;
		for (i = 1; i < n; i++) {
			got = sched_steal(ci, cpu_lookup((ci->ci_index + i) % n));
			if (got == STOLEN_ONE)
				return true;
			later |= got == STOLEN_LATER;
		}
		if (later) { /* let in who may be waiting for this CPU meanwhile */
			port_intr_enable();
			port_pause();
			(void)port_intr_disable();
		}
	} while (later);
	return false;
}

void sched_busy(struct cpu *ci)
{
	atomic_fetch_and_explicit(&sched_idlers, ~CPUSET(ci->ci_index), memory_order_relaxed);
}

/* ---- For people ---- */

void sched_dump(void)
{
	struct cpu *ci;
	struct lwp *l;
	struct list *e;
	unsigned i, depth;
	int pri;

	kprintf("cpus:\n");
	for (i = 0; i < cpu_count(); i++) {
		ci = cpu_lookup(i);
		kprintf("  cpu%u:", i);
		l = atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed);
		for (depth = 0; l != NULL && depth < IPL_COUNT; depth++, l = l->l_pinned)
			kprintf("%s%s (%s%s%s)", depth ? " over " : " ", l->l_name,
			    spl_name(l->l_ipl), l->l_handler ? ", " : "",
			    l->l_handler ? l->l_handler->ih_name : "");
		kprintf("%s", ci->ci_rq_map ? "; queued:" : "");
		for (pri = PRI_COUNT - 1; pri > 0; pri--) {
			depth = 0;
			LIST_EACH(e, &ci->ci_rq[pri])
				if (depth++ < 64)
					kprintf(" %s/%d",
					    container_of(e, struct lwp, l_runq)->l_name, pri);
		}
		kprintf("\n");
	}
}
