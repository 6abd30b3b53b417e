/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_races.c - the rules of architecture section 5 while interrupts pour in, over many seeds: I1 no
 * interrupt lost, I2 never beside itself, I3 the mask, I4 order, I5 the pool adds up, I7, I12.
 * I3 and I7 are checked by the simulated machine at every step; the rest by tdev.h and here.
 */
#include "tdev.h"

#include <ithaca/clock.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>

#define SEEDS 150

static struct mutex shared;
static unsigned inside;

/* A mutex that all handlers share with ordinary lwps, taken now and then. */
static void hook_mutex(struct tdev *td)
{
	(void)td;
	if (sim_random(3) == 0)
		return;
	mutex_enter(&shared);
	CHECK_EQ(inside++, 0);
	sim_point(SIM_TEST);
	if (sim_random(8) == 0)
		lwp_sleep_ns(sim_random(20 * NS_PER_US));
	CHECK_EQ(inside--, 1);
	mutex_exit(&shared);
}

static void check_pool(void)
{
	struct ithread_counts c;

	ithread_count(&c);
	CHECK_EQ(c.free + c.spare + c.active + c.divorced, c.total);
	CHECK_EQ(c.active, 0);
	CHECK_EQ(c.divorced, 0);
	CHECK_EQ(c.total, c.target);
}

SIM_TEST(level_line_on_one_cpu, 1, SEEDS)
{
	struct tdev td = {.td_hook = hook_mutex};

	mutex_init(&shared, "shared", IPL_NONE);
	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_NET, true);
	tdev_traffic(&td, 40, 2000);
	sim_settle();
	tdev_check(&td);
	check_pool();
}

SIM_TEST(level_line_without_filter, 2, SEEDS)
{
	struct tdev td = {.td_hook = hook_mutex};

	mutex_init(&shared, "shared", IPL_NONE);
	tdev_init(&td, "dev", INTR_LEVEL, 1, IPL_NET, false);
	tdev_traffic(&td, 40, 2000);
	sim_settle();
	tdev_check(&td);
	check_pool();
}

static void contend(void *arg)
{
	for (unsigned i = 0; i < 20; i++) {
		hook_mutex(NULL);
		if (sim_random(4) == 0)
			lwp_yield();
	}
	(*(unsigned *)arg)--;
}

/* Everything at once on 4 CPUs: level, shared, edge, message; handlers that block; lwps that
 * contend. */
SIM_TEST(mix_on_four_cpus, 4, SEEDS)
{
	static struct tdev td[6];
	unsigned lwps = 4;

	mutex_init(&shared, "shared", IPL_NONE);
	for (unsigned i = 0; i < 6; i++)
		td[i].td_hook = hook_mutex;
	tdev_init(&td[0], "level", INTR_LEVEL, 0, IPL_NET, true);
	tdev_share(&td[1], &td[0], "shared", IPL_BIO, false);
	tdev_init(&td[2], "edge", INTR_EDGE, 1, IPL_BIO, true);
	tdev_init(&td[3], "msi", INTR_MESSAGE, 2, IPL_TTY, true);
	tdev_init(&td[4], "level2", INTR_LEVEL, 0, IPL_NET, true);
	tdev_init(&td[5], "edge2", INTR_EDGE, 0, IPL_TTY, true);
	for (unsigned i = 0; i < 6; i++)
		if (i != 1)
			tdev_traffic(&td[i], 25, 3000);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(lwp_create("contend", PRI_KERNEL, NULL, 0, contend, &lwps, NULL), 0);
	while (lwps != 0) /* one may be asleep when all has settled */
		lwp_sleep_ns(NS_PER_MS);
	sim_settle();
	for (unsigned i = 0; i < 6; i++)
		if (i != 1)
			tdev_check(&td[i]);
	check_pool();
}

/* A device's interrupts on one CPU after another, while its handler runs where it was queued. */
SIM_TEST(bind_under_fire, 3, SEEDS)
{
	static struct tdev td[3];

	mutex_init(&shared, "shared", IPL_NONE);
	for (unsigned i = 0; i < 3; i++) {
		td[i].td_hook = hook_mutex;
		tdev_init(&td[i], "dev", (enum intr_trigger)i, i, IPL_NET, true);
		tdev_traffic(&td[i], 40, 3000);
	}
	for (unsigned n = 0; n < 20; n++) {
		const struct sim_line *sl = td[n % 3].td_line;
		unsigned to = (unsigned)sim_random(3);

		CHECK_EQ(intr_bind(sl->sl_source, cpu_lookup(to)), 0);
		/* Nothing is on its way to the CPU before any more. */
		CHECK_EQ((sl->sl_flight | sl->sl_service) & ~CPUSET(to), 0);
	}
	sim_settle();
	for (unsigned i = 0; i < 3; i++)
		tdev_check(&td[i]);
	check_pool();
}

