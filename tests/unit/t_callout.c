/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_callout.c - the wheel (never early, late by the resolution at most, in order), and what arms:
 * from anywhere, periodic, deferred, bound, tolerant.
 */
#include "tcallout.h"

#include <ithaca/errno.h>
#include <ithaca/intr.h>

/* ---- The wheel ---- */

SIM_TEST(runs_once_in_time, 1, 50)
{
	struct probe p;

	probe_init(&p);
	CHECK(!callout_pending(&p.p_callout));
	CHECK(!probe_arm(&p, 5 * NS_PER_MS));
	CHECK(callout_pending(&p.p_callout));
	CHECK(callout_active(&p.p_callout));
	CHECK(!callout_expired(&p.p_callout));
	lwp_sleep_ns(20 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 1);
	CHECK(p.p_ran_ns - p.p_due_ns <= CALLOUT_RESOLUTION_NS + SLACK_NS);
	CHECK(!callout_pending(&p.p_callout));
	CHECK(callout_expired(&p.p_callout));
	callout_ack(&p.p_callout);
	CHECK(!callout_active(&p.p_callout));
	lwp_sleep_ns(20 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 1);
	callout_destroy(&p.p_callout);
}

#define MANY 300

SIM_TEST(every_distance_in_time, 1, 0)
{
	static struct probe p[MANY];
	unsigned i;

	sim_limit(UINT64_MAX);
	for (i = 0; i < MANY; i++) {
		probe_init(&p[i]);
		/* All levels of the wheel: 1 ns to 10 days. */
		probe_arm(&p[i],
		    1 + (UINT64_C(864000) * NS_PER_S >> i % 50) + sim_random(NS_PER_MS));
	}
	for (i = 0; i < MANY; i += 7)
		CHECK(callout_stop(&p[i].p_callout));
	lwp_sleep_ns(UINT64_C(864010) * NS_PER_S);
	for (i = 0; i < MANY; i++) {
		CHECK_EQ(p[i].p_runs, i % 7 == 0 ? 0 : 1);
		if (i % 7 != 0)
			CHECK(p[i].p_ran_ns - p[i].p_due_ns <= CALLOUT_RESOLUTION_NS + NS_PER_MS);
	}
}

static unsigned order_next;

static void order_run(void *arg)
{
	struct probe *p = arg;

	p->p_runs = ++order_next;
}

SIM_TEST(in_order_of_time, 1, 0)
{
	static struct probe p[MANY];
	unsigned i;

	for (i = 0; i < MANY; i++) {
		probe_init(&p[i]);
		callout_setfunc(&p[i].p_callout, order_run, &p[i]);
	}
	for (i = 0; i < MANY; i++) /* armed in another order than that of their times */
		callout_schedule(&p[i * 7 % MANY].p_callout, (i * 7 % MANY + 1) * 5 * NS_PER_MS);
	lwp_sleep_ns((MANY + 10) * 5 * NS_PER_MS);
	for (i = 0; i < MANY; i++)
		CHECK_EQ(p[i].p_runs, i + 1);
}

/* A function that takes long, and then all slots that were meanwhile due are cleared, on each level
 * of the wheel, none before its time. */
SIM_TEST(late_by_many_slots, 1, 0)
{
	static struct probe slow, p[MANY];
	unsigned i;

	probe_init(&slow);
	slow.p_work_ns = MANY * 5 * NS_PER_MS;
	probe_arm(&slow, NS_PER_MS);
	for (i = 0; i < MANY; i++) {
		probe_init(&p[i]);
		callout_setfunc(&p[i].p_callout, order_run, &p[i]);
		callout_schedule(&p[i].p_callout, (i + 1) * 10 * NS_PER_MS);
	}
	lwp_sleep_ns((MANY + 10) * 10 * NS_PER_MS);
	CHECK_EQ(slow.p_runs, 1);
	for (i = 0; i < MANY; i++)
		CHECK_EQ(p[i].p_runs, i + 1);
}

