/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched.c - run queues, the one place where lwps are switched, and how they park and are woken.
 *
 * Each CPU has a run queue: 64 priorities, a bit map, FIFO within a priority. An lwp belongs to the
 * CPU it last ran on (l_cpu) and is woken there; an idle CPU steals from the others what is not
 * bound. So there is no choice to make at a wakeup, and no lock of another CPU on the way but the
 * run queue's own.
 *
 * All that are LWP_RUN are on the queue of their CPU, but the one chosen, ci_onproc: it runs, or is
 * pinned beneath what does. So whether somebody is queued need not be noted anywhere.
 *
 * Whoever leaves does so in sched_leave(), its new state set and the run queue locked. That unlocks
 * before it changes stacks: nobody of this CPU can look in between, for interrupts are off, and a
 * thief leaves alone what still runs (l_running, which port_switch clears once the stack is left):
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
 * To yield to an equal, to park, and to wake are what is done most, and each is one function that
 * saves no register but what its switch does: what is rare leaves it by a call of its own. A yield
 * to an equal of the same kind only turns the queue round by one. Nobody is told then: those who
 * wait are as many as before, so whoever idles has looked at them or been offered them, and the
 * clock was asked for when the first of them came.
 *
 * A time slice is of one stay on the CPU: l_slice_of says of which, by l_switches. So who yields or
 * sleeps has nothing to reset; who is preempted, and goes on with its slice, counts along.
 *
 * Idle CPUs. One that idles declares itself in sched_idlers and then looks through the queues; who
 * leaves something in a queue looks at sched_idlers afterwards and wakes one (sched_offer()). The
 * thief that finds more than it takes wakes the next, so a crowd spreads over all that idle.
 *
 * Contexts: interrupts off. Lock order: turnstile chain or sleep queue -> l_lock -> run queue. Two
 * run queues are held together by a thief only, which does not wait for the second.
 * Invariants: I7, I9 (an lwp is queued at l_pri, which sched_setpri() alone changes).
 * Not for: policy among user processes. Read lwp.c next: why each park has one unpark.
 */
#include <ithaca/sched.h>

#include "migrate_impl.h"
#include "model.h"

#include <ithaca/clock.h>
#include <ithaca/hint.h>
#include <ithaca/intr.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/witness.h>

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

static inline struct cpu *runq_lock(struct lwp *l)
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

struct cpu *sched_lock(struct lwp *l)
{
	return runq_lock(l);
}

/* ---- The queue itself; its lock is held. ---- */

static inline void runq_count(struct cpu *ci, struct lwp *l, unsigned n)
{
	if (!(l->l_flags & LWP_BOUND))
		atomic_store_explicit(&ci->ci_rq_len,
		    atomic_load_explicit(&ci->ci_rq_len, memory_order_relaxed) + n,
		    memory_order_relaxed);
}

/* It is on its CPU's queue, that is locked: all that are runnable are, but the one chosen. */
static inline bool runq_queued(const struct cpu *ci, const struct lwp *l)
{
	return l->l_state == LWP_RUN && l != ci->ci_onproc;
}

static inline void runq_insert(struct cpu *ci, struct lwp *l, bool head)
{
	size_t pri = lwp_pri(l); /* of a pointer's width, here and below: it is an index */
	struct list *queue = &ci->ci_rq[pri];

	list_insert_before(head ? queue->next : queue, &l->l_runq);
	ci->ci_rq_map |= (uint64_t)1 << pri;
	if (pri > atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed))
		atomic_store_explicit(&ci->ci_top_pri, (uint8_t)pri, memory_order_relaxed);
	runq_count(ci, l, 1);
}

static inline void runq_remove(struct cpu *ci, struct lwp *l)
{
	size_t pri = lwp_pri(l);

	list_unlink(&l->l_runq);
	runq_count(ci, l, -1u);
	if (!list_empty(&ci->ci_rq[pri]))
		return;
	ci->ci_rq_map ^= (uint64_t)1 << pri;
	atomic_store_explicit(&ci->ci_top_pri,
	    ci->ci_rq_map == 0 ? 0 : (uint8_t)(63 ^ __builtin_clzll(ci->ci_rq_map)),
	    memory_order_relaxed);
}

