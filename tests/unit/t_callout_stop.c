/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_callout_stop.c - what stop, halt, trystop and shutdown promise while functions run on any CPU
 * (I10), and that a halt which can never return is named.
 */
#include "tcallout.h"

#include <ithaca/rwlock.h>

SIM_TEST(stop_tells_the_truth, 2, 100)
{
	struct probe p;
	unsigned i, prevented = 0;

	probe_init(&p);
	CHECK(!callout_stop(&p.p_callout));
	for (i = 0; i < 20; i++) {
		on_cpu_done(1, arm_5ms, &p);
		lwp_sleep_ns(5 * NS_PER_MS - 150 * NS_PER_US + sim_random(300 * NS_PER_US));
		prevented += callout_stop(&p.p_callout);
		CHECK(!callout_stop(&p.p_callout));
		lwp_sleep_ns(NS_PER_MS);
		CHECK_EQ(p.p_runs + prevented, i + 1);
	}
}

struct halter {
	struct probe *h_probe;
	struct mutex *h_interlock;
	bool h_done;
};

static void halter_run(void *arg)
{
	struct halter *h = arg;

	if (h->h_interlock != NULL)
		mutex_enter(h->h_interlock);
	callout_halt(&h->h_probe->p_callout, h->h_interlock);
	CHECK(!h->h_probe->p_running);
	CHECK(!callout_invoking(&h->h_probe->p_callout));
	if (h->h_interlock != NULL) {
		CHECK(mutex_owned(h->h_interlock));
		mutex_exit(h->h_interlock);
	}
	h->h_done = true;
}

/* Three wait for a function that wants the lock which each of them holds as interlock. */
SIM_TEST(halters_any_number, 4, 100)
{
	struct halter h[3];
	struct lwp *l[3];
	struct mutex m;
	struct probe p;
	unsigned i;

	mutex_init(&m, "device", IPL_SOFTCLOCK);
	probe_init(&p);
	p.p_mutex = &m;
	p.p_work_ns = 10 * NS_PER_MS;
	probe_arm(&p, NS_PER_MS);
	lwp_sleep_ns(5 * NS_PER_MS);
	CHECK(p.p_running);
	for (i = 0; i < 3; i++) {
		h[i] = (struct halter){&p, i == 0 ? NULL : &m, false};
		on_cpu(i + 1, halter_run, &h[i], &l[i]);
	}
	for (i = 0; i < 3; i++) {
		lwp_join(l[i]);
		CHECK(h[i].h_done);
	}
	CHECK_EQ(p.p_runs, 1);
}

/* The function waits for the lock that the halter holds: as interlock, it is let go. */
SIM_TEST(halt_drops_its_interlock, 2, 100)
{
	struct halter h;
	struct mutex m;
	struct probe p;

	mutex_init(&m, "device", IPL_SOFTCLOCK);
	probe_init(&p);
	p.p_mutex = &m;
	mutex_enter(&m);
	on_cpu_done(1, arm_5ms, &p);
	lwp_sleep_ns(10 * NS_PER_MS);
	CHECK(p.p_running);
	CHECK(!callout_halt(&p.p_callout, &m));
	CHECK(!p.p_running);
	mutex_exit(&m);
	h = (struct halter){&p, &m, false};
	halter_run(&h); /* and one that has nothing to wait for */
}

/* Armed from outside while it runs, and then by itself: the halt prevents both. */
SIM_TEST(halt_of_one_armed_twice, 2, 100)
{
	struct probe p;

	probe_init(&p);
	p.p_work_ns = 10 * NS_PER_MS;
	p.p_again = 1;
	on_cpu_done(1, arm_5ms, &p);
	lwp_sleep_ns(8 * NS_PER_MS);
	CHECK(p.p_running);
	CHECK(!callout_schedule(&p.p_callout, NS_PER_S));
	CHECK(callout_halt(&p.p_callout, NULL));
	CHECK_EQ(p.p_again, 0);
	CHECK(!callout_pending(&p.p_callout));
	lwp_sleep_ns(2 * NS_PER_S);
	CHECK_EQ(p.p_runs, 1);
}

/* One that always arms itself again is halted all the same, and the halt says so. */
SIM_TEST(halt_against_arming_itself, 2, 100)
{
	struct probe p;

	probe_init(&p);
	p.p_again = 1000000;
	p.p_period_ns = NS_PER_MS;
	p.p_work_ns = 300 * NS_PER_US;
	on_cpu_done(1, arm_5ms, &p);
	lwp_sleep_ns(10 * NS_PER_MS + sim_random(2 * NS_PER_MS));
	CHECK(callout_halt(&p.p_callout, NULL));
	CHECK(!p.p_running);
	CHECK(!callout_pending(&p.p_callout));
	p.p_due_ns = UINT64_MAX; /* a run now would be early */
	lwp_sleep_ns(20 * NS_PER_MS);
}