#define CROWD 3000

SIM_TEST(crowd_at_one_time, 1, 0)
{
	static struct callout c[CROWD];
	static struct probe p;
	uint64_t when_ns = clock_ns() + 3 * NS_PER_S; /* above level 0: they cascade */
	unsigned i;

	for (i = 0; i < CROWD; i++) {
		callout_init(&c[i]);
		callout_setfunc(&c[i], order_run, &p);
		callout_schedule_at(&c[i], when_ns);
	}
	for (i = 0; i < CROWD; i += 2)
		CHECK(callout_stop(&c[i]));
	lwp_sleep_ns(4 * NS_PER_S);
	CHECK_EQ(order_next, CROWD / 2);
}

/* In one slot far up the wheel: the clock is asked for the earlier one, though armed last. */
SIM_TEST(earlier_neighbour_far_away, 1, 0)
{
	const uint64_t slot_ns = (uint64_t)1 << 34; /* of the fourth level */
	struct probe late, early;

	probe_init(&late);
	probe_init(&early);
	late.p_due_ns = 4 * slot_ns + 9 * NS_PER_S;
	early.p_due_ns = 4 * slot_ns + 5 * NS_PER_S;
	callout_schedule_at(&late.p_callout, late.p_due_ns);
	callout_schedule_at(&early.p_callout, early.p_due_ns);
	lwp_sleep_ns(4 * slot_ns + 20 * NS_PER_S);
	CHECK_EQ(early.p_runs + late.p_runs, 2);
	CHECK(early.p_ran_ns - early.p_due_ns <= CALLOUT_RESOLUTION_NS + SLACK_NS);
	CHECK(late.p_ran_ns - late.p_due_ns <= CALLOUT_RESOLUTION_NS + SLACK_NS);
}

SIM_TEST(past_and_never, 1, 0)
{
	struct probe now, never;

	probe_init(&now);
	probe_init(&never);
	callout_schedule_at(&now.p_callout, 0);
	CHECK(!callout_schedule(&never.p_callout, UINT64_MAX));
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(now.p_runs, 1);
	CHECK(callout_pending(&never.p_callout));
	CHECK(callout_stop(&never.p_callout));
	/* With the clock on its way for the next tick: nothing overflows. */
	callout_schedule(&now.p_callout, 1);
	CHECK(!callout_schedule(&never.p_callout, UINT64_MAX));
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(now.p_runs, 2);
	CHECK(callout_stop(&never.p_callout));
	callout_schedule(&now.p_callout, 1);
	CHECK(!callout_reset(&never.p_callout, UINT64_MAX, probe_run, &never));
	lwp_sleep_ns(NS_PER_MS);
	CHECK(callout_stop(&never.p_callout));
}

/* A lone callout far away must not keep the clock ticking: the CPU sleeps until it is due. */
SIM_TEST(tickless, 1, 0)
{
	struct probe p;
	uint64_t switches;

	probe_init(&p);
	probe_arm(&p, 60 * NS_PER_S);
	switches = curcpu()->ci_handoffs;
	lwp_sleep_ns(70 * NS_PER_S);
	CHECK_EQ(p.p_runs, 1);
	CHECK(curcpu()->ci_handoffs - switches <= 6);
}

/* ---- Arming again ---- */

SIM_TEST(arming_again_moves, 1, 50)
{
	struct probe p;

	probe_init(&p);
	probe_arm(&p, 2 * NS_PER_MS);
	CHECK(probe_arm(&p, 40 * NS_PER_MS));
	lwp_sleep_ns(20 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 0);
	CHECK(probe_arm(&p, NS_PER_MS));
	lwp_sleep_ns(10 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 1);
	lwp_sleep_ns(50 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 1);
}

SIM_TEST(reset_gives_another_function, 1, 0)
{
	struct probe p;

	probe_init(&p);
	order_next = 6;
	probe_arm(&p, NS_PER_MS);
	CHECK(callout_reset(&p.p_callout, NS_PER_MS, order_run, &p));
	lwp_sleep_ns(5 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 7);
}