/* The first of a queue leaves it, and `l` comes to its end. The queue is found by the first: one
 * load, where its address would be worked out a second time. */
static inline void runq_rotate(struct lwp *first, struct lwp *l)
{
	struct list *queue = first->l_runq.prev;

	queue->next = first->l_runq.next;
	queue->next->prev = queue;
	list_append(queue, &l->l_runq);
}

/* The best of the queue, taken out, or the idle lwp. */
static struct lwp *runq_pick(struct cpu *ci)
{
	size_t pri = atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed);
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

/* `l` was queued on `ci`: nobody but this CPU need know, and that is seen to. What is common of
 * sched_notify(). */
static inline bool sched_noticed(struct cpu *ci, const struct lwp *l)
{
	uint8_t pri = lwp_pri(l), theirs = lwp_pri(ci->ci_onproc);

	if (pri >= theirs) {
		if (unlikely(ci != curcpu()))
			return false;
		if (pri > theirs)
			ci->ci_pending |= PENDING_RESCHED;
		else if (unlikely(!ci->ci_slicing))
			return false;
	}
	return (l->l_flags & LWP_BOUND) || (ci->ci_onproc == ci->ci_idle && sched_left(ci) <= 1);
}

void sched_enqueue(struct cpu *ci, struct lwp *l, bool head)
{
	KASSERT(l->l_state != LWP_RUN, "%s is runnable already", l->l_name);
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

/* Who runs on `ci`, or is pinned there, does so at `pri` now, which is more than it was: one that
 * was to preempt it may have become its equal. */
static void sched_raised(struct cpu *ci, uint8_t pri)
{
	if (pri != atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed))
		return;
	if (ci == curcpu())
		slice_start(ci);
	else
		cpu_poke(ci, IPI_RESCHED);
}

