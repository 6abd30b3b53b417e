/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_work.c - work, rwlock and continue: work queues, rwlocks and continuations under load, with
 * every result checked.
 *
 * `work pour` has an lwp on each CPU queue a few works as fast as it can, and ends the queue in the
 * midst of it. An lwp that pours may not touch the queue once workqueue_destroy() has returned; so
 * the last work that is queued waits until all of them have been refused and are gone:
 *
 *	pourers (one a CPU)		shell				the last work
 *	queue, queue, queue ...		sleeps
 *					queues the last work
 *					workqueue_destroy(): waits	waits for the pourers
 *	refused: ESHUTDOWN; gone
 *									returns
 *					returns
 *
 * Each request takes a ticket, and each run notes the tickets given out when it began. In the end
 * no ticket that was granted may be above the last that a run has seen: else a run is missing.
 *
 * Contexts: the shell's lwp and those that it makes. The shell is also who detaches edu units, so
 * none goes while `continue` shares its source. Read next: kern/workqueue.c, kern/rwlock.c.
 */
#include "app/shell.h"
#include "dev/edu.h"
#include "mem/kmem.h"
#include <ithaca/clock.h>
#include <ithaca/continue.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/rwlock.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>
#include <ithaca/workqueue.h>

#define WORKS 16
#define N_MAX 10000000
#define RW_LWPS_MAX 64
#define POLL_NS NS_PER_MS

/* ---- work ---- */

struct pour;

struct task {
	struct work t_work;
	struct pour *t_pour;
	_Atomic bool t_running;
	_Atomic uint64_t t_ticket;  /* (~) the last that was given out */
	_Atomic uint64_t t_granted; /* (~) the highest that was granted */
	_Atomic uint64_t t_seen;    /* (~) t_ticket when the last run began */
};

struct pour {
	struct workqueue *p_wq;
	struct task p_task[WORKS];
	struct work p_last;
	uint64_t p_each; /* requests of one lwp */
	bool p_percpu;
	_Atomic unsigned p_lwps; /* (~) that pour still; release by who leaves */
	_Atomic uint64_t p_granted, p_full, p_shut, p_runs, p_overlaps;
};

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void task_run(void *arg)
{
	struct task *t = arg;

	if (atomic_exchange_explicit(&t->t_running, true, memory_order_acquire))
		count(&t->t_pour->p_overlaps);
	atomic_store_explicit(&t->t_seen, atomic_load_explicit(&t->t_ticket, memory_order_relaxed),
	    memory_order_relaxed);
	count(&t->t_pour->p_runs);
	atomic_store_explicit(&t->t_running, false, memory_order_release);
}

static void task_granted(struct task *t, uint64_t ticket)
{
	uint64_t was = atomic_load_explicit(&t->t_granted, memory_order_relaxed);

	while (was < ticket &&
	    !atomic_compare_exchange_weak_explicit(&t->t_granted, &was, ticket,
		memory_order_relaxed, memory_order_relaxed))
		;
	count(&t->t_pour->p_granted);
}

static int task_ask(struct pour *p, struct task *t, unsigned cpu)
{
	uint64_t ticket = atomic_fetch_add_explicit(&t->t_ticket, 1, memory_order_relaxed) + 1;
	int error;

	if (p->p_percpu)
		error = workqueue_enqueue_cpu(p->p_wq, &t->t_work, cpu_lookup(cpu));
	else
		error = workqueue_enqueue(p->p_wq, &t->t_work);
	if (error == 0)
		task_granted(t, ticket);
	else
		count(error == EAGAIN ? &p->p_full : &p->p_shut);
	return error;
}

