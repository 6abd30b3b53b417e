/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * invariant.c - the core's state, looked at whenever it has to be whole.
 *
 * The fields of a CPU are written by that CPU alone with its interrupts off. So they are whole, and
 * looked at, when its interrupts come on and when it idles. All spin locks are held with interrupts
 * off too. So when those of all CPUs are on, nothing is half done anywhere, and what CPUs share is
 * looked at as well. That is after every step that could have broken anything.
 *
 *	own CPU		I1	a level that is pending, above the lwp's and kept out by nobody,
 *				has been started; bits and queues say the same
 *			I4	what is attached to a CPU rises by level; a queue loses its first
 *				and grows at its end; what may migrate leaves it from anywhere
 *			I7	the core knows who is pinned on the CPU, and beneath whom
 *	all CPUs	I5	each ithread is in one place: attached, divorced, spare, given, free
 *			I6	nobody starves while another CPU has a spare
 *			I13	no handler that may migrate waits while a CPU with a spare idles
 *			I8	who waits for a lock is announced in its word
 *			I9	an owner runs at the highest priority of those it keeps waiting,
 *				and at its own when there are none
 *
 * The rest is with those who see it: I2, I10, I11, I12 and the other half of I1 in watch.c, I3 in
 * line.c, "a pinned lwp comes back once, here, at its level" (I7) in sim.c. What hangs on a lost
 * wakeup (I8) is a deadlock in the end, and explore.c says so.
 *
 * Nothing here takes a lock, is instrumented or is a point: what the core does is not disturbed.
 * What this file keeps is undone with the rest when a run begins (xp_dirty()). With store buffers a
 * CPU's memory is not yet what it wrote: it is looked at when its buffer is empty.
 *
 * Contexts: the simulated CPU, inside sim.c's functions. Next: watch.c.
 */
#include "invariant.h"

#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/rwlock.h>
#include <ithaca/sched.h>
#include <ithaca/turnstile.h>

#define LEVELS (IPL_TTY - IPL_BIO + 1)
#define QUEUE_MAX 8u
#define ITHREADS_MAX 24u
#define WAITERS_MAX 16u
#define PEEK(a) atomic_load_explicit(&(a), memory_order_relaxed)
#define CHANGE INV_CHANGE

/* A pending queue as it was when its CPU was last looked at. */
struct order {
	unsigned o_n; /* over QUEUE_MAX: not kept */
	const struct intr_handler *o_ih[QUEUE_MAX];
};

/* An ithread; i_new: it has not been anywhere yet. */
struct known {
	struct lwp *i_lwp;
	bool i_new;
};

INV_KEPT static struct order orders[XP_CPUS][LEVELS];
INV_KEPT static bool starves[XP_CPUS], unseen[XP_CPUS]; /* unseen: since its stores were all made */
INV_KEPT static struct known ithreads[ITHREADS_MAX];
INV_KEPT static unsigned nithreads;
INV_KEPT static bool pool_moved;
INV_KEPT static struct lwp *waiters[WAITERS_MAX];
INV_KEPT static unsigned nwaiters;

/* ---- One CPU ---- */

static void check_bits(const struct cpu *ci)
{
	for (unsigned level = IPL_BIO; level <= IPL_TTY; level++)
		if ((ci->ci_queue[level].q_head != NULL) != (ci->ci_pending >> level & 1))
			sim_failed("I1: CPU %u: level %s is %spending, its queue is %s",
			    ci->ci_index, spl_name((int)level),
			    ci->ci_pending >> level & 1 ? "" : "not ",
			    ci->ci_queue[level].q_head != NULL ? "not empty" : "empty");
	for (unsigned level = IPL_SOFTCLOCK; level <= IPL_SOFTSERIAL; level++) {
		const struct softint_cpu *sc = &ci->ci_softint[level];
		bool bit = ci->ci_pending >> level & 1;

		if (sc->sc_head != NULL && sc->sc_pending != 0 && !bit)
			sim_failed("I1: CPU %u: softints wait at level %s, which is not pending",
			    ci->ci_index, spl_name((int)level));
		if (bit && sc->sc_pending == 0)
			sim_failed("I4: CPU %u: level %s is pending while its lwp is away",
			    ci->ci_index, spl_name((int)level));
	}
}

