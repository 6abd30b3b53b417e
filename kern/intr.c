/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * intr.c - what happens in hard-interrupt context: sources, handlers, filters, the mask.
 *
 * The life of one interrupt begins in the port's entry code, which calls intr_dispatch(). It asks
 * the filters, queues the handlers that want a thread, masks a level source, says EOI, and leaves
 * through ithread_exit() (ithread.c), where a thread is started on the spot. When a handler has
 * run, ithread.c ends its state, for a level source in intr_end_slow() here, and the last one
 * unmasks.
 *
 * Nearly every interrupt is plainer than that: a message or an edge with one handler, upon an lwp
 * at level none, with nothing else pending. For those intr_dispatch() neither walks nor queues:
 * is_plain says who is to be asked, and ithread_start() (ithread.h) begins its run at once. It
 * leaves everything as if it had been queued and drawn. A source that is not so plain has is_any
 * there, which is on no list and whose filter asks all the others and queues.
 *
 * Contexts: intr_dispatch() with interrupts off; establish, disestablish, bind in thread context.
 * Lock order: intr_mutex -> is_lock -> nothing. A dispatch takes no lock, but is_lock for a level
 * source, whose controller costs more than any lock.
 *
 * The state of a handler (ih_state, runstate.h) is one byte that is only ever exchanged:
 *
 *	0 idle --request--> BUSY|WANT, queued --begin--> BUSY, running --end--> 0
 *
 * A request is exchange(BUSY|WANT): whoever finds 0 has to queue it, anybody else is done, for a
 * run that has not begun is owed already or is owed from now on. A begin is exchange(BUSY), or, of
 * an idle one that need not be queued, compare-exchange(0, BUSY). An end is
 * subtract(BUSY), to 0. When that leaves more somebody asked meanwhile, and the handler goes to the
 * tail again; or somebody wants more of the end than that, and marked the run. So it never runs
 * beside itself (I2), and, as both sides exchange, no interrupt is lost (I1): either the begin is
 * later, and sees all that the filter wrote, or the request is, and finds BUSY, and another run
 * follows.
 *
 *	CPU 0 (dispatch)                    CPU 1 (ithread)
 *	filter: ring[tail] = c
 *	                                    begin: exchange(BUSY) -> BUSY|WANT
 *	request: exchange(BUSY|WANT) -> BUSY
 *	                                    handler: reads ring, may miss c
 *	                                    end: subtract(BUSY) leaves WANT -> tail of queue
 *
 * With a plain load instead of the request's exchange, the load could be served before the store
 * to the ring is seen, and c would stay in the ring until the next interrupt.
 *
 * The mask of a level source is held by a set, one bit a member: its queued and running handlers,
 * storm.c, and "nobody established". A bit changes together with the handler's state and the
 * controller's mask, all under is_lock, which closes the classic race:
 *
 *	CPU 0 (dispatch, a late delivery)   CPU 1 (ithread, ends the run before)
 *	set |= bit (was set already)
 *	                                    end: state -> 0; set &= ~bit; empty: unmask
 *	mask; request: 0 -> queued
 *
 * Split like this the handler is queued and the line masked with an empty set, and whoever clears
 * the last bit never comes. Under the lock, CPU 1 either ends before (CPU 0 then sets bit and mask
 * anew) or after (and finds WANT: it queues again, and the bit stays).
 *
 * A member joins by dispatch alone. hwi_sched() masks nothing: a filter that uses it has quieted
 * its device, and neighbours on the line need not wait. But a bit once set stays until the handler
 * is idle, so one that does its budget and asks for another run keeps the line masked until it is
 * through.
 *
 * Invariants: I1, I2, I3, I12. Not for: what runs in a thread (ithread.c), sources that misbehave
 * (storm.c). Read ithread.c next.
 */
#include <ithaca/intr.h>

#include "intr_impl.h"
#include "migrate_impl.h"
#include "model.h"
#include "softint_impl.h"

#include <ithaca/continue.h>
#include <ithaca/entry.h>
#include <ithaca/errno.h>
#include <ithaca/hint.h>
#include <ithaca/ithread.h>
#include <ithaca/latency.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/storm.h>
#include <ithaca/string.h>
#include <ithaca/witness_wait.h>