static void pour_main(void *arg)
{
	struct pour *p = arg;
	unsigned cpus = cpu_count();
	uint64_t n, x = port_counter() | 1;
	int error = 0;

	for (n = 0; n < p->p_each && error != ESHUTDOWN; n++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		error = task_ask(p, &p->p_task[(x >> 33) % WORKS], (unsigned)(x >> 40) % cpus);
		if (error == EAGAIN)
			lwp_yield();
	}
	atomic_fetch_sub_explicit(&p->p_lwps, 1, memory_order_release);
}

static void wait_for_pourers(void *arg)
{
	struct pour *p = arg;

	while (atomic_load_explicit(&p->p_lwps, memory_order_acquire) > 0)
		lwp_sleep_ns(POLL_NS);
}

static int pour_start(struct pour *p)
{
	unsigned i;
	int error = 0;

	for (i = 0; i < WORKS; i++) {
		p->p_task[i].t_pour = p;
		work_init(&p->p_task[i].t_work, task_run, &p->p_task[i]);
	}
	work_init(&p->p_last, wait_for_pourers, p);
	for (i = 0; i < cpu_count() && error == 0; i++) {
		atomic_fetch_add_explicit(&p->p_lwps, 1, memory_order_relaxed);
		error = lwp_create("pour", PRI_KERNEL - 8, cpu_lookup(i), 0, pour_main, p, NULL);
		if (error)
			atomic_fetch_sub_explicit(&p->p_lwps, 1, memory_order_relaxed);
	}
	return error;
}

/* The queue is ended after `ms` milliseconds, or when all has been asked for. */
static int pour_end(struct pour *p, uint64_t ms)
{
	uint64_t until = clock_ns() + ms * NS_PER_MS;
	int error;

	while (atomic_load_explicit(&p->p_lwps, memory_order_acquire) > 0 &&
	    (ms == 0 || clock_ns() < until) && !shell_interrupted())
		lwp_sleep_ns(POLL_NS);
	while ((error = workqueue_enqueue(p->p_wq, &p->p_last)) == EAGAIN)
		lwp_sleep_ns(POLL_NS);
	if (error == 0)
		error = workqueue_destroy(p->p_wq);
	return error;
}

static int pour_report(struct pour *p)
{
	uint64_t missing = 0, overlaps;
	unsigned i;

	for (i = 0; i < WORKS; i++)
		missing += atomic_load_explicit(&p->p_task[i].t_granted, memory_order_relaxed) >
		    atomic_load_explicit(&p->p_task[i].t_seen, memory_order_relaxed);
	overlaps = atomic_load_explicit(&p->p_overlaps, memory_order_relaxed);
	tty_printf(
	    "granted %llu, full %llu, refused %llu, runs %llu, missing %llu, overlaps %llu\n",
	    (unsigned long long)atomic_load_explicit(&p->p_granted, memory_order_relaxed),
	    (unsigned long long)atomic_load_explicit(&p->p_full, memory_order_relaxed),
	    (unsigned long long)atomic_load_explicit(&p->p_shut, memory_order_relaxed),
	    (unsigned long long)atomic_load_explicit(&p->p_runs, memory_order_relaxed),
	    (unsigned long long)missing, (unsigned long long)overlaps);
	if (missing != 0)
		return shell_error("%llu works lost a run", (unsigned long long)missing);
	if (overlaps != 0)
		return shell_error("%llu runs beside another", (unsigned long long)overlaps);
	return 0;
}

static int pour(uint64_t n, uint64_t ms, bool percpu, unsigned lwps, unsigned limit)
{
	struct pour *p = kmem_alloc(sizeof(*p));
	int error, ended;

	if (p == NULL)
		return shell_error("no memory");
	p->p_each = (n + cpu_count() - 1) / cpu_count();
	p->p_percpu = percpu;
	error = workqueue_create("pour", PRI_KERNEL, percpu ? WQ_PERCPU : 0, lwps, limit, &p->p_wq);
	if (error == 0) {
		error = pour_start(p);
		ended = pour_end(p, ms);
		error = error != 0 ? error : ended;
	}
	if (error)
		shell_error("queue: %s", errno_name(error));
	else
		error = pour_report(p);
	kmem_free(p, sizeof(*p));
	return error != 0;
}