/* What was in the queue is still in it, in that order, but for the first ones and those that may
 * migrate; new ones follow. */
static void check_order(struct cpu *ci, unsigned level)
{
	struct order *o = &orders[ci->ci_index][level - IPL_BIO];
	const struct intr_handler *ih = ci->ci_queue[level].q_head, *now[QUEUE_MAX];
	unsigned n = 0, gone = 0, i, k;

	if (ih == NULL && o->o_n == 0)
		return;
	for (; ih != NULL && n <= QUEUE_MAX; ih = ih->ih_qnext, n++)
		if (n < QUEUE_MAX)
			now[n] = ih;
	if (o->o_n <= QUEUE_MAX && n <= QUEUE_MAX) {
		while (gone < o->o_n && (n == 0 || o->o_ih[gone] != now[0]))
			gone++;
		for (i = gone, k = 0; i < o->o_n; i++) {
			if (k < n && now[k] == o->o_ih[i])
				k++;
			else if (!(o->o_ih[i]->ih_flags & INTR_MIGRATE))
				sim_failed("I4: CPU %u, level %s: %s has lost its place in the "
					   "queue",
				    ci->ci_index, spl_name((int)level), o->o_ih[i]->ih_name);
		}
	}
	xp_dirty((uintptr_t)o, sizeof(*o));
	o->o_n = n;
	for (i = 0; i < QUEUE_MAX; i++)
		o->o_ih[i] = i < n && n <= QUEUE_MAX ? now[i] : NULL;
}

/* The CPU was not looked at: by the next time one may have left its queue and have come again. */
static void forget_order(const struct cpu *ci)
{
	for (unsigned i = 0; i < LEVELS; i++)
		if (orders[ci->ci_index][i].o_n != 0)
			CHANGE(orders[ci->ci_index][i].o_n, 0);
}

/* The lwps on this CPU, from the one that runs down to the one that was interrupted first. */
static void check_pins(const struct sim_vcpu *v)
{
	const struct lwp *l = v->v_ci.ci_curlwp;
	unsigned n = v->v_npins;

	for (; l->l_pinned != NULL; l = l->l_pinned) {
		const struct lwp *beneath = l->l_pinned;

		if (n == 0 || v->v_pins[--n].p_lwp != beneath)
			sim_failed("I7: CPU %u: %s has %s beneath it, which is not pinned there",
			    v->v_ci.ci_index, l->l_name, beneath->l_name);
		if (l->l_level <= beneath->l_level || l->l_level <= beneath->l_ipl)
			sim_failed("I4: CPU %u: %s at level %s was started upon %s at level %s",
			    v->v_ci.ci_index, l->l_name, spl_name(l->l_level), beneath->l_name,
			    spl_name(beneath->l_ipl));
	}
	if (n != 0)
		sim_failed("I7: CPU %u: %s is pinned, and nobody runs upon it", v->v_ci.ci_index,
		    v->v_pins[n - 1].p_lwp->l_name);
}

/* May the lwp that runs here be kept from running by the run queue's first? */
static unsigned runnable_pri(const struct cpu *ci, const struct lwp *l)
{
	return sched_preemptible(l) ? PEEK(ci->ci_top_pri) : 0;
}

static bool attached_to(const struct cpu *ci, const struct lwp *it)
{
	for (const struct lwp *l = ci->ci_curlwp; l != NULL; l = l->l_pinned)
		if (l == it)
			return l->l_pinned != NULL;
	return false;
}

/* The spare, if it is not attached. */
static const struct lwp *spare_of(const struct cpu *ci)
{
	return ci->ci_spare != NULL && !attached_to(ci, ci->ci_spare) ? ci->ci_spare : NULL;
}

