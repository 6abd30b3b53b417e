/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_workqueue.c - work is done once for each time it was asked for, in order, never beside itself;
 * and whoever waits for it, takes it back or ends the queue is not left hanging.
 */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <ithaca/workqueue.h>
#include <sim/sim.h>

struct job {
	struct work j_work;
	struct workqueue *j_wq;
	unsigned j_asked; /* at the latest, when the run began: seen by it */
	unsigned j_runs, j_seen;
	bool j_running;
	char j_name;
	struct cpu *j_cpu;
	void (*j_hook)(struct job *);
	int j_error;
};

static char order[128];
static unsigned norder;
static struct workqueue *wq;

static void run(void *arg)
{
	struct job *j = arg;

	CHECK(!j->j_running);
	j->j_running = true;
	j->j_runs++;
	j->j_seen = j->j_asked;
	j->j_cpu = curcpu();
	CHECK_EQ(curlwp->l_ipl, IPL_NONE);
	CHECK(port_intr_enabled());
	if (j->j_name != 0 && norder < sizeof(order) - 1)
		order[norder++] = j->j_name;
	sim_point(SIM_TEST);
	if (j->j_hook != NULL)
		j->j_hook(j);
	sim_point(SIM_TEST);
	j->j_running = false;
}

static void job_init(struct job *j, char name, void (*hook)(struct job *))
{
	*j = (struct job){.j_name = name, .j_hook = hook, .j_wq = wq};
	work_init(&j->j_work, run, j);
}

static int ask(struct job *j)
{
	j->j_asked++;
	return workqueue_enqueue(j->j_wq, &j->j_work);
}

static void create(unsigned flags, unsigned lwps, unsigned limit)
{
	CHECK_EQ(workqueue_create("test", PRI_KERNEL + 1, flags, lwps, limit, &wq), 0);
}

static void sleep_a_bit(struct job *j)
{
	(void)j;
	lwp_sleep_ns(NS_PER_MS);
}

static bool go;

static void sleep_until_go(struct job *j)
{
	(void)j;
	while (!go)
		lwp_sleep_ns(NS_PER_MS);
}

SIM_TEST(in_order_and_once, 1, 0)
{
	struct job j[4];
	size_t before = sim_mem_bytes();

	create(0, 1, 0);
	lwp_setpri(curlwp, PRI_MAX);
	for (unsigned i = 0; i < 4; i++)
		job_init(&j[i], (char)('a' + i), NULL);
	for (unsigned i = 0; i < 8; i++)
		CHECK_EQ(ask(&j[i / 2]), 0);
	CHECK_EQ(norder, 0);
	CHECK_EQ(workqueue_drain(wq), 0);
	CHECK_STR(order, "abcd");
	CHECK_EQ(ask(&j[2]), 0);
	CHECK_EQ(ask(&j[0]), 0);
	CHECK_EQ(workqueue_drain(wq), 0);
	CHECK_STR(order, "abcdca");
	CHECK_EQ(workqueue_destroy(wq), 0);
	sim_settle();
	CHECK(sim_mem_bytes() <= before + 4096); /* struct lwp is kept */
}

static void again(struct job *j)
{
	if (j->j_runs < 3) {
		CHECK_EQ(ask(j), 0);
		CHECK_EQ(ask(j), 0); /* twice is once */
	}
}

SIM_TEST(queued_while_it_runs_runs_again_after_its_neighbours, 1, 0)
{
	struct job a, b;

	create(0, 1, 0);
	lwp_setpri(curlwp, PRI_MAX);
	job_init(&a, 'a', again);
	job_init(&b, 'b', NULL);
	CHECK_EQ(ask(&a), 0);
	CHECK_EQ(ask(&b), 0);
	while (a.j_runs < 3)
		lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(workqueue_drain(wq), 0);
	CHECK_STR(order, "abaa");
	CHECK_EQ(workqueue_destroy(wq), 0);
}

/* Many lwps, one work: still never beside itself, and what was asked for is seen by some run. */
SIM_TEST(never_beside_itself, 3, 200)
{
	struct job j[3];

	create(sim_random(2) ? WQ_PERCPU : 0, 1 + (unsigned)sim_random(3), 0);
	for (unsigned i = 0; i < 3; i++)
		job_init(&j[i], 0, NULL);
	for (unsigned n = 0; n < 60; n++) {
		struct job *x = &j[sim_random(3)];

		x->j_asked++;
		if (workqueue_enqueue_cpu(wq, &x->j_work, cpu_lookup((unsigned)sim_random(3))))
			CHECK_EQ(workqueue_enqueue(wq, &x->j_work), 0);
		sim_point(SIM_TEST);
		if (sim_random(10) == 0)
			CHECK_EQ(workqueue_drain(wq), 0);
	}
	CHECK_EQ(workqueue_destroy(wq), 0);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(j[i].j_seen, j[i].j_asked);
		CHECK(!j[i].j_running);
	}
}