static int work_list(void)
{
	struct workqueue_info wi;
	unsigned i;

	tty_printf("%-16s %5s %5s %4s %7s %7s %7s %7s %10s %8s\n", "queue", "fifos", "lwps", "pri",
	    "limit", "queued", "running", "most", "runs", "full");
	for (i = 0; workqueue_info(i, &wi) == 0; i++)
		tty_printf("%-16s %5u %5u %4d %7u %7u %7u %7u %10llu %8llu\n", wi.wi_name,
		    wi.wi_fifos, wi.wi_lwps, wi.wi_pri, wi.wi_limit, wi.wi_queued, wi.wi_running,
		    wi.wi_queued_max, (unsigned long long)wi.wi_runs,
		    (unsigned long long)wi.wi_refused);
	return 0;
}

static int cmd_work(int argc, char **argv)
{
	uint64_t n, ms = 0, lwps = 1, limit = 0;
	bool percpu = argc > 3 && strcmp(argv[3], "percpu") == 0;

	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return work_list();
	if (argc < 3 || argc > 7 || strcmp(argv[1], "pour") != 0 ||
	    (argc > 3 && !percpu && strcmp(argv[3], "one") != 0))
		return shell_usage();
	if (!shell_number(argv[2], "number of requests", 1, N_MAX, &n) ||
	    (argc > 4 && !shell_number(argv[4], "lwps", 1, WQ_LWPS_MAX, &lwps)) ||
	    (argc > 5 && !shell_number(argv[5], "limit", 0, WQ_LIMIT_MAX, &limit)) ||
	    (argc > 6 && !shell_number(argv[6], "milliseconds", 1, 60000, &ms)))
		return 1;
	return pour(n, ms, percpu, (unsigned)lwps, (unsigned)limit);
}

static void complete_work(struct line_editor *le, int arg, char **argv)
{
	if (arg == 1) {
		line_offer(le, "list");
		line_offer(le, "pour");
	} else if (arg == 3 && strcmp(argv[1], "pour") == 0) {
		line_offer(le, "one");
		line_offer(le, "percpu");
	}
}

/* ---- rwlock ---- */

struct rw_run {
	struct rwlock r_lock;
	uint64_t r_turns;   /* of each lwp */
	uint64_t r_data[2]; /* (r_lock) equal, but to a writer */
	_Atomic uint64_t r_reads, r_writes, r_wrong;
	_Atomic unsigned r_lwps; /* (~) release by who leaves */
};

static void rw_look(struct rw_run *r)
{
	if (r->r_data[0] != r->r_data[1])
		count(&r->r_wrong);
	count(&r->r_reads);
}

static void rw_change(struct rw_run *r, bool yield)
{
	r->r_data[0]++;
	if (yield)
		lwp_yield();
	r->r_data[1]++;
	count(&r->r_writes);
}

static void rw_main(void *arg)
{
	struct rw_run *r = arg;
	uint64_t n, x = port_counter() | 1;

	for (n = 0; n < r->r_turns; n++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		if ((x >> 60) != 0) {
			rw_enter(&r->r_lock, RW_READER);
			rw_look(r);
			if ((x >> 50) % 8 == 0 && rw_tryupgrade(&r->r_lock))
				rw_change(r, false);
		} else {
			rw_enter(&r->r_lock, RW_WRITER);
			rw_change(r, (x >> 50) % 16 == 0);
			if ((x >> 40) % 4 == 0) {
				rw_downgrade(&r->r_lock);
				rw_look(r);
			}
		}
		rw_exit(&r->r_lock);
	}
	atomic_fetch_sub_explicit(&r->r_lwps, 1, memory_order_release);
}