/* What is pending and kept out by nobody has been started, unless there is no ithread for it. */
static void check_started(struct cpu *ci)
{
	const struct lwp *l = ci->ci_curlwp;
	unsigned level = 31u ^ (unsigned)__builtin_clz((ci->ci_pending & PENDING_LEVELS) | 1);
	bool out = level <= l->l_ipl || l->l_nopreempt != 0 || PRI_LEVEL(level) <= PEEK(l->l_pri) ||
	    PRI_LEVEL(level) <= runnable_pri(ci, l);

	bool starving = !out && level >= IPL_BIO;

	if (starves[ci->ci_index] != starving) {
		CHANGE(starves[ci->ci_index], starving);
		CHANGE(pool_moved, true);
	}
	if (!out && (level < IPL_BIO || spare_of(ci) != NULL))
		sim_failed("I1: CPU %u: level %s is pending and nothing keeps it out, but %s goes "
			   "on at level %s",
		    ci->ci_index, spl_name((int)level), l->l_name, spl_name(l->l_ipl));
}

static bool attached(const struct lwp *it)
{
	for (unsigned c = 0; c < sim_ncpus; c++)
		if (attached_to(&sim_vcpus[c].v_ci, it))
			return true;
	return false;
}

bool inv_queued(const struct intr_handler *ih)
{
	/* l_handler of an attached one stays when it ends */
	for (unsigned i = 0; i < nithreads; i++)
		if (ithreads[i].i_lwp->l_handler == ih &&
		    (ithreads[i].i_lwp->l_pinned == NULL || attached(ithreads[i].i_lwp)))
			return true;
	for (unsigned i = 0; i < sim_ncpus; i++)
		for (unsigned level = IPL_BIO; level <= IPL_TTY; level++)
			for (const struct intr_handler *q =
				 sim_vcpus[i].v_ci.ci_queue[level].q_head;
			     q != NULL; q = q->ih_qnext)
				if (q == ih)
					return true;
	for (unsigned i = 0; i < sim_ncpus; i++)
		for (const struct intr_handler *q = PEEK(sim_vcpus[i].v_ci.ci_passed); q != NULL;
		     q = q->ih_qnext)
			if (q == ih)
				return true;
	return false;
}

/* ---- The pool ---- */

void inv_ithread(struct lwp *l, bool exists)
{
	xp_dirty((uintptr_t)ithreads, sizeof(ithreads));
	CHANGE(pool_moved, true);
	if (exists && nithreads == ITHREADS_MAX)
		sim_failed("more than %u ithreads in a scenario", ITHREADS_MAX);
	if (exists) {
		ithreads[nithreads] = (struct known){l, true};
		CHANGE(nithreads, nithreads + 1);
		return;
	}
	for (unsigned i = 0; i < nithreads; i++) {
		if (ithreads[i].i_lwp != l)
			continue;
		ithreads[i] = ithreads[nithreads - 1];
		ithreads[nithreads - 1] = (struct known){0};
		CHANGE(nithreads, nithreads - 1);
		return;
	}
}

void inv_resized(void)
{
	for (unsigned i = 0; i < nithreads; i++)
		if (ithreads[i].i_new)
			CHANGE(ithreads[i].i_new, false);
	CHANGE(pool_moved, true);
}

/* How many places it is in; *free if it is in none, and so must be on the free list. */
static unsigned places(const struct lwp *it)
{
	unsigned n = it->l_pinned == NULL && it->l_handler != NULL; /* divorced */
	const struct lwp *l;

	for (unsigned c = 0; c < sim_ncpus; c++) {
		const struct cpu *ci = &sim_vcpus[c].v_ci;

		n += spare_of(ci) == it;
		for (l = PEEK(ci->ci_gifts); l != NULL; l = l->l_next)
			n += l == it;
		for (l = ci->ci_curlwp; l != NULL; l = l->l_pinned)
			n += l == it && l->l_pinned != NULL;
	}
	return n;
}

/* Those in no other place are linked to one another, and one is the last; but for those that are
 * in the making. Returns how many are free for certain. */
static unsigned check_free(const struct known *free[], unsigned n)
{
	unsigned last = 0, fresh = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned before = 0;

		for (unsigned k = 0; k < n; k++)
			before += free[k]->i_lwp->l_next == free[i]->i_lwp;
		if (before > 1)
			sim_failed("I5: %s is on the free list twice", free[i]->i_lwp->l_name);
		last += free[i]->i_lwp->l_next == NULL;
		fresh += free[i]->i_new && before == 0 && free[i]->i_lwp->l_next == NULL;
	}
	if (n != 0 && (last == 0 || last > 1 + fresh))
		sim_failed("I5: %u ithreads are neither at work nor spare nor free, or the free "
			   "list has no end",
		    last == 0 ? n : last - 1 - fresh);
	return n - fresh;
}

