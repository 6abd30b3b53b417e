/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workqueue.c - work that may sleep for long, done by lwps.
 *
 * A queue is one FIFO, or one for each CPU, each with a spin lock and lwps that take from it. All
 * about a work is under the lock of its FIFO, found through wk_fifo, which is not NULL exactly
 * while the work is queued or running:
 *
 *	wk_fifo		on the list	wk_running
 *	NULL		no		no		idle
 *	f		yes		no		queued: a run is owed
 *	f		no		yes		running
 *	f		yes		yes		running, and another run is owed
 *
 * Work that runs and is queued again goes to the tail at once, not when the run ends, so that the
 * order of the list is that in which runs were asked for; whoever takes the first passes over those
 * that run, of which there are no more than lwps.
 *
 * From idle to queued, wk_fifo changes by compare-exchange with the lock of the new FIFO held;
 * back, with the lock of its FIFO held. Whoever wants a work reads wk_fifo, locks that, and looks
 * again:
 *
 *	CPU 0 (enqueue, interrupts off)     CPU 1 (an lwp of FIFO f; then destroy)
 *	reads wk_fifo: f
 *	                                    lock f; run ended: wk_fifo = NULL; unlock
 *	                                    all lwps gone: cpu_barrier() (waits)
 *	lock f; wk_fifo is not f: unlock
 *	interrupts on ---------------------> free f
 *
 * So a FIFO is not freed under somebody who came to it through a work, and enqueue may be in the
 * midst of it when destroy begins: it then finds f_dying, or is found.
 *
 * Sleeping lwps are counted in f_idle under the lock, by themselves; whoever queues takes one off
 * the count and wakes it. An lwp goes to sleep with the sleep queue's chain locked from before it
 * looked, so a wakeup is not lost (I8).
 *
 * Drain, by turns. Each request takes a number, wk_seq; the list is sorted by it, and an lwp keeps
 * the number of what it does. A FIFO is drained up to a number when neither the first of the list
 * nor any lwp has one as low. Requests made later have higher ones and are not waited for.
 *
 * Contexts: workqueue.h. Lock order: sleep queue chain -> f_lock -> nothing; list_lock -> f_lock.
 * Invariants: I2 and I8, I10 for workqueue_halt(), I12's manner for destroy. Not for: what will not
 * sleep (softint.c). Read continue.c next.
 */
#include <ithaca/workqueue.h>

#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>
#include <ithaca/witness_wait.h>

#define DUMP_MAX 64

/* Locking key: (a) set once before it is shared; (f) f_lock. */
struct work_lwp {
	struct work_fifo *wl_fifo; /* (a) */
	struct lwp *wl_lwp;        /* (a) NULL: was never made */
	struct work *wl_work;      /* (f) what it does, or NULL */
	uint64_t wl_seq;           /* (f) its wk_seq when it was taken */
};

struct work_fifo {
	_Alignas(64) struct spin f_lock;
	struct list f_list;                 /* (f) works by wk_entry, in order of wk_seq */
	struct workqueue *f_wq;             /* (a) */
	uint64_t f_seq;                     /* (f) the number of the last request */
	unsigned f_count;                   /* (f) works queued or running */
	unsigned f_count_max;               /* (f) the most that there ever were */
	unsigned f_idle;                    /* (f) lwps asleep that nobody has woken yet */
	unsigned f_drains;                  /* (f) in workqueue_drain() */
	bool f_dying;                       /* (f) workqueue_destroy() */
	uint64_t f_runs, f_refused;         /* (f) */
	struct work_lwp f_lwp[WQ_LWPS_MAX]; /* the first wq_lwps are used */
};

struct workqueue {
	char wq_name[WQ_NAME_MAX];                      /* (a) */
	unsigned wq_flags, wq_fifos, wq_lwps, wq_limit; /* (a) */
	int wq_pri;                                     /* (a) */
	struct list wq_all;                             /* (list_lock) */
	struct work_fifo *wq_fifo;                      /* (a) wq_fifos of them */
};

static struct spin list_lock;
static struct list all = LIST_INIT(all); /* (list_lock) by wq_all */

/* ---- A FIFO; f_lock is held. ---- */

/* The lwp of this FIFO that runs now, or NULL. */
static struct work_lwp *fifo_me(struct work_fifo *f)
{
	unsigned i;