void sched_setpri(struct lwp *l, uint8_t pri)
{
	struct cpu *ci = sched_lock(l);
	bool queued = runq_queued(ci, l);
	uint8_t before = lwp_pri(l);

	if (queued)
		runq_remove(ci, l);
	atomic_store_explicit(&l->l_pri, pri, memory_order_relaxed);
	if (queued) {
		runq_insert(ci, l, pri < before); /* one that was lent to gives way to nobody new */
		if (pri > before || pri == lwp_pri(ci->ci_onproc))
			sched_notify(ci, l);
	} else if (pri > before && ci->ci_onproc == l) {
		sched_raised(ci, pri);
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
static inline void sched_leave(struct cpu *ci, struct lwp *l, struct lwp *next)
{
	spin_unlock(&ci->ci_rq_lock);
	port_stat_add(&ci->ci_switches, 1);
	port_stat_add(&next->l_switches, 1);
	port_switch(l, next);
}

/* The same, with times to be noted. Its parameters, and those of the next, stand in the order of
 * port_switch(), so that they are where the short way has them. */
static void __attribute__((noinline))
sched_leave_acct(struct lwp *l, struct lwp *next, struct cpu *ci)
{
	acct_charge(ci, lwp_acct(ci, next));
	sched_leave(ci, l, next);
}

/* The same, where others are to know of who is left. */
static void __attribute__((noinline))
sched_run_slow(struct lwp *l, struct lwp *next, struct cpu *ci)
{
	slice_start(ci);
	if (sched_left(ci) != 0)
		sched_offer(ci);
	acct_charge(ci, lwp_acct(ci, next));
	sched_leave(ci, l, next);
}

static inline void sched_run(struct cpu *ci, struct lwp *l, struct lwp *next)
{
	if (atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed) != 0 &&
	    (!ci->ci_slicing || sched_left(ci) != 0))
		sched_run_slow(l, next, ci);
	else if (unlikely(ci->ci_acct))
		sched_leave_acct(l, next, ci);
	else
		sched_leave(ci, l, next);
}

/* It was taken off the queue, to run. */
static inline void sched_chosen(struct cpu *ci, struct lwp *next)
{
	/* Relaxed: only who acquires the 0 of port_switch() draws conclusions. */
	atomic_store_explicit(&next->l_running, 1, memory_order_relaxed);
	ci->ci_onproc = next;
}

/* An ordinary lwp that does not stay on the queue leaves. */
static inline void sched_away(struct cpu *ci, struct lwp *l)
{
	struct lwp *next = runq_pick(ci);

	l->l_expired = false;
	sched_chosen(ci, next);
	sched_run(ci, l, next);
}

void sched_switch(void)
{
	struct lwp *l = curlwp, *next;
	struct cpu *ci = curcpu();

	if (l == ci->ci_idle)
		sched_busy(ci);
	if (l->l_pinned != NULL) {
		next = ithread_divorce(ci, l);
		/* Its slice goes on as well; and it may be less than who is runnable. */
		next->l_slice_of++;
		ci->ci_pending |= PENDING_RESCHED;
	} else {
		next = runq_pick(ci);
		sched_chosen(ci, next);
	}
	if (l->l_state == LWP_RUN && next != l)
		l->l_slice_of++; /* preempted: its slice goes on when it does */
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
	uint64_t switches = atomic_load_explicit(&l->l_switches, memory_order_relaxed);
	unsigned top = atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed);

	ci->ci_slicing = top != 0 && l != ci->ci_idle;
	if (!ci->ci_slicing)
		return UINT64_MAX;
	if (l->l_level != IPL_NONE || top < lwp_pri(l))
		return now_ns + SLICE_NS; /* an interrupt's thread has no slice */
	if (l->l_slice_ns == 0 || l->l_slice_of != switches) { /* the first look in this slice */
		l->l_slice_of = switches;
		l->l_slice_ns = now_ns + SLICE_NS;
		return l->l_slice_ns;
	}
	if (l->l_slice_ns > now_ns)
		return l->l_slice_ns;
	l->l_slice_ns = 0;
	l->l_expired = true;
	ci->ci_pending |= PENDING_RESCHED; /* ithread_exit() does the rest */
	return now_ns + SLICE_NS;
}

void sched_yield(void)
{
	struct lwp *l = curlwp;
	struct cpu *ci = curcpu();

	if (atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed) < lwp_pri(l) ||
	    !sched_preemptible(l) || l == ci->ci_idle)
		return;
	ithread_leaving(l);
	spin_lock(&ci->ci_rq_lock);
	l->l_state = LWP_RUN;
	l->l_slice_ns = 0; /* given up */
	runq_insert(ci, l, false);
	sched_switch();
}

/* ---- Parked, woken, and making room: the short ways, by themselves ---- */

/* curlwp has come out of a switch; interrupts were on before. */
static inline void sched_back(void)
{
	if (unlikely(port_pending()))
		ithread_exit();
	port_intr_enable();
}

void lwp_park(void)
{
	struct lwp *l = curlwp;
	struct cpu *ci;
	bool intr;

	model_blocks(l->l_wmesg);
	witness_sleep(l->l_wmesg);
	KASSERT(!IPL_IS_HARD(spl_now()), "%s blocks at level %s on %s", l->l_name,
	    spl_name(spl_now()), l->l_wmesg ? l->l_wmesg : "?");
	KASSERT(l->l_nopreempt == 0, "%s blocks on %s with preemption disabled", l->l_name,
	    l->l_wmesg ? l->l_wmesg : "?");
	KASSERT(!(l->l_flags & LWP_IDLE), "the idle lwp blocks on %s", l->l_wmesg);
	ithread_leaving(l);
	intr = port_intr_disable();
	ci = curcpu();
	spin_lock(&ci->ci_rq_lock);
	if (l->l_unparked) {
		l->l_unparked = false;
		spin_unlock(&ci->ci_rq_lock);
		ithread_staying(l);
	} else {
		l->l_state = LWP_SLEEP;
		if (likely(l->l_pinned == NULL))
			sched_away(ci, l);
		else
			sched_switch();
	}
	if (likely(intr))
		sched_back();
}

