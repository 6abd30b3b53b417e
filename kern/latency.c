/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * latency.c - histograms of the time from an interrupt's dispatch to its handler's thread.
 *
 * What is measured begins where the dispatch charges the interrupted lwp (acct_charge() in
 * intr_take()), and ends where the thread function is about to be called: the filters, the handoff,
 * and whatever was before it in the pending queue or kept its level out. What came before, the
 * device and the time that interrupts were off, no CPU can see.
 *
 * Only the accounting variant of the dispatch looks for latency_on, and while that is false it is
 * all that it does. While it is true each handler has a row of buckets a CPU, and ih_asked, the
 * time since which it is owed a run, or 0:
 *
 *	latency_asks()	0 -> now, for each handler of the source that is not owed one
 *	filters		some ask for a run
 *	latency_asked()	-> 0, for those that did not
 *	latency_begun()	-> 0, and the difference is counted
 *
 * It is written before the filters, so that a run which begins on another CPU before this one has
 * left the dispatch finds it. Whom hwi_sched() queues is not counted: no interrupt waits for him.
 * Two CPUs that are in the dispatch of one source at once may take each other's time; that is one
 * count in the wrong bucket, no more.
 *
 * Buckets are of ticks, not of time: no multiplication on the way of an interrupt.
 *
 * Contexts: latency_want() and latency_sum() thread; the rest as latency.h says. Locks: the list of
 * sources, by intr_source_each(); a row is written by its CPU alone. Rows go away after a barrier.
 * Not for: CPUs that do not interrupt (the reference system's sys/app/probe.c probes them).
 * Read next: stats.c.
 */
#include <ithaca/latency.h>

#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/hint.h>
#include <ithaca/port.h>
#include <ithaca/print.h>

#define FIRST_BIT 6 /* the first bucket ends at 64 ticks */

struct latency_row {
	_Atomic uint64_t lr_count[LATENCY_BUCKETS]; /* (~) one CPU counts, anyone reads; relaxed */
};

struct latency {
	struct latency *la_next; /* of those to be freed */
	unsigned la_cpus;        /* (a) rows */
	struct latency_row la_row[];
};

_Atomic bool latency_on;
static _Atomic bool changing; /* latency_want() is called; for its assertion */

/* ---- Buckets ---- */

static unsigned latency_bucket(uint64_t ticks)
{
	unsigned bit, b;

	if (ticks < (uint64_t)1 << FIRST_BIT)
		return 0;
	bit = 63 - (unsigned)__builtin_clzll(ticks);
	b = (bit - FIRST_BIT) * 2 + (unsigned)(ticks >> (bit - 1) & 1) + 1;
	return b < LATENCY_BUCKETS ? b : LATENCY_BUCKETS - 1;
}

uint64_t latency_edge(unsigned bucket)
{
	KASSERT(bucket < LATENCY_BUCKETS, "bucket %u", bucket);
	return (uint64_t)(2 + bucket % 2) << (FIRST_BIT - 1 + bucket / 2);
}

/* ---- What a dispatch does ---- */

static inline struct latency *latency_of(const struct intr_handler *ih)
{
	/* Acquire: pairs with the release in latency_new(), for la_cpus. */
	return atomic_load_explicit(&ih->ih_late, memory_order_acquire);
}

void latency_asks(const struct cpu *ci, const struct intr_source *is)
{
	struct intr_handler *ih;

	/* Acquire: as in intr_filters(). */
	for (ih = atomic_load_explicit(&is->is_handlers, memory_order_acquire); ih != NULL;
	     ih = atomic_load_explicit(&ih->ih_next, memory_order_acquire)) {
		if (latency_of(ih) != NULL &&
		    atomic_load_explicit(&ih->ih_asked, memory_order_relaxed) == 0)
			atomic_store_explicit(&ih->ih_asked, ci->ci_acct_last,
			    memory_order_relaxed);
	}
}

void latency_asked(const struct intr_source *is)
{
	struct intr_handler *ih;

	for (ih = atomic_load_explicit(&is->is_handlers, memory_order_acquire); ih != NULL;
	     ih = atomic_load_explicit(&ih->ih_next, memory_order_acquire)) {
		if (!(atomic_load_explicit(&ih->ih_state, memory_order_relaxed) & RUN_WANT))
			atomic_store_explicit(&ih->ih_asked, 0, memory_order_relaxed);
	}
}

void latency_begun(const struct cpu *ci, struct intr_handler *ih)
{
	struct latency *la = latency_of(ih);
	uint64_t asked = atomic_load_explicit(&ih->ih_asked, memory_order_relaxed);
	uint64_t now = port_counter();

	if (asked == 0)
		return;
	atomic_store_explicit(&ih->ih_asked, 0, memory_order_relaxed);
	if (la != NULL && ci->ci_index < la->la_cpus && now >= asked)
		port_stat_add(&la->la_row[ci->ci_index].lr_count[latency_bucket(now - asked)], 1);
}

/* ---- On and off ---- */

static size_t latency_size(unsigned cpus)
{
	return sizeof(struct latency) + cpus * sizeof(struct latency_row);
}

/* latency_new - rows for a handler, all nought. With the list of sources held still. */
static int latency_new(struct intr_handler *ih)
{
	unsigned cpus = cpu_count();
	struct latency *la = port_mem_alloc(latency_size(cpus));

	if (la == NULL)
		return ENOMEM;
	la->la_cpus = cpus;
	atomic_store_explicit(&ih->ih_asked, 0, memory_order_relaxed);
	/* Release: pairs with the acquire in latency_of(). */
	atomic_store_explicit(&ih->ih_late, la, memory_order_release);
	return 0;
}

void latency_attach(struct intr_handler *ih)
{
	if (ih->ih_thread != NULL && latency_wanted())
		(void)latency_new(ih);
}

void latency_detach(struct intr_handler *ih)
{
	struct latency *la = latency_of(ih);

	if (la != NULL)
		port_mem_free(la, latency_size(la->la_cpus));
	atomic_store_explicit(&ih->ih_late, NULL, memory_order_relaxed);
}

/* latency_begin - every handler of a source that has none gets its rows; *arg: the error. */
static bool latency_begin(struct intr_source *is, void *arg)
{
	struct intr_handler *ih;
	int *error = arg;

	for (ih = atomic_load_explicit(&is->is_handlers, memory_order_relaxed);
	     ih != NULL && *error == 0;
	     ih = atomic_load_explicit(&ih->ih_next, memory_order_relaxed)) {
		if (ih->ih_thread != NULL && latency_of(ih) == NULL)
			*error = latency_new(ih);
	}
	return *error == 0;
}

/* latency_end - the handlers' rows go to the list at *arg. */
static bool latency_end(struct intr_source *is, void *arg)
{
	struct latency **list = arg, *la;
	struct intr_handler *ih;

	for (ih = atomic_load_explicit(&is->is_handlers, memory_order_relaxed); ih != NULL;
	     ih = atomic_load_explicit(&ih->ih_next, memory_order_relaxed)) {
		la = latency_of(ih);
		atomic_store_explicit(&ih->ih_late, NULL, memory_order_relaxed);
		if (la != NULL) {
			la->la_next = *list;
			*list = la;
		}
	}
	return true;
}

static void latency_off(void)
{
	struct latency *list = NULL, *la;

	atomic_store_explicit(&latency_on, false, memory_order_relaxed);
	intr_source_each(latency_end, &list);
	cpu_barrier(); /* who counts in them does so with interrupts off */
	while ((la = list) != NULL) {
		list = la->la_next;
		port_mem_free(la, latency_size(la->la_cpus));
	}
}

int latency_want(bool on)
{
	int error = 0;

	KASSERT(!atomic_load_explicit(&changing, memory_order_relaxed),
	    "latency_want: called twice at once");
	atomic_store_explicit(&changing, true, memory_order_relaxed);
	if (on) {
		/* First: who is established from here on gets his rows by himself. */
		atomic_store_explicit(&latency_on, true, memory_order_relaxed);
		intr_source_each(latency_begin, &error);
	}
	if (!on || error != 0)
		latency_off();
	atomic_store_explicit(&changing, false, memory_order_relaxed);
	return error;
}

bool latency_sum(const struct intr_handler *ih, uint64_t *out)
{
	const struct latency *la = latency_of(ih);

	for (unsigned b = 0; b < LATENCY_BUCKETS; b++)
		out[b] = 0;
	for (unsigned i = 0; la != NULL && i < la->la_cpus; i++)
		for (unsigned b = 0; b < LATENCY_BUCKETS; b++)
			out[b] +=
			    atomic_load_explicit(&la->la_row[i].lr_count[b], memory_order_relaxed);
	return la != NULL;
}