	for (i = 0; i < f->f_wq->wq_lwps; i++)
		if (f->f_lwp[i].wl_lwp == curlwp)
			return &f->f_lwp[i];
	return NULL;
}

/* The first that does not run already; NULL: none. */
static struct work *fifo_first(struct work_fifo *f)
{
	struct list *e;
	struct work *wk;

	LIST_EACH(e, &f->f_list) {
		wk = container_of(e, struct work, wk_entry);
		if (!wk->wk_running)
			return wk;
	}
	return NULL;
}

/* Every request up to number `seq` has been done or cancelled. */
static bool fifo_drained(struct work_fifo *f, uint64_t seq)
{
	unsigned i;

	if (!list_empty(&f->f_list) &&
	    container_of(f->f_list.next, struct work, wk_entry)->wk_seq <= seq)
		return false;
	for (i = 0; i < f->f_wq->wq_lwps; i++)
		if (f->f_lwp[i].wl_work != NULL && f->f_lwp[i].wl_seq <= seq)
			return false;
	return true;
}

/* What follows when a run has ended or was cancelled; who has to be woken, in fifo_tell(). */
struct told {
	const void *t_work, *t_drain;
};

static struct told fifo_settle(struct work_fifo *f, struct work *wk)
{
	struct told t = {wk->wk_waiters ? wk : NULL, f->f_drains != 0 ? &f->f_drains : NULL};

	wk->wk_waiters = false;
	if (list_linked(&wk->wk_entry) || wk->wk_running)
		return t;
	f->f_count--;
	/* Release: pairs with the acquire in work_lock(). The work may be gone from here on. */
	atomic_store_explicit(&wk->wk_fifo, NULL, memory_order_release);
	return t;
}

/* f_lock is not held any more, interrupts are off; the addresses are all that is used. */
static void fifo_tell(struct told t)
{
	if (t.t_work != NULL)
		sleepq_wake(t.t_work, -1);
	if (t.t_drain != NULL)
		sleepq_wake(t.t_drain, -1);
}

/* The FIFO of a work that is queued or running, locked; NULL: it is idle. Interrupts off. */
static struct work_fifo *work_lock(struct work *wk)
{
	struct work_fifo *f;

	/* Acquire: pairs with the release in fifo_settle(). */
	while ((f = atomic_load_explicit(&wk->wk_fifo, memory_order_acquire)) != NULL) {
		spin_lock(&f->f_lock);
		if (atomic_load_explicit(&wk->wk_fifo, memory_order_relaxed) == f)
			return f;
		spin_unlock(&f->f_lock);
	}
	return NULL;
}

/* ---- The lwps ---- */

/* Take the first and do it. f_lock held, interrupts off; so again when it returns. */
static void fifo_do(struct work_fifo *f, struct work_lwp *wl, struct work *wk)
{
	struct lwp *l = curlwp;
	uint32_t asked = wk->wk_asked;
	struct told t;

	list_remove(&wk->wk_entry);
	wk->wk_running = true;
	wl->wl_work = wk;
	wl->wl_seq = wk->wk_seq;
	f->f_runs++;
	spin_unlock(&f->f_lock);
	intr_return(true);
	witness_works(f->f_wq->wq_name, wk->wk_fn);
	wk->wk_fn(wk->wk_arg);
	witness_works(NULL, NULL);
	witness_return("work", f->f_wq->wq_name, (const void *)(uintptr_t)wk->wk_fn);
	KASSERT(l->l_ipl == IPL_NONE && l->l_nopreempt == 0,
	    "work of %s returned at level %s, preemption %u", f->f_wq->wq_name, spl_name(l->l_ipl),
	    l->l_nopreempt);
	KASSERT(list_empty(&l->l_lent), "work of %s returned and keeps others waiting",
	    f->f_wq->wq_name);
	port_intr_off();
	spin_lock(&f->f_lock);
	wl->wl_work = NULL;
	wk->wk_running = false;
	wk->wk_done = list_linked(&wk->wk_entry) ? asked : wk->wk_asked;
	t = fifo_settle(f, wk);
	if (t.t_work != NULL || t.t_drain != NULL) {
		spin_unlock(&f->f_lock);
		fifo_tell(t);
		spin_lock(&f->f_lock);
	}
}

/* Nothing to do, f_lock held: sleep until there may be. Returns with interrupts off, f_lock held.
 *  */
