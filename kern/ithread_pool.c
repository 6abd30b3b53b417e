/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ithread_pool.c - where ithreads are when they run nothing: the pool, starvation, the pool's size.
 *
 * The pool. Each CPU keeps one spare, touched by itself alone, so the fast path has no lock and no
 * line in common with another CPU; nor has it to put anything back: ci_spare stays what it is while
 * that one is attached, till it is divorced. The others are on a free list. When neither is to be
 * had, the CPU starves: it sets its bit in ithread_starved and pokes every other CPU. ithread_put()
 * looks at that word first, and whoever is poked gives its spare (I6).
 *
 *	CPU 0 (starves)                     CPU 1 (puts an ithread away), interrupts off
 *	finds no spare, no free one         reads starved: nobody
 *	starved |= CPU 0                    spare = it
 *	IPI to CPU 1 ---------------------> interrupts on: IPI: starved has CPU 0: gives the spare
 *
 * Without the IPI the two could miss each other: putting away has no fence between its load and its
 * store, and needs none, since the IPI comes before it or after it and never between.
 *
 * So a CPU that was poked and had none to give remembers it, and need not look at that word when
 * its ithread ends: PENDING_LOOK, the bit of IPL_NONE in ci_pending, says that the next one to end
 * is for ithread_put(). The bit also stands while an ithread is attached that is not ci_spare. One
 * that ends with it puts itself away, and leaves as the divorced ones do. Without the bit it is the
 * spare, and nothing more is asked; where the whole of ci_pending is 0, not even what to run next.
 *
 * Contexts: interrupts off, but where ithread.h says otherwise. Locks: pool_resize, then
 * pool_lock alone.
 * Invariants: I5, I6. Not for: what an ithread does while it runs (ithread.c). Read sched.c next.
 */
#include <ithaca/ithread.h>

#include "ithread_impl.h"

#include <ithaca/errno.h>
#include <ithaca/hint.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sched.h>

#define ITHREADS_PER_CPU 2

static struct mutex pool_resize; /* one resize at a time; nothing else is under it */
static struct spin pool_lock;
static struct lwp *pool_free;          /* (pool_lock) linked by l_next */
static unsigned pool_nfree;            /* (pool_lock) */
static unsigned pool_total;            /* (pool_lock) */
static unsigned pool_target;           /* (pool_lock) */
static uint32_t pool_serial;           /* (pool_lock) for names */
static _Atomic unsigned pool_handlers; /* (~) thread handlers established */

/* (~) Set by the CPU that starves, cleared by whoever then gives to it. */
static _Atomic cpuset_t ithread_starved;

void ithread_init(void)
{
	mutex_init(&pool_resize, "ithreads", IPL_NONE);
}

/* ---- The pool ---- */

void ithread_limits(unsigned *min, unsigned *max)
{
	unsigned handlers = atomic_load_explicit(&pool_handlers, memory_order_relaxed);

	*min = ITHREADS_PER_CPU * cpu_count();
	*max = handlers > *min ? handlers : *min;
}

/* Give `it` to the CPU `to`, which finds it by IPI_GIFT. `it` may be on its stack still. */
static void ithread_give(struct cpu *to, struct lwp *it)
{
	struct lwp *head = atomic_load_explicit(&to->ci_gifts, memory_order_relaxed);

	do {
		it->l_next = head;
		/* Release: pairs with the exchange in ithread_take_gifts(). */
	} while (!atomic_compare_exchange_weak_explicit(&to->ci_gifts, &head, it,
	    memory_order_release, memory_order_relaxed));
	cpu_poke(to, IPI_GIFT);
}

/* A CPU that starves, the next one behind `ci`, its bit taken out; or NULL. Whoever gets one must
 * give to it. */
static struct cpu *ithread_starving(const struct cpu *ci)
{
	cpuset_t set = atomic_load_explicit(&ithread_starved, memory_order_relaxed);
	cpuset_t behind, bit;

	while (unlikely(set != 0)) {
		behind = set & ~(CPUSET(ci->ci_index) | (CPUSET(ci->ci_index) - 1));
		bit = behind != 0 ? behind & -behind : set & -set;
		set = atomic_fetch_and_explicit(&ithread_starved, ~bit, memory_order_acq_rel);
		if (set & bit)
			return cpu_lookup((unsigned)__builtin_ctzll(bit));
	}
	return NULL;
}

/* To the free list, or to the reaper when the pool is too large. */
static void pool_put(struct lwp *it)
{
	bool reap;

	spin_lock(&pool_lock);
	reap = pool_total > pool_target;
	if (reap) {
		pool_total--;
	} else {
		it->l_next = pool_free;
		pool_free = it;
		pool_nfree++;
	}
	spin_unlock(&pool_lock);
	if (reap)
		lwp_reap(it);
}

/* The first of the free list, or NULL. pool_lock held. */
static struct lwp *pool_pop(void)
{
	struct lwp *it = pool_free;

