/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * turnstile.c - lwps that wait for adaptive mutexes and rwlocks, and the priority they lend.
 *
 * A lock is one word and has no room for a queue. Every lwp brings a turnstile of its own: the
 * first that blocks on a lock gives its turnstile to it, later ones put theirs on its free list,
 * and each takes one away again when it is woken. Turnstiles in use hang in a hash of chains, each
 * with a spin lock, the "turnstile chain's lock" (c). What kind of lock it is does not matter
 * here: it is an address, a name, and at most one lwp that is lent to.
 *
 * Lending. l_pri of an lwp is the greatest of its own l_basepri and the ts_pri of every turnstile
 * on its l_lent list, which are those of the mutexes that it holds and others wait for. When an
 * lwp blocks, or its priority changes, turnstile_repri() works along the chain: owner, what the
 * owner waits for, that one's owner, and so on. One hop holds one chain's lock and one l_lock and
 * then lets go: an lwp that is met is checked again under the lock of the chain it waits in, and
 * memory of lwps is type-stable, so a hop that comes too late finds nothing to do.
 *
 *	CPU 0 (hop from X to owner A)       CPU 1
 *	A->l_pri = 50; A waits for m
 *	A->l_lock released
 *	                                    m's owner exits, takes A out of the turnstile, wakes it
 *	chain of m locked: A->l_wchan
 *	is not m any more: done             A runs, at 50
 *
 * With each change of a ts_pri or a list goes a turnstile_compute() of the owner, who works out his
 * from what is true then, so two that overlap end in the same place. A hop that changes nothing
 * ends the walk, also in a ring of lwps that wait for one another.
 *
 * Lock order: chain -> l_lock -> run queue. Two chains are never held together. Invariants: I8, I9.
 * Not for: condition variables and sleeps (sleepq.c). Who calls: mutex.c, rwlock.c.
 */
#include <ithaca/turnstile.h>

#include "ithread_impl.h"

#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sched.h>
#include <ithaca/sleepq.h>

#define CHAINS 64
#define CHAIN_HOPS_MAX 4096

static struct turnstile_chain {
	_Alignas(64) struct spin tc_lock;
	struct list tc_list; /* (c) turnstiles in use */
} chains[CHAINS];

static struct turnstile_chain *chain_of(const void *obj)
{
	uintptr_t a = (uintptr_t)obj;

	return &chains[((a >> 4) ^ (a >> 10)) % CHAINS];
}

void turnstile_init(void)
{
	unsigned i;

	for (i = 0; i < CHAINS; i++) {
		spin_init(&chains[i].tc_lock);
		list_init(&chains[i].tc_list);
	}
}

struct turnstile *turnstile_alloc(void)
{
	struct turnstile *ts = port_mem_alloc(sizeof(*ts));

	if (ts == NULL)
		return NULL;
	list_init(&ts->ts_chain);
	list_init(&ts->ts_waiters);
	list_init(&ts->ts_free);
	list_init(&ts->ts_lent);
	return ts;
}

void turnstile_free(struct turnstile *ts)
{
	KASSERT(ts != NULL && !list_linked(&ts->ts_chain), "turnstile freed in use");
	port_mem_free(ts, sizeof(*ts));
}

bool turnstile_lock(const void *obj)
{
	bool intr = port_intr_disable();

	spin_lock(&chain_of(obj)->tc_lock);
	return intr;
}

void turnstile_unlock(const void *obj, bool intr)
{
	spin_unlock(&chain_of(obj)->tc_lock);
	intr_return(intr);
}

/* ---- A turnstile; its chain is locked. ---- */

static struct turnstile *turnstile_lookup(const void *obj)
{
	struct list *e, *head = &chain_of(obj)->tc_list;
	struct turnstile *ts;

	LIST_EACH(e, head) {
		ts = container_of(e, struct turnstile, ts_chain);
		if (ts->ts_obj == obj)
			return ts;
	}
	return NULL;
}