SIM_TEST(arms_itself_and_stops_itself, 1, 50)
{
	struct probe p;

	probe_init(&p);
	p.p_again = 9;
	p.p_period_ns = NS_PER_MS;
	probe_arm(&p, NS_PER_MS);
	lwp_sleep_ns(50 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 10);
}

static void destroy_run(void *arg)
{
	struct probe *p = arg;

	callout_destroy(&p->p_callout);
	memset(p, 0xa5, sizeof(*p)); /* as if it were freed */
	order_next++;
}

SIM_TEST(function_frees_what_it_stands_in, 2, 50)
{
	struct probe p, q;
	size_t i;

	probe_init(&p);
	probe_init(&q);
	callout_reset(&p.p_callout, NS_PER_MS, destroy_run, &p);
	probe_arm(&q, NS_PER_MS);
	lwp_sleep_ns(5 * NS_PER_MS);
	CHECK_EQ(order_next, 1);
	CHECK_EQ(q.p_runs, 1);
	for (i = 0; i < sizeof(p); i++)
		CHECK_EQ(((unsigned char *)&p)[i], 0xa5); /* nobody touched it since */
}

/* ---- Several CPUs ---- */

/* A function that sleeps with a time limit holds up its CPU's callouts, not its own limit; nor does
 * one that waits for a mutex hold up the limit of the mutex's owner. */
SIM_TEST(time_limits_within_functions, 1, 50)
{
	struct mutex m;
	struct probe p;

	mutex_init(&m, "device", IPL_SOFTCLOCK);
	probe_init(&p);
	p.p_work_ns = 3 * NS_PER_MS;
	p.p_mutex = &m;
	mutex_enter(&m);
	probe_arm(&p, NS_PER_MS);
	lwp_sleep_ns(5 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 1); /* and waits */
	mutex_exit(&m);
	lwp_sleep_ns(5 * NS_PER_MS);
	CHECK(!p.p_running);
}

static void wake_main(void *arg)
{
	*(unsigned *)arg += 1;
	CHECK_EQ(curlwp->l_ipl, IPL_SCHED);
	CHECK(!port_intr_enabled());
	sleepq_wake(arg, -1);
}

SIM_TEST(hard_ones, 2, 100)
{
	static struct callout c[100];
	unsigned ran = 0, i, stopped = 0;
	uint64_t when_ns = clock_ns() + 20 * NS_PER_MS;

	for (i = 0; i < 100; i++) {
		callout_init_hard(&c[i]);
		callout_setfunc(&c[i], wake_main, &ran);
		callout_schedule_at(&c[i], when_ns);
	}
	lwp_sleep_ns(20 * NS_PER_MS + sim_random(200 * NS_PER_US));
	for (i = 0; i < 100; i++) {
		stopped += callout_halt(&c[i], NULL);
		callout_destroy(&c[i]);
	}
	CHECK_EQ(ran + stopped, 100);
	callout_init_hard(&c[0]);
	callout_reset(&c[0], 0, wake_main, &ran);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(ran + stopped, 101);
}

SIM_TEST(moves_to_who_arms, 3, 50)
{
	struct probe p;

	probe_init(&p);
	on_cpu_done(1, arm_5ms, &p);
	on_cpu_done(2, arm_5ms, &p);
	lwp_sleep_ns(20 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 1);
	CHECK(p.p_cpu == cpu_lookup(2));
	on_cpu_done(1, arm_5ms, &p);
	CHECK(callout_stop(&p.p_callout)); /* from another CPU */
	lwp_sleep_ns(20 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 1);
}

SIM_TEST(armed_elsewhere_while_it_runs, 2, 100)
{
	struct probe p;

	probe_init(&p);
	p.p_work_ns = 10 * NS_PER_MS;
	on_cpu_done(1, arm_5ms, &p);
	lwp_sleep_ns(8 * NS_PER_MS);
	CHECK(callout_invoking(&p.p_callout));
	CHECK(!probe_arm(&p, 0)); /* due before the run has ended; probe_run() minds */
	lwp_sleep_ns(40 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 2);
	CHECK(p.p_cpu == cpu_lookup(1));
}