static void fifo_sleep(struct work_fifo *f)
{
	/* The chain comes before f_lock, so look again with both. */
	spin_unlock(&f->f_lock);
	(void)sleepq_lock(f);
	spin_lock(&f->f_lock);
	if (fifo_first(f) == NULL && !f->f_dying) {
		f->f_idle++;
		spin_unlock(&f->f_lock);
		(void)sleepq_wait(f, f->f_wq->wq_name, SLEEP_FOREVER, true);
		port_intr_off();
		spin_lock(&f->f_lock);
		return;
	}
	spin_unlock(&f->f_lock);
	sleepq_unlock(f, false);
	spin_lock(&f->f_lock);
}

static void work_main(void *arg)
{
	struct work_lwp *wl = arg;
	struct work_fifo *f = wl->wl_fifo;
	struct work *wk;

	port_intr_off();
	spin_lock(&f->f_lock);
	for (;;) {
		wk = fifo_first(f);
		if (wk != NULL)
			fifo_do(f, wl, wk);
		else if (f->f_dying)
			break;
		else
			fifo_sleep(f);
	}
	spin_unlock(&f->f_lock);
	intr_return(true);
}

/* ---- Queued and cancelled ---- */

void work_init(struct work *wk, void (*fn)(void *), void *arg)
{
	*wk = (struct work){.wk_fn = fn, .wk_arg = arg};
	list_init(&wk->wk_entry);
}

/* A run is owed from now on. f_lock held. True: an lwp has to be woken for it. */
static bool fifo_append(struct work_fifo *f, struct work *wk)
{
	wk->wk_seq = ++f->f_seq;
	wk->wk_asked++;
	list_append(&f->f_list, &wk->wk_entry);
	if (wk->wk_running || f->f_idle == 0)
		return false; /* whoever does it, or something else, comes by */
	f->f_idle--;
	return true;
}

static int work_halted(struct work *wk)
{
	return atomic_load_explicit(&wk->wk_halts, memory_order_relaxed) != 0 ? ESHUTDOWN : 0;
}

/* May it come in, room or not? f_lock held. */
static int fifo_admit(struct work_fifo *f, struct work *wk)
{
	return f->f_dying ? ESHUTDOWN : work_halted(wk);
}

/* An idle work joins `f`. Interrupts off. EBUSY: it is not idle any more. */
static int fifo_join(struct work_fifo *f, struct work *wk)
{
	struct work_fifo *none = NULL;
	bool wake = false;
	int error;

	spin_lock(&f->f_lock);
	error = fifo_admit(f, wk);
	if (error == 0 && f->f_wq->wq_limit != 0 && f->f_count >= f->f_wq->wq_limit) {
		f->f_refused++;
		error = EAGAIN;
	}
	/* Acquire: pairs with the release in fifo_settle(), for the fields of the work. */
	if (error == 0 &&
	    !atomic_compare_exchange_strong_explicit(&wk->wk_fifo, &none, f, memory_order_acquire,
		memory_order_relaxed))
		error = EBUSY;
	if (error == 0) {
		wake = fifo_append(f, wk);
		if (++f->f_count > f->f_count_max)
			f->f_count_max = f->f_count;
	}
	spin_unlock(&f->f_lock);
	if (wake)
		sleepq_wake(f, 1);
	return error;
}

static int work_enqueue(struct work_fifo *to, struct work *wk)
{
	struct work_fifo *f;
	bool wake;
	int error;

	do {
		f = work_lock(wk);
		if (f == NULL) {
			error = fifo_join(to, wk);
			continue;
		}
		wake = false;
		/* One that is owed takes place also when the queue is being destroyed. */
		error = list_linked(&wk->wk_entry) ? work_halted(wk) : fifo_admit(f, wk);
		if (error == 0 && !list_linked(&wk->wk_entry))
			wake = fifo_append(f, wk);
		spin_unlock(&f->f_lock);
		KASSERT(!wake, "work that runs was given another lwp");
	} while (error == EBUSY);
	return error;
}

int workqueue_enqueue(struct workqueue *wq, struct work *wk)
{
	bool intr = port_intr_disable();
	unsigned i = wq->wq_flags & WQ_PERCPU ? curcpu()->ci_index % wq->wq_fifos : 0;
	int error = work_enqueue(&wq->wq_fifo[i], wk);

	intr_return(intr);
	return error;
}

