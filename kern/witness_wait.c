/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * witness_wait.c - the lock checker's other half: waits for the end of a function, or of an lwp.
 *
 * Who holds a mutex and waits until a softint does not run any more waits for ever if the softint's
 * function waits for that mutex. That nobody holds the softint makes no difference, so to the
 * checker it is a lock: held by whoever runs the function, while it runs; entered, and left at
 * once, by whoever waits for its end. What follows is the graph's (witness_graph.c): the two
 * orders need never meet to be reported, may have any number of others between them, and it does
 * not matter which was seen first.
 *
 *	some lwp			softint
 *	mutex_enter(A)			runs			softint -> A is noted
 *					mutex_enter(A)
 *	softint_disestablish()		(waits for A)		A -> softint would close a ring
 *	(waits for the softint)
 *
 * So with handlers, softints (and continuations, which run in those or in work), and work queues.
 * A work is two classes, since one may wait for either: its queue, and under that, its function.
 * Functions of one name, level and address are one class, as locks are; one that waits for the end
 * of another of its class is not looked at. Callouts are not here: callout_halt() may let go of a
 * lock meanwhile, and looks for rings of its own (callout_stop.c).
 *
 * An lwp that is joined is no lock. It lives long, and what it entered at its beginning, when
 * nobody waited, need not be in the way of who waits for its end. So what counts is what it enters,
 * or waits for, while somebody is in lwp_join(), and nothing is noted. The two may begin in either
 * order: the joiner sets w_joiner of the lwp and then looks at its w_wants; the lwp sets w_wants
 * and then looks at w_joiner. All four are sequentially consistent, so one sees the other at least.
 * The joiner may be joined itself, and the lwp be in a join: both look along the row. An lwp that
 * is in one stays where it is, with what it holds; whether it still is, is asked after the look.
 *
 * Contexts, lock: as witness.c. Not for: deciding what is a ring of locks (witness_graph.c).
 * Read next: witness_graph.c; callout_stop.c.
 */
#include <ithaca/witness_wait.h>

#include "witness_impl.h"
#include <ithaca/cpu.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/rwlock.h>
#include <ithaca/softint.h>

#define ROW_MAX 16 /* lwps that join one another */

/* ---- What an lwp stands in ---- */

static struct witness_body body_of_handler(const struct intr_handler *ih)
{
	return (struct witness_body){WITNESS_HANDLER, ih->ih_ipl, ih->ih_name,
	    (const void *)(uintptr_t)ih->ih_thread};
}

static struct witness_body body_of_softint(const struct softint *si)
{
	return (struct witness_body){WITNESS_SOFTINT, si->si_level, si->si_name,
	    (const void *)(uintptr_t)si->si_fn};
}

static struct witness_body body_of_work(const char *queue, const void *fn)
{
	return (
	    struct witness_body){fn != NULL ? WITNESS_WORK : WITNESS_QUEUE, IPL_NONE, queue, fn};
}

/* As if it were held. The symbol of a place is that of the call before it. */
static struct witness_under under_body(const struct witness_body *wb)
{
	return (struct witness_under){NULL, wb->wb_fn != NULL ? (const char *)wb->wb_fn + 1 : NULL,
	    witness_class_of_body(wb)};
}

/* The function that `l` stands in; false: none that anybody waits for. `l` is curlwp, or waits. */
static bool stands_in(const struct lwp *l, struct witness_under *wu)
{
	const struct witness_lwp *w = &l->l_witness;
	struct witness_under in_queue;
	struct witness_body wb;
	const char *queue;

	if (l->l_handler != NULL) {
		wb = body_of_handler(l->l_handler);
	} else if (l->l_softint != NULL) {
		wb = body_of_softint(l->l_softint);
	} else if ((queue = WITNESS_GET(w->w_queue)) != NULL) {
		wb = body_of_work(queue, NULL);
		in_queue = under_body(&wb);
		wb = body_of_work(queue, WITNESS_GET(w->w_work));
		*wu = under_body(&wb);
		/* Now that the work enters something it counts what it is part of. */
		in_queue.wu_place = wu->wu_place;
		witness_order(&in_queue, NULL, wu->wu_class, wu->wu_place);
		return true;
	} else {
		return false;
	}
	*wu = under_body(&wb);
	return true;
}