static int rw_run(struct rw_run *r, unsigned lwps)
{
	unsigned i;
	int error = 0;

	rw_init(&r->r_lock, "rwlock command");
	for (i = 0; i < lwps && error == 0; i++) {
		atomic_fetch_add_explicit(&r->r_lwps, 1, memory_order_relaxed);
		error = lwp_create("rw", PRI_MIN + (int)(i * 7 % (PRI_KERNEL - PRI_MIN)), NULL, 0,
		    rw_main, r, NULL);
		if (error)
			atomic_fetch_sub_explicit(&r->r_lwps, 1, memory_order_relaxed);
	}
	while (atomic_load_explicit(&r->r_lwps, memory_order_acquire) > 0)
		lwp_sleep_ns(POLL_NS);
	rw_destroy(&r->r_lock);
	return error;
}

static int cmd_rwlock(int argc, char **argv)
{
	uint64_t n, lwps = 2 * cpu_count(), reads, writes, wrong;
	struct rw_run *r;
	int error;

	if (argc < 2 || argc > 3)
		return shell_usage();
	if (!shell_number(argv[1], "turns", 1, N_MAX, &n) ||
	    (argc > 2 && !shell_number(argv[2], "lwps", 1, RW_LWPS_MAX, &lwps)))
		return 1;
	r = kmem_alloc(sizeof(*r));
	if (r == NULL)
		return shell_error("no memory");
	r->r_turns = n;
	error = rw_run(r, (unsigned)(lwps < RW_LWPS_MAX ? lwps : RW_LWPS_MAX));
	reads = atomic_load_explicit(&r->r_reads, memory_order_relaxed);
	writes = atomic_load_explicit(&r->r_writes, memory_order_relaxed);
	wrong = atomic_load_explicit(&r->r_wrong, memory_order_relaxed);
	wrong += r->r_data[0] != writes || r->r_data[1] != writes;
	kmem_free(r, sizeof(*r));
	if (error)
		return shell_error("lwps: %s", errno_name(error));
	tty_printf("reads %llu, writes %llu, wrong %llu\n", (unsigned long long)reads,
	    (unsigned long long)writes, (unsigned long long)wrong);
	return wrong != 0
	    ? shell_error("readers saw a writer's work %llu times", (unsigned long long)wrong)
	    : 0;
}

/* ---- continue ---- */

struct behind {
	struct intr_handler *b_ih;
	unsigned b_kind; /* bit 0: intr_continue(), bit 1: intr_continue_sleep() */
	_Atomic uint64_t b_filters, b_left, b_full, b_soft, b_sleep;
};

static void behind_soft(void *arg)
{
	count(&((struct behind *)arg)->b_soft);
}

static void behind_sleep(void *arg)
{
	struct behind *b = arg;

	lwp_sleep_ns(1000);
	count(&b->b_sleep);
}

/* On the source of a device that is not ours: claims nothing, leaves something each time. */
static unsigned behind_filter(void *arg)
{
	struct behind *b = arg;

	count(&b->b_filters);
	if (b->b_kind & 1)
		count(intr_continue(b->b_ih, behind_soft, b) == 0 ? &b->b_left : &b->b_full);
	if (b->b_kind & 2)
		count(intr_continue_sleep(b->b_ih, behind_sleep, b) == 0 ? &b->b_left : &b->b_full);
	return FILTER_STRAY;
}

static int behind_report(struct behind *b)
{
	uint64_t left = atomic_load_explicit(&b->b_left, memory_order_relaxed);
	uint64_t soft = atomic_load_explicit(&b->b_soft, memory_order_relaxed);
	uint64_t slept = atomic_load_explicit(&b->b_sleep, memory_order_relaxed);

	tty_printf("interrupts %llu, left %llu, full %llu, softint %llu, lwp %llu\n",
	    (unsigned long long)atomic_load_explicit(&b->b_filters, memory_order_relaxed),
	    (unsigned long long)left,
	    (unsigned long long)atomic_load_explicit(&b->b_full, memory_order_relaxed),
	    (unsigned long long)soft, (unsigned long long)slept);
	if (soft + slept != left)
		return shell_error("%llu left behind, %llu done", (unsigned long long)left,
		    (unsigned long long)(soft + slept));
	return 0;
}