static struct mutex intr_mutex;
static struct list intr_sources = LIST_INIT(intr_sources); /* (m) */
static uint32_t intr_last_id;                              /* (m) */

void intr_init(void)
{
	mutex_init(&intr_mutex, "intr", IPL_NONE);
}

/* ---- Dispatch ---- */

/* For a level source: the handler joins the set that keeps the line masked. */
static void intr_request_level(struct cpu *ci, struct intr_source *is, struct intr_handler *ih,
    unsigned settles)
{
	bool idle;

	spin_lock(&is->is_lock);
	is->is_set |= (uint64_t)1 << ih->ih_bit;
	if (!is->is_masked) {
		is->is_masked = true;
		is->is_masked_since = port_counter();
		is->is_pic->pic_mask(is);
	}
	idle = run_request(&ih->ih_state, settles);
	spin_unlock(&is->is_lock);
	if (idle)
		model_queue(ci, ih);
}

/* One that may migrate is being queued in a filter or a dispatch: see to it that somebody looks
 * whether it is the next. Not every dispatch does: one that began before the first such handler was
 * established does not, nor one of intr_replay(). */
static void intr_will_look(struct cpu *ci)
{
	if (!ci->ci_looks)
		migrate_soon(ci);
}

/* All but the plainest request. */
static void __attribute__((noinline))
intr_request(struct cpu *ci, struct intr_source *is, struct intr_handler *ih, unsigned settles)
{
	KASSERT(ih->ih_thread != NULL, "filter of %s wants a thread and has none", ih->ih_name);
	if (unlikely(ih->ih_flags & (INTR_MANUAL | INTR_MIGRATE))) {
		if (ih->ih_flags & INTR_MANUAL)
			return;
		intr_will_look(ci);
	}
	if (ih->ih_level)
		intr_request_level(ci, is, ih, settles);
	else if (run_request(&ih->ih_state, settles))
		model_queue(ci, ih);
}

/* Ask every filter; queue who wants a thread. Returns the answers or-ed together. */
static unsigned intr_filters(struct cpu *ci, struct intr_source *is)
{
	struct intr_handler *ih;
	unsigned answer, all = 0;

	/* Acquire: pairs with the release in intr_link(), for what ih points at. */
	for (ih = atomic_load_explicit(&is->is_handlers, memory_order_acquire); ih != NULL;
	     ih = atomic_load_explicit(&ih->ih_next, memory_order_acquire)) {
		if (likely(ih->ih_filter != NULL)) {
			answer = ih->ih_filter(ih->ih_arg);
			witness_filter_return(ih->ih_name, (const void *)(uintptr_t)ih->ih_filter);
		} else if (ih->ih_flags & INTR_MANUAL) {
			continue;
		} else {
			answer = FILTER_SCHEDULE_THREAD;
		}
		all |= answer;
		if (likely(
			answer == (FILTER_HANDLED | FILTER_SCHEDULE_THREAD) && !ih->ih_special)) {
			if (likely(run_request(&ih->ih_state, 0)))
				model_queue(ci, ih);
		} else if (answer & FILTER_SCHEDULE_THREAD) {
			intr_request(ci, is, ih, answer & FILTER_HANDLED ? 0 : RUN_SETTLES);
		}
	}
	return all;
}

static void __attribute__((noinline)) intr_unclaimed(struct cpu *ci, struct intr_source *is)
{
	uint32_t n;

	port_stat_add(&intr_stats_of(is->is_stats, ci)->st_stray, 1);
	n = atomic_load_explicit(&is->is_unclaimed, memory_order_relaxed) + 1;
	atomic_store_explicit(&is->is_unclaimed, n, memory_order_relaxed);
	if (n >= STORM_UNCLAIMED) {
		atomic_store_explicit(&is->is_unclaimed, 0, memory_order_relaxed);
		storm_unclaimed(is);
	}
}

/* The filter of is_any, for whatever is not plain: several handlers, one without a filter, one that
 * masks; a source held. */