void witness_works(const char *queue, void (*fn)(void *))
{
	struct witness_lwp *w = &curlwp->l_witness;

	WITNESS_SET(w->w_queue, queue);
	WITNESS_SET(w->w_work, (const void *)(uintptr_t)fn);
}

/* ---- Joins ---- */

/* What an lwp is about to enter, or to wait for. */
struct want {
	unsigned wa_class; /* 0: nothing */
	const struct mutex *wa_mutex;
	const void *wa_place;
};

static struct want want_of(struct lwp *l)
{
	struct witness_lwp *w = &l->l_witness;
	struct want wa;

	/* Pairs with the store in want_set(). */
	wa.wa_class = atomic_load_explicit(&w->w_wants, memory_order_seq_cst);
	wa.wa_mutex = WITNESS_GET(w->w_wants_it);
	wa.wa_place = WITNESS_GET(w->w_wants_place);
	return wa;
}

static void want_set(struct lwp *l, const struct want *wa)
{
	struct witness_lwp *w = &l->l_witness;

	WITNESS_SET(w->w_wants_it, wa->wa_mutex);
	WITNESS_SET(w->w_wants_place, wa->wa_place);
	/* Pairs with the load in want_of(); then joiner_of(). */
	atomic_store_explicit(&w->w_wants, (uint16_t)wa->wa_class, memory_order_seq_cst);
}

static struct lwp *joiner_of(struct lwp *l)
{
	/* Pairs with the store in witness_joins_at(). */
	return atomic_load_explicit(&l->l_witness.w_joiner, memory_order_seq_cst);
}

static void say_joiners(struct lwp *first, const struct lwp *last)
{
	char at[WITNESS_PLACE_SIZE];
	struct lwp *l, *j = first;
	unsigned n;

	for (n = 0; n < ROW_MAX && j != last; n++) {
		l = j;
		j = joiner_of(l);
		if (j == NULL)
			return;
		port_symbol(WITNESS_GET(j->l_witness.w_join_place), at, sizeof(at));
		witness_say("  lwp \"%s\" waits for the end of lwp \"%s\" at %s\n", j->l_name,
		    l->l_name, at);
	}
}

/* `l` wants `wa`: does that wait, in the end, for `h`, which `j` holds, who waits for `l`? */
static void join_held(struct lwp *l, const struct want *wa, const struct lwp *j,
    const struct witness_held *h)
{
	unsigned c = WITNESS_GET(h->wh_class);
	bool intr = witness_lock(), same = WITNESS_GET(h->wh_mutex) == wa->wa_mutex;

	if ((same || witness_leads(wa->wa_class, c)) &&
	    witness_begin_locked(WITNESS_WAIT, wa->wa_class, c)) {
		witness_say_head("wait that may never end");
		witness_say("  lwp \"%s\":\n", l->l_name);
		witness_say_mutex(wa->wa_mutex != NULL ? "  enters" : "  waits for the end of",
		    wa->wa_class, wa->wa_place);
		if (!same)
			witness_say_path(wa->wa_class, c);
		say_joiners(l, j);
		witness_say_held("and holds", h);
		witness_end_locked();
	}
	witness_unlock(intr);
}

/* `l` wants `wa`: look at all who wait for its end, and for theirs. */
static void join_look(struct lwp *l, const struct want *wa)
{
	struct witness_under body;
	const struct witness_list *wl;
	struct lwp *j = joiner_of(l);
	unsigned n, i;

	for (n = 0; n < ROW_MAX && j != NULL; n++, j = joiner_of(j)) {
		wl = &j->l_witness.w_adaptive;
		for (i = 0; i < WITNESS_GET(wl->wl_n) && i < WITNESS_HELD_MAX; i++)
			join_held(l, wa, j, &wl->wl_held[i]);
		/* As if it entered it itself. */
		if (stands_in(j, &body))
			witness_order(&body, NULL, wa->wa_class, wa->wa_place);
	}
}