	if (it != NULL) {
		pool_free = it->l_next;
		pool_nfree--;
	}
	return it;
}

/* Attached ithreads of a CPU, but for two. From outside: bounded, and only nearly right. */
static unsigned ithread_attached(struct cpu *ci, const struct lwp *but, const struct lwp *nor)
{
	struct lwp *l = atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed);
	unsigned n = 0, depth;

	for (depth = 0; l != NULL && depth < IPL_COUNT; depth++, l = l->l_pinned)
		n += l->l_pinned != NULL && (l->l_flags & LWP_ITHREAD) != 0 && l != but && l != nor;
	return n;
}

/* The spare, if it is one now and not attached. From outside: only nearly right. */
struct lwp *ithread_spare(const struct cpu *ci)
{
	struct lwp *it = ci->ci_spare;

	return it != NULL && !lwp_is_attached(ci, it) ? it : NULL;
}

/* PENDING_LOOK is as it should be, after a change to what it depends on: a CPU starves, or one is
 * attached that is not ci_spare and has to be put away. `but` counts as put away. */
static void ithread_look(struct cpu *ci, const struct lwp *but)
{
	if (atomic_load_explicit(&ithread_starved, memory_order_relaxed) != 0 ||
	    ithread_attached(ci, but, ci->ci_spare) != 0)
		ci->ci_pending |= PENDING_LOOK;
	else
		ci->ci_pending &= ~PENDING_LOOK;
}

void ithread_put(struct cpu *ci, struct lwp *it)
{
	struct cpu *to = ithread_starving(ci);

	if (ci->ci_spare == it)
		ci->ci_spare = NULL;
	if (to != NULL && to != ci)
		ithread_give(to, it);
	else if (ci->ci_spare == NULL)
		ci->ci_spare = it;
	else
		pool_put(it);
	ithread_look(ci, it);
}

/* `it` comes to this CPU from a list; it may be on its stack still: see ithread_retire(). */
static void ithread_arrive(struct cpu *ci, struct lwp *it)
{
	/* Acquire: pairs with the release in port_switch(). */
	while (atomic_load_explicit(&it->l_running, memory_order_acquire))
		port_pause();
	atomic_store_explicit(&it->l_cpu, ci, memory_order_relaxed);
}

static struct lwp *pool_take(struct cpu *ci)
{
	struct lwp *it;

	spin_lock(&pool_lock);
	it = pool_pop();
	spin_unlock(&pool_lock);
	if (it != NULL)
		ithread_arrive(ci, it);
	return it;
}

/* The spare is out: gifts, then the free list. NULL when there is none. */
struct lwp *ithread_draw(struct cpu *ci)
{
	struct lwp *it;

	ithread_take_gifts(ci);
	it = ithread_spare(ci);
	if (it != NULL)
		return it;
	it = pool_take(ci);
	if (ci->ci_spare == NULL)
		ci->ci_spare = it;
	return it;
}

void ithread_starve(struct cpu *ci)
{
	cpuset_t bit = CPUSET(ci->ci_index);
	unsigned i;

	if (atomic_fetch_or_explicit(&ithread_starved, bit, memory_order_acq_rel) & bit)
		return;
	port_stat_add(&ci->ci_starvations, 1);
	for (i = 0; i < cpu_count(); i++)
		if (i != ci->ci_index)
			cpu_poke(cpu_lookup(i), IPI_ITHREAD);
}

/*
 * A gift is kept only by who would start it now. What is pending but kept out has no use for it,
 * and may have none for long, while another starves. And what keeps it out may come after this
 * look: so ithread_choose() looks again (ithread_not_now()).
 *
 *	CPU 0 (starves)			CPU 1 (has starved)
 *	starved |= CPU 0, IPI to CPU 1
 *					IPI: no spare to give; a gift, which a level is waiting for
 *	wakes a divorced ithread of
 *	CPU 1: first of the run queue
 *					ithread_choose(): that one comes first, the level is kept
 *					out: the gift goes on to CPU 0
 */
void ithread_take_gifts(struct cpu *ci)
{
	struct lwp *it, *next;

	/* Acquire: pairs with the release in ithread_give(). */
	it = atomic_exchange_explicit(&ci->ci_gifts, NULL, memory_order_acquire);
	for (; it != NULL; it = next) {
		next = it->l_next;
		port_stat_add(&ci->ci_rescues, 1);
		ithread_arrive(ci, it);
		if (ithread_spare(ci) == NULL && ithread_wanted(ci))
			ci->ci_spare = it;
		else
			ithread_put(ci, it); /* not needed here any more: another may starve */
	}
	ithread_look(ci, NULL);
}

void ithread_give_spare(struct cpu *ci)
{
	struct lwp *it = ithread_spare(ci);
	struct cpu *to;

	if (it != NULL) {
		ci->ci_spare = NULL;
	} else {
		it = pool_take(ci); /* put there just before the other set its bit */
		if (it == NULL) {
			ithread_look(ci, NULL);
			return;
		}
	}
	to = ithread_starving(ci);
	if (to == NULL || to == ci) /* served meanwhile; or an old bit: it has one */
		ithread_put(ci, it);
	else
		ithread_give(to, it);
}