static void inject_event(void *arg)
{
	struct tdev *td = arg;

	sim_line_inject(td->td_line, (unsigned)sim_random(sim_random(2) ? 2 : 1));
	if (td->td_left > 0)
		sim_at(sim_random(4000), inject_event, td);
}

/* The classic race of point 4: a delivery that is late or doubled, on another CPU than that whose
 * ithread is just ending. The line must not stay masked. */
SIM_TEST(late_deliveries_leave_no_mask, 2, 2 * SEEDS)
{
	struct tdev td = {0};

	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_NET, true);
	td.td_answer = FILTER_SCHEDULE_THREAD;
	tdev_traffic(&td, 30, 1500);
	sim_at(100, inject_event, &td);
	sim_settle();
	tdev_check(&td);
	check_pool();
}

static void inject_anywhere(void *arg)
{
	struct tdev *td = arg;

	tdev_raise(td);
	sim_line_inject(td->td_line, (unsigned)sim_random(2));
	if (--td->td_left > 0)
		sim_at(sim_random(1500), inject_anywhere, td);
}

/* The same with every delivery asking for a run, from either CPU: one that asks while the handler
 * ends and runs again elsewhere must not leave its bit behind. */
SIM_TEST(requests_of_two_cpus_leave_no_mask, 2, 2 * SEEDS)
{
	struct tdev td = {.td_left = 60};

	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_NET, false);
	sim_at(100, inject_anywhere, &td);
	sim_settle();
	tdev_check(&td);
	check_pool();
}

/* I12, again and again: establish, let it pour, disestablish; freed memory is watched. */
SIM_TEST(disestablish_under_fire, 2, SEEDS)
{
	static struct tdev td[2];

	mutex_init(&shared, "shared", IPL_NONE);
	td[0].td_hook = td[1].td_hook = hook_mutex;
	td[1].td_manual = true;
	tdev_init(&td[0], "stays", INTR_LEVEL, 0, IPL_NET, true);
	tdev_share(&td[1], &td[0], "goes", IPL_BIO, true);
	tdev_traffic(&td[0], 60, 2000);
	for (unsigned n = 0; n < 8; n++) {
		if (sim_random(2) == 0)
			lwp_sleep_ns(sim_random(20 * NS_PER_US));
		if (sim_random(4) == 0)
			hwi_sched(td[1].td_ih);
		CHECK_EQ(intr_disestablish(td[1].td_ih), 0);
		CHECK(!td[1].td_running);
		td[1].td_gone = true;
		if (sim_random(2) == 0)
			lwp_sleep_ns(sim_random(20 * NS_PER_US));
		td[1].td_gone = false;
		tdev_share(&td[1], &td[0], "goes", IPL_BIO, true);
	}
	sim_settle();
	tdev_check(&td[0]);
	check_pool();
}

/* The only handler of a line goes and comes: what was raised meanwhile waits for the next one. */
SIM_TEST(alone_on_its_line_under_fire, 2, SEEDS)
{
	struct tdev td = {0};

	tdev_init(&td, "dev", INTR_LEVEL, 1, IPL_NET, true);
	tdev_traffic(&td, 40, 1500);
	for (unsigned n = 0; n < 10; n++) {
		CHECK_EQ(intr_disestablish(td.td_ih), 0);
		CHECK(td.td_line->sl_masked);
		td.td_gone = true;
		if (sim_random(2) == 0)
			lwp_sleep_ns(sim_random(5 * NS_PER_US));
		td.td_gone = false;
		td.td_ih = NULL;
		tdev_share(&td, &td, "dev", IPL_NET, true);
	}
	sim_settle();
	tdev_check(&td);
	check_pool();
}

static void resched_all(void *arg)
{
	struct tdev *td = arg;

	for (unsigned i = 0; i < 30; i++) {
		hwi_sched(td->td_ih);
		sim_point(SIM_TEST);
	}
	td->td_left--;
}

/* I2: hwi_sched() from 3 CPUs at once, and from the handler itself. */
SIM_TEST(hwi_sched_from_everywhere, 3, SEEDS)
{
	struct sim_line *sl = sim_line_create("soft", INTR_EDGE, 0, 0);
	struct tdev td = {.td_line = sl, .td_hook = hook_mutex, .td_left = 3};

	mutex_init(&shared, "shared", IPL_NONE);
	CHECK_EQ(intr_establish(sl->sl_source, "soft", IPL_TTY, INTR_MANUAL, NULL, tdev_thread, &td,
		     &td.td_ih),
	    0);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("sched", PRI_KERNEL, cpu_lookup(i), 0, resched_all, &td, NULL),
		    0);
	sim_settle();
	CHECK_EQ(td.td_left, 0);
	CHECK(td.td_runs > 0);
	CHECK_EQ(intr_disestablish(td.td_ih), 0);
	check_pool();
}