static unsigned intr_dispatch_any(void *arg)
{
	struct cpu *ci = curcpu();
	struct intr_source *is = arg;
	unsigned answer;

	if (atomic_load_explicit(&is->is_held, memory_order_relaxed))
		return FILTER_STRAY;
	answer = intr_filters(ci, is);
	if (answer & FILTER_HANDLED)
		atomic_store_explicit(&is->is_unclaimed, 0, memory_order_relaxed);
	else if (answer == FILTER_STRAY)
		intr_unclaimed(ci, is);
	return FILTER_STRAY; /* it is settled, and who wants a thread is queued */
}

/* The filter of is_moving: the same. The answer, which nobody gives without a claim of somebody, is
 * for intr_queue(). */
static unsigned intr_dispatch_moving(void *arg)
{
	curcpu()->ci_looks = true;
	(void)intr_dispatch_any(arg);
	curcpu()->ci_looks = false;
	if (unlikely(latency_wanted()))
		latency_asked(arg); /* which intr_take() does only for who wants no thread */
	return FILTER_SCHEDULE_THREAD;
}

/* The only handler's filter claims nothing; or it was is_any, or is_moving. */
static unsigned __attribute__((noinline)) intr_not_handled(struct intr_handler *ih, unsigned answer)
{
	if (ih->ih_any)
		return answer;
	if (answer & FILTER_SCHEDULE_THREAD)
		intr_request(curcpu(), ih->ih_source, ih, RUN_SETTLES);
	else
		intr_unclaimed(curcpu(), ih->ih_source);
	return 0;
}

/* Ask the filter of is_plain. With FILTER_SCHEDULE_THREAD in what comes back its thread function
 * is to run, and is not queued yet. */
static inline unsigned intr_ask(struct intr_handler *ih)
{
	unsigned answer = ih->ih_filter(ih->ih_arg);

	witness_filter_return(ih->ih_name, (const void *)(uintptr_t)ih->ih_filter);
	if (unlikely(!(answer & FILTER_HANDLED)))
		return intr_not_handled(ih, answer);
	atomic_store_explicit(&ih->ih_source->is_unclaimed, 0, memory_order_relaxed);
	KASSERT(!(answer & FILTER_SCHEDULE_THREAD) || ih->ih_thread != NULL,
	    "filter of %s wants a thread and has none", ih->ih_name);
	return answer;
}

/* What could not be begun at once waits; or it is is_moving, and may wait elsewhere. The level of
 * the lwp that was interrupted is its own again. */
static void __attribute__((noinline)) intr_queue(struct intr_handler *ih)
{
	if (unlikely(ih->ih_any))
		migrate_look(curcpu());
	else if (run_request(&ih->ih_state, 0))
		model_queue(curcpu(), ih);
}

/* The softints that a filter scheduled, or whatever else has become pending. */
static inline __attribute__((always_inline)) void intr_pending(struct cpu *ci, struct lwp *l,
    uint32_t gate, enum acct acct)
{
	if (unlikely(!softint_start(ci, l, gate, acct)) || unlikely(port_pending()))
		ithread_exit_any(curlwp);
}

/*
 * An interrupt, with accounting or without. The CPU, its lwp and the source are found anew after
 * the filter: a load each is less than a register kept over a call.
 */
static inline __attribute__((always_inline)) void intr_take(struct cpu *ci, struct intr_source *is,
    enum acct acct)
{
	struct lwp *l = atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed);
	struct intr_stats *st = intr_stats_of(is->is_stats, ci);
	struct intr_handler *ih;
	uint32_t gate = l->l_gate;
	unsigned answer;

	KASSERT(!IPL_IS_HARD(l->l_ipl), "%s interrupts level %s", is->is_name, spl_name(l->l_ipl));
	l->l_ipl = IPL_VM;
	if (acct)
		acct_charge(ci, &st->st_ticks);
	port_stat_add(&st->st_count, 1);
	/* Acquire: pairs with the release in intr_replain(), for what ih points at. */
	ih = atomic_load_explicit(&is->is_plain, memory_order_acquire);
	if (acct == ACCT_LATENCY)
		latency_asks(ci, is);
	answer = intr_ask(ih);
	if (acct == ACCT_LATENCY && !(answer & FILTER_SCHEDULE_THREAD))
		latency_asked(is);
	port_intr_eoi();
	ci = curcpu();
	l = atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed);
	l->l_gate = gate;
	if (answer & FILTER_SCHEDULE_THREAD) {
		if (unlikely(!model_start(ci, l, gate, ih, acct)))
			intr_queue(ih);
		if (unlikely(port_pending()))
			ithread_exit_to(curcpu(), curlwp);
	} else if (unlikely(ci->ci_pending != 0)) {
		intr_pending(ci, l, gate, acct);
	}
	if (acct) {
		ci = curcpu();
		acct_charge(ci, lwp_acct(ci, curlwp));
	}
}