static int cmd_continue(int argc, char **argv)
{
	static struct behind b;
	uint64_t n, unit = 0, slots = INTR_SLOTS_DEFAULT, done = 0;
	struct edu_info ei;
	int error;

	b = (struct behind){0};
	b.b_kind = argc < 2                 ? 0
	    : strcmp(argv[1], "soft") == 0  ? 1
	    : strcmp(argv[1], "sleep") == 0 ? 2
	    : strcmp(argv[1], "both") == 0  ? 3
					    : 0;
	if (b.b_kind == 0 || argc < 3 || argc > 5)
		return shell_usage();
	if (edu_count() == 0)
		return shell_error("this machine has no edu device");
	if (!shell_number(argv[2], "interrupts", 1, N_MAX, &n) ||
	    (argc > 3 && !shell_number(argv[3], "slots", 1, 255, &slots)) ||
	    (argc > 4 && !shell_number(argv[4], "unit", 0, edu_count() - 1, &unit)))
		return 1;
	if (edu_hold((unsigned)unit) != 0)
		return shell_error("edu%llu: not attached", (unsigned long long)unit);
	(void)edu_get((unsigned)unit, &ei); /* it is there: it is held */
	error = intr_establish(ei.ei_source, "continue", IPL_BIO,
	    (b.b_kind & 1 ? INTR_CONTINUE : 0) | (b.b_kind & 2 ? INTR_CONTINUE_SLEEP : 0) |
		INTR_SLOTS((unsigned)slots),
	    behind_filter, NULL, &b, &b.b_ih);
	if (error) {
		edu_release((unsigned)unit);
		return shell_error("handler: %s", errno_name(error));
	}
	error = edu_raise((unsigned)unit, n, &done);
	(void)intr_disestablish(b.b_ih);
	edu_release((unsigned)unit);
	if (error)
		return shell_error("edu%llu: %s after %llu", (unsigned long long)unit,
		    errno_name(error), (unsigned long long)done);
	return behind_report(&b);
}

static void complete_continue(struct line_editor *le, int arg, char **argv)
{
	(void)argv;
	if (arg == 1) {
		line_offer(le, "soft");
		line_offer(le, "sleep");
		line_offer(le, "both");
	}
}

const struct shell_cmd shell_work_cmds[] = {
    {"work", "list | pour N [one|percpu] [LWPS] [LIMIT] [MS]",
	"work queues: list them, or pour work in",
	"  list  what each has done and has to do\n"
	"  pour  an lwp on each CPU makes N requests in all (1 to 10,000,000) of 16 works, to a\n"
	"        queue of one FIFO or of one a CPU, with LWPS (1 to 16) each and room for LIMIT\n"
	"        works (0: no limit); it is destroyed when all is asked for, or after MS\n"
	"        milliseconds in the midst of it. No run may be missing, none beside another.\n",
	cmd_work, complete_work},
    {"rwlock", "TURNS [LWPS]", "readers and writers at random, and what they saw",
	"  LWPS lwps (1 to 64; two a CPU) of many priorities enter and leave one rwlock TURNS\n"
	"  times each, one time in 16 to write, with upgrades and downgrades.\n",
	cmd_rwlock, NULL},
    {"continue", "soft|sleep|both N [SLOTS] [UNIT]", "continuations, left by a filter",
	"  A filter on the source of the edu device UNIT (0), which raises N interrupts, leaves a\n"
	"  continuation behind each time, to a softint, an lwp, or both; SLOTS (1 to 255; 16)\n"
	"  may wait at a time. All that were left have to be done.\n",
	cmd_continue, complete_continue},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