static void halt_self(void *arg)
{
	struct probe *p = arg;

	p->p_runs++;
	callout_schedule(&p->p_callout, NS_PER_MS);
	CHECK(callout_invoking(&p->p_callout));
	CHECK(callout_halt(&p->p_callout, NULL));
	CHECK(callout_trystop(&p->p_callout));
}

SIM_TEST(halt_from_the_function_itself, 1, 0)
{
	struct probe p;

	probe_init(&p);
	callout_reset(&p.p_callout, NS_PER_MS, halt_self, &p);
	lwp_sleep_ns(10 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 1);
}

SIM_TEST(trystop_never_waits, 2, 100)
{
	struct mutex m;
	struct probe p;

	mutex_init(&m, "device", IPL_SOFTCLOCK);
	probe_init(&p);
	p.p_mutex = &m;
	on_cpu_done(1, arm_5ms, &p);
	CHECK(callout_trystop(&p.p_callout));
	on_cpu_done(1, arm_5ms, &p);
	mutex_enter(&m);
	lwp_sleep_ns(10 * NS_PER_MS); /* the function now waits for the mutex */
	CHECK(!callout_trystop(&p.p_callout));
	mutex_exit(&m);
	lwp_sleep_ns(NS_PER_MS);
	CHECK(callout_trystop(&p.p_callout));
	CHECK_EQ(p.p_runs, 1);
}

/* Every way to arm, from another CPU, against the shutdown; the function arms itself as well. */
static void arm_often(void *arg)
{
	struct callout *c = &((struct probe *)arg)->p_callout;
	unsigned i;

	for (i = 0; i < 20; i++) {
		switch (sim_random(4)) {
		case 0:
			callout_schedule_periodic(c, 20 * NS_PER_US);
			break;
		case 1:
			callout_schedule_deferred(c, 20 * NS_PER_US);
			break;
		case 2:
			callout_reset(c, 20 * NS_PER_US, probe_run, arg);
			break;
		default:
			callout_schedule(c, 20 * NS_PER_US);
		}
		sim_point(SIM_TEST);
	}
}

SIM_TEST(shutdown_is_for_good, 3, 300)
{
	struct probe p;
	struct lwp *l[2];
	unsigned runs;

	probe_init(&p);
	p.p_again = 1000000;
	on_cpu(1, arm_often, &p, &l[0]);
	on_cpu(2, arm_often, &p, &l[1]);
	lwp_sleep_ns(sim_random(300) * NS_PER_US);
	callout_shutdown(&p.p_callout, NULL);
	runs = p.p_runs;
	CHECK(!p.p_running);
	lwp_join(l[0]);
	lwp_join(l[1]);
	CHECK(!callout_schedule(&p.p_callout, 0));
	CHECK(!callout_schedule_at(&p.p_callout, 0));
	CHECK(!callout_reset(&p.p_callout, 0, probe_run, &p));
	CHECK(!callout_pending(&p.p_callout));
	CHECK(!callout_schedule_periodic(&p.p_callout, 1));
	CHECK(!callout_pending(&p.p_callout));
	CHECK(!callout_schedule_deferred(&p.p_callout, 0));
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(p.p_runs, runs);
	CHECK(!callout_pending(&p.p_callout));
	callout_destroy(&p.p_callout);
	callout_init(&p.p_callout); /* lifts it */
	p.p_again = 0;
	callout_reset(&p.p_callout, 0, probe_run, &p);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(p.p_runs, runs + 1);
}

/* A periodic one, stopped at any moment from another CPU: what has begun ends, no more begin. */
static void arm_periodic(void *arg)
{
	callout_schedule_periodic(&((struct probe *)arg)->p_callout, NS_PER_MS);
}

SIM_TEST(stop_of_a_periodic, 2, 200)
{
	struct probe p;
	unsigned runs, i;

	probe_init(&p);
	p.p_work_ns = 300 * NS_PER_US;
	for (i = 0; i < 5; i++) {
		on_cpu_done(1, arm_periodic, &p);
		lwp_sleep_ns(3 * NS_PER_MS + sim_random(NS_PER_MS));
		CHECK(callout_stop(&p.p_callout));
		CHECK(!callout_stop(&p.p_callout));
		callout_halt(&p.p_callout, NULL);
		runs = p.p_runs;
		CHECK(!p.p_running);
		lwp_sleep_ns(3 * NS_PER_MS);
		CHECK_EQ(p.p_runs, runs);
	}
}

/* ---- The function and its caller want one lock ---- */