static void __attribute__((noinline)) intr_take_latency(struct cpu *ci, struct intr_source *is)
{
	intr_take(ci, is, ACCT_LATENCY);
}

static void __attribute__((noinline)) intr_take_acct(struct cpu *ci, struct intr_source *is)
{
	if (unlikely(latency_wanted()))
		intr_take_latency(ci, is);
	else
		intr_take(ci, is, ACCT_TIME);
}

void intr_dispatch(struct intr_source *is)
{
	struct cpu *ci = curcpu();

	if (unlikely(ci->ci_acct))
		intr_take_acct(ci, is);
	else
		intr_take(ci, is, ACCT_NONE);
}

void intr_replay(struct intr_source *is)
{
	struct cpu *ci = curcpu();
	struct lwp *l = curlwp;
	uint8_t ipl = l->l_ipl;

	if (is->is_trigger == INTR_LEVEL)
		return; /* its line is still up, and says so by itself */
	if (l->l_ipl < IPL_VM)
		l->l_ipl = IPL_VM;
	(void)intr_filters(ci, is);
	l->l_ipl = ipl;
}

/* Take members out of the set; the last one unmasks. is_lock held. */
static void intr_set_clear(struct intr_source *is, uint64_t bits)
{
	is->is_set &= ~bits;
	if (is->is_set == 0 && is->is_masked) {
		is->is_masked = false;
		is->is_pic->pic_unmask(is);
	}
}

static bool intr_end_level(struct intr_source *is, struct intr_handler *ih)
{
	bool idle;

	spin_lock(&is->is_lock);
	idle = run_end_slow(&ih->ih_state);
	if (idle)
		intr_set_clear(is, (uint64_t)1 << ih->ih_bit);
	spin_unlock(&is->is_lock);
	return idle;
}

bool intr_end_slow(struct cpu *ci, struct intr_handler *ih, unsigned settles, bool claimed)
{
	struct intr_source *is = ih->ih_source;

	if (settles) {
		if (claimed) {
			atomic_store_explicit(&is->is_unclaimed, 0, memory_order_relaxed);
		} else {
			port_stat_add(&intr_stats_of(ih->ih_stats, ci)->st_stray, 1);
			intr_unclaimed(ci, is);
		}
	}
	return ih->ih_level ? intr_end_level(is, ih) : run_end_slow(&ih->ih_state);
}

/* One that may migrate was queued. With interrupts off (`on` false) it is not known who is next. */
static void __attribute__((noinline)) intr_sched_moving(struct cpu *ci, bool on)
{
	if (on)
		migrate_look(ci);
	else
		intr_will_look(ci);
}

void hwi_sched(struct intr_handler *ih)
{
	bool intr = port_intr_disable();

	KASSERT(ih->ih_thread != NULL, "hwi_sched: %s has no thread function", ih->ih_name);
	if (!atomic_load_explicit(&ih->ih_dying, memory_order_relaxed) &&
	    run_request(&ih->ih_state, 0)) {
		model_queue(curcpu(), ih);
		if (unlikely(ih->ih_flags & INTR_MIGRATE))
			intr_sched_moving(curcpu(), intr);
	}
	intr_return(intr);
}

/* ---- The set from outside ---- */

/* Has one of its handlers INTR_MIGRATE? Who goes waits for whoever looks, interrupts off. */
static bool intr_moves(struct intr_source *is)
{
	struct intr_handler *ih;

	/* Acquire: pairs with the release in intr_link(), for what ih points at. */
	for (ih = atomic_load_explicit(&is->is_handlers, memory_order_acquire); ih != NULL;
	     ih = atomic_load_explicit(&ih->ih_next, memory_order_acquire))
		if (ih->ih_flags & INTR_MIGRATE)
			return true;
	return false;
}