/* I5; returns how many are on the free list, and in *all, how many may be. */
static unsigned check_pool(unsigned *all)
{
	const struct known *free[ITHREADS_MAX];
	unsigned nfree = 0, n;

	for (unsigned i = 0; i < nithreads; i++) {
		n = places(ithreads[i].i_lwp);
		if (n > 1)
			sim_failed("I5: ithread %s is in %u places at once",
			    ithreads[i].i_lwp->l_name, n);
		if (n == 0)
			free[nfree++] = &ithreads[i];
		else if (ithreads[i].i_new)
			CHANGE(ithreads[i].i_new, false);
	}
	*all = nfree;
	return check_free(free, nfree);
}

/* False: something is on its way, look again. */
static bool check_starving(unsigned nfree)
{
	const struct cpu *hungry = NULL, *has = NULL;

	for (unsigned c = 0; c < sim_ncpus; c++) {
		const struct sim_vcpu *v = &sim_vcpus[c];

		if (v->v_ipi || unseen[c] || PEEK(v->v_ci.ci_gifts) != NULL)
			return false;
		if (spare_of(&v->v_ci) != NULL)
			has = &v->v_ci;
		else if (starves[c])
			hungry = &v->v_ci;
	}
	if (hungry != NULL && has != NULL)
		sim_failed("I6: CPU %u starves, and CPU %u keeps %s to spare", hungry->ci_index,
		    has->ci_index, has->ci_spare->l_name);
	if (hungry != NULL && nfree != 0)
		sim_failed("I6: CPU %u starves, and an ithread is free", hungry->ci_index);
	return true;
}

/* ---- Handlers that may migrate ---- */

static const struct intr_handler *waits_here(const struct cpu *ci)
{
	for (unsigned level = IPL_BIO; level <= IPL_TTY; level++)
		for (const struct intr_handler *q = ci->ci_queue[level].q_head; q != NULL;
		     q = q->ih_qnext)
			if (q->ih_flags & INTR_MIGRATE)
				return q;
	return NULL;
}

/* Interrupts of all CPUs are on: what is queued was not begun. */
static void check_migrates(void)
{
	const struct intr_handler *ih = NULL, *found;
	const struct cpu *idles = NULL;
	unsigned at = 0;

	for (unsigned c = 0; c < sim_ncpus; c++) {
		const struct sim_vcpu *v = &sim_vcpus[c];

		if (v->v_ipi || unseen[c] || PEEK(v->v_ci.ci_ipi) != 0 ||
		    PEEK(v->v_ci.ci_passed) != NULL)
			return; /* somebody is about to look */
		found = starves[c] ? NULL : waits_here(&v->v_ci);
		if (found != NULL) {
			ih = found;
			at = c;
		}
		if (v->v_halted && v->v_ci.ci_curlwp == v->v_ci.ci_idle &&
		    spare_of(&v->v_ci) != NULL)
			idles = &v->v_ci;
	}
	if (ih != NULL && idles != NULL && idles->ci_index != at)
		sim_failed("I13: %s waits on CPU %u, and CPU %u idles", ih->ih_name, at,
		    idles->ci_index);
}

void inv_handoff(struct lwp *it)
{
	(void)it;
	CHANGE(pool_moved, true);
}

void inv_back(void)
{
	CHANGE(pool_moved, true);
}

/* ---- Locks ---- */

void inv_leaves(struct lwp *l)
{
	CHANGE(pool_moved, true);
	if (PEEK(l->l_wchan) == NULL || !PEEK(l->l_wait_turnstile) || nwaiters == WAITERS_MAX)
		return;
	CHANGE(waiters[nwaiters], l);
	CHANGE(nwaiters, nwaiters + 1);
}

/* Who holds a lock with that word, if the word says so. Mutexes and rwlocks, as their headers have
 * it; an address is no small number, a count of readers is. */