int workqueue_enqueue_cpu(struct workqueue *wq, struct work *wk, struct cpu *ci)
{
	bool intr;
	int error;

	if (!(wq->wq_flags & WQ_PERCPU) || ci == NULL || ci->ci_index >= wq->wq_fifos)
		return EINVAL;
	intr = port_intr_disable();
	error = work_enqueue(&wq->wq_fifo[ci->ci_index], wk);
	intr_return(intr);
	return error;
}

bool workqueue_cancel(struct work *wk)
{
	struct told t = {NULL, NULL};
	bool owed = false, intr = port_intr_disable();
	struct work_fifo *f = work_lock(wk);

	if (f != NULL) {
		owed = list_linked(&wk->wk_entry);
		if (owed) {
			list_remove(&wk->wk_entry);
			if (!wk->wk_running)
				wk->wk_done = wk->wk_asked;
			t = fifo_settle(f, wk);
		}
		spin_unlock(&f->f_lock);
		fifo_tell(t);
	}
	intr_return(intr);
	return owed;
}

/* ---- Waited for ---- */

/* Would the lwp that asks wait for itself? f_lock held. */
static bool work_deadlock(struct work_fifo *f, const struct work *wk)
{
	const struct work_lwp *me = fifo_me(f);

	return me != NULL && (me->wl_work == wk || f->f_wq->wq_lwps == 1);
}

int workqueue_wait(struct work *wk)
{
	struct work_fifo *f;
	uint32_t asked = 0;
	bool first = true, intr;
	int error = 0;

	witness_sleep("workwait");
	for (;; first = false) {
		intr = sleepq_lock(wk);
		f = work_lock(wk);
		if (f == NULL)
			break;
		if (first)
			asked = wk->wk_asked;
		if ((int32_t)(wk->wk_done - asked) >= 0)
			break;
		if (work_deadlock(f, wk)) {
			error = EDEADLK;
			break;
		}
		witness_waits_work(f->f_wq->wq_name, wk->wk_fn);
		if (f->f_wq->wq_lwps == 1)
			witness_waits_queue(f->f_wq->wq_name); /* for whatever is before it */
		wk->wk_waiters = true;
		spin_unlock(&f->f_lock);
		(void)sleepq_wait(wk, "workwait", SLEEP_FOREVER, intr);
	}
	if (f != NULL)
		spin_unlock(&f->f_lock);
	sleepq_unlock(wk, intr);
	witness_waited();
	return error;
}

/* Not idle: wait for the end of the run, if it runs. True: look again. Inline, so that the checker
 * names the caller of workqueue_halt(). */
static inline __attribute__((always_inline)) bool work_wait_run(struct work *wk, int *error)
{
	bool intr = sleepq_lock(wk);
	struct work_fifo *f = work_lock(wk);
	const struct work_lwp *me;
	bool running;

	if (f == NULL) {
		sleepq_unlock(wk, intr);
		return false;
	}
	me = fifo_me(f);
	*error = me != NULL && me->wl_work == wk ? EDEADLK : 0;
	running = wk->wk_running && *error == 0;
	wk->wk_waiters |= running;
	if (running)
		witness_waits_work(f->f_wq->wq_name, wk->wk_fn);
	spin_unlock(&f->f_lock);
	if (running)
		(void)sleepq_wait(wk, "workhalt", SLEEP_FOREVER, intr);
	else
		sleepq_unlock(wk, intr);
	return *error == 0;
}

int workqueue_halt(struct work *wk)
{
	int error = 0;

	witness_sleep("workhalt");
	/* Seen by whoever locks the FIFO after the cancel; one that came before is cancelled. */
	atomic_fetch_add_explicit(&wk->wk_halts, 1, memory_order_relaxed);
	do
		(void)workqueue_cancel(wk);
	while (work_wait_run(wk, &error));
	witness_waited();
	atomic_fetch_sub_explicit(&wk->wk_halts, 1, memory_order_relaxed);
	return error;
}

static void fifo_drain(struct work_fifo *f)
{
	const void *wchan = &f->f_drains;
	uint64_t seq = 0;
	bool first = true, intr;

	for (;; first = false) {
		intr = sleepq_lock(wchan);
		spin_lock(&f->f_lock);
		if (first) {
			seq = f->f_seq;
			f->f_drains++;
		}
		if (fifo_drained(f, seq))
			break;
		spin_unlock(&f->f_lock);
		(void)sleepq_wait(wchan, "workdrain", SLEEP_FOREVER, intr);
	}
	f->f_drains--;
	spin_unlock(&f->f_lock);
	sleepq_unlock(wchan, intr);
}