/*
 * Whom dispatch may ask without a look at the rest: the only handler, if it has a filter, masks
 * nothing and does not migrate, of a source that is not held; else is_any, or is_moving. is_lock
 * held, after any change to what this depends on; for a handler that goes, before the barrier.
 */
static void intr_replain(struct intr_source *is)
{
	struct intr_handler *ih = atomic_load_explicit(&is->is_handlers, memory_order_relaxed);
	bool moves = intr_moves(is);

	if (ih != NULL &&
	    (atomic_load_explicit(&ih->ih_next, memory_order_relaxed) != NULL ||
		atomic_load_explicit(&is->is_held, memory_order_relaxed) || ih->ih_filter == NULL ||
		(ih->ih_flags & INTR_MANUAL) || (ih->ih_level && ih->ih_thread != NULL)))
		ih = NULL;
	if (ih == NULL || moves)
		ih = moves ? &is->is_moving : &is->is_any;
	/* Release: pairs with the acquire in intr_take(). */
	atomic_store_explicit(&is->is_plain, ih, memory_order_release);
}

/* The list of handlers has changed. Thread context. */
static void intr_relinked(struct intr_source *is)
{
	bool intr = port_intr_disable();

	spin_lock(&is->is_lock);
	intr_replain(is);
	spin_unlock(&is->is_lock);
	intr_return(intr);
}

void intr_hold(struct intr_source *is, uint64_t bit)
{
	bool intr = port_intr_disable();

	spin_lock(&is->is_lock);
	is->is_set |= bit;
	if (is->is_pic->pic_mask == NULL) {
		atomic_store_explicit(&is->is_held, true, memory_order_relaxed);
		intr_replain(is);
	} else if (!is->is_masked) {
		is->is_masked = true;
		is->is_masked_since = port_counter();
		is->is_pic->pic_mask(is);
	}
	spin_unlock(&is->is_lock);
	intr_return(intr);
}

void intr_release(struct intr_source *is, uint64_t bit)
{
	bool intr = port_intr_disable();

	spin_lock(&is->is_lock);
	if (is->is_pic->pic_mask == NULL) {
		is->is_set &= ~bit;
		if (is->is_set == 0)
			atomic_store_explicit(&is->is_held, false, memory_order_relaxed);
		intr_replain(is);
	} else {
		intr_set_clear(is, bit);
	}
	spin_unlock(&is->is_lock);
	intr_return(intr);
}

/* ---- Sources ---- */

/* A handler of the source's own, which is on no list and asks those that are. */
static void intr_own(struct intr_source *is, struct intr_handler *ih, intr_filter_t *filter)
{
	kstrlcpy(ih->ih_name, is->is_name, sizeof(ih->ih_name));
	ih->ih_filter = filter;
	ih->ih_arg = ih->ih_source = is;
	ih->ih_any = true;
	atomic_init(&ih->ih_state, RUN_OVER); /* nobody begins a run of it */
}

int intr_source_create(const char *name, enum intr_trigger trigger, const struct intr_pic *pic,
    void *cookie, struct cpu *ci, struct intr_source **out)
{
	struct intr_source *is = port_mem_alloc(sizeof(*is));

	if (is == NULL)
		return ENOMEM;
	is->is_stats = port_mem_alloc(CPU_MAX * sizeof(*is->is_stats));
	if (is->is_stats == NULL) {
		port_mem_free(is, sizeof(*is));
		return ENOMEM;
	}
	KASSERT(trigger != INTR_LEVEL || pic->pic_mask != NULL, "level source %s has no mask",
	    name);
	kstrlcpy(is->is_name, name, sizeof(is->is_name));
	intr_own(is, &is->is_any, intr_dispatch_any);
	intr_own(is, &is->is_moving, intr_dispatch_moving);
	atomic_init(&is->is_plain, &is->is_any);
	is->is_trigger = (uint8_t)trigger;
	is->is_pic = pic;
	is->is_cookie = cookie;
	is->is_masked = pic->pic_mask != NULL;
	is->is_set = IS_SET_DISABLED;
	atomic_init(&is->is_held, pic->pic_mask == NULL);
	atomic_init(&is->is_cpu, ci);
	spin_init(&is->is_lock);
	if (storm_attach(is) != 0) {
		port_mem_free(is->is_stats, CPU_MAX * sizeof(*is->is_stats));
		port_mem_free(is, sizeof(*is));
		return ENOMEM;
	}
	mutex_enter(&intr_mutex);
	list_append(&intr_sources, &is->is_all);
	mutex_exit(&intr_mutex);
	*out = is;
	return 0;
}