SIM_TEST(on_the_cpu_asked_for, 64, 0)
{
	struct job j;
	struct workqueue *one;

	create(WQ_PERCPU, 1, 0);
	job_init(&j, 0, NULL);
	for (unsigned i = 0; i < cpu_count(); i++) {
		CHECK_EQ(workqueue_enqueue_cpu(wq, &j.j_work, cpu_lookup(i)), 0);
		CHECK_EQ(workqueue_wait(&j.j_work), 0);
		CHECK_EQ(j.j_runs, i + 1);
		CHECK_EQ(j.j_cpu->ci_index, i);
	}
	preempt_disable();
	CHECK_EQ(workqueue_enqueue(wq, &j.j_work), 0);
	preempt_enable();
	CHECK_EQ(workqueue_wait(&j.j_work), 0);
	CHECK_EQ(workqueue_enqueue_cpu(wq, &j.j_work, NULL), EINVAL);
	CHECK_EQ(workqueue_destroy(wq), 0);
	CHECK_EQ(workqueue_create("one", PRI_KERNEL, 0, 1, 0, &one), 0);
	CHECK_EQ(workqueue_enqueue_cpu(one, &j.j_work, cpu_lookup(0)), EINVAL);
	CHECK_EQ(workqueue_destroy(one), 0);
}

/* One that sleeps holds up its own FIFO, or with another lwp not even that. */
SIM_TEST(sleeper_and_the_others, 2, 0)
{
	for (unsigned lwps = 1; lwps <= 2; lwps++) {
		struct job slow, quick;

		go = false;
		create(0, lwps, 0);
		job_init(&slow, 0, sleep_until_go);
		job_init(&quick, 0, NULL);
		CHECK_EQ(ask(&slow), 0);
		CHECK_EQ(ask(&quick), 0);
		lwp_sleep_ns(20 * NS_PER_MS);
		CHECK_EQ(slow.j_runs, 1);
		CHECK_EQ(quick.j_runs, lwps - 1);
		/* Again while it runs: no other lwp takes it. */
		CHECK_EQ(ask(&slow), 0);
		lwp_sleep_ns(20 * NS_PER_MS);
		CHECK_EQ(slow.j_runs, 1);
		go = true;
		CHECK_EQ(workqueue_destroy(wq), 0);
		CHECK_EQ(slow.j_runs, 2);
		CHECK_EQ(quick.j_runs, 1);
	}
}

/* From a filter and from a softint, and it is woken for on the spot. */
static struct job from_filter, from_softint;
static struct softint *si;

static unsigned filter(void *arg)
{
	(void)arg;
	CHECK_EQ(ask(&from_filter), 0);
	softint_schedule(si);
	return FILTER_HANDLED;
}

static void soft(void *arg)
{
	(void)arg;
	CHECK_EQ(ask(&from_softint), 0);
}

SIM_TEST(from_filters_and_softints, 2, 100)
{
	struct sim_line *sl = sim_line_create("edge", INTR_EDGE, (unsigned)sim_random(2), 0);
	struct intr_handler *ih;

	create(sim_random(2) ? WQ_PERCPU : 0, 1, 0);
	job_init(&from_filter, 0, NULL);
	job_init(&from_softint, 0, sleep_a_bit);
	CHECK_EQ(softint_establish("soft", IPL_SOFTNET, soft, NULL, &si), 0);
	CHECK_EQ(intr_establish(sl->sl_source, "f", IPL_VM, 0, filter, NULL, NULL, &ih), 0);
	for (unsigned i = 0; i < 20; i++) {
		sim_line_raise(sl);
		lwp_sleep_ns(sim_random(200000));
	}
	sim_settle();
	CHECK_EQ(intr_disestablish(ih), 0);
	CHECK_EQ(softint_disestablish(si), 0);
	CHECK_EQ(workqueue_destroy(wq), 0);
	CHECK(from_filter.j_asked >= 1);
	CHECK_EQ(from_filter.j_seen, from_filter.j_asked);
	CHECK_EQ(from_softint.j_seen, from_softint.j_asked);
}

