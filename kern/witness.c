/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * witness.c - the checker of locks and contexts, in checked builds.
 *
 * Purpose: report what will go wrong one day, on the day that it first could. Each lwp keeps lists
 * of the mutexes that it holds and of where it entered them. A mutex belongs to a class, its name
 * and level, and the classes stand in a graph of orders: an edge A -> B says that a B was entered
 * while an A was held, and where. What is reported:
 *
 *	reversal   B -> ... -> A is known, and somebody who holds an A enters a B the other way
 *	inversion  a spin mutex is entered while one of a higher level is held
 *	context    an adaptive mutex is entered at a hard level, or while a spin mutex is held
 *	sleep      somebody sleeps at a hard level, or while he holds a spin mutex
 *	recursion  a mutex is entered by who holds it
 *	stranger   a mutex is left by another than who entered it
 *	leak       a filter, handler, softint, callout returns, or an lwp exits, and holds one
 *	wait       somebody waits for the end of a function, or an lwp, that enters what he holds
 *
 * Each report names both places and both mutexes, and is made once a pair of classes (of a place
 * and a class, where there is no pair). Some are followed by an assertion of mutex.c, which ends
 * the system: the report is then printed with the panic.
 *
 * No reversal is a matter of luck: the two orders need never meet, nor be used on two CPUs. A
 * reversal is not put into the graph, which so stays without a ring.
 *
 * Two mutexes of one class may be held together if they are always entered in the order of their
 * addresses, up or down. Where another rule says which comes first, as from parent to child, they
 * are two classes, and get two names.
 *
 * Orders are kept among adaptive mutexes, and among spin mutexes. Between the two kinds the level
 * says it all. What mutex_tryenter() gets keeps no order, since it did not wait, but is one that
 * others are entered under. A filter's mutexes are not under those of the lwp that it interrupted,
 * and nor are those of an ithread or softint, which is an lwp of its own.
 *
 * The list of adaptive mutexes is written by its lwp alone, in its own time; that of spin mutexes
 * with interrupts off, by the lwp or by the interrupt on top of it. Others look at them without a
 * lock, for reports only. The graph is read without a lock: an edge that is there stays.
 *
 * Contexts: any, up to IPL_SCHED. Lock: witness_lock(), last of all and alone.
 * Not for: bare spin locks (spin.h), waits for events.
 * Read next: witness_wait.c, witness_graph.c, witness_report.c; mutex.c, where most hooks are.
 */
#include <ithaca/witness.h>

#include "witness_impl.h"
#include <ithaca/cpu.h>
#include <ithaca/ithread.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sysctl.h>

static _Atomic uint64_t witness_on = 1; /* (~) relaxed: a setting */

bool witness_watching(void)
{
	return WITNESS_GET(witness_on) && !panicking();
}

/* ---- Lists ---- */

/* False: it is full. */
static bool list_push(struct witness_list *wl, struct mutex *m, const void *place)
{
	unsigned n = WITNESS_GET(wl->wl_n);
	bool intr;

	if (n == WITNESS_HELD_MAX) {
		intr = witness_lock();
		witness_limit(WITNESS_LIMIT_HELD, WITNESS_HELD_MAX,
		    "mutexes of a kind held by an lwp: the others are not watched");
		witness_unlock(intr);
		return false;
	}
	WITNESS_SET(wl->wl_held[n].wh_mutex, m);
	WITNESS_SET(wl->wl_held[n].wh_place, place);
	WITNESS_SET(wl->wl_held[n].wh_class, (uint16_t)witness_class_of(m));
	WITNESS_SET(wl->wl_n, n + 1);
	return true;
}

static const struct witness_held *list_find(const struct witness_list *wl, const struct mutex *m)
{
	unsigned i, n = WITNESS_GET(wl->wl_n);

	for (i = n < WITNESS_HELD_MAX ? n : WITNESS_HELD_MAX; i > 0; i--)
		if (WITNESS_GET(wl->wl_held[i - 1].wh_mutex) == m)
			return &wl->wl_held[i - 1];
	return NULL;
}

