/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_clock.c - time goes forward, and a deadline is kept whatever else the clock interrupts for.
 */
#include "unit.h"

#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/entry.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <sim/sim.h>

static uint64_t ran_ns;

static void note_time(void *unused)
{
	(void)unused;
	ran_ns = clock_ns();
}

static void watch_time(void *arg)
{
	uint64_t *last = arg, now;
	unsigned i;

	for (i = 0; i < 100; i++) {
		now = clock_ns();
		CHECK(now >= *last);
		*last = now;
		sim_point(SIM_TEST);
	}
}

SIM_TEST(time_goes_forward_on_all_cpus, 2, 20)
{
	uint64_t last = 0;
	struct lwp *l;

	CHECK_EQ(lwp_create("other", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, watch_time, &last,
		     &l),
	    0);
	watch_time(&last);
	lwp_join(l);
}

SIM_TEST(delay_is_not_short, 1, 0)
{
	uint64_t before = clock_ns();

	clock_delay(50 * NS_PER_US);
	CHECK(clock_ns() - before >= 50 * NS_PER_US);
}

SIM_TEST(nearer_deadline_wins, 1, 0)
{
	struct cpu *ci = curcpu();
	uint64_t now;
	bool intr = port_intr_disable();

	now = clock_ns();
	clock_want(ci, now + NS_PER_MS);
	CHECK_EQ(ci->ci_clock_next, now + NS_PER_MS);
	clock_want(ci, now + NS_PER_US);
	CHECK_EQ(ci->ci_clock_next, now + NS_PER_US);
	clock_want(ci, now + NS_PER_MS);
	CHECK_EQ(ci->ci_clock_next, now + NS_PER_US);
	port_intr_restore(intr);
}

/* An interrupt that nobody asked for loses no deadline, and runs nothing early. */
SIM_TEST(clock_interrupts_for_nothing, 1, 20)
{
	struct callout c;
	uint64_t due_ns = clock_ns() + 10 * NS_PER_MS;
	unsigned i;

	callout_init(&c);
	callout_setfunc(&c, note_time, NULL);
	callout_schedule_at(&c, due_ns);
	for (i = 0; i < 5; i++) {
		bool intr = port_intr_disable();

		clock_intr();
		port_intr_restore(intr);
		CHECK_EQ(curlwp->l_ipl, IPL_NONE);
		CHECK_EQ(ran_ns, 0);
		lwp_sleep_ns(NS_PER_MS);
	}
	lwp_sleep_ns(20 * NS_PER_MS);
	CHECK(ran_ns >= due_ns);
	CHECK(ran_ns - due_ns < NS_PER_MS);
}

/* A wish that was taken back leaves the others'. */
SIM_TEST(wish_taken_back, 1, 0)
{
	struct callout soon, late;
	uint64_t due_ns = clock_ns() + 30 * NS_PER_MS;

	callout_init(&soon);
	callout_init(&late);
	callout_setfunc(&soon, note_time, NULL);
	callout_setfunc(&late, note_time, NULL);
	callout_schedule_at(&late, due_ns);
	callout_schedule(&soon, NS_PER_MS);
	callout_stop(&soon);
	lwp_sleep_ns(20 * NS_PER_MS);
	CHECK_EQ(ran_ns, 0);
	lwp_sleep_ns(20 * NS_PER_MS);
	CHECK(ran_ns >= due_ns);
}