/* ---- The bound ---- */

SIM_TEST(limit_is_kept_and_named, 1, 0)
{
	struct workqueue_info wi;
	struct job j[4];

	create(0, 1, 3);
	lwp_setpri(curlwp, PRI_MAX);
	for (unsigned i = 0; i < 4; i++)
		job_init(&j[i], (char)('a' + i), NULL);
	j[0].j_hook = sleep_until_go;
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(ask(&j[i]), 0);
	CHECK_EQ(ask(&j[3]), EAGAIN);
	CHECK_EQ(ask(&j[1]), 0); /* is in already */
	lwp_sleep_ns(10 * NS_PER_MS);
	CHECK_EQ(j[0].j_runs, 1);
	CHECK_EQ(ask(&j[3]), EAGAIN); /* one that runs counts */
	CHECK_EQ(ask(&j[0]), 0);      /* and is let in again */
	CHECK(workqueue_cancel(&j[2].j_work));
	CHECK_EQ(ask(&j[3]), 0);
	CHECK_EQ(ask(&j[2]), EAGAIN);
	CHECK_EQ(workqueue_info(0, &wi), 0);
	CHECK_STR(wi.wi_name, "test");
	CHECK_EQ(wi.wi_limit, 3);
	CHECK_EQ(wi.wi_running, 1);
	CHECK_EQ(wi.wi_queued, 2);
	CHECK_EQ(wi.wi_queued_max, 3);
	CHECK_EQ(wi.wi_refused, 3);
	CHECK_EQ(workqueue_info(1, &wi), ENOENT);
	go = true;
	CHECK_EQ(workqueue_drain(wq), 0);
	CHECK_STR(order, "abad");
	CHECK_EQ(workqueue_info(0, &wi), 0);
	CHECK_EQ(wi.wi_runs, 4);
	CHECK_EQ(wi.wi_queued + wi.wi_running, 0);
	CHECK_EQ(workqueue_destroy(wq), 0);
	CHECK_EQ(workqueue_info(0, &wi), ENOENT);
}

/* ---- Taken back ---- */

SIM_TEST(cancel, 1, 0)
{
	struct job a, b;

	create(0, 1, 0);
	lwp_setpri(curlwp, PRI_MAX);
	job_init(&a, 'a', sleep_until_go);
	job_init(&b, 'b', NULL);
	CHECK(!workqueue_cancel(&a.j_work));
	CHECK_EQ(ask(&a), 0);
	CHECK_EQ(ask(&b), 0);
	CHECK(workqueue_cancel(&b.j_work));
	CHECK(!workqueue_cancel(&b.j_work));
	CHECK_EQ(workqueue_wait(&b.j_work), 0);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(a.j_runs, 1);
	CHECK(!workqueue_cancel(&a.j_work)); /* it runs */
	CHECK_EQ(ask(&a), 0);
	CHECK(workqueue_cancel(&a.j_work)); /* the run to come */
	go = true;
	CHECK_EQ(workqueue_wait(&a.j_work), 0);
	CHECK(!a.j_running);
	CHECK_EQ(workqueue_destroy(wq), 0);
	CHECK_STR(order, "a");
}

/* One that queues itself without an end is stopped for good. */
static void for_ever(struct job *j)
{
	(void)ask(j);
}

SIM_TEST(halt_stops_what_queues_itself, 3, 200)
{
	struct job j;

	create(sim_random(2) ? WQ_PERCPU : 0, 1 + (unsigned)sim_random(3), 0);
	job_init(&j, 0, for_ever);
	for (unsigned n = 0; n < 5; n++) {
		CHECK_EQ(ask(&j), 0);
		lwp_sleep_ns(sim_random(5000));
		CHECK_EQ(workqueue_halt(&j.j_work), 0);
		unsigned runs = j.j_runs;
		CHECK(!j.j_running);
		CHECK_EQ((uintptr_t)j.j_work.wk_fifo, 0);
		lwp_sleep_ns(100000);
		CHECK_EQ(j.j_runs, runs);
	}
	CHECK_EQ(workqueue_destroy(wq), 0);
}

static void slow_then_ask(struct job *j)
{
	lwp_sleep_ns(10 * NS_PER_MS);
	j->j_error = ask(j);
}

