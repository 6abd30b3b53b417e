/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sleepq.c - lwps that wait for an address to be woken.
 *
 * A hash of chains by address, each with a spin lock and one list of the lwps that wait for any
 * address of that chain, most urgent first. Memory is never needed.
 *
 * With a time limit, a callout on the sleeper's stack plays the part of the waker, from the clock
 * interrupt, so that a limit is kept whatever the softints wait for. Both take the lwp off the list
 * under the chain's lock, so one of them does, and that one unparks it:
 *
 *	CPU 0 (clock)                       CPU 1 (waker)
 *	chain lock: still waits: takes it
 *	                                    chain lock: nobody there
 *	unpark: ETIMEDOUT
 *
 * and the sleeper does not leave before callout_halt() has told it that the callout is over.
 *
 * Contexts: sleepq.h. Lock order: chain -> l_lock -> run queue. Invariants: I8.
 * Not for: mutexes, whose owner is known and lent to (turnstile.c). Read condvar.c next.
 */
#include <ithaca/sleepq.h>

#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/print.h>

#define CHAINS 128

static struct sleepq_chain {
	_Alignas(64) struct spin sc_lock;
	struct list sc_list; /* (sc_lock) lwps by l_waitq */
} chains[CHAINS];

static struct sleepq_chain *chain_of(const void *wchan)
{
	uintptr_t a = (uintptr_t)wchan;

	return &chains[((a >> 4) ^ (a >> 11)) % CHAINS];
}

void sleepq_init(void)
{
	unsigned i;

	for (i = 0; i < CHAINS; i++) {
		spin_init(&chains[i].sc_lock);
		list_init(&chains[i].sc_list);
	}
}

bool sleepq_lock(const void *wchan)
{
	bool intr = port_intr_disable();

	spin_lock(&chain_of(wchan)->sc_lock);
	return intr;
}

void sleepq_unlock(const void *wchan, bool intr)
{
	spin_unlock(&chain_of(wchan)->sc_lock);
	intr_return(intr);
}

/* Behind those that are as urgent; the chain is locked. */
static void sleepq_insert(struct sleepq_chain *sc, struct lwp *l)
{
	struct list *e;
	struct lwp *other;
	uint8_t pri, theirs;

	spin_lock(&l->l_lock);
	pri = lwp_pri(l);
	spin_unlock(&l->l_lock);
	LIST_EACH(e, &sc->sc_list) {
		other = container_of(e, struct lwp, l_waitq);
		spin_lock(&other->l_lock);
		theirs = lwp_pri(other);
		spin_unlock(&other->l_lock);
		if (theirs < pri)
			break;
	}
	list_insert_before(e, &l->l_waitq);
}

void sleepq_enqueue(const void *wchan, const char *wmesg)
{
	struct lwp *l = curlwp;

	KASSERT(atomic_load_explicit(&l->l_wchan, memory_order_relaxed) == NULL,
	    "%s waits for %s and now for %s", l->l_name, l->l_wmesg, wmesg);
	ithread_leaving(l); /* before its place is found */
	l->l_wmesg = wmesg;
	atomic_store_explicit(&l->l_wait_turnstile, false, memory_order_relaxed);
	l->l_wake_error = 0;
	atomic_store_explicit(&l->l_wchan, wchan, memory_order_relaxed);
	sleepq_insert(chain_of(wchan), l);
}

/* Off the list; for whoever then unparks it. The chain is locked. */
static void sleepq_remove(struct lwp *l, int error)
{
	list_remove(&l->l_waitq);
	l->l_wake_error = error;
	atomic_store_explicit(&l->l_wchan, NULL, memory_order_relaxed);
}

struct sleep_limit {
	struct callout s_callout;
	struct lwp *s_lwp;
	const void *s_wchan;
};

static void sleepq_timeout(void *arg)
{
	struct sleep_limit *s = arg;
	struct lwp *l = s->s_lwp;
	bool waits, intr = sleepq_lock(s->s_wchan);

	waits = atomic_load_explicit(&l->l_wchan, memory_order_relaxed) == s->s_wchan;
	if (waits)
		sleepq_remove(l, ETIMEDOUT);
	spin_unlock(&chain_of(s->s_wchan)->sc_lock);
	if (waits)
		lwp_unpark(l);
	intr_return(intr);
}