static void hammer(void *arg)
{
	struct probe *p = arg;
	unsigned i;
	int error;

	for (i = 0; i < 30; i++) {
		switch (sim_random(8)) {
		case 0:
			callout_stop(&p->p_callout);
			break;
		case 1:
			callout_halt(&p->p_callout, NULL);
			break;
		case 2:
			callout_schedule_periodic(&p->p_callout, 1 + sim_random(300) * NS_PER_US);
			break;
		case 3:
			callout_schedule_deferred(&p->p_callout, sim_random(300) * NS_PER_US);
			break;
		case 4:
			callout_tolerance(&p->p_callout, sim_random(2) * 200 * NS_PER_US);
			break;
		case 5:
			error = callout_bind(&p->p_callout, cpu_lookup((unsigned)sim_random(4)));
			CHECK(error == 0 || error == EBUSY);
			break;
		default:
			callout_schedule(&p->p_callout, sim_random(300) * NS_PER_US);
		}
		if (sim_random(3) == 0)
			lwp_sleep_ns(sim_random(200) * NS_PER_US);
	}
}

SIM_TEST(everything_at_once, 3, 200)
{
	struct probe p;
	struct lwp *l[3];
	unsigned i;

	probe_init(&p);
	p.p_work_ns = 50 * NS_PER_US;
	for (i = 0; i < 3; i++)
		on_cpu(i, hammer, &p, &l[i]);
	for (i = 0; i < 3; i++)
		lwp_join(l[i]);
	callout_shutdown(&p.p_callout, NULL);
	CHECK(!p.p_running);
	CHECK(!callout_pending(&p.p_callout));
	callout_destroy(&p.p_callout);
}

/* What a blocked function holds up: the callouts of its own CPU, and no others. */
SIM_TEST(blocked_function_holds_up_its_cpu, 2, 50)
{
	struct probe slow, here, there;

	probe_init(&slow);
	probe_init(&here);
	probe_init(&there);
	slow.p_work_ns = 30 * NS_PER_MS;
	on_cpu_done(1, arm_5ms, &slow);
	on_cpu_done(1, arm_5ms, &here);
	on_cpu_done(0, arm_5ms, &there);
	lwp_sleep_ns(15 * NS_PER_MS);
	CHECK_EQ(slow.p_runs + here.p_runs, 1); /* either may have come first */
	CHECK_EQ(there.p_runs, 1);
	lwp_sleep_ns(50 * NS_PER_MS);
	CHECK_EQ(slow.p_runs + here.p_runs, 2);
}

/* ---- Periodic ---- */

SIM_TEST(periodic_does_not_drift, 2, 50)
{
	uint64_t begin_ns, behind_ns;
	struct probe p;
	unsigned i;

	probe_init(&p);
	p.p_work_ns = NS_PER_MS;
	begin_ns = clock_ns();
	CHECK(!callout_schedule_periodic(&p.p_callout, 3 * NS_PER_MS));
	for (i = 1; i <= 50; i++) {
		lwp_sleep_ns(begin_ns + i * 3 * NS_PER_MS + 2 * NS_PER_MS - clock_ns());
		CHECK_EQ(p.p_runs, i);
		behind_ns = p.p_ran_ns - begin_ns - i * 3 * NS_PER_MS;
		CHECK(behind_ns <= CALLOUT_RESOLUTION_NS + 2 * SLACK_NS);
		CHECK(callout_pending(&p.p_callout));
		CHECK(callout_expired(&p.p_callout));
	}
	CHECK_EQ(callout_missed(&p.p_callout), 0);
	CHECK(callout_halt(&p.p_callout, NULL));
	CHECK(!callout_active(&p.p_callout));
}