SIM_TEST(refused_while_it_is_halted, 1, 0)
{
	struct job j;

	create(0, 1, 0);
	job_init(&j, 0, slow_then_ask);
	CHECK_EQ(ask(&j), 0);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(workqueue_halt(&j.j_work), 0);
	CHECK_EQ(j.j_error, ESHUTDOWN);
	CHECK_EQ(j.j_runs, 1);
	CHECK_EQ(ask(&j), 0);
	CHECK_EQ(workqueue_destroy(wq), 0);
	CHECK_EQ(j.j_runs, 2);
}

/* The memory may go when halt returns: many at a time, against enqueuers and other halters. */
static struct job *shared;
static bool stop;
static unsigned left;

static void halter(void *arg)
{
	(void)arg;
	while (!stop) {
		CHECK_EQ(workqueue_halt(&shared->j_work), 0);
		sim_point(SIM_TEST);
	}
	left--;
}

static void asker(void *arg)
{
	int error;

	(void)arg;
	for (unsigned n = 0; n < 30; n++) {
		error = ask(shared);
		CHECK(error == 0 || error == ESHUTDOWN);
		if (sim_random(4) == 0)
			CHECK_EQ(workqueue_wait(&shared->j_work), 0);
		if (sim_random(4) == 0)
			(void)workqueue_cancel(&shared->j_work);
		sim_point(SIM_TEST);
	}
	left--;
}

SIM_TEST(halt_against_everybody, 3, 200)
{
	size_t before;

	create(sim_random(2) ? WQ_PERCPU : 0, 1 + (unsigned)sim_random(2), 0);
	shared = port_mem_alloc(sizeof(*shared));
	before = sim_mem_bytes();
	job_init(shared, 0, sim_random(2) ? for_ever : NULL);
	left = 4;
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(lwp_create("x", PRI_KERNEL, NULL, 0, i < 3 ? asker : halter, NULL, NULL),
		    0);
	while (left > 1)
		lwp_sleep_ns(NS_PER_MS);
	stop = true;
	while (left > 0)
		lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(workqueue_halt(&shared->j_work), 0);
	CHECK(!shared->j_running);
	port_mem_free(shared, sizeof(*shared)); /* poisoned: a late write is found */
	shared = port_mem_alloc(sizeof(*shared));
	CHECK_EQ(workqueue_destroy(wq), 0);
	CHECK(before != 0);
}

/* ---- Waited for ---- */

static unsigned count;

static void slow_and_again(struct job *j)
{
	lwp_sleep_ns(10000);
	count++;
	if (!stop)
		(void)ask(j);
}

SIM_TEST(drain_and_wait_do_not_wait_for_what_comes_later, 2, 100)
{
	struct job a, b;

	create(0, 1, 0);
	job_init(&a, 0, slow_and_again);
	job_init(&b, 0, slow_and_again);
	CHECK_EQ(ask(&a), 0);
	CHECK_EQ(ask(&b), 0);
	CHECK_EQ(workqueue_drain(wq), 0);
	CHECK(a.j_runs >= 1 && b.j_runs >= 1 && count <= 8);
	CHECK_EQ(workqueue_wait(&a.j_work), 0);
	CHECK_EQ(workqueue_wait(&b.j_work), 0);
	CHECK(count <= 20);
	CHECK_EQ(workqueue_destroy(wq), 0); /* and this refuses them */
	CHECK(!a.j_running && !b.j_running);
}

/* What was asked for before is waited for, be it a run that is owed beside one under way. */
SIM_TEST(drain_waits_for_the_run_that_is_owed, 2, 100)
{
	struct job a;

	create(0, 2, 0);
	job_init(&a, 0, sleep_a_bit);
	CHECK_EQ(ask(&a), 0);
	while (!a.j_running)
		lwp_sleep_ns(1000);
	CHECK_EQ(ask(&a), 0);
	if (sim_random(2))
		CHECK_EQ(workqueue_drain(wq), 0);
	else
		CHECK_EQ(workqueue_wait(&a.j_work), 0);
	CHECK_EQ(a.j_runs, 2);
	CHECK(!a.j_running);
	CHECK_EQ(workqueue_destroy(wq), 0);
}

static struct job other;