int intr_source_destroy(struct intr_source *is)
{
	mutex_enter(&intr_mutex);
	if (is->is_nhandlers != 0) {
		mutex_exit(&intr_mutex);
		return EBUSY;
	}
	list_remove(&is->is_all);
	mutex_exit(&intr_mutex);
	storm_detach(is); /* with a barrier: a late delivery may be in its dispatch */
	port_mem_free(is->is_stats, CPU_MAX * sizeof(*is->is_stats));
	port_mem_free(is, sizeof(*is));
	return 0;
}

void intr_source_each(bool (*fn)(struct intr_source *is, void *arg), void *arg)
{
	struct list *e;

	mutex_enter(&intr_mutex);
	LIST_EACH(e, &intr_sources)
		if (!fn(container_of(e, struct intr_source, is_all), arg))
			break;
	mutex_exit(&intr_mutex);
}

/* ---- Establish and disestablish ---- */

static int intr_check(int ipl, unsigned flags, intr_filter_t *filter, intr_thread_t *thread)
{
	if (filter == NULL && thread == NULL)
		return EINVAL;
	if (flags &
	    ~(unsigned)(INTR_MANUAL | INTR_EXCL | INTR_MIGRATE | INTR_CONTINUE |
		INTR_CONTINUE_SLEEP | INTR_SLOTS_MASK))
		return EINVAL;
	if ((flags & (INTR_MANUAL | INTR_MIGRATE)) && thread == NULL)
		return EINVAL;
	if ((flags & INTR_MIGRATE) && !MODEL_MIGRATES)
		return EOPNOTSUPP;
	if (ipl >= IPL_BIO && ipl <= IPL_TTY)
		return 0;
	return thread == NULL && ipl == IPL_VM ? 0 : EINVAL;
}

/* Is there room for one more, on these terms? intr_mutex held. */
static int intr_room(struct intr_source *is, unsigned flags)
{
	struct intr_handler *first = atomic_load_explicit(&is->is_handlers, memory_order_relaxed);

	if (first != NULL && ((flags | first->ih_flags) & INTR_EXCL))
		return EBUSY;
	/* Those that go keep their bits until they are idle; the last two are not for handlers. */
	return is->is_nhandlers == INTR_HANDLERS_MAX || (~is->is_bits & IS_SET_HANDLERS) == 0
	    ? ENOSPC
	    : 0;
}

/* To the end of the list, so that filters are asked in order of arrival. intr_mutex held. */
static void intr_link(struct intr_source *is, struct intr_handler *ih)
{
	struct intr_handler *_Atomic *at = &is->is_handlers;
	struct intr_handler *next;

	ih->ih_bit = (uint8_t)__builtin_ctzll(~is->is_bits);
	is->is_bits |= (uint64_t)1 << ih->ih_bit;
	is->is_nhandlers++;
	while ((next = atomic_load_explicit(at, memory_order_relaxed)) != NULL)
		at = &next->ih_next;
	/* Release: pairs with the acquire in intr_filters(). */
	atomic_store_explicit(at, ih, memory_order_release);
	intr_relinked(is);
}

static void intr_unlink(struct intr_source *is, struct intr_handler *ih)
{
	struct intr_handler *_Atomic *at = &is->is_handlers;
	struct intr_handler *next;

	while ((next = atomic_load_explicit(at, memory_order_relaxed)) != ih) {
		KASSERT(next != NULL, "%s is not on %s", ih->ih_name, is->is_name);
		at = &next->ih_next;
	}
	/* ih_next stays: a dispatch that stands on ih goes on from there. */
	next = atomic_load_explicit(&ih->ih_next, memory_order_relaxed);
	atomic_store_explicit(at, next, memory_order_release);
	intr_relinked(is);
	is->is_nhandlers--;
}