/* A run takes three periods and more: the times meanwhile are left out, and counted. */
SIM_TEST(periodic_leaves_out_what_it_misses, 1, 50)
{
	const uint64_t period_ns = NS_PER_MS + NS_PER_MS / 7;
	uint64_t begin_ns, runs, missed, times;
	struct probe p;

	probe_init(&p);
	p.p_work_ns = 4 * NS_PER_MS;
	callout_schedule_periodic(&p.p_callout, period_ns);
	begin_ns = clock_ns();
	lwp_sleep_ns(100 * NS_PER_MS);
	CHECK(callout_halt(&p.p_callout, NULL));
	missed = callout_missed(&p.p_callout);
	runs = p.p_runs;
	CHECK(runs >= 22 && runs <= 26);
	times = (p.p_ran_ns - begin_ns) / period_ns;
	CHECK(runs + missed == times || runs + missed == times + 1);
	callout_schedule_periodic(&p.p_callout, NS_PER_S);
	CHECK_EQ(callout_missed(&p.p_callout), 0);
	CHECK(callout_stop(&p.p_callout));
}

static void stop_fifth(void *arg)
{
	struct probe *p = arg;

	CHECK(callout_pending(&p->p_callout));
	if (++p->p_runs % 5 != 0)
		return;
	if (p->p_again == 0)
		CHECK(callout_stop(&p->p_callout));
	else if (p->p_again == 1)
		CHECK(callout_halt(&p->p_callout, NULL));
	else if (p->p_again == 2)
		CHECK(callout_schedule(&p->p_callout, 2 * NS_PER_MS)); /* one-shot */
	if (p->p_again == 3) {
		CHECK(callout_stop(&p->p_callout));
		callout_destroy(&p->p_callout);
		memset(&p->p_callout, 0xa5, sizeof(p->p_callout));
	}
}

static void count_and_check(void *arg)
{
	struct probe *p = arg;

	CHECK(!callout_pending(&p->p_callout));
	p->p_runs++;
}

SIM_TEST(periodic_stops_itself, 1, 20)
{
	struct probe p;

	probe_init(&p);
	for (p.p_again = 0; p.p_again < 4; p.p_again++) {
		p.p_runs = 0;
		callout_setfunc(&p.p_callout, stop_fifth, &p);
		callout_schedule_periodic(&p.p_callout, NS_PER_MS);
		lwp_sleep_ns(5 * NS_PER_MS + NS_PER_MS / 2);
		if (p.p_again == 2) { /* one-shot by now, and over */
			CHECK_EQ(p.p_runs, 5);
			CHECK(callout_reset(&p.p_callout, 0, count_and_check, &p));
		}
		lwp_sleep_ns(20 * NS_PER_MS);
		CHECK_EQ(p.p_runs, p.p_again == 2 ? 6 : 5);
	}
}

static void count_run(void *arg)
{
	((struct probe *)arg)->p_runs++;
}

/* Shorter than the resolution: a run a tick at most, and others get their turn. */
SIM_TEST(periodic_every_nanosecond, 1, 0)
{
	struct probe fast, other;

	probe_init(&fast);
	probe_init(&other);
	callout_setfunc(&fast.p_callout, count_run, &fast);
	callout_schedule_periodic(&fast.p_callout, 1);
	probe_arm(&other, NS_PER_MS);
	lwp_sleep_ns(10 * NS_PER_MS);
	CHECK(callout_halt(&fast.p_callout, NULL));
	CHECK(fast.p_runs > 50 && fast.p_runs <= 10 * NS_PER_MS / CALLOUT_RESOLUTION_NS + 2);
	CHECK_EQ(other.p_runs, 1);
}

/* ---- Deferred ---- */

static unsigned deferring_filter(void *arg)
{
	struct probe *p = arg;

	p->p_due_ns = clock_ns() + 2 * NS_PER_MS;
	p->p_again = callout_schedule_deferred(&p->p_callout, 2 * NS_PER_MS);
	CHECK(callout_pending(&p->p_callout));
	return FILTER_HANDLED;
}