static void wait_for_all(struct job *j)
{
	CHECK_EQ(workqueue_drain(wq), EDEADLK);
	CHECK_EQ(workqueue_destroy(wq), EDEADLK);
	CHECK_EQ(workqueue_wait(&j->j_work), EDEADLK);
	CHECK_EQ(ask(j), 0);
	CHECK_EQ(workqueue_halt(&j->j_work), EDEADLK);
	CHECK(!workqueue_cancel(&j->j_work)); /* halt has */
	j->j_error = workqueue_wait(&other.j_work);
}

SIM_TEST(waiting_for_oneself, 2, 50)
{
	for (unsigned lwps = 1; lwps <= 2; lwps++) {
		struct job j;

		create(0, lwps, 0);
		job_init(&j, 0, wait_for_all);
		job_init(&other, 0, NULL);
		CHECK_EQ(ask(&j), 0);
		CHECK_EQ(ask(&other), 0);
		CHECK_EQ(workqueue_drain(wq), 0);
		CHECK_EQ(j.j_runs, 1);
		CHECK_EQ(other.j_runs, 1);
		/* Behind us, and nobody else does it: refused. (It may have been done before.) */
		CHECK(j.j_error == 0 || (lwps == 1 && j.j_error == EDEADLK));
		CHECK_EQ(workqueue_destroy(wq), 0);
	}
}

/* ---- Made and unmade ---- */

static void pour(void *arg)
{
	struct job *j = arg;

	/* Not for ever: what is queued behind the last stays so, and is not refused. */
	for (unsigned n = 0; n < 300 && j->j_error == 0; n++) {
		j->j_error = ask(j);
		if (sim_random(3) == 0)
			lwp_sleep_ns(sim_random(3000));
	}
	CHECK(j->j_error == 0 || j->j_error == ESHUTDOWN);
	left--;
}

/* Destroy begins while work pours in: every request that was granted is honoured. The pourers stop
 * when they are refused, which destroy waits for, a work of its own taking long enough. */
static void wait_for_pourers(struct job *j)
{
	(void)j;
	while (left > 0)
		lwp_sleep_ns(NS_PER_MS);
}

SIM_TEST(destroyed_while_work_pours_in, 3, 200)
{
	static struct job j[4], last;

	create(sim_random(2) ? WQ_PERCPU : 0, 1 + (unsigned)sim_random(3), 0);
	lwp_setpri(curlwp, PRI_MAX); /* works that queue themselves leave no CPU to others */
	left = 3;
	job_init(&last, 0, wait_for_pourers);
	for (unsigned i = 0; i < 3; i++) {
		job_init(&j[i], 0, sim_random(2) ? for_ever : NULL);
		CHECK_EQ(lwp_create("pour", PRI_KERNEL, NULL, 0, pour, &j[i], NULL), 0);
	}
	lwp_sleep_ns(sim_random(20000));
	for (unsigned i = 0; i < 3; i++) /* one a FIFO, so that none is freed before */
		if (workqueue_enqueue_cpu(wq, &last.j_work, cpu_lookup(0)) == 0)
			break;
		else
			(void)ask(&last);
	CHECK_EQ(workqueue_destroy(wq), 0);
	CHECK_EQ(left, 0);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(!j[i].j_running);
		CHECK(j[i].j_runs >= 1 || (j[i].j_asked == 1 && j[i].j_error == ESHUTDOWN));
		CHECK_EQ((uintptr_t)j[i].j_work.wk_fifo, 0);
	}
}

/* A work goes from queue to queue while they come and go. */
static void wander(void *arg)
{
	struct workqueue *mine;
	int error;

	for (unsigned n = 0; n < 5; n++) {
		CHECK_EQ(workqueue_create("w", PRI_KERNEL, 0, 1, 0, &mine), 0);
		for (unsigned i = 0; i < 6; i++) {
			error = workqueue_enqueue(mine, arg);
			CHECK(error == 0 || error == ESHUTDOWN);
			if (sim_random(2))
				CHECK_EQ(workqueue_wait(arg), 0);
			(void)workqueue_cancel(arg);
		}
		CHECK_EQ(workqueue_destroy(mine), 0);
	}
	left--;
}

SIM_TEST(work_wanders_between_queues, 3, 100)
{
	struct job j;
	int error;

	create(WQ_PERCPU, 1, 0);
	job_init(&j, 0, NULL);
	left = 3;
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("wander", PRI_KERNEL, NULL, 0, wander, &j.j_work, NULL), 0);
	while (left > 0) {
		error = ask(&j); /* it runs in a queue that ends: refused */
		CHECK(error == 0 || error == ESHUTDOWN);
		lwp_sleep_ns(sim_random(3000));
	}
	CHECK_EQ(workqueue_destroy(wq), 0);
	CHECK(!j.j_running);
}