/* False: it is not there. */
static bool list_remove_mutex(struct witness_list *wl, const struct mutex *m)
{
	unsigned i, n = WITNESS_GET(wl->wl_n);

	if (list_find(wl, m) == NULL)
		return false;
	for (i = (unsigned)(list_find(wl, m) - wl->wl_held); i + 1 < n; i++) {
		WITNESS_SET(wl->wl_held[i].wh_mutex, WITNESS_GET(wl->wl_held[i + 1].wh_mutex));
		WITNESS_SET(wl->wl_held[i].wh_place, WITNESS_GET(wl->wl_held[i + 1].wh_place));
		WITNESS_SET(wl->wl_held[i].wh_class, WITNESS_GET(wl->wl_held[i + 1].wh_class));
	}
	WITNESS_SET(wl->wl_n, n - 1);
	return true;
}

/* May `m` be entered under what is in the list? False: it is in there itself. */
static bool order_check(const struct witness_list *wl, struct mutex *m, const void *place)
{
	unsigned c = witness_class_of(m), i, n = WITNESS_GET(wl->wl_n);
	const struct witness_held *h;
	struct witness_under wu;
	bool intr;

	for (i = 0; i < n; i++) {
		h = &wl->wl_held[i];
		if (WITNESS_GET(h->wh_mutex) == m) {
			if (witness_begin(WITNESS_RECURSION, c, (uintptr_t)place, &intr)) {
				witness_say_head("mutex entered twice");
				witness_say_held("holds", h);
				witness_say_mutex("enters", c, place);
				witness_end(intr);
			}
			return false;
		}
		wu = witness_under(h);
		witness_order(&wu, m, c, place);
	}
	return true;
}

/* ---- Adaptive mutexes ---- */

static void say_all_held(const char *what, const struct witness_list *wl)
{
	unsigned i, n = WITNESS_GET(wl->wl_n);

	for (i = 0; i < n && i < WITNESS_HELD_MAX; i++)
		witness_say_held(what, &wl->wl_held[i]);
}

/* At a hard level, or with a spin mutex held. */
static void context_check(struct mutex *m, const void *place)
{
	const struct lwp *l = curlwp;
	unsigned c = witness_class_of(m);
	bool intr;

	if (!witness_begin(WITNESS_CONTEXT, c, (uintptr_t)place, &intr))
		return;
	witness_say_head("adaptive mutex entered in a context that cannot block");
	say_all_held("holds spin mutex", &l->l_witness.w_spin);
	if (spins_held() == 0)
		witness_say("  in a filter or another interrupt, or after splraise()\n");
	witness_say_mutex("enters", c, place);
	witness_end(intr);
}

void witness_check_at(struct mutex *m, const void *place)
{
	struct lwp *l = curlwp;

	if (!witness_watching())
		return;
	if (IPL_IS_HARD(m->m_ipl)) { /* mutex_spin_enter() comes next */
		witness_from_at(m, place);
		return;
	}
	if (l->l_witness.w_from[0] == m)
		place = l->l_witness.w_from_place[0];
	if (IPL_IS_HARD(spl_now()))
		context_check(m, place);
	else if (order_check(&l->l_witness.w_adaptive, m, place))
		witness_inside(m, witness_class_of(m), place);
}

void witness_hold_at(struct mutex *m, const void *place, bool tried)
{
	struct lwp *l = curlwp;

	if (IPL_IS_HARD(m->m_ipl))
		return;
	witness_entered();
	if (!witness_watching()) {
		l->l_witness.w_missed++;
		return;
	}
	if (l->l_witness.w_from[0] == m) {
		place = l->l_witness.w_from_place[0];
		l->l_witness.w_from[0] = NULL;
	}
	if (!IPL_IS_HARD(spl_now())) {
		if (list_push(&l->l_witness.w_adaptive, m, place))
			return;
	} else if (tried) {
		context_check(m, place);
	}
	l->l_witness.w_missed++;
}