int sleepq_block(uint64_t deadline_ns)
{
	struct lwp *l = curlwp;
	struct sleep_limit s;
	int error;

	if (deadline_ns == SLEEP_FOREVER) {
		lwp_park();
		return l->l_wake_error;
	}
	s.s_lwp = l;
	s.s_wchan = atomic_load_explicit(&l->l_wchan, memory_order_relaxed);
	if (s.s_wchan == NULL) { /* woken already */
		lwp_park();
		return l->l_wake_error;
	}
	callout_init_hard(&s.s_callout);
	callout_setfunc(&s.s_callout, sleepq_timeout, &s);
	callout_schedule_at(&s.s_callout, deadline_ns);
	lwp_park();
	error = l->l_wake_error;
	callout_halt(&s.s_callout, NULL);
	callout_destroy(&s.s_callout);
	return error;
}

int sleepq_wait(const void *wchan, const char *wmesg, uint64_t deadline_ns, bool intr)
{
	sleepq_enqueue(wchan, wmesg);
	sleepq_unlock(wchan, intr);
	return sleepq_block(deadline_ns);
}

int sleepq_wake(const void *wchan, int n)
{
	struct sleepq_chain *sc = chain_of(wchan);
	struct list *e, *next, woken;
	struct lwp *l;
	int count = 0;
	bool intr = sleepq_lock(wchan);

	list_init(&woken);
	for (e = sc->sc_list.next; e != &sc->sc_list && count != n; e = next) {
		next = e->next;
		l = container_of(e, struct lwp, l_waitq);
		if (atomic_load_explicit(&l->l_wchan, memory_order_relaxed) != wchan)
			continue;
		sleepq_remove(l, 0);
		list_append(&woken, &l->l_waitq);
		count++;
	}
	/* Still locked, so that an lwp just unparked does not use l_waitq for its next wait. */
	while ((e = list_take(&woken)) != NULL)
		lwp_unpark(container_of(e, struct lwp, l_waitq));
	sleepq_unlock(wchan, intr);
	return count;
}

bool sleepq_waiters(const void *wchan)
{
	struct sleepq_chain *sc = chain_of(wchan);
	struct list *e;

	LIST_EACH(e, &sc->sc_list)
		if (atomic_load_explicit(&container_of(e, struct lwp, l_waitq)->l_wchan,
			memory_order_relaxed) == wchan)
			return true;
	return false;
}

void sleepq_repri(struct lwp *l)
{
	const void *wchan = atomic_load_explicit(&l->l_wchan, memory_order_relaxed);
	struct sleepq_chain *sc = chain_of(wchan);

	if (wchan == NULL)
		return;
	spin_lock(&sc->sc_lock);
	if (atomic_load_explicit(&l->l_wchan, memory_order_relaxed) == wchan &&
	    !atomic_load_explicit(&l->l_wait_turnstile, memory_order_relaxed)) {
		list_remove(&l->l_waitq);
		sleepq_insert(sc, l);
	}
	spin_unlock(&sc->sc_lock);
}

void lwp_sleep_ns(uint64_t ns)
{
	struct lwp *l = curlwp;
	uint64_t now = clock_ns();
	bool intr;

	witness_sleep("sleep");
	intr = sleepq_lock(l);
	sleepq_wait(l, "sleep", ns < SLEEP_FOREVER - now ? now + ns : SLEEP_FOREVER, intr);
}

void sleepq_dump(void)
{
	struct list *e;
	struct lwp *l;
	unsigned i, n;

	kprintf("sleeping:\n");
	for (i = 0; i < CHAINS; i++) {
		n = 0;
		LIST_EACH(e, &chains[i].sc_list) {
			l = container_of(e, struct lwp, l_waitq);
			if (n++ < 256)
				kprintf("  %s on %s\n", l->l_name, l->l_wmesg);
		}
	}
}