/* Work on one CPU waits until the queue takes nothing more on another. */
static void until_refused(struct job *j)
{
	(void)j;
	while (workqueue_enqueue_cpu(wq, &other.j_work, cpu_lookup(1)) != ESHUTDOWN)
		lwp_sleep_ns(NS_PER_MS);
}

SIM_TEST(destroy_closes_everywhere_first, 2, 50)
{
	struct job j;

	create(WQ_PERCPU, 1, 0);
	job_init(&j, 0, until_refused);
	job_init(&other, 0, NULL);
	CHECK_EQ(workqueue_enqueue_cpu(wq, &j.j_work, cpu_lookup(0)), 0);
	CHECK_EQ(workqueue_destroy(wq), 0);
	CHECK(!j.j_running);
}

/* More urgent than the work that it waits for, and on its CPU. */
SIM_TEST(halt_sleeps, 1, 0)
{
	struct job j;

	create(0, 1, 0);
	lwp_setpri(curlwp, PRI_MAX);
	job_init(&j, 0, sleep_a_bit);
	CHECK_EQ(ask(&j), 0);
	while (!j.j_running)
		lwp_sleep_ns(100000);
	CHECK_EQ(workqueue_halt(&j.j_work), 0);
	CHECK(!j.j_running);
	CHECK_EQ(workqueue_destroy(wq), 0);
}

SIM_TEST(refusals, 2, 0)
{
	CHECK_EQ(workqueue_create("x", PRI_MIN - 1, 0, 1, 0, &wq), EINVAL);
	CHECK_EQ(workqueue_create("x", PRI_MAX + 1, 0, 1, 0, &wq), EINVAL);
	CHECK_EQ(workqueue_create("x", PRI_KERNEL, 0x80, 1, 0, &wq), EINVAL);
	CHECK_EQ(workqueue_create("x", PRI_KERNEL, 0, 0, 0, &wq), EINVAL);
	CHECK_EQ(workqueue_create("x", PRI_KERNEL, 0, WQ_LWPS_MAX + 1, 0, &wq), EINVAL);
	CHECK_EQ(workqueue_create("x", PRI_KERNEL, 0, 1, WQ_LIMIT_MAX + 1, &wq), EINVAL);
}

/* Each allocation fails in turn, and nothing stays behind but struct lwps, which are kept. */
SIM_TEST(no_memory, 4, 0)
{
	size_t before;
	unsigned n;
	int error;

	create(WQ_PERCPU, 2, 0);
	CHECK_EQ(workqueue_destroy(wq), 0);
	sim_settle();
	before = sim_mem_bytes();
	for (n = 1;; n++) {
		sim_mem_fail(n);
		error = workqueue_create("test", PRI_KERNEL, WQ_PERCPU, 2, 0, &wq);
		if (!sim_mem_failed())
			break;
		CHECK_EQ(error, ENOMEM);
		sim_settle();
		CHECK_EQ(sim_mem_bytes(), before);
	}
	CHECK(n >= 2 + 8);
	CHECK_EQ(error, 0);
	sim_mem_fail(0);
	CHECK_EQ(workqueue_destroy(wq), 0);
	sim_settle();
	CHECK_EQ(sim_mem_bytes(), before);
}

static void bad_level(struct job *j)
{
	(void)j;
	splraise(IPL_NET);
}

SIM_PANIC(returns_at_a_level, 1, "work of test returned at level net")
{
	struct job j;

	create(0, 1, 0);
	job_init(&j, 0, bad_level);
	CHECK_EQ(ask(&j), 0);
	(void)workqueue_drain(wq);
}

SIM_TEST(dump_shows_what_is_done, 1, 0)
{
	struct job a, b;

	create(0, 1, 0);
	lwp_setpri(curlwp, PRI_MAX);
	job_init(&a, 0, sleep_until_go);
	job_init(&b, 0, NULL);
	CHECK_EQ(ask(&a), 0);
	CHECK_EQ(ask(&b), 0);
	lwp_sleep_ns(NS_PER_MS);
	sim_console_clear();
	workqueue_dump();
	CHECK_HAS(sim_console(), "test/0: test/0 runs ");
	CHECK_HAS(sim_console(), "queued: 0x");
	go = true;
	CHECK_EQ(workqueue_destroy(wq), 0);
}