/* To arm it again under the lock that the function waits for waits for nobody. */
SIM_TEST(armed_under_the_lock_that_the_function_wants, 2, 200)
{
	struct mutex m;
	struct probe p;
	unsigned i;

	mutex_init(&m, "device", IPL_SOFTCLOCK);
	probe_init(&p);
	p.p_mutex = &m;
	for (i = 0; i < 10; i++) {
		on_cpu_done(sim_random(2) != 0, arm_5ms, &p);
		lwp_sleep_ns(5 * NS_PER_MS - 100 * NS_PER_US + sim_random(300 * NS_PER_US));
		mutex_enter(&m);
		p.p_due_ns = 0;
		callout_reset(&p.p_callout, sim_random(2) * NS_PER_MS, probe_run, &p);
		if (sim_random(2) == 0)
			lwp_sleep_ns(2 * NS_PER_MS);
		callout_schedule_deferred(&p.p_callout, NS_PER_MS);
		mutex_exit(&m);
		lwp_sleep_ns(5 * NS_PER_MS);
		CHECK(!callout_pending(&p.p_callout) && !p.p_running);
		CHECK(p.p_runs > i);
	}
}

static struct mutex dead, link;

static void wants_dead(void *arg)
{
	lwp_sleep_ns(*(uint64_t *)arg);
	mutex_enter(&dead);
	mutex_exit(&dead);
}

static void halt_holding_dead(uint64_t wait_ns, uint64_t halt_after_ns)
{
	struct callout c;

	mutex_init(&dead, "device", IPL_SOFTCLOCK);
	callout_init(&c);
	callout_reset(&c, NS_PER_MS, wants_dead, &wait_ns);
	mutex_enter(&dead);
	lwp_sleep_ns(halt_after_ns);
	callout_halt(&c, NULL);
	FAIL("the halt returned");
}

SIM_PANIC(halt_that_never_returns, 2,
    "halt by main, which holds lock \"device\", never returns: function ")
{
	halt_holding_dead(0, 5 * NS_PER_MS);
}

SIM_PANIC(halt_that_never_returns_names_the_runner, 2, "run by softclock/0, waits for it")
{
	halt_holding_dead(0, 5 * NS_PER_MS);
}

/* The halter was there first. */
SIM_PANIC(halt_before_the_function_waits, 2, "holds lock \"device\", never returns")
{
	halt_holding_dead(2500 * NS_PER_MS, 5 * NS_PER_MS);
}

static void link_in_between(void *arg)
{
	mutex_enter(&link);
	lwp_sleep_ns(*(uint64_t *)arg);
	mutex_enter(&dead);
	mutex_exit(&dead);
	mutex_exit(&link);
}

static void wants_link(void *arg)
{
	lwp_sleep_ns(*(uint64_t *)arg);
	mutex_enter(&link);
	mutex_exit(&link);
}

static struct callout ring[3];

static void halts_the_next(void *arg)
{
	struct callout *next = arg;

	lwp_sleep_ns(NS_PER_MS); /* until all of them run */
	callout_halt(next, NULL);
}

static void arms_in_place(void *arg)
{
	struct callout *c = arg;

	callout_schedule(c, NS_PER_MS);
}

/* No lock in it: functions on three CPUs, each of which halts the next. */
SIM_PANIC(halts_in_a_ring, 3, "3 lwps wait for one another, or halt one another in a ring")
{
	for (unsigned i = 0; i < 3; i++) {
		callout_init(&ring[i]);
		callout_setfunc(&ring[i], halts_the_next, &ring[(i + 1) % 3]);
	}
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("arms", PRI_KERNEL, cpu_lookup(i), 0, arms_in_place, &ring[i],
			     NULL),
		    0);
	lwp_sleep_ns(NS_PER_S);
	FAIL("the ring was not found");
}

/* The function waits for another, who waits for the halter: only a chain says so. */
SIM_PANIC(halt_at_the_end_of_a_chain, 2, "other waits for lock \"device\", which main holds")
{
	uint64_t wait_ns = 2 * NS_PER_MS;
	struct callout c;

	mutex_init(&dead, "device", IPL_SOFTCLOCK);
	mutex_init(&link, "link", IPL_SOFTCLOCK);
	callout_init(&c);
	mutex_enter(&dead);
	on_cpu(1, link_in_between, &wait_ns, &(struct lwp *){NULL});
	callout_reset(&c, NS_PER_MS, wants_link, &wait_ns);
	lwp_sleep_ns(2 * NS_PER_MS);
	callout_halt(&c, NULL);
}

/* One of several readers halts, and not the one that the lock knows. */
static struct rwlock table;

static void reads_for_ever(void *arg)
{
	(void)arg;
	rw_enter(&table, RW_READER);
	lwp_sleep_ns(100 * NS_PER_S);
	rw_exit(&table);
}

