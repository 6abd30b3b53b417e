/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_callout.c - the wheel (never early, late by the resolution at most, in order), and what stop,
 * halt, trystop and shutdown promise while functions run on any CPU (I10).
 */
#include "unit.h"

#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/spl.h>
#include <sim/sim.h>
#include <string.h>

#define SLACK_NS (100 * NS_PER_US) /* of the simulated machine: points between clock and softint */

struct probe {
	struct callout p_callout;
	uint64_t p_due_ns;
	uint64_t p_ran_ns;
	uint64_t p_work_ns; /* how long the function takes, asleep */
	unsigned p_runs;
	unsigned p_again; /* so many times it arms itself again */
	uint64_t p_period_ns;
	bool p_running;
	struct cpu *p_cpu;
	struct mutex *p_mutex; /* what the function takes, or NULL */
};

static void probe_run(void *arg)
{
	struct probe *p = arg;

	CHECK(!p->p_running);
	p->p_running = true;
	CHECK_EQ(curlwp->l_ipl, IPL_SOFTCLOCK);
	CHECK(port_intr_enabled());
	p->p_ran_ns = clock_ns();
	CHECK(p->p_ran_ns >= p->p_due_ns);
	p->p_cpu = curcpu();
	p->p_runs++;
	if (p->p_mutex != NULL)
		mutex_enter(p->p_mutex);
	sim_point(SIM_TEST);
	if (p->p_work_ns != 0)
		lwp_sleep_ns(p->p_work_ns);
	sim_point(SIM_TEST);
	if (p->p_again > 0) {
		p->p_again--;
		p->p_due_ns = clock_ns() + p->p_period_ns;
		callout_schedule(&p->p_callout, p->p_period_ns);
	}
	if (p->p_mutex != NULL)
		mutex_exit(p->p_mutex);
	p->p_running = false;
}

static void probe_init(struct probe *p)
{
	memset(p, 0, sizeof(*p));
	callout_init(&p->p_callout);
	callout_setfunc(&p->p_callout, probe_run, p);
}

static bool probe_arm(struct probe *p, uint64_t ns)
{
	p->p_due_ns = clock_ns() + ns;
	return callout_schedule(&p->p_callout, ns);
}

static void on_cpu(unsigned cpu, void (*fn)(void *), void *arg, struct lwp **out)
{
	CHECK_EQ(lwp_create("other", PRI_KERNEL, cpu_lookup(cpu), LWP_JOINABLE, fn, arg, out), 0);
}

static void on_cpu_done(unsigned cpu, void (*fn)(void *), void *arg)
{
	struct lwp *l;

	on_cpu(cpu, fn, arg, &l);
	lwp_join(l);
}

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

static void arm_5ms(void *arg)
{
	probe_arm(arg, 5 * NS_PER_MS);
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

	for (i = 0; i < 30; i++) {
		switch (sim_random(4)) {
		case 0:
			callout_stop(&p->p_callout);
			break;
		case 1:
			callout_halt(&p->p_callout, NULL);
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

/* ---- Stop, halt and their kin ---- */

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

static void arm_often(void *arg)
{
	unsigned i;

	for (i = 0; i < 20; i++) {
		callout_schedule(&((struct probe *)arg)->p_callout, 20 * NS_PER_US);
		sim_point(SIM_TEST);
	}
}

SIM_TEST(shutdown_is_for_good, 2, 200)
{
	struct probe p;
	struct lwp *l;
	unsigned runs;

	probe_init(&p);
	on_cpu(1, arm_often, &p, &l);
	lwp_sleep_ns(sim_random(100) * NS_PER_US);
	callout_shutdown(&p.p_callout, NULL);
	runs = p.p_runs;
	CHECK(!p.p_running);
	lwp_join(l);
	CHECK(!callout_schedule(&p.p_callout, 0));
	CHECK(!callout_reset(&p.p_callout, 0, probe_run, &p));
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(p.p_runs, runs);
	CHECK(!callout_pending(&p.p_callout));
	callout_destroy(&p.p_callout);
}

/* ---- Misuse is named ---- */

static unsigned arming_filter(void *arg)
{
	callout_schedule(&((struct probe *)arg)->p_callout, NS_PER_MS);
	return FILTER_HANDLED;
}

SIM_PANIC(armed_from_a_filter, 1, "not from a filter")
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

SIM_PANIC(interlock_not_held, 1, "does not hold")
{
	struct mutex m;
	struct probe p;

	mutex_init(&m, "device", IPL_NONE);
	probe_init(&p);
	callout_halt(&p.p_callout, &m);
}
