/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch.c - what the core calls is watched: handlers, softints, callouts.
 *
 * The linker has each call of intr_establish() and its like come here first (--wrap, rules.mk). The
 * core is given a function of this file, with a record for its argument, and that calls the
 * driver's. So for every scenario, with nothing written in it:
 *
 *	I1	a filter that asked for its thread, a source without filter that was dispatched, a
 *		softint that was scheduled: owed, until a run begins. When nothing is half done,
 *		what is owed is queued or runs; when all is quiet, nothing is owed
 *	I2	it does not begin while it runs
 *	I10	once callout_halt() is back, the function does not run, nor begins, before somebody
 *		has armed it again; likewise after callout_trystop() said so
 *	I11	what is owed begins within WAIT_MAX_NS; a storm is held after half that time
 *	I12	once intr_disestablish() or softint_disestablish() is back, nothing of it runs
 *
 * A run that begins after the filter was asked and before its request counts as the run that is
 * owed, though it was owed one more: that errs on the side of silence, and other schedules find it.
 *
 * Nothing here is a point. Calls inside one file of the core are not seen.
 *
 * Contexts: those of the functions that are wrapped. Not for the unit tests: there all is passed
 * on. Next: line.c.
 */
#include "invariant.h"

#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/softint.h>

#define JOBS_MAX 96u
#define TIMERS_MAX 24u
#define WAIT_MAX_NS NS_PER_S
#define CHANGE INV_CHANGE

/* A handler or a softint. */
struct job {
	const char *j_name;
	struct intr_source *j_source; /* of a handler */
	runstate_t *j_state;          /* NULL: gone */
	intr_filter_t *j_filter;
	intr_thread_t *j_thread;
	void (*j_fn)(void *);
	void *j_arg;
	const struct intr_handler *j_ih; /* NULL: a softint */
	uint64_t j_since_ns;             /* owed since */
	unsigned j_begun;                /* runs */
	uint8_t j_running, j_filtering;
	bool j_owed, j_manual, j_leaving;
};

/* A function of a callout. */
struct timer {
	struct callout *t_callout; /* NULL: free, if it does not run either */
	void (*t_fn)(void *);
	void *t_arg;
	struct lwp *t_lwp; /* who runs it, if it runs */
	unsigned t_arms;   /* begun, and done */
	unsigned t_arming; /* begun and not done */
	bool t_armed;      /* may begin */
	bool t_shut;
};

bool watch_on;
INV_KEPT static struct job jobs[JOBS_MAX];
static runstate_t busy = RUN_BUSY; /* of one that is being established */
INV_KEPT static unsigned njobs, nowed;
INV_KEPT static struct timer timers[TIMERS_MAX];

#define REAL(type, name, ...)                                                                      \
	type __real_##name(__VA_ARGS__);                                                           \
	type __wrap_##name(__VA_ARGS__)

/* ---- Jobs ---- */

static void owe(struct job *j)
{
	if (j->j_owed)
		return;
	CHANGE(j->j_owed, true);
	CHANGE(j->j_since_ns, sim_now());
	CHANGE(nowed, nowed + 1);
}

static void paid(struct job *j)
{
	if (!j->j_owed)
		return;
	CHANGE(j->j_owed, false);
	CHANGE(nowed, nowed - 1);
}

static bool held(const struct intr_source *is)
{
	return (is->is_set & ~IS_SET_HANDLERS) != 0 ||
	    atomic_load_explicit(&is->is_held, memory_order_relaxed);
}

static void begin(struct job *j)
{
	if (j->j_state == NULL)
		sim_failed("I12: %s runs, and has been disestablished", j->j_name);
	if (j->j_running != 0)
		sim_failed("I2: %s runs beside itself", j->j_name);
	if (j->j_owed && j->j_ih != NULL && !held(j->j_source) &&
	    sim_now() - j->j_since_ns > WAIT_MAX_NS)
		sim_failed("I11: %s was owed a run for %llu ms", j->j_name,
		    (unsigned long long)((sim_now() - j->j_since_ns) / NS_PER_MS));
	paid(j);
	CHANGE(j->j_begun, j->j_begun + 1);
	CHANGE(j->j_running, 1);
}

static bool runs_thread(void *arg)
{
	struct job *j = arg;
	bool claimed;

	begin(j);
	claimed = j->j_thread(j->j_arg);
	CHANGE(j->j_running, 0);
	return claimed;
}

static void runs_softint(void *arg)
{
	struct job *j = arg;

	begin(j);
	j->j_fn(j->j_arg);
	CHANGE(j->j_running, 0);
}