static void writes(void *arg)
{
	(void)arg;
	rw_enter(&table, RW_WRITER);
	rw_exit(&table);
}

SIM_PANIC(halt_by_a_reader_that_is_not_known, 2, "halt by main, which holds lock \"table\", never")
{
	struct callout c;

	rw_init(&table, "table");
	on_cpu(1, reads_for_ever, NULL, &(struct lwp *){NULL});
	lwp_sleep_ns(NS_PER_MS);
	rw_enter(&table, RW_READER);
	callout_init(&c);
	callout_reset(&c, NS_PER_MS, writes, NULL);
	lwp_sleep_ns(5 * NS_PER_MS);
	callout_halt(&c, NULL);
	FAIL("the halt returned");
}

/* Two functions, two locks, two halters: each waits for the next. */
static void arms_and_halts(void *arg)
{
	uint64_t wait_ns = *(uint64_t *)arg;
	struct callout c;

	callout_init(&c);
	mutex_enter(&link);
	callout_reset(&c, NS_PER_MS, wants_dead, &wait_ns);
	lwp_sleep_ns(2 * NS_PER_MS);
	callout_halt(&c, NULL);
	mutex_exit(&link);
}

SIM_PANIC(halts_and_locks_in_a_ring, 2, "halts the function that softclock/")
{
	uint64_t wait_ns = 2 * NS_PER_MS;
	struct callout c;

	mutex_init(&dead, "device", IPL_SOFTCLOCK);
	mutex_init(&link, "link", IPL_SOFTCLOCK);
	callout_init(&c);
	mutex_enter(&dead);
	on_cpu(1, arms_and_halts, &wait_ns, &(struct lwp *){NULL});
	callout_reset(&c, NS_PER_MS, wants_link, &wait_ns);
	lwp_sleep_ns(2 * NS_PER_MS);
	callout_halt(&c, NULL);
	FAIL("the halt returned");
}

/* The same, but one of them lets go of its lock: there is no ring, whenever anybody looks. */
static void halts_with_interlock(void *arg)
{
	uint64_t wait_ns = *(uint64_t *)arg;
	struct callout c;

	callout_init(&c);
	mutex_enter(&link);
	callout_reset(&c, NS_PER_MS, wants_dead, &wait_ns);
	lwp_sleep_ns(2 * NS_PER_MS);
	callout_halt(&c, &link);
	mutex_exit(&link);
}

SIM_TEST(interlock_breaks_the_ring, 2, 200)
{
	uint64_t wait_ns = sim_random(40 * NS_PER_MS), other_ns = sim_random(40 * NS_PER_MS);
	struct callout c;
	struct lwp *l;

	mutex_init(&dead, "device", IPL_SOFTCLOCK);
	mutex_init(&link, "link", IPL_SOFTCLOCK);
	callout_init(&c);
	mutex_enter(&dead);
	on_cpu(1, halts_with_interlock, &wait_ns, &l);
	callout_reset(&c, NS_PER_MS + sim_random(40 * NS_PER_MS), wants_link, &other_ns);
	lwp_sleep_ns(2 * NS_PER_MS + sim_random(40 * NS_PER_MS));
	callout_halt(&c, NULL);
	mutex_exit(&dead);
	lwp_join(l);
}

/* None of these is that: a lock of the halter that nobody wants, a lock that another holds and
 * gives back, the interlock, and a function that takes its time. */
SIM_TEST(halts_that_do_return, 2, 100)
{
	uint64_t wait_ns = 30 * NS_PER_MS + sim_random(200 * NS_PER_MS), at_once = 0;
	struct mutex mine;
	struct callout c;
	struct lwp *l;

	mutex_init(&mine, "mine", IPL_SOFTCLOCK);
	mutex_init(&dead, "device", IPL_SOFTCLOCK);
	mutex_init(&link, "link", IPL_SOFTCLOCK);
	callout_init(&c);
	callout_reset(&c, 3 * NS_PER_MS, wants_link, &at_once);
	on_cpu(1, link_in_between, &wait_ns, &l);
	lwp_sleep_ns(5 * NS_PER_MS);
	mutex_enter(&mine);
	callout_halt(&c, NULL);
	CHECK(!callout_invoking(&c));
	lwp_join(l);
	callout_reset(&c, NS_PER_MS, wants_dead, &wait_ns);
	mutex_enter(&dead);
	lwp_sleep_ns(5 * NS_PER_MS);
	callout_halt(&c, &dead);
	CHECK(!callout_invoking(&c));
	mutex_exit(&dead);
	mutex_exit(&mine);
}

SIM_PANIC(interlock_not_held, 1, "does not hold")
{
	struct mutex m;
	struct probe p;

	mutex_init(&m, "device", IPL_NONE);
	probe_init(&p);
	callout_halt(&p.p_callout, &m);
}