/* `l` was queued, and others are to know; the end of lwp_unpark(). */
static void __attribute__((noinline)) unpark_told(struct cpu *ci, struct lwp *l, bool intr)
{
	sched_notify(ci, l);
	spin_unlock(&ci->ci_rq_lock);
	intr_return(intr);
}

void lwp_unpark(struct lwp *l)
{
	bool intr = port_intr_disable();
	struct cpu *ci = runq_lock(l);

	KASSERT(!l->l_unparked, "%s is woken twice", l->l_name);
	if (likely(l->l_state == LWP_SLEEP)) {
		l->l_state = LWP_RUN;
		runq_insert(ci, l, false);
		if (unlikely(!sched_noticed(ci, l))) {
			unpark_told(ci, l, intr);
			return;
		}
	} else {
		l->l_unparked = true;
	}
	spin_unlock(&ci->ci_rq_lock);
	if (likely(intr))
		sched_back();
}

/*
 * The first of the queue out, curlwp to its end: neither map, best priority nor the number of those
 * that may be stolen change, so there is nothing to tell anybody, and the clock was asked for when
 * the other was queued. With l_gate 0 it is nobody's ithread, and may be preempted; so if its slice
 * was over it has been, unless the equal for whom it was had gone. Such a l_expired stays: it costs
 * the start of another slice, once.
 */
static inline bool yield_to_equal(struct cpu *ci, struct lwp *l, size_t pri)
{
	struct lwp *next = container_of(ci->ci_rq[pri].next, struct lwp, l_runq);

	KASSERT(!list_empty(&ci->ci_rq[pri]), "nobody waits beside %s", l->l_name);
	if (unlikely(((l->l_flags ^ next->l_flags) | l->l_gate) != 0))
		return false;
	KASSERT(l->l_pinned == NULL, "%s is attached, at no level", l->l_name);
	runq_rotate(next, l);
	sched_chosen(ci, next);
	if (unlikely(ci->ci_acct))
		sched_leave_acct(l, next, ci);
	else
		sched_leave(ci, l, next);
	return true;
}

/* Whatever else curlwp may be, or may find; the queue is locked. */
static void __attribute__((noinline)) yield_any(void)
{
	spin_unlock(&curcpu()->ci_rq_lock);
	sched_yield();
}

void lwp_yield(void)
{
	struct lwp *l = curlwp;
	struct cpu *ci;
	size_t pri;

	KASSERT(spins_held() == 0, "%s yields with a spin mutex held", l->l_name);
	KASSERT(port_intr_enabled(), "%s yields with interrupts off", l->l_name);
	KASSERT(!(l->l_flags & LWP_IDLE), "the idle lwp yields");
	port_intr_off();
	ci = curcpu();
	if (unlikely(!spin_trylock(&ci->ci_rq_lock))) {
		sched_yield(); /* waits for the lock */
	} else {
		pri = lwp_pri(l);
		if (unlikely(atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed) != pri) ||
		    !likely(yield_to_equal(ci, l, pri)))
			yield_any();
	}
	sched_back();
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
	migrate_ask(ci); /* behind the last fence */
	return false;
}

struct cpu *sched_claim(const struct cpu *ci)
{
	cpuset_t idlers = atomic_load_explicit(&sched_idlers, memory_order_relaxed), bit;
	struct cpu *to;

	for (idlers &= ~CPUSET(ci->ci_index); idlers != 0; idlers &= ~bit) {
		bit = idlers & -idlers;
		to = cpu_lookup((unsigned)__builtin_ctzll(bit));
		/* One with an interrupt's work upon its idle lwp comes by sched_idle() again. */
		if (atomic_load_explicit(&to->ci_curlwp, memory_order_relaxed) == to->ci_idle &&
		    (atomic_fetch_and_explicit(&sched_idlers, ~bit, memory_order_relaxed) & bit))
			return to;
	}
	return NULL;
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
