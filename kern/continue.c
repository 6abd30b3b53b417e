/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * continue.c - continuations: what a filter leaves behind, to be done in a thread.
 *
 * One `struct later` for each kind that a handler asked for: a fixed number of slots, those in use
 * in a FIFO, and what runs them: a softint, or a work on a queue of its own with one lwp. Both run
 * later_run(), never beside itself, so the FIFO is the order of the runs.
 *
 * A slot is free again when its function begins, so a continuation always finds room to leave
 * another, unless a filter is quicker. A run takes no more than what was there when it began. What
 * comes later has asked for another run itself, which comes after its neighbours: a handler that
 * always leaves something keeps its level busy, but nobody else from his turn.
 *
 * Going away. intr_disestablish() has taken the filter away, set ih_dying and passed a barrier:
 *
 *	CPU 0 (disestablish)                CPU 1 (filter, interrupts off)
 *	                                    ih_dying not set: takes a slot
 *	ih_dying = true
 *	cpu_barrier() --------------------> (waits)
 *	                                    queues it, asks for a run
 *	softint_disestablish(): waits for
 *	the run that is owed
 *
 * From there on continuations refuse their successors, so the wait has an end.
 *
 * Contexts: continue.h. Lock order: la_lock -> nothing. Invariants: I12 for
 * what was left behind. Not for: what belongs to no handler (softint.c, workqueue.c). Read
 * intr_establish() in intr.c.
 */
#include <ithaca/continue.h>

#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/softint.h>
#include <ithaca/witness.h>
#include <ithaca/workqueue.h>

#define LATER_PRI (PRI_KERNEL + 8) /* of the lwps of INTR_CONTINUE_SLEEP */

struct slot {
	struct slot *s_next; /* (s) of the free, or of the FIFO */
	void (*s_fn)(void *);
	void *s_arg;
};

/* Locking key: (a) set once before it is shared; (s) la_lock; (~) atomic. */
struct later {
	struct spin la_lock;
	struct slot *la_free;       /* (s) */
	struct slot *la_head;       /* (s) */
	struct slot *la_tail;       /* (s) of the FIFO, if it is not empty */
	unsigned la_used;           /* (s) slots in the FIFO */
	uint64_t la_refused;        /* (s) for want of a slot */
	struct lwp *_Atomic la_lwp; /* (~) who runs them now, or NULL; written under (s) */
	struct intr_handler *la_ih; /* (a) */
	unsigned la_slots;          /* (a) */
	struct softint *la_softint; /* (a) or NULL: */
	struct workqueue *la_wq;    /* (a) */
	struct work la_work;
	struct slot la_slot[];
};

/* ---- Run ---- */

static void later_schedule(struct later *la)
{
	int error;

	if (la->la_softint != NULL) {
		softint_schedule(la->la_softint);
		return;
	}
	error = workqueue_enqueue(la->la_wq, &la->la_work);
	KASSERT(error == 0, "continuations of %s: %s", la->la_ih->ih_name, errno_name(error));
	(void)error;
}

/* Take the first and do it. la_lock held, interrupts off; so again when it returns. */
static void later_do(struct later *la)
{
	struct slot *s = la->la_head;
	void (*fn)(void *) = s->s_fn;
	void *arg = s->s_arg;

	la->la_head = s->s_next;
	la->la_used--;
	s->s_next = la->la_free;
	la->la_free = s;
	spin_unlock(&la->la_lock);
	intr_return(true);
	fn(arg);
	witness_return("continuation", la->la_ih->ih_name, (const void *)(uintptr_t)fn);
	port_intr_off();
	spin_lock(&la->la_lock);
}

static void later_run(void *arg)
{
	struct later *la = arg;
	unsigned n;

	port_intr_off();
	spin_lock(&la->la_lock);
	atomic_store_explicit(&la->la_lwp, curlwp, memory_order_relaxed);
	for (n = la->la_used; n > 0; n--)
		later_do(la);
	atomic_store_explicit(&la->la_lwp, NULL, memory_order_relaxed);
	spin_unlock(&la->la_lock);
	intr_return(true);
}

/* ---- Left behind ---- */

static int later_put(struct later *la, void (*fn)(void *), void *arg)
{
	struct slot *s;
	bool say;

	spin_lock(&la->la_lock);
	s = la->la_free;
	if (s == NULL) {
		say = la->la_refused++ == 0;
		spin_unlock(&la->la_lock);
		if (say)
			kprintf("intr: %s: all %u slots for continuations are taken\n",
			    la->la_ih->ih_name, la->la_slots);
		return EAGAIN;
	}
	la->la_free = s->s_next;
	s->s_next = NULL;
	s->s_fn = fn;
	s->s_arg = arg;
	if (la->la_head == NULL)
		la->la_head = s;
	else
		la->la_tail->s_next = s;
	la->la_tail = s;
	la->la_used++;
	spin_unlock(&la->la_lock);
	later_schedule(la);
	return 0;
}