static void intr_free(struct intr_handler *ih)
{
	continue_detach(ih);
	model_detach(ih);
	latency_detach(ih);
	if (ih->ih_stats != NULL)
		port_mem_free(ih->ih_stats, CPU_MAX * sizeof(*ih->ih_stats));
	port_mem_free(ih, sizeof(*ih));
}

int intr_establish(struct intr_source *is, const char *name, int ipl, unsigned flags,
    intr_filter_t *filter, intr_thread_t *thread, void *arg, struct intr_handler **out)
{
	struct intr_handler *ih;
	int error = intr_check(ipl, flags, filter, thread);

	if (error)
		return error;
	ih = port_mem_alloc(sizeof(*ih));
	if (ih == NULL)
		return ENOMEM;
	ih->ih_stats = port_mem_alloc(CPU_MAX * sizeof(*ih->ih_stats));
	kstrlcpy(ih->ih_name, name, sizeof(ih->ih_name));
	ih->ih_filter = filter;
	ih->ih_thread = thread;
	ih->ih_arg = arg;
	ih->ih_ipl = (uint8_t)ipl;
	ih->ih_flags = (uint8_t)flags;
	ih->ih_source = is;
	ih->ih_level = is->is_trigger == INTR_LEVEL;
	ih->ih_special = ih->ih_level || (flags & (INTR_MANUAL | INTR_MIGRATE)) || thread == NULL;
	ih->ih_pending = (uint16_t)(1u << ipl);
	ih->ih_gate = lwp_gate((uint8_t)ipl);
	error = ih->ih_stats != NULL ? continue_attach(ih, flags) : ENOMEM;
	if (error == 0)
		error = model_attach(ih);
	if (error) {
		intr_free(ih);
		return error;
	}
	mutex_enter(&intr_mutex);
	error = intr_room(is, flags);
	if (error) {
		mutex_exit(&intr_mutex);
		intr_free(ih);
		return error;
	}
	*out = ih; /* before the first interrupt: a filter may want it for hwi_sched() */
	if (thread != NULL)
		ithread_handlers(1);
	ih->ih_id = ++intr_last_id;
	latency_attach(ih);
	intr_link(is, ih);
	if (is->is_nhandlers == 1)
		intr_release(is, IS_SET_DISABLED);
	mutex_exit(&intr_mutex);
	return 0;
}

/* Wait until a handler that nobody can queue any more is idle. */
static void intr_drain(struct intr_handler *ih)
{
	bool intr;

	for (;;) {
		intr = sleepq_lock(ih);
		/* Marked, its end sees ih_dying and wakes; nobody asks for another run by now, so
		 * the mark stays. */
		if (!run_slow(&ih->ih_state))
			break;
		sleepq_wait(ih, "intrdis", SLEEP_FOREVER, intr);
	}
	sleepq_unlock(ih, intr);
}

int intr_disestablish(struct intr_handler *ih)
{
	struct intr_source *is = ih->ih_source;

	if (curlwp->l_handler == ih || continue_mine(ih))
		return EDEADLK;
	mutex_enter(&intr_mutex);
	if (is->is_nhandlers == 1)
		intr_hold(is, IS_SET_DISABLED);
	intr_unlink(is, ih);
	mutex_exit(&intr_mutex);
	witness_waits_handler(ih); /* until it enters intr_mutex again */
	atomic_store_explicit(&ih->ih_dying, true, memory_order_seq_cst);
	/* whoever was in a dispatch or hwi_sched() has queued it by now, or never will */
	cpu_barrier();
	intr_drain(ih);
	mutex_enter(&intr_mutex);
	is->is_bits &= ~((uint64_t)1 << ih->ih_bit); /* not before: its bit held the mask */
	mutex_exit(&intr_mutex);
	if (ih->ih_thread != NULL)
		ithread_handlers(-1);
	cpu_barrier(); /* whoever ended the last run may be looking at ih_dying still */
	intr_free(ih); /* once its continuations have run */
	return 0;
}

/* ---- Routing ---- */