static struct lwp *turnstile_first(const struct turnstile *ts)
{
	return container_of(ts->ts_waiters.next, struct lwp, l_waitq);
}

static uint8_t pri_of(struct lwp *l)
{
	uint8_t pri;

	spin_lock(&l->l_lock);
	pri = lwp_pri(l);
	spin_unlock(&l->l_lock);
	return pri;
}

/* The same of curlwp, which is about to wait: an ithread's becomes that of what it runs. */
static uint8_t turnstile_enters(struct lwp *l)
{
	uint8_t pri;

	spin_lock(&l->l_lock);
	if (l->l_pinned != NULL)
		ithread_own_pri(l, PRI_IPL(l->l_level)); /* ithread_leaving() */
	pri = lwp_pri(l);
	spin_unlock(&l->l_lock);
	return pri;
}

/* Behind those that are as urgent. */
static void turnstile_insert(struct turnstile *ts, struct lwp *l, uint8_t pri)
{
	struct list *e;

	LIST_EACH(e, &ts->ts_waiters)
		if (pri_of(container_of(e, struct lwp, l_waitq)) < pri)
			break;
	list_insert_before(e, &l->l_waitq);
}

/*
 * sched_setpri() for whom it mostly concerns: the lwp that runs, which lets go of a lock, or the
 * one beneath it, which holds the lock that it wants. Neither is on a run queue; and if nobody who
 * is there comes before it now, or is its equal, no more follows from it.
 */
static void turnstile_setpri(struct lwp *l, uint8_t pri)
{
	struct cpu *ci = curcpu();
	struct lwp *me = curlwp;

	if (l == me || l == me->l_pinned) {
		spin_lock(&ci->ci_rq_lock);
		if (atomic_load_explicit(&ci->ci_top_pri, memory_order_relaxed) < pri) {
			atomic_store_explicit(&l->l_pri, pri, memory_order_relaxed);
			spin_unlock(&ci->ci_rq_lock);
			return;
		}
		spin_unlock(&ci->ci_rq_lock);
	}
	sched_setpri(l, pri);
}

/* Work out l_pri; l_lock is held. False: it stays. */
static bool turnstile_compute(struct lwp *l)
{
	struct turnstile *ts;
	struct list *e;
	uint8_t pri = l->l_basepri;

	LIST_EACH(e, &l->l_lent) {
		ts = container_of(e, struct turnstile, ts_lent);
		if (ts->ts_pri > pri)
			pri = ts->ts_pri;
	}
	if (pri == lwp_pri(l))
		return false;
	turnstile_setpri(l, pri);
	return true;
}

/* What the first waiter has, `pri`, goes to `owner`, if there is one. False: that changes nothing
 * of his. */
static bool turnstile_lend(struct turnstile *ts, struct lwp *owner, uint8_t pri)
{
	bool changed;

	if (owner == NULL) {
		ts->ts_pri = pri;
		return false;
	}
	spin_lock(&owner->l_lock);
	ts->ts_pri = pri;
	ts->ts_owner = owner;
	if (!list_linked(&ts->ts_lent))
		list_append(&owner->l_lent, &ts->ts_lent);
	changed = turnstile_compute(owner);
	spin_unlock(&owner->l_lock);
	return changed;
}

/* What curlwp, `l`, was lent by those whom it kept waiting here is given back. */
static void turnstile_pay_back(struct turnstile *ts, struct lwp *l)
{
	spin_lock(&l->l_lock);
	list_remove(&ts->ts_lent);
	ts->ts_owner = NULL;
	turnstile_compute(l);
	spin_unlock(&l->l_lock);
}