void witness_from_at(struct mutex *m, const void *place)
{
	struct lwp *l = curlwp;
	unsigned hard = IPL_IS_HARD(l->l_ipl);

	l->l_witness.w_from_place[hard] = place;
	l->l_witness.w_from[hard] = m;
}

/* Where it comes from: what witness_from_at() was told, once, else `place`. */
static const void *from_take(const struct mutex *m, const void *place)
{
	struct witness_lwp *w = &curlwp->l_witness;
	unsigned hard = IPL_IS_HARD(curlwp->l_ipl);

	if (w->w_from[hard] != m)
		return place;
	w->w_from[hard] = NULL;
	return w->w_from_place[hard];
}

/* `m` is left by who does not hold it; `h`, if not NULL, is where somebody entered it. */
static void stranger(struct mutex *m, const struct lwp *owner, const struct witness_held *h,
    const void *place)
{
	unsigned c = witness_class_of(m);
	bool intr;

	if (!witness_begin(WITNESS_STRANGER, c, (uintptr_t)place, &intr))
		return;
	witness_say_head("mutex left by another than who holds it");
	witness_say("  held by lwp \"%s\"\n", owner != NULL ? owner->l_name : "(nobody known)");
	if (h != NULL)
		witness_say_held("entered", h);
	witness_say_mutex("left", c, place);
	witness_end(intr);
}

/* Who holds a spin mutex runs on some CPU. The caller does not hold it; nobody need. */
static void spin_stranger(struct mutex *m, const void *place)
{
	const struct witness_held *h;
	struct lwp *l;
	unsigned i;

	for (i = 0; i < cpu_count(); i++) {
		l = atomic_load_explicit(&cpu_lookup(i)->ci_curlwp, memory_order_relaxed);
		h = l != NULL && l != curlwp ? list_find(&l->l_witness.w_spin, m) : NULL;
		if (h != NULL) {
			stranger(m, l, h, place);
			return;
		}
	}
}

void witness_left_at(struct mutex *m, const struct lwp *holder, const void *place)
{
	struct witness_lwp *w = &curlwp->l_witness;

	if (list_remove_mutex(&w->w_adaptive, m))
		return;
	if (w->w_missed != 0) /* one that it has, and that is not in the list */
		w->w_missed--;
	else if (holder != curlwp && witness_watching())
		stranger(m, holder,
		    holder != NULL ? list_find(&holder->l_witness.w_adaptive, m) : NULL, place);
}

void witness_exit_at(struct mutex *m, const void *place)
{
	if (IPL_IS_HARD(m->m_ipl)) /* mutex_spin_exit() comes next */
		witness_from_at(m, place);
	else
		witness_left_at(m, mutex_owner(m), place);
}

/* ---- Spin mutexes. Interrupts off. ---- */

static void inversion_check(const struct witness_list *wl, struct mutex *m, const void *place)
{
	unsigned c = witness_class_of(m), i, n = WITNESS_GET(wl->wl_n);
	const struct witness_held *h;
	bool intr;

	for (i = 0; i < n; i++) {
		h = &wl->wl_held[i];
		if (witness_class_ipl(WITNESS_GET(h->wh_class)) <= m->m_ipl ||
		    !witness_begin(WITNESS_INVERSION, WITNESS_GET(h->wh_class), c, &intr))
			continue;
		witness_say_head("level inversion");
		witness_say_held("holds", h);
		witness_say_mutex("enters", c, place);
		witness_end(intr);
	}
}

void witness_spin_check_at(struct mutex *m, const void *place)
{
	struct witness_lwp *w = &curlwp->l_witness;

	place = from_take(m, place);
	w->w_spin_place = place;
	if (!witness_watching())
		return;
	inversion_check(&w->w_spin, m, place);
	if (!order_check(&w->w_spin, m, place))
		panic("spin mutex %s entered twice by %s", m->m_name, curlwp->l_name);
}