void witness_joins_at(struct lwp *l, const void *place)
{
	struct witness_lwp *w = &curlwp->l_witness;
	struct lwp *from = curlwp, *to = l;
	struct want wa;
	unsigned n;

	WITNESS_SET(w->w_join_place, place);
	/* Pairs with the load below, by who waits for this lwp. */
	atomic_store_explicit(&w->w_joins, l, memory_order_seq_cst);
	/* Pairs with the load in joiner_of(). */
	atomic_store_explicit(&l->l_witness.w_joiner, curlwp, memory_order_seq_cst);
	for (n = 0; n < ROW_MAX && to != NULL && witness_watching(); n++) {
		wa = want_of(to);
		/* It is still the one that is waited for, not another in its memory. */
		if (wa.wa_class != 0 && joiner_of(to) == from)
			join_look(to, &wa);
		from = to;
		/* Pairs with the store above. */
		to = atomic_load_explicit(&to->l_witness.w_joins, memory_order_seq_cst);
	}
}

void witness_joined(struct lwp *l)
{
	/* No order: who does not see it any more reports less. */
	WITNESS_SET(l->l_witness.w_joiner, NULL);
	WITNESS_SET(curlwp->l_witness.w_joins, NULL);
}

/* curlwp may be waited for: say what it wants, and see who is. */
static void want_look(unsigned c, const struct mutex *m, const void *place)
{
	struct want wa = {c, m, place};
	struct lwp *l = curlwp;

	/* Whoever joins a work's lwp has been told by its queue. */
	if (!(l->l_flags & LWP_JOINABLE) || WITNESS_GET(l->l_witness.w_queue) != NULL)
		return;
	want_set(l, &wa);
	join_look(l, &wa);
}

static void want_end(void)
{
	if (curlwp->l_flags & LWP_JOINABLE)
		WITNESS_SET(curlwp->l_witness.w_wants, 0);
}

/* ---- Entered inside, waited for outside ---- */

void witness_inside(struct mutex *m, unsigned c, const void *place)
{
	struct witness_under body;

	if (stands_in(curlwp, &body))
		witness_order(&body, m, c, place);
	want_look(c, m, place);
}

void witness_entered(void)
{
	want_end();
}

static void waits(const struct witness_body *wb, const void *place)
{
	const struct witness_list *wl = &curlwp->l_witness.w_adaptive;
	unsigned i, n = WITNESS_GET(wl->wl_n), c;
	struct witness_under wu;

	if (IPL_IS_HARD(spl_now()) || !witness_watching())
		return;
	c = witness_class_of_body(wb);
	for (i = 0; i < n; i++) {
		wu = witness_under(&wl->wl_held[i]);
		witness_order(&wu, NULL, c, place);
	}
	if (stands_in(curlwp, &wu))
		witness_order(&wu, NULL, c, place);
	want_look(c, NULL, place);
}

void witness_waits_handler_at(const struct intr_handler *ih, const void *place)
{
	struct witness_body wb = body_of_handler(ih);

	if (ih->ih_thread != NULL)
		waits(&wb, place);
}

void witness_waits_softint_at(const struct softint *si, const void *place)
{
	struct witness_body wb = body_of_softint(si);

	waits(&wb, place);
}

void witness_waits_work_at(const char *queue, void (*fn)(void *), const void *place)
{
	struct witness_body wb = body_of_work(queue, (const void *)(uintptr_t)fn);

	waits(&wb, place);
}

void witness_waited(void)
{
	want_end();
}

/* ---- Who waits for whom, where no lock says so: for callout_stop.c ---- */

bool witness_holds(const void *lock)
{
	const struct witness_list *wl = &curlwp->l_witness.w_adaptive;
	unsigned i, n = WITNESS_GET(wl->wl_n);
	const struct mutex *m;

	for (i = 0; i < n; i++) {
		m = WITNESS_GET(wl->wl_held[i].wh_mutex);
		/* The class of an rwlock is in the list, and never entered. */
		if (m == lock ||
		    (mutex_owner(m) == NULL &&
			(const char *)m - offsetof(struct rwlock, rw_class) == lock))
			return true;
	}
	return false;
}

void witness_halts(const struct callout *c, const struct mutex *interlock)
{
	struct witness_lwp *w = &curlwp->l_witness;

	WITNESS_SET(w->w_interlock, interlock);
	/* Release: pairs with the acquire in witness_halted(), for w_interlock. */
	atomic_store_explicit(&w->w_halts, c, memory_order_release);
}

const struct callout *witness_halted(struct lwp *l)
{
	/* Acquire: pairs with the release in witness_halts(). */
	return atomic_load_explicit(&l->l_witness.w_halts, memory_order_acquire);
}

bool witness_interlock(struct lwp *l, const void *lock)
{
	return WITNESS_GET(l->l_witness.w_interlock) == lock;
}