static unsigned runs_filter(void *arg)
{
	struct job *j = arg;
	unsigned answer;

	if (j->j_state == NULL)
		sim_failed("I12: the filter of %s is asked, and has been disestablished",
		    j->j_name);
	CHANGE(j->j_filtering, (uint8_t)(j->j_filtering + 1));
	answer = j->j_filter(j->j_arg);
	CHANGE(j->j_filtering, (uint8_t)(j->j_filtering - 1));
	if ((answer & FILTER_SCHEDULE_THREAD) && !j->j_manual)
		owe(j);
	return answer;
}

static struct job *new_job(const char *name, void *arg)
{
	struct job *j = &jobs[njobs];

	if (!watch_on || njobs == JOBS_MAX)
		return NULL;
	CHANGE(njobs, njobs + 1);
	CHANGE(*j, ((struct job){.j_name = name, .j_arg = arg}));
	return j;
}

static struct job *job_of(const struct intr_handler *ih)
{
	return ih->ih_thread == runs_thread || ih->ih_filter == runs_filter ? ih->ih_arg : NULL;
}

static struct job *job_of_softint(const struct softint *si)
{
	return si->si_fn == runs_softint ? si->si_arg : NULL;
}

/* It is back from where it was disestablished: at rest, for good. */
static void gone(struct job *j)
{
	if (j->j_running != 0 || j->j_filtering != 0)
		sim_failed("I12: %s has been disestablished and its %s runs", j->j_name,
		    j->j_running != 0 ? "function" : "filter");
	if (j->j_owed)
		sim_failed("I12: %s has been disestablished and was owed a run", j->j_name);
	CHANGE(j->j_state, NULL);
}

/* ---- Handlers ---- */

REAL(int, intr_establish, struct intr_source *, const char *, int, unsigned, intr_filter_t *,
    intr_thread_t *, void *, struct intr_handler **);
int __wrap_intr_establish(struct intr_source *is, const char *name, int ipl, unsigned flags,
    intr_filter_t *filter, intr_thread_t *thread, void *arg, struct intr_handler **out)
{
	struct job *j = new_job(name, arg);
	int error;

	if (j == NULL)
		return __real_intr_establish(is, name, ipl, flags, filter, thread, arg, out);
	CHANGE(j->j_source, is);
	CHANGE(j->j_filter, filter);
	CHANGE(j->j_thread, thread);
	CHANGE(j->j_manual, (flags & INTR_MANUAL) != 0);
	CHANGE(j->j_state, &busy); /* it may be called before we are back */
	error = __real_intr_establish(is, name, ipl, flags, filter != NULL ? runs_filter : NULL,
	    thread != NULL ? runs_thread : NULL, j, out);
	if (error != 0) {
		CHANGE(j->j_state, NULL);
		return error;
	}
	CHANGE(j->j_ih, *out);
	CHANGE(j->j_state, &(*out)->ih_state);
	return 0;
}

REAL(int, intr_disestablish, struct intr_handler *);
int __wrap_intr_disestablish(struct intr_handler *ih)
{
	struct job *j = job_of(ih);
	int error;

	if (j != NULL) {
		CHANGE(j->j_leaving, true);
		if (j->j_filter == NULL)
			paid(j); /* dispatched, and perhaps not found on the source any more */
	}
	error = __real_intr_disestablish(ih);
	if (j != NULL && error == 0)
		gone(j);
	else if (j != NULL)
		CHANGE(j->j_leaving, false);
	return error;
}

REAL(void, hwi_sched, struct intr_handler *);
void __wrap_hwi_sched(struct intr_handler *ih)
{
	struct job *j = job_of(ih);
	unsigned begun = j != NULL ? j->j_begun : 0;

	__real_hwi_sched(ih);
	if (j != NULL && j->j_begun == begun && !j->j_leaving && j->j_state != NULL)
		owe(j);
}

/* Under C11 a dispatch may still see the list of before, without the handler. */
void watch_served(const struct intr_source *is)
{
	if (xp_config.memory == XP_C11)
		return;
	for (unsigned i = 0; i < njobs; i++) {
		struct job *j = &jobs[i];

		if (j->j_source == is && j->j_filter == NULL && j->j_ih != NULL && !j->j_manual &&
		    j->j_state != NULL && !j->j_leaving && !held(is))
			owe(j);
	}
}

/* ---- Softints ---- */

REAL(int, softint_establish, const char *, int, void (*)(void *), void *, struct softint **);
int __wrap_softint_establish(const char *name, int level, void (*fn)(void *), void *arg,
    struct softint **out)
{
	struct job *j = fn != NULL ? new_job(name, arg) : NULL;
	int error;

	if (j == NULL)
		return __real_softint_establish(name, level, fn, arg, out);
	CHANGE(j->j_fn, fn);
	error = __real_softint_establish(name, level, runs_softint, j, out);
	if (error == 0)
		CHANGE(j->j_state, &(*out)->si_state);
	return error;
}