static struct sim_line *filter_make(struct probe *p)
{
	struct sim_line *sl = sim_line_create("dev", INTR_EDGE, 0, 0);
	struct intr_handler *ih;

	CHECK_EQ(intr_establish(sl->sl_source, "dev", IPL_NET, 0, deferring_filter, NULL, p, &ih),
	    0);
	return sl;
}

static void raise_line(void *arg)
{
	sim_line_raise(arg);
}

SIM_TEST(deferred_from_a_filter, 2, 100)
{
	struct probe p;
	struct sim_line *sl;
	size_t bytes;
	uint64_t due_ns;

	probe_init(&p);
	sl = filter_make(&p);
	bytes = sim_mem_bytes();
	sim_at(sim_random(NS_PER_MS), raise_line, sl);
	lwp_sleep_ns(2 * NS_PER_MS);
	CHECK_EQ(p.p_again, 0);
	p.p_again = 0;
	lwp_sleep_ns(5 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 1);
	CHECK(p.p_ran_ns - p.p_due_ns <= CALLOUT_RESOLUTION_NS + SLACK_NS);
	CHECK(p.p_cpu == cpu_lookup(0));
	CHECK_EQ(sim_mem_bytes(), bytes);
	due_ns = clock_ns() + NS_PER_S; /* one that is armed moves */
	CHECK(!probe_arm(&p, NS_PER_S));
	sim_at(0, raise_line, sl);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(p.p_again, 1);
	p.p_again = 0;
	lwp_sleep_ns(5 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 2);
	lwp_sleep_ns(due_ns - clock_ns() + NS_PER_MS);
	CHECK_EQ(p.p_runs, 2);
}

/* Whether it stands in the list of the deferred or in the wheel, stop tells the truth. */
SIM_TEST(deferred_and_stopped, 2, 200)
{
	unsigned i, prevented = 0;
	struct sim_line *sl;
	struct probe p;

	probe_init(&p);
	sl = filter_make(&p);
	for (i = 0; i < 10; i++) {
		sim_at(0, raise_line, sl);
		lwp_sleep_ns(
		    sim_random(2) == 0 ? sim_random(30 * NS_PER_US) : sim_random(3 * NS_PER_MS));
		sim_settle(); /* the filter has run; the softint may have */
		p.p_again = 0;
		if (callout_stop(&p.p_callout))
			prevented++;
		CHECK(!callout_pending(&p.p_callout));
		lwp_sleep_ns(5 * NS_PER_MS);
		CHECK_EQ(p.p_runs + prevented, i + 1);
	}
}

static void defer_2ms(void *arg)
{
	struct probe *p = arg;
	struct mutex m;

	mutex_init(&m, "spin", IPL_VM);
	mutex_enter(&m);
	p->p_due_ns = clock_ns() + 2 * NS_PER_MS;
	callout_schedule_deferred(&p->p_callout, 2 * NS_PER_MS);
	CHECK(callout_pending(&p->p_callout));
	if (sim_random(2) == 0)
		sim_work(100 * NS_PER_US);
	mutex_exit(&m);
	mutex_destroy(&m);
}

/* With a spin mutex held, and while the function runs on another CPU: it stays there. */
SIM_TEST(deferred_while_it_runs, 3, 100)
{
	struct probe p;

	probe_init(&p);
	p.p_work_ns = 4 * NS_PER_MS;
	on_cpu_done(1, arm_5ms, &p);
	lwp_sleep_ns(7 * NS_PER_MS);
	CHECK(callout_invoking(&p.p_callout));
	on_cpu_done(2, defer_2ms, &p);
	lwp_sleep_ns(10 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 2);
	CHECK(p.p_cpu == cpu_lookup(1));
	on_cpu_done(2, defer_2ms, &p);
	lwp_sleep_ns(10 * NS_PER_MS);
	CHECK_EQ(p.p_runs, 3);
	CHECK(p.p_cpu == cpu_lookup(2));
}