/* `l` waits no more: it takes a turnstile along, the last one this one. */
static void turnstile_out(struct turnstile *ts, struct lwp *l)
{
	list_remove(&l->l_waitq);
	if (!list_empty(&ts->ts_waiters)) {
		l->l_turnstile = container_of(list_take(&ts->ts_free), struct turnstile, ts_chain);
	} else {
		KASSERT(list_empty(&ts->ts_free), "%s: turnstiles left over", ts->ts_name);
		list_remove(&ts->ts_chain);
		ts->ts_obj = NULL;
		l->l_turnstile = ts;
	}
	atomic_store_explicit(&l->l_wchan, NULL, memory_order_relaxed);
}

/* ---- Priority along the chain ---- */

/* `l` waits for the lock `obj` and has a new priority: to its place. Returns who has another one
 * by that, or NULL. */
static struct lwp *turnstile_moved(struct lwp *l, const void *obj)
{
	struct turnstile_chain *tc = chain_of(obj);
	struct lwp *owner = NULL;
	struct turnstile *ts;

	spin_lock(&tc->tc_lock);
	if (atomic_load_explicit(&l->l_wchan, memory_order_relaxed) == obj &&
	    atomic_load_explicit(&l->l_wait_turnstile, memory_order_relaxed)) {
		ts = turnstile_lookup(obj);
		KASSERT(ts != NULL, "%s waits for %s without a turnstile", l->l_name, l->l_wmesg);
		list_remove(&l->l_waitq);
		turnstile_insert(ts, l, pri_of(l));
		if (turnstile_lend(ts, ts->ts_owner, pri_of(turnstile_first(ts))))
			owner = ts->ts_owner;
	}
	spin_unlock(&tc->tc_lock);
	return owner;
}

/* `l` has a new priority: so may those have that it waits for. */
static void turnstile_walk(struct lwp *l)
{
	const void *wchan;
	unsigned hops = 0;

	while (l != NULL) {
		hops++;
		KASSERT(hops < CHAIN_HOPS_MAX, "%s: endless chain of waiters", l->l_name);
		wchan = atomic_load_explicit(&l->l_wchan, memory_order_relaxed);
		if (wchan == NULL)
			return;
		if (!atomic_load_explicit(&l->l_wait_turnstile, memory_order_relaxed)) {
			sleepq_repri(l);
			return;
		}
		l = turnstile_moved(l, wchan);
	}
}

void turnstile_repri(struct lwp *l)
{
	bool changed;

	spin_lock(&l->l_lock);
	changed = turnstile_compute(l);
	spin_unlock(&l->l_lock);
	if (changed)
		turnstile_walk(l);
}

/* ---- For mutex.c and rwlock.c ---- */

void turnstile_block(const void *obj, const char *name, unsigned kind, struct lwp *owner, bool intr)
{
	struct turnstile *ts = turnstile_lookup(obj);
	struct lwp *l = curlwp, *first;
	uint8_t pri;
	bool changed;

	if (ts == NULL) {
		ts = l->l_turnstile;
		ts->ts_obj = obj;
		ts->ts_name = name;
		ts->ts_owner = NULL;
		list_append(&chain_of(obj)->tc_list, &ts->ts_chain);
	} else {
		list_append(&ts->ts_free, &l->l_turnstile->ts_chain);
	}
	if (ts->ts_owner != NULL)
		owner =
		    ts->ts_owner; /* a reader on its way out is forgotten before it is paid back */
	l->l_turnstile = NULL;
	l->l_wmesg = name;
	l->l_wait_kind = (uint8_t)kind;
	atomic_store_explicit(&l->l_wait_turnstile, true, memory_order_relaxed);
	atomic_store_explicit(&l->l_wchan, obj, memory_order_relaxed);
	pri = turnstile_enters(l);
	turnstile_insert(ts, l, pri);
	first = turnstile_first(ts);
	changed = turnstile_lend(ts, owner, first == l ? pri : pri_of(first));
	spin_unlock(&chain_of(obj)->tc_lock);
	if (changed && atomic_load_explicit(&owner->l_wchan, memory_order_relaxed) != NULL)
		turnstile_walk(owner);
	lwp_park();
	intr_return(intr);
}