REAL(int, softint_disestablish, struct softint *);
int __wrap_softint_disestablish(struct softint *si)
{
	struct job *j = job_of_softint(si);
	int error;

	if (j != NULL)
		CHANGE(j->j_leaving, true);
	error = __real_softint_disestablish(si);
	if (j != NULL && error == 0)
		gone(j);
	else if (j != NULL)
		CHANGE(j->j_leaving, false);
	return error;
}

/* It has been scheduled; `begun` runs had begun before. */
static void scheduled(struct job *j, unsigned begun)
{
	if (j != NULL && j->j_begun == begun && !j->j_leaving && j->j_state != NULL)
		owe(j);
}

REAL(void, softint_schedule, struct softint *);
void __wrap_softint_schedule(struct softint *si)
{
	struct job *j = job_of_softint(si);
	unsigned begun = j != NULL ? j->j_begun : 0;

	__real_softint_schedule(si);
	scheduled(j, begun);
}

REAL(void, softint_schedule_cpu, struct softint *, struct cpu *);
void __wrap_softint_schedule_cpu(struct softint *si, struct cpu *ci)
{
	struct job *j = job_of_softint(si);
	unsigned begun = j != NULL ? j->j_begun : 0;

	__real_softint_schedule_cpu(si, ci);
	scheduled(j, begun);
}

/* ---- What is owed ---- */

void watch_settled(void)
{
	for (unsigned i = 0; nowed != 0 && i < njobs; i++) {
		struct job *j = &jobs[i];
		unsigned state;

		if (!j->j_owed || j->j_running != 0)
			continue;
		if (j->j_source != NULL && held(j->j_source) && j->j_filter == NULL) {
			paid(j); /* held before it could be dispatched */
			continue;
		}
		state = atomic_load_explicit(j->j_state, memory_order_relaxed);
		if (!(state & RUN_BUSY))
			sim_failed("I1: %s is owed a run and is idle", j->j_name);
		/* One with a thread of its own (model "dedicated") never stands in one. */
		if (j->j_ih != NULL && j->j_ih->ih_lwp == NULL && (state & RUN_WANT) &&
		    !inv_queued(j->j_ih))
			sim_failed("I1: %s is owed a run and stands in no queue", j->j_name);
	}
}

void watch_end(void)
{
	for (unsigned i = 0; nowed != 0 && i < njobs; i++)
		if (jobs[i].j_owed && jobs[i].j_running == 0)
			sim_failed("I1: %s is owed a run, and nothing happens any more",
			    jobs[i].j_name);
}

/* ---- Callouts ---- */

static void runs_callout(void *arg)
{
	struct timer *t = arg;

	if (!t->t_armed)
		sim_failed("I10: the function of callout %p runs, which is not armed",
		    (void *)t->t_callout);
	if (t->t_lwp != NULL)
		sim_failed("I2: the function of callout %p runs beside itself",
		    (void *)t->t_callout);
	CHANGE(t->t_lwp, curlwp);
	t->t_fn(t->t_arg);
	CHANGE(t->t_lwp, NULL);
}

/* The record of that function of `c`, a new one if need be; NULL: no room, it is not watched. */
static struct timer *timer_for(struct callout *c, void (*fn)(void *), void *arg)
{
	struct timer *t, *room = NULL;

	for (t = timers; t < timers + TIMERS_MAX; t++) {
		if (t->t_callout == c && t->t_fn == fn && t->t_arg == arg)
			return t;
		if (t->t_callout == NULL && t->t_lwp == NULL && room == NULL)
			room = t;
	}
	if (watch_on && room != NULL)
		CHANGE(*room, ((struct timer){.t_callout = c, .t_fn = fn, .t_arg = arg}));
	return watch_on ? room : NULL;
}

static struct timer *timer_of(const struct callout *c)
{
	return c->c_fn == runs_callout ? c->c_arg : NULL;
}

/* Somebody arms it: it may begin from now on. */
static void arms(struct timer *t)
{
	if (t == NULL)
		return;
	CHANGE(t->t_arms, t->t_arms + 1);
	CHANGE(t->t_arming, t->t_arming + 1);
	if (!t->t_shut)
		CHANGE(t->t_armed, true);
}

static bool armed(struct timer *t, bool before)
{
	if (t != NULL) {
		CHANGE(t->t_arms, t->t_arms + 1);
		CHANGE(t->t_arming, t->t_arming - 1);
	}
	return before;
}

/* Sum of all arms of `c` so far. */
static unsigned arms_of(const struct callout *c)
{
	unsigned n = 0;

	for (const struct timer *t = timers; t < timers + TIMERS_MAX; t++)
		n += t->t_callout == c ? t->t_arms : 0;
	return n;
}