/* I4: no two handlers of one level of one CPU at work at once, unless one of them has blocked. */
static struct tdev *busy[3];

static void hook_alone(struct tdev *td)
{
	unsigned cpu = curcpu()->ci_index;

	CHECK(busy[cpu] == NULL);
	busy[cpu] = td;
	for (unsigned i = 0; i < 5; i++)
		sim_point(SIM_TEST);
	CHECK(curcpu()->ci_index == cpu);
	CHECK(busy[cpu] == td);
	busy[cpu] = NULL;
}

SIM_TEST(one_drains_a_level, 3, SEEDS)
{
	static struct tdev td[6];

	for (unsigned i = 0; i < 6; i++) {
		td[i].td_hook = hook_alone;
		tdev_init(&td[i], "dev", i % 2 ? INTR_EDGE : INTR_LEVEL, i / 2, IPL_NET, true);
		tdev_traffic(&td[i], 30, 1500);
	}
	sim_settle();
	for (unsigned i = 0; i < 6; i++)
		tdev_check(&td[i]);
	check_pool();
}

static void hook_long_sleep(struct tdev *td)
{
	(void)td;
	lwp_sleep_ns(sim_random(100 * NS_PER_US));
}

/* I6: more sleeping handlers than ithreads, on every CPU: all are served in the end. */
SIM_TEST(starvation_everywhere, 3, SEEDS)
{
	static struct tdev td[12];

	for (unsigned i = 0; i < 12; i++) {
		td[i].td_hook = hook_long_sleep;
		tdev_init(&td[i], "dev", i % 2 ? INTR_EDGE : INTR_LEVEL, i % 3,
		    IPL_BIO + (int)i % 3, true);
		tdev_traffic(&td[i], 10, 20 * NS_PER_US);
	}
	sim_settle();
	for (unsigned i = 0; i < 12; i++)
		tdev_check(&td[i]);
	check_pool();
}

/* The pool grows and shrinks while it is short. */
SIM_TEST(resize_under_fire, 2, SEEDS)
{
	static struct tdev td[8];
	unsigned min, max;
	int error;

	for (unsigned i = 0; i < 8; i++) {
		td[i].td_hook = hook_long_sleep;
		tdev_init(&td[i], "dev", i % 2 ? INTR_EDGE : INTR_LEVEL, i % 2, IPL_NET, true);
		tdev_traffic(&td[i], 12, 20 * NS_PER_US);
	}
	ithread_limits(&min, &max);
	CHECK_EQ(min, 4);
	CHECK_EQ(max, 8);
	for (unsigned n = 0; n < 12; n++) {
		if (sim_random(4) == 0)
			sim_mem_fail(1 + (unsigned)sim_random(4));
		error = ithread_resize(min + (unsigned)sim_random(max - min + 1));
		CHECK(error == 0 || error == ENOMEM);
		lwp_sleep_ns(sim_random(40 * NS_PER_US));
	}
	sim_mem_fail(0);
	sim_settle();
	for (unsigned i = 0; i < 8; i++)
		tdev_check(&td[i]);
	check_pool();
}

static void soft_count(void *arg)
{
	unsigned *n = arg;

	(*n)++;
	hook_mutex(NULL);
}

static struct softint *si;
static unsigned si_asked, si_ran;

static void hook_soft(struct tdev *td)
{
	(void)td;
	si_asked++;
	if (sim_random(2) == 0)
		softint_schedule(si);
	else
		softint_schedule_cpu(si, cpu_lookup((unsigned)sim_random(cpu_count())));
	hook_mutex(td);
}

/* Handlers that leave the rest to a softint, here or on another CPU. */
SIM_TEST(softints_under_fire, 3, SEEDS)
{
	static struct tdev td[3];

	mutex_init(&shared, "shared", IPL_NONE);
	CHECK_EQ(softint_establish("soft", IPL_SOFTNET, soft_count, &si_ran, &si), 0);
	for (unsigned i = 0; i < 3; i++) {
		td[i].td_hook = hook_soft;
		tdev_init(&td[i], "dev", (enum intr_trigger)i, i, IPL_NET, true);
		tdev_traffic(&td[i], 20, 4000);
	}
	sim_settle();
	for (unsigned i = 0; i < 3; i++)
		tdev_check(&td[i]);
	CHECK(si_ran > 0 && si_ran <= si_asked);
	CHECK_EQ(softint_disestablish(si), 0);
	check_pool();
}