/* ---- Bound ---- */

SIM_TEST(bound_runs_where_it_is_bound, 3, 100)
{
	struct probe p;
	unsigned i;

	probe_init(&p);
	CHECK_EQ(callout_bind(&p.p_callout, cpu_lookup(1)), 0);
	for (i = 1; i <= 3; i++) {
		p.p_cpu = NULL;
		if (i == 1)
			probe_arm(&p, 2 * NS_PER_MS);
		else if (i == 2)
			on_cpu_done(2, arm_5ms, &p);
		else
			on_cpu_done(2, defer_2ms, &p);
		CHECK_EQ(callout_bind(&p.p_callout, cpu_lookup(2)), EBUSY);
		lwp_sleep_ns(7 * NS_PER_MS);
		CHECK_EQ(p.p_runs, i);
		CHECK(p.p_cpu == cpu_lookup(1));
		CHECK(p.p_ran_ns - p.p_due_ns <= CALLOUT_RESOLUTION_NS + 2 * SLACK_NS);
	}
	p.p_due_ns = 0;
	callout_schedule_periodic(&p.p_callout, NS_PER_MS);
	lwp_sleep_ns(10 * NS_PER_MS);
	CHECK(p.p_cpu == cpu_lookup(1));
	CHECK(callout_halt(&p.p_callout, NULL));
	CHECK(p.p_runs >= 12);
	CHECK_EQ(callout_bind(&p.p_callout, NULL), 0);
	on_cpu_done(2, arm_5ms, &p);
	lwp_sleep_ns(10 * NS_PER_MS);
	CHECK(p.p_cpu == cpu_lookup(2));
}

SIM_TEST(bound_while_it_runs, 2, 50)
{
	struct probe p;

	probe_init(&p);
	p.p_work_ns = 5 * NS_PER_MS;
	on_cpu_done(1, arm_5ms, &p);
	lwp_sleep_ns(7 * NS_PER_MS);
	CHECK(callout_invoking(&p.p_callout));
	CHECK_EQ(callout_bind(&p.p_callout, cpu_lookup(0)), EBUSY);
	CHECK_EQ(callout_bind(&p.p_callout, cpu_lookup(1)), 0);
	callout_halt(&p.p_callout, NULL);
	probe_arm(&p, NS_PER_MS);
	lwp_sleep_ns(10 * NS_PER_MS);
	CHECK(p.p_cpu == cpu_lookup(1));
}

/* ---- Tolerance ---- */

#define NEIGHBOURS 60

/* At most one wakeup in 128 ticks, which every stretch of that tolerance has the end of. */
SIM_TEST(neighbours_share_a_wakeup, 1, 20)
{
	const uint64_t tolerance_ns = 153 * (uint64_t)CALLOUT_RESOLUTION_NS;
	static struct probe p[NEIGHBOURS];
	uint64_t handoffs, late_ns;
	unsigned i;

	for (i = 0; i < NEIGHBOURS; i++) {
		probe_init(&p[i]);
		callout_tolerance(&p[i].p_callout, tolerance_ns);
		probe_arm(&p[i], NS_PER_MS + sim_random(100 * NS_PER_MS));
	}
	handoffs = curcpu()->ci_handoffs;
	lwp_sleep_ns(150 * NS_PER_MS);
	CHECK(curcpu()->ci_handoffs - handoffs <= 110 * NS_PER_MS / (128 * 65536) + 3);
	for (i = 0; i < NEIGHBOURS; i++) {
		CHECK_EQ(p[i].p_runs, 1);
		late_ns = p[i].p_ran_ns - p[i].p_due_ns;
		CHECK(late_ns <= tolerance_ns + CALLOUT_RESOLUTION_NS + 2 * SLACK_NS);
	}
}