/* `who` has said that `c` is not armed; and `still` that it does not run in anybody else. */
static void disarmed(const struct callout *c, unsigned arms, bool still, bool shut, const char *who)
{
	if (arms_of(c) != arms)
		return; /* armed meanwhile, by right */
	for (struct timer *t = timers; t < timers + TIMERS_MAX; t++)
		if (t->t_callout == c && t->t_arming != 0)
			return; /* or about to be */
	for (struct timer *t = timers; t < timers + TIMERS_MAX; t++) {
		if (t->t_callout != c)
			continue;
		if (still && t->t_lwp != NULL && t->t_lwp != curlwp)
			sim_failed("I10: %s is back, and lwp %s runs the function", who,
			    t->t_lwp->l_name);
		CHANGE(t->t_armed, false);
		CHANGE(t->t_shut, t->t_shut || shut);
	}
}

static void forget(const struct callout *c)
{
	for (struct timer *t = timers; t < timers + TIMERS_MAX; t++)
		if (t->t_callout == c)
			CHANGE(t->t_callout, NULL);
}

REAL(void, callout_init, struct callout *);
void __wrap_callout_init(struct callout *c)
{
	forget(c);
	__real_callout_init(c);
}

REAL(void, callout_init_hard, struct callout *);
void __wrap_callout_init_hard(struct callout *c)
{
	forget(c);
	__real_callout_init_hard(c);
}

REAL(void, callout_destroy, struct callout *);
void __wrap_callout_destroy(struct callout *c)
{
	__real_callout_destroy(c);
	forget(c);
}

REAL(void, callout_setfunc, struct callout *, void (*)(void *), void *);
void __wrap_callout_setfunc(struct callout *c, void (*fn)(void *), void *arg)
{
	struct timer *t = timer_for(c, fn, arg);

	__real_callout_setfunc(c, t != NULL ? runs_callout : fn, t != NULL ? t : arg);
}

REAL(bool, callout_reset, struct callout *, uint64_t, void (*)(void *), void *);
bool __wrap_callout_reset(struct callout *c, uint64_t ns, void (*fn)(void *), void *arg)
{
	struct timer *t = timer_for(c, fn, arg);

	arms(t);
	return armed(t,
	    __real_callout_reset(c, ns, t != NULL ? runs_callout : fn, t != NULL ? t : arg));
}

#define ARMS(name)                                                                                 \
	REAL(bool, name, struct callout *, uint64_t);                                              \
	bool __wrap_##name(struct callout *c, uint64_t ns)                                         \
	{                                                                                          \
		struct timer *t = timer_of(c);                                                     \
                                                                                                   \
		arms(t);                                                                           \
		return armed(t, __real_##name(c, ns));                                             \
	}

ARMS(callout_schedule)
ARMS(callout_schedule_at)
ARMS(callout_schedule_periodic)
ARMS(callout_schedule_deferred)

REAL(bool, callout_trystop, struct callout *);
bool __wrap_callout_trystop(struct callout *c)
{
	unsigned before = arms_of(c);
	bool done = __real_callout_trystop(c);

	if (done)
		disarmed(c, before, true, false, "callout_trystop()");
	return done;
}

REAL(bool, callout_halt, struct callout *, struct mutex *);
bool __wrap_callout_halt(struct callout *c, struct mutex *interlock)
{
	unsigned before = arms_of(c);
	bool prevented = __real_callout_halt(c, interlock);

	disarmed(c, before, true, false, "callout_halt()");
	return prevented;
}

REAL(bool, callout_shutdown, struct callout *, struct mutex *);
bool __wrap_callout_shutdown(struct callout *c, struct mutex *interlock)
{
	unsigned before = arms_of(c);
	bool prevented = __real_callout_shutdown(c, interlock);

	disarmed(c, before, true, true, "callout_shutdown()");
	return prevented;
}

/* ---- Ithreads ---- */

REAL(struct lwp *, lwp_alloc, const char *, int, struct cpu *, uint8_t);
struct lwp *__wrap_lwp_alloc(const char *name, int flags, struct cpu *cpu, uint8_t pri)
{
	struct lwp *l = __real_lwp_alloc(name, flags, cpu, pri);

	if (watch_on && l != NULL && (flags & LWP_ITHREAD))
		inv_ithread(l, true);
	return l;
}

REAL(void, lwp_reap, struct lwp *);
void __wrap_lwp_reap(struct lwp *l)
{
	if (watch_on && (l->l_flags & LWP_ITHREAD))
		inv_ithread(l, false);
	__real_lwp_reap(l);
}

INV_KEPT static unsigned resizing;

REAL(int, ithread_resize, unsigned);
int __wrap_ithread_resize(unsigned n)
{
	int error;

	CHANGE(resizing, resizing + 1);
	error = __real_ithread_resize(n);
	CHANGE(resizing, resizing - 1);
	if (watch_on && resizing == 0)
		inv_resized();
	return error;
}