void witness_spin_hold(struct mutex *m)
{
	struct witness_lwp *w = &curlwp->l_witness;

	if (spins_held() == 1)
		w->w_spin_ipl = curlwp->l_ipl;
	if (witness_watching())
		(void)list_push(&w->w_spin, m, w->w_spin_place);
}

void witness_splx(int ipl)
{
	const struct witness_lwp *w = &curlwp->l_witness;

	KASSERT(spins_held() == 0 || ipl >= w->w_spin_ipl,
	    "splx(%s) with a spin mutex held that was entered at level %s", spl_name(ipl),
	    spl_name(w->w_spin_ipl));
}

void witness_spin_tried_at(struct mutex *m, const void *place)
{
	curlwp->l_witness.w_spin_place = place;
	witness_spin_hold(m);
}

void witness_spin_exit_at(struct mutex *m, const void *place)
{
	place = from_take(m, place);
	if (!list_remove_mutex(&curlwp->l_witness.w_spin, m) && witness_watching())
		spin_stranger(m, place);
}

/* ---- Sleeping, returning, ending ---- */

void witness_sleep_at(const char *wmesg, const void *place)
{
	const struct lwp *l = curlwp;
	char at[WITNESS_PLACE_SIZE];
	bool intr;

	if (!IPL_IS_HARD(spl_now()) || !witness_watching() ||
	    !witness_begin(WITNESS_SLEEP, (uintptr_t)place, 0, &intr))
		return;
	witness_say_head("sleep in a context that cannot block");
	say_all_held("holds spin mutex", &l->l_witness.w_spin);
	if (spins_held() == 0)
		witness_say("  in a filter or another interrupt, or after splraise()\n");
	port_symbol(place, at, sizeof(at));
	witness_say("  sleeps on \"%s\" at %s\n", wmesg != NULL ? wmesg : "?", at);
	witness_end(intr);
}

/* What is in the list should not be: say so, and forget it. */
static void leaks(const char *what, const char *name, const void *fn, struct witness_list *wl)
{
	unsigned i, n = WITNESS_GET(wl->wl_n);
	char at[WITNESS_PLACE_SIZE];
	bool intr;

	WITNESS_SET(wl->wl_n, 0);
	for (i = 0; i < n && witness_watching(); i++) {
		if (!witness_begin(WITNESS_LEAK, WITNESS_GET(wl->wl_held[i].wh_class),
			(uintptr_t)fn, &intr))
			continue;
		port_symbol((const char *)fn + 1, at, sizeof(at)); /* no return address */
		witness_say("witness: %s \"%s\" (%s) on cpu%u ends and holds a mutex\n", what, name,
		    at, curcpu()->ci_index);
		witness_say_held("entered", &wl->wl_held[i]);
		witness_end(intr);
	}
}

void witness_return_slow(const char *what, const char *name, const void *fn)
{
	struct witness_lwp *w = &curlwp->l_witness;

	w->w_missed = 0;
	if (WITNESS_GET(w->w_adaptive.wl_n) != 0)
		leaks(what, name, fn, &w->w_adaptive);
	if (WITNESS_GET(w->w_spin.wl_n) != 0)
		leaks(what, name, fn, &w->w_spin);
}

void witness_filter_return(const char *name, const void *fn)
{
	struct witness_lwp *w = &curlwp->l_witness;

	if (WITNESS_GET(w->w_spin.wl_n) != 0)
		leaks("filter", name, fn, &w->w_spin);
}

void witness_lwp_exit(void)
{
	struct lwp *l = curlwp;

	witness_return_slow("lwp", l->l_name, (const void *)(uintptr_t)l->l_fn);
}