void ithread_not_now(struct cpu *ci)
{
	if (ithread_spare(ci) != NULL &&
	    atomic_load_explicit(&ithread_starved, memory_order_relaxed) != 0)
		ithread_give_spare(ci);
}

/* ---- Size ---- */

static struct lwp *ithread_make(void)
{
	char name[LWP_NAME_MAX];
	uint32_t serial;
	bool intr = port_intr_disable();

	spin_lock(&pool_lock);
	serial = pool_serial++;
	spin_unlock(&pool_lock);
	intr_return(intr);
	ksnprintf(name, sizeof(name), "ithread%u", serial);
	return lwp_alloc(name, LWP_ITHREAD | LWP_BOUND, NULL, PRI_IPL(IPL_BIO));
}

/* One more into the pool; whoever starves gets it. */
static void pool_add(struct lwp *it)
{
	struct cpu *to;
	bool intr = port_intr_disable();

	spin_lock(&pool_lock);
	pool_total++;
	spin_unlock(&pool_lock);
	to = ithread_starving(curcpu());
	if (to != NULL)
		ithread_give(to, it);
	else
		pool_put(it);
	intr_return(intr);
}

static int ithread_add(void)
{
	struct lwp *it = ithread_make();

	if (it == NULL)
		return ENOMEM;
	pool_add(it);
	return 0;
}

/* One less, if one is free and there are too many still: others come back to the pool meanwhile,
 * and pool_put() takes them away, too. */
static bool ithread_remove(void)
{
	struct lwp *it = NULL;
	bool intr = port_intr_disable();

	spin_lock(&pool_lock);
	if (pool_total > pool_target)
		it = pool_pop();
	if (it != NULL)
		pool_total--;
	spin_unlock(&pool_lock);
	if (it != NULL)
		lwp_reap(it);
	intr_return(intr);
	return it != NULL;
}

static unsigned pool_set_target(unsigned n)
{
	unsigned total;
	bool intr = port_intr_disable();

	spin_lock(&pool_lock);
	pool_target = n;
	total = pool_total;
	spin_unlock(&pool_lock);
	intr_return(intr);
	return total;
}

static unsigned pool_target_now(void)
{
	unsigned target;
	bool intr = port_intr_disable();

	spin_lock(&pool_lock);
	target = pool_target;
	spin_unlock(&pool_lock);
	intr_return(intr);
	return target;
}

int ithread_resize(unsigned n)
{
	unsigned min, max, total;
	int error = 0;

	mutex_enter(&pool_resize);
	ithread_limits(&min, &max);
	if (n < min || n > max) {
		mutex_exit(&pool_resize);
		return ERANGE;
	}
	total = pool_set_target(n);
	while (total < n && (error = ithread_add()) == 0)
		total++;
	if (error)
		pool_set_target(total);
	while (ithread_remove())
		;
	mutex_exit(&pool_resize);
	return error;
}

void ithread_handlers(int delta)
{
	unsigned min, max;

	atomic_fetch_add_explicit(&pool_handlers, (unsigned)delta, memory_order_relaxed);
	ithread_limits(&min, &max);
	if (delta < 0 && pool_target_now() > max)
		(void)ithread_resize(max); /* to shrink cannot fail; ERANGE: another was quicker */
}

int ithread_attach(struct cpu *ci)
{
	struct lwp *spare = ithread_make(), *more = ithread_make();
	bool intr;

	if (spare == NULL || more == NULL) {
		if (spare != NULL)
			lwp_reap(spare);
		if (more != NULL)
			lwp_reap(more);
		return ENOMEM;
	}
	atomic_store_explicit(&spare->l_cpu, ci, memory_order_relaxed);
	/* The CPU does not run yet, or is this one, before its first interrupt. */
	ci->ci_spare = spare;
	intr = port_intr_disable();
	spin_lock(&pool_lock);
	pool_total++;
	pool_target += ITHREADS_PER_CPU;
	spin_unlock(&pool_lock);
	intr_return(intr);
	pool_add(more);
	return 0;
}

void ithread_count(struct ithread_counts *out)
{
	struct cpu *ci;
	unsigned i;
	bool intr;

	*out = (struct ithread_counts){0};
	intr = port_intr_disable();
	if (!panicking())
		spin_lock(&pool_lock);
	out->total = pool_total;
	out->target = pool_target;
	out->free = pool_nfree;
	if (!panicking())
		spin_unlock(&pool_lock);
	intr_return(intr);
	for (i = 0; i < cpu_count(); i++) {
		ci = cpu_lookup(i);
		out->spare += ithread_spare(ci) != NULL;
		out->active += ithread_attached(ci, NULL, NULL);
	}
	if (out->total >= out->free + out->spare + out->active)
		out->divorced = out->total - out->free - out->spare - out->active;
}