/* The clock comes anyway for one that does not tolerate anything: both run then. */
SIM_TEST(tolerant_joins_its_neighbour, 1, 20)
{
	struct probe strict, lax;

	probe_init(&strict);
	probe_init(&lax);
	callout_tolerance(&lax.p_callout, 4 * NS_PER_MS);
	probe_arm(&strict, 7 * NS_PER_MS);
	probe_arm(&lax, 4 * NS_PER_MS);
	lwp_sleep_ns(10 * NS_PER_MS);
	CHECK_EQ(strict.p_runs + lax.p_runs, 2);
	CHECK(lax.p_ran_ns >= strict.p_due_ns);
	callout_tolerance(&lax.p_callout, 0);
	probe_arm(&strict, 7 * NS_PER_MS);
	probe_arm(&lax, 4 * NS_PER_MS);
	lwp_sleep_ns(10 * NS_PER_MS);
	CHECK(lax.p_ran_ns - lax.p_due_ns <= CALLOUT_RESOLUTION_NS + SLACK_NS);
}

/* Cancelled ones leave no interrupts behind: a thousand, spread over slots of three levels. */
SIM_TEST(cancelled_cost_nothing_later, 1, 0)
{
	uint64_t handoffs;
	struct probe p;
	unsigned i;

	probe_init(&p);
	for (i = 1; i <= 1000; i++) {
		probe_arm(&p, i * 50 * NS_PER_MS);
		CHECK(callout_stop(&p.p_callout));
	}
	handoffs = curcpu()->ci_handoffs;
	lwp_sleep_ns(60 * NS_PER_S);
	CHECK(curcpu()->ci_handoffs - handoffs <= 2);
	CHECK_EQ(p.p_runs, 0);
}

/* ---- Misuse is named ---- */

static unsigned arming_filter(void *arg)
{
	callout_schedule(&((struct probe *)arg)->p_callout, NS_PER_MS);
	return FILTER_HANDLED;
}

SIM_PANIC(armed_from_a_filter, 1, "that is callout_schedule_deferred()")
{
	struct sim_line *sl = sim_line_create("dev", INTR_EDGE, 0, 0);
	struct intr_handler *ih;
	struct probe p;

	probe_init(&p);
	CHECK_EQ(intr_establish(sl->sl_source, "dev", IPL_NET, 0, arming_filter, NULL, &p, &ih), 0);
	sim_line_raise(sl);
	sim_settle();
}

SIM_PANIC(armed_with_a_spin_mutex, 1, "with a spin mutex held")
{
	struct mutex m;
	struct probe p;

	probe_init(&p);
	mutex_init(&m, "spin", IPL_VM);
	mutex_enter(&m);
	probe_arm(&p, NS_PER_MS);
}

static void leaves_it_raised(void *arg)
{
	(void)arg;
	(void)splraise(IPL_NET);
}

SIM_PANIC(function_leaves_the_level_raised, 1, "returned at level net, preemption 0, interrupts on")
{
	struct callout c;

	callout_init(&c);
	callout_reset(&c, NS_PER_MS, leaves_it_raised, NULL);
	lwp_sleep_ns(5 * NS_PER_MS);
}

SIM_PANIC(armed_without_a_function, 1, "without a function")
{
	struct callout c;

	callout_init(&c);
	callout_schedule(&c, NS_PER_MS);
}

SIM_PANIC(destroyed_while_armed, 1, "destroyed while armed")
{
	struct probe p;

	probe_init(&p);
	probe_arm(&p, NS_PER_S);
	callout_destroy(&p.p_callout);
}

SIM_PANIC(used_after_destroy, 1, "not initialised, or destroyed")
{
	struct probe p;

	probe_init(&p);
	callout_destroy(&p.p_callout);
	probe_arm(&p, NS_PER_S);
}

SIM_PANIC(period_of_0, 1, "a period of 0")
{
	struct probe p;

	probe_init(&p);
	callout_schedule_periodic(&p.p_callout, 0);
}

SIM_PANIC(hard_and_deferred, 1, "not deferred")
{
	struct callout c;

	callout_init_hard(&c);
	callout_setfunc(&c, wake_main, &c);
	callout_schedule_deferred(&c, 0);
}