static int continue_put(struct intr_handler *ih, unsigned kind, void (*fn)(void *), void *arg)
{
	struct later *la = ih->ih_later[kind];
	bool intr;
	int error;

	KASSERT(la != NULL, "continuation of %s, which was not established with INTR_CONTINUE%s",
	    ih->ih_name, kind == LATER_SLEEP ? "_SLEEP" : "");
	if (la == NULL || fn == NULL)
		return EINVAL;
	intr = port_intr_disable();
	if (atomic_load_explicit(&ih->ih_dying, memory_order_relaxed))
		error = ESHUTDOWN;
	else
		error = later_put(la, fn, arg);
	intr_return(intr);
	return error;
}

int intr_continue(struct intr_handler *ih, void (*fn)(void *), void *arg)
{
	return continue_put(ih, LATER_SOFT, fn, arg);
}

int intr_continue_sleep(struct intr_handler *ih, void (*fn)(void *), void *arg)
{
	return continue_put(ih, LATER_SLEEP, fn, arg);
}

/* ---- Made and unmade ---- */

static size_t later_size(unsigned slots)
{
	return sizeof(struct later) + slots * sizeof(struct slot);
}

/* The softint level that belongs to the handler's. */
static int later_level(int ipl)
{
	return ipl == IPL_BIO ? IPL_SOFTBIO : ipl == IPL_NET ? IPL_SOFTNET : IPL_SOFTSERIAL;
}

static int later_start(struct later *la, unsigned kind)
{
	const char *name = la->la_ih->ih_name;

	if (kind == LATER_SOFT)
		return softint_establish(name, later_level(la->la_ih->ih_ipl), later_run, la,
		    &la->la_softint);
	work_init(&la->la_work, later_run, la);
	return workqueue_create(name, LATER_PRI, 0, 1, 0, &la->la_wq);
}

static int later_make(struct intr_handler *ih, unsigned kind, unsigned slots)
{
	struct later *la = port_mem_alloc(later_size(slots));
	unsigned i;
	int error;

	if (la == NULL)
		return ENOMEM;
	spin_init(&la->la_lock);
	la->la_ih = ih;
	la->la_slots = slots;
	for (i = 0; i < slots; i++) {
		la->la_slot[i].s_next = la->la_free;
		la->la_free = &la->la_slot[i];
	}
	error = later_start(la, kind);
	if (error) {
		port_mem_free(la, later_size(slots));
		return error;
	}
	ih->ih_later[kind] = la;
	return 0;
}

static void later_end(struct later *la)
{
	int error;

	/* Both wait for what is owed. */
	if (la->la_softint != NULL)
		error = softint_disestablish(la->la_softint);
	else
		error = workqueue_destroy(la->la_wq);
	KASSERT(error == 0 && la->la_used == 0, "continuations of %s end: %s, %u left",
	    la->la_ih->ih_name, errno_name(error), la->la_used);
	(void)error;
}

int continue_attach(struct intr_handler *ih, unsigned flags)
{
	static const unsigned flag[] = {INTR_CONTINUE, INTR_CONTINUE_SLEEP};
	unsigned kind, slots = (flags & INTR_SLOTS_MASK) / INTR_SLOTS(1);
	int error = 0;

	if (slots != 0 && !(flags & (INTR_CONTINUE | INTR_CONTINUE_SLEEP)))
		return EINVAL;
	if (slots == 0)
		slots = INTR_SLOTS_DEFAULT;
	for (kind = 0; kind < LATER_KINDS && error == 0; kind++)
		if (flags & flag[kind])
			error = later_make(ih, kind, slots);
	if (error)
		continue_detach(ih);
	return error;
}

void continue_detach(struct intr_handler *ih)
{
	struct later *la;
	unsigned kind;

	/* One kind may leave something to the other, also to one that has ended, and is refused:
	 * so both have ended before either goes. */
	for (kind = 0; kind < LATER_KINDS; kind++)
		if (ih->ih_later[kind] != NULL)
			later_end(ih->ih_later[kind]);
	for (kind = 0; kind < LATER_KINDS; kind++) {
		la = ih->ih_later[kind];
		ih->ih_later[kind] = NULL;
		if (la != NULL)
			port_mem_free(la, later_size(la->la_slots));
	}
}

bool continue_mine(const struct intr_handler *ih)
{
	unsigned kind;

	for (kind = 0; kind < LATER_KINDS; kind++)
		if (ih->ih_later[kind] != NULL &&
		    atomic_load_explicit(&ih->ih_later[kind]->la_lwp, memory_order_relaxed) ==
			curlwp)
			return true;
	return false;
}

void continue_dump(const struct intr_handler *ih)
{
	const struct later *la;
	unsigned kind;

	for (kind = 0; kind < LATER_KINDS; kind++) {
		la = ih->ih_later[kind];
		if (la == NULL)
			continue;
		kprintf("      continuations%s: %u of %u%s, %llu refused\n",
		    kind == LATER_SLEEP ? " (sleep)" : "", la->la_used, la->la_slots,
		    atomic_load_explicit(&la->la_lwp, memory_order_relaxed) ? ", one runs" : "",
		    (unsigned long long)la->la_refused);
	}
}