static bool workqueue_mine(struct workqueue *wq)
{
	bool intr = port_intr_disable(), mine = false;
	unsigned i;

	for (i = 0; i < wq->wq_fifos && !mine; i++) {
		spin_lock(&wq->wq_fifo[i].f_lock);
		mine = fifo_me(&wq->wq_fifo[i]) != NULL;
		spin_unlock(&wq->wq_fifo[i].f_lock);
	}
	intr_return(intr);
	return mine;
}

int workqueue_drain(struct workqueue *wq)
{
	unsigned i;

	witness_sleep("workdrain");
	if (workqueue_mine(wq))
		return EDEADLK;
	witness_waits_queue(wq->wq_name);
	for (i = 0; i < wq->wq_fifos; i++)
		fifo_drain(&wq->wq_fifo[i]);
	witness_waited();
	return 0;
}

/* ---- Made and unmade ---- */

/* Nothing comes in any more; the lwps of `f` end when they have done all that is queued. */
static void fifo_close(struct work_fifo *f)
{
	bool intr = port_intr_disable();

	spin_lock(&f->f_lock);
	KASSERT(!f->f_dying, "work queue %s destroyed twice", f->f_wq->wq_name);
	f->f_dying = true;
	f->f_idle = 0;
	spin_unlock(&f->f_lock);
	sleepq_wake(f, -1);
	intr_return(intr);
}

static void fifo_join_lwps(struct work_fifo *f)
{
	unsigned i;

	for (i = 0; i < f->f_wq->wq_lwps; i++)
		if (f->f_lwp[i].wl_lwp != NULL)
			lwp_join(f->f_lwp[i].wl_lwp);
	KASSERT(f->f_count == 0, "work queue %s ended with work left", f->f_wq->wq_name);
	KASSERT(f->f_drains == 0, "work queue %s destroyed while drained", f->f_wq->wq_name);
}

static void workqueue_free(struct workqueue *wq)
{
	unsigned i;

	/* All are closed first: work of one may wait until another takes nothing more. */
	for (i = 0; i < wq->wq_fifos; i++)
		fifo_close(&wq->wq_fifo[i]);
	for (i = 0; i < wq->wq_fifos; i++)
		fifo_join_lwps(&wq->wq_fifo[i]);
	cpu_barrier(); /* whoever came to a FIFO of ours through a work has left it */
	port_mem_free(wq->wq_fifo, wq->wq_fifos * sizeof(*wq->wq_fifo));
	port_mem_free(wq, sizeof(*wq));
}

static int fifo_begin(struct workqueue *wq, unsigned index)
{
	struct work_fifo *f = &wq->wq_fifo[index];
	struct cpu *ci = wq->wq_flags & WQ_PERCPU ? cpu_lookup(index) : NULL;
	char name[LWP_NAME_MAX];
	struct work_lwp *wl;
	unsigned i;
	int error = 0;

	for (i = 0; i < wq->wq_lwps && error == 0; i++) {
		wl = &f->f_lwp[i];
		wl->wl_fifo = f;
		ksnprintf(name, sizeof(name), "%s/%u", wq->wq_name, index * wq->wq_lwps + i);
		error = lwp_create(name, wq->wq_pri, ci, LWP_JOINABLE, work_main, wl, &wl->wl_lwp);
	}
	return error;
}

static struct workqueue *workqueue_alloc(unsigned fifos)
{
	struct workqueue *wq = port_mem_alloc(sizeof(*wq));
	unsigned i;

	if (wq == NULL)
		return NULL;
	wq->wq_fifo = port_mem_alloc(fifos * sizeof(*wq->wq_fifo));
	if (wq->wq_fifo == NULL) {
		port_mem_free(wq, sizeof(*wq));
		return NULL;
	}
	wq->wq_fifos = fifos;
	for (i = 0; i < fifos; i++) {
		spin_init(&wq->wq_fifo[i].f_lock);
		list_init(&wq->wq_fifo[i].f_list);
		wq->wq_fifo[i].f_wq = wq;
	}
	return wq;
}

static void workqueue_list(struct workqueue *wq, bool in)
{
	bool intr = port_intr_disable();

	spin_lock(&list_lock);
	if (in)
		list_append(&all, &wq->wq_all);
	else
		list_remove(&wq->wq_all);
	spin_unlock(&list_lock);
	intr_return(intr);
}