struct intr_routed {
	struct intr_source *ir_source;
	bool ir_done;
};

static void intr_routed(void *arg)
{
	struct intr_routed *ir = arg;

	ir->ir_done = ir->ir_source->is_pic->pic_routed(ir->ir_source);
}

int intr_route(struct intr_source *is, struct cpu *ci)
{
	struct intr_routed ir = {is, false};
	struct cpu *before = atomic_load_explicit(&is->is_cpu, memory_order_relaxed);
	int error;

	if (is->is_pic->pic_route == NULL)
		return EOPNOTSUPP;
	if (before == ci)
		return 0;
	error = is->is_pic->pic_route(is, ci);
	if (error == 0) {
		atomic_store_explicit(&is->is_cpu, ci, memory_order_relaxed);
		/* One that is in flight to the CPU before is taken there between two calls. */
		while (!ir.ir_done)
			cpu_call(before, intr_routed, &ir);
	}
	return error;
}

int intr_bind(struct intr_source *is, struct cpu *ci)
{
	int error;

	if (ci == NULL)
		return EINVAL;
	mutex_enter(&intr_mutex);
	error = intr_route(is, ci);
	if (error == 0)
		is->is_balance.bs_bound = true;
	mutex_exit(&intr_mutex);
	return error;
}

void intr_unbind(struct intr_source *is)
{
	mutex_enter(&intr_mutex);
	is->is_balance.bs_bound = false;
	mutex_exit(&intr_mutex);
}

/* ---- For people ---- */

const char *intr_model(void)
{
	return MODEL_NAME;
}

bool intr_may_block(void)
{
	return MODEL_MAY_BLOCK;
}

bool intr_may_migrate(void)
{
	return MODEL_MIGRATES;
}

static void intr_dump_handlers(const struct intr_source *is)
{
	static const char *const state[] = {"idle", "running", "?", "queued"};
	struct intr_handler *ih;
	unsigned n = 0;

	for (ih = atomic_load_explicit(&is->is_handlers, memory_order_relaxed);
	     ih != NULL && n < INTR_HANDLERS_MAX;
	     ih = atomic_load_explicit(&ih->ih_next, memory_order_relaxed), n++) {
		kprintf("    %-16s %-6s %s%s%s%s\n", ih->ih_name, spl_name(ih->ih_ipl),
		    state[atomic_load_explicit(&ih->ih_state, memory_order_relaxed) & 3],
		    ih->ih_filter ? ", filter" : "", ih->ih_flags & INTR_MANUAL ? ", manual" : "",
		    ih->ih_flags & INTR_MIGRATE ? ", may migrate" : "");
		continue_dump(ih);
	}
}

static void intr_dump_queue(const struct cpu *ci, int ipl)
{
	const struct intr_handler *ih;
	unsigned n = 0;

	if (ci->ci_queue[ipl].q_head == NULL)
		return;
	kprintf("  cpu%u %s:", ci->ci_index, spl_name(ipl));
	for (ih = ci->ci_queue[ipl].q_head; ih != NULL && n < 64; ih = ih->ih_qnext, n++)
		kprintf(" %s", ih->ih_name);
	kprintf("\n");
}

void intr_dump(void)
{
	static const char *const trigger[] = {"level", "edge", "message"};
	struct intr_source *is;
	struct list *e;
	unsigned i;
	int ipl;

	kprintf("sources:\n");
	LIST_EACH(e, &intr_sources) {
		is = container_of(e, struct intr_source, is_all);
		kprintf("  %s: %s, cpu%u, set %#llx%s%s\n", is->is_name, trigger[is->is_trigger],
		    atomic_load_explicit(&is->is_cpu, memory_order_relaxed)->ci_index,
		    (unsigned long long)is->is_set, is->is_masked ? ", masked" : "",
		    atomic_load_explicit(&is->is_held, memory_order_relaxed) ? ", held" : "");
		intr_dump_handlers(is);
	}
	kprintf("pending queues:\n");
	for (i = 0; i < cpu_count(); i++)
		for (ipl = IPL_TTY; ipl >= IPL_BIO; ipl--)
			intr_dump_queue(cpu_lookup(i), ipl);
	migrate_dump();
}