void turnstile_give(const void *obj, struct lwp *owner)
{
	struct turnstile *ts = turnstile_lookup(obj);

	KASSERT(ts != NULL && (ts->ts_owner == NULL || ts->ts_owner == owner),
	    "%s has the waiters of another", owner->l_name);
	/* It runs or is about to, so the chain ends here. */
	(void)turnstile_lend(ts, owner, pri_of(turnstile_first(ts)));
}

void turnstile_disown(const void *obj)
{
	struct turnstile *ts = turnstile_lookup(obj);
	struct lwp *l = curlwp;

	if (ts == NULL || ts->ts_owner != l)
		return;
	turnstile_pay_back(ts, l);
}

struct lwp *turnstile_take(const void *obj, bool *more)
{
	struct turnstile *ts = turnstile_lookup(obj);
	struct lwp *l = curlwp, *first;

	KASSERT(ts != NULL && ts->ts_owner == l, "%s lets go: the waiters wait for another",
	    l->l_name);
	first = turnstile_first(ts);
	turnstile_pay_back(ts, l);
	turnstile_out(ts, first);
	*more = ts->ts_obj == obj;
	if (*more)
		ts->ts_pri = pri_of(turnstile_first(ts));
	return first;
}

int turnstile_waits(const void *obj, unsigned kind)
{
	struct turnstile *ts = turnstile_lookup(obj);
	struct lwp *l;
	struct list *e;

	if (ts == NULL)
		return -1;
	LIST_EACH(e, &ts->ts_waiters) {
		l = container_of(e, struct lwp, l_waitq);
		if (l->l_wait_kind == kind)
			return pri_of(l);
	}
	return -1;
}

unsigned turnstile_take_some(const void *obj, unsigned kind, int pri, unsigned max,
    struct list *out)
{
	struct turnstile *ts = turnstile_lookup(obj);
	struct list *e, *next;
	struct lwp *l;
	unsigned n = 0;

	if (ts == NULL)
		return 0;
	/* The last one out is given the turnstile, with the list empty: next is its head then. */
	for (e = ts->ts_waiters.next; e != &ts->ts_waiters && n < max; e = next) {
		next = e->next;
		l = container_of(e, struct lwp, l_waitq);
		if (pri_of(l) < pri)
			break; /* so are those behind it */
		if (l->l_wait_kind != kind)
			continue;
		turnstile_out(ts, l);
		list_append(out, &l->l_waitq);
		n++;
	}
	return n;
}

struct lwp *turnstile_blocker(struct lwp *l, const char **name)
{
	const void *wchan = atomic_load_explicit(&l->l_wchan, memory_order_relaxed);
	struct turnstile *ts;
	struct lwp *owner = NULL;
	bool intr;

	if (wchan == NULL)
		return NULL;
	intr = turnstile_lock(wchan);
	if (atomic_load_explicit(&l->l_wchan, memory_order_relaxed) == wchan &&
	    atomic_load_explicit(&l->l_wait_turnstile, memory_order_relaxed)) {
		ts = turnstile_lookup(wchan);
		if (ts != NULL) {
			owner = ts->ts_owner;
			*name = ts->ts_name;
		}
	}
	turnstile_unlock(wchan, intr);
	return owner;
}

void turnstile_dump(void)
{
	struct turnstile *ts;
	struct list *e, *w;
	unsigned i, n;

	kprintf("locks waited for:\n");
	for (i = 0; i < CHAINS; i++) {
		LIST_EACH(e, &chains[i].tc_list) {
			ts = container_of(e, struct turnstile, ts_chain);
			kprintf("  %s, owner %s, waiters:", ts->ts_name,
			    ts->ts_owner ? ts->ts_owner->l_name : "none");
			n = 0;
			LIST_EACH(w, &ts->ts_waiters)
				if (n++ < 64)
					kprintf(" %s",
					    container_of(w, struct lwp, l_waitq)->l_name);
			kprintf("\n");
		}
	}
}