int workqueue_create(const char *name, int pri, unsigned flags, unsigned lwps, unsigned limit,
    struct workqueue **out)
{
	struct workqueue *wq;
	unsigned i;
	int error = 0;

	if (pri < PRI_MIN || pri > PRI_MAX || (flags & ~(unsigned)WQ_PERCPU) || lwps == 0 ||
	    lwps > WQ_LWPS_MAX || limit > WQ_LIMIT_MAX)
		return EINVAL;
	wq = workqueue_alloc(flags & WQ_PERCPU ? cpu_count() : 1);
	if (wq == NULL)
		return ENOMEM;
	kstrlcpy(wq->wq_name, name, sizeof(wq->wq_name));
	wq->wq_pri = pri;
	wq->wq_flags = flags;
	wq->wq_lwps = lwps;
	wq->wq_limit = limit;
	for (i = 0; i < wq->wq_fifos && error == 0; i++)
		error = fifo_begin(wq, i);
	if (error) {
		workqueue_free(wq);
		return error;
	}
	workqueue_list(wq, true);
	*out = wq;
	return 0;
}

int workqueue_destroy(struct workqueue *wq)
{
	if (workqueue_mine(wq))
		return EDEADLK;
	witness_waits_queue(wq->wq_name);
	workqueue_list(wq, false);
	workqueue_free(wq);
	witness_waited();
	return 0;
}

/* ---- For people ---- */

static void info_add(struct workqueue_info *wi, struct work_fifo *f)
{
	unsigned i, running = 0;

	spin_lock(&f->f_lock);
	for (i = 0; i < f->f_wq->wq_lwps; i++)
		running += f->f_lwp[i].wl_work != NULL;
	wi->wi_running += running;
	wi->wi_queued += f->f_count - running;
	if (f->f_count_max > wi->wi_queued_max)
		wi->wi_queued_max = f->f_count_max;
	wi->wi_runs += f->f_runs;
	wi->wi_refused += f->f_refused;
	spin_unlock(&f->f_lock);
}

static void info_fill(struct workqueue_info *wi, struct workqueue *wq)
{
	unsigned i;

	*wi = (struct workqueue_info){.wi_fifos = wq->wq_fifos,
	    .wi_lwps = wq->wq_lwps,
	    .wi_limit = wq->wq_limit,
	    .wi_pri = wq->wq_pri};
	kstrlcpy(wi->wi_name, wq->wq_name, sizeof(wi->wi_name));
	for (i = 0; i < wq->wq_fifos; i++)
		info_add(wi, &wq->wq_fifo[i]);
}

int workqueue_info(unsigned i, struct workqueue_info *out)
{
	bool intr = port_intr_disable();
	struct list *e;
	int error = ENOENT;

	spin_lock(&list_lock);
	LIST_EACH(e, &all) {
		if (i-- == 0) {
			info_fill(out, container_of(e, struct workqueue, wq_all));
			error = 0;
			break;
		}
	}
	spin_unlock(&list_lock);
	intr_return(intr);
	return error;
}

static void fifo_dump(const struct work_fifo *f, unsigned index)
{
	struct work *wk;
	struct list *e;
	unsigned i, n = 0;

	kprintf("  %s/%u:", f->f_wq->wq_name, index);
	for (i = 0; i < f->f_wq->wq_lwps; i++)
		if ((wk = f->f_lwp[i].wl_work) != NULL)
			kprintf(" %s runs %p(%p),", f->f_lwp[i].wl_lwp->l_name,
			    (void *)(uintptr_t)wk->wk_fn, wk->wk_arg);
	kprintf(" queued:");
	LIST_EACH(e, &f->f_list) {
		wk = container_of(e, struct work, wk_entry);
		if (n++ < DUMP_MAX)
			kprintf(" %p(%p)", (void *)(uintptr_t)wk->wk_fn, wk->wk_arg);
	}
	kprintf("%s\n", n > DUMP_MAX ? " ..." : "");
}

void workqueue_dump(void)
{
	struct workqueue *wq;
	struct list *e;
	unsigned i;

	kprintf("work queues:\n");
	LIST_EACH(e, &all) {
		wq = container_of(e, struct workqueue, wq_all);
		for (i = 0; i < wq->wq_fifos; i++)
			if (wq->wq_fifo[i].f_count != 0)
				fifo_dump(&wq->wq_fifo[i], i);
	}
}