static void dump_lwp(const struct lwp *l, const struct witness_list *wl)
{
	char at[WITNESS_PLACE_SIZE];
	unsigned i, n = WITNESS_GET(wl->wl_n);

	for (i = 0; i < n && i < WITNESS_HELD_MAX; i++) {
		port_symbol(WITNESS_GET(wl->wl_held[i].wh_place), at, sizeof(at));
		kprintf("  %s: \"%s\", entered at %s\n", l->l_name,
		    witness_class_name(WITNESS_GET(wl->wl_held[i].wh_class)), at);
	}
}

/* ---- To the console, in a panic: what was not printed yet, and who holds what. No lock. ---- */

static void witness_dump(void)
{
	const struct lwp *l;
	unsigned i, depth;

	witness_print_now();
	kprintf("mutexes held by those that run:\n");
	for (i = 0; i < cpu_count(); i++) {
		l = atomic_load_explicit(&cpu_lookup(i)->ci_curlwp, memory_order_relaxed);
		for (depth = 0; l != NULL && depth < IPL_COUNT; depth++, l = l->l_pinned) {
			dump_lwp(l, &l->l_witness.w_adaptive);
			dump_lwp(l, &l->l_witness.w_spin);
		}
	}
}

/* ---- Settings and counts ---- */

static uint64_t count_get(struct sysctl *sy)
{
	return witness_reports((enum witness_kind)sy->sy_arg);
}

static uint64_t reports_get(struct sysctl *sy)
{
	uint64_t sum = 0;
	unsigned i;

	(void)sy;
	for (i = 0; i < WITNESS_KINDS; i++)
		sum += witness_reports((enum witness_kind)i);
	return sum;
}

/* sy_arg: 0 classes, 1 edges. */
static uint64_t table_get(struct sysctl *sy)
{
	unsigned size[2];

	witness_graph_size(&size[0], &size[1]);
	return size[sy->sy_arg];
}

#define COUNT(name, kind, doc)                                                                     \
	{                                                                                          \
		.sy_name = (name), .sy_doc = (doc), .sy_get = count_get, .sy_arg = (kind)          \
	}

static struct sysctl nodes[] = {
    {.sy_name = "debug.witness.enabled",
	.sy_doc = "1: locks and contexts are checked; 0: not",
	.sy_value = &witness_on,
	.sy_max = 1},
    {.sy_name = "debug.witness.reports", .sy_doc = "reports made", .sy_get = reports_get},
    {.sy_name = "debug.witness.classes",
	.sy_doc = "classes of mutexes: those of one name and level that were entered",
	.sy_get = table_get,
	.sy_arg = 0},
    {.sy_name = "debug.witness.edges",
	.sy_doc = "pairs of classes of which one was entered under the other",
	.sy_get = table_get,
	.sy_arg = 1},
    COUNT("debug.witness.reversals", WITNESS_REVERSAL, "reports of lock order reversals"),
    COUNT("debug.witness.inversions", WITNESS_INVERSION, "reports of level inversions"),
    COUNT("debug.witness.contexts", WITNESS_CONTEXT,
	"reports of adaptive mutexes entered where nothing may block"),
    COUNT("debug.witness.sleeps", WITNESS_SLEEP, "reports of sleeps where nothing may block"),
    COUNT("debug.witness.recursions", WITNESS_RECURSION, "reports of mutexes entered twice"),
    COUNT("debug.witness.strangers", WITNESS_STRANGER, "reports of mutexes left by another"),
    COUNT("debug.witness.leaks", WITNESS_LEAK,
	"reports of mutexes held at the end of a function or an lwp"),
    COUNT("debug.witness.waits", WITNESS_WAIT,
	"reports of waits for the end of a function or an lwp that wants what the waiter holds"),
};

void witness_init(void)
{
	if (witness_report_init() != 0)
		panic("no memory for the lock checker");
	sysctl_publish(nodes, sizeof(nodes) / sizeof(nodes[0]));
	panic_register(witness_dump);
}