static struct lwp *word_owner(uintptr_t word)
{
	word &= ~(uintptr_t)7;
	return word / RW_ONE > 0xffff ? (struct lwp *)word : NULL;
}

/* I9, one way: what it runs at is its own or what it is lent, whichever is more. */
static void check_pri(const struct lwp *l)
{
	unsigned pri = l->l_basepri;
	struct list *e;

	LIST_EACH(e, &l->l_lent) {
		const struct turnstile *ts = container_of(e, struct turnstile, ts_lent);

		if (ts->ts_pri > pri)
			pri = ts->ts_pri;
	}
	if (PEEK(l->l_pri) != pri)
		sim_failed("I9: %s runs at priority %u; its own is %u, and with what it is lent %u",
		    l->l_name, PEEK(l->l_pri), l->l_basepri, pri);
}

static void check_waiter(const struct lwp *l)
{
	uintptr_t word = *(const uintptr_t *)PEEK(l->l_wchan);
	const struct lwp *owner = word_owner(word);

	if (!(word & MUTEX_WAITERS))
		sim_failed("I8: %s waits for %s, and whoever leaves that does not know", l->l_name,
		    l->l_wmesg);
	if (owner != NULL && PEEK(owner->l_pri) < PEEK(l->l_pri))
		sim_failed("I9: %s at priority %u waits for %s, whose owner %s runs at %u",
		    l->l_name, PEEK(l->l_pri), l->l_wmesg, owner->l_name, PEEK(owner->l_pri));
	check_pri(l);
}

static void check_locks(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nwaiters; i++) {
		struct lwp *l = waiters[i];

		if (PEEK(l->l_wchan) == NULL || !PEEK(l->l_wait_turnstile))
			continue; /* no longer */
		if (n != i)
			CHANGE(waiters[n], l);
		n++;
		check_waiter(l);
	}
	for (unsigned i = n; i < nwaiters; i++)
		CHANGE(waiters[i], NULL);
	if (n != nwaiters)
		CHANGE(nwaiters, n);
}

/* ---- When ---- */

static bool all_settled(const struct sim_vcpu *me)
{
	for (unsigned c = 0; c < sim_ncpus; c++) {
		const struct sim_vcpu *v = &sim_vcpus[c];

		if ((v != me && !v->v_intr && !v->v_halted) || xp_buffered(c))
			return false;
	}
	return true;
}

static void check_all(void)
{
	unsigned all;

	for (unsigned c = 0; c < sim_ncpus; c++)
		check_pri(sim_vcpus[c].v_ci.ci_curlwp);
	check_locks();
	check_migrates();
	watch_settled();
	if (pool_moved && check_starving(check_pool(&all)))
		CHANGE(pool_moved, false);
}

void inv_settles(struct sim_vcpu *v)
{
	struct cpu *ci = &v->v_ci;

	if (sim_in_event)
		return;
	if (unseen[ci->ci_index] != xp_buffered(ci->ci_index))
		CHANGE(unseen[ci->ci_index], !unseen[ci->ci_index]);
	if (unseen[ci->ci_index]) {
		forget_order(ci);
		return;
	}
	check_bits(ci);
	for (unsigned level = IPL_BIO; level <= IPL_TTY; level++)
		check_order(ci, level);
	check_pins(v);
	check_started(ci);
	if (all_settled(v))
		check_all();
}

void inv_end(void)
{
	struct ithread_counts c;
	unsigned nfree, spare = 0;

	(void)check_pool(&nfree);
	ithread_count(&c);
	for (unsigned i = 0; i < sim_ncpus; i++) {
		const struct cpu *ci = &sim_vcpus[i].v_ci;

		spare += spare_of(ci) != NULL;
		if (PEEK(ci->ci_ipi) != 0)
			sim_failed("I1: CPU %u was poked for %#x, and was not interrupted", i,
			    PEEK(ci->ci_ipi));
	}
	if (c.total != nithreads || c.free != nfree || c.spare != spare)
		sim_failed("I5: the pool counts %u ithreads, %u free, %u spare; there are %u, %u, "
			   "%u",
		    c.total, c.free, c.spare, nithreads, nfree, spare);
	watch_end();
}
