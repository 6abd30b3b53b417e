/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_lwp.c - lwps made, parked, woken, ended; memory that runs out on the way.
 */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>
#include <sim/sim.h>

static unsigned ran;

static void count(void *arg)
{
	(void)arg;
	CHECK(port_intr_enabled());
	CHECK_EQ(curlwp->l_ipl, IPL_NONE);
	ran++;
}

SIM_TEST(runs_and_is_joined, 1, 0)
{
	struct lwp *l;

	CHECK_EQ(lwp_create("one", PRI_KERNEL, NULL, LWP_JOINABLE, count, NULL, &l), 0);
	CHECK_STR(l->l_name, "one");
	lwp_join(l);
	CHECK_EQ(ran, 1);
	CHECK_EQ(lwp_create("two", PRI_MAX, NULL, 0, count, NULL, NULL), 0);
	CHECK_EQ(ran, 2); /* more urgent than this one */
}

SIM_TEST(create_refuses, 1, 0)
{
	struct lwp *l;

	CHECK_EQ(lwp_create("x", 0, NULL, 0, count, NULL, &l), EINVAL);
	CHECK_EQ(lwp_create("x", PRI_MAX + 1, NULL, 0, count, NULL, &l), EINVAL);
	CHECK_EQ(lwp_create("x", -1, NULL, 0, count, NULL, &l), EINVAL);
	CHECK_EQ(lwp_create("x", PRI_KERNEL, NULL, LWP_ITHREAD, count, NULL, &l), EINVAL);
	CHECK_EQ(lwp_create("x", PRI_KERNEL, NULL, 0, NULL, NULL, &l), EINVAL);
}

SIM_TEST(long_name_is_cut, 1, 0)
{
	struct lwp *l;

	CHECK_EQ(lwp_create("a name that is longer than it may be", PRI_KERNEL, NULL, LWP_JOINABLE,
		     count, NULL, &l),
	    0);
	CHECK_EQ(strlen(l->l_name), LWP_NAME_MAX - 1);
	lwp_join(l);
}

SIM_TEST(create_without_memory, 1, 0)
{
	struct lwp *l;
	size_t before;
	unsigned n = 0;
	int error;

	/* One that has ended leaves its struct behind for all to come (type-stable). */
	CHECK_EQ(lwp_create("first", PRI_KERNEL, NULL, LWP_JOINABLE, count, NULL, &l), 0);
	lwp_join(l);
	before = sim_mem_bytes();
	do {
		sim_mem_fail(++n);
		error = lwp_create("x", PRI_KERNEL, NULL, LWP_JOINABLE, count, NULL, &l);
		CHECK_EQ(error, sim_mem_failed() ? ENOMEM : 0);
		CHECK(error == 0 || sim_mem_bytes() == before);
	} while (error != 0);
	CHECK(n > 2);
	sim_mem_fail(0);
	lwp_join(l);
	CHECK_EQ(ran, 2);
	CHECK_EQ(sim_mem_bytes(), before);
}

SIM_TEST(struct_without_memory, 1, 0)
{
	size_t before = sim_mem_bytes();

	sim_mem_fail(1);
	CHECK_EQ(lwp_create("x", PRI_KERNEL, NULL, 0, count, NULL, NULL), ENOMEM);
	CHECK_EQ(sim_mem_bytes(), before);
}

/* Made and ended over and over, joined or not: nothing leaks. */
SIM_TEST(ends_leave_nothing, 2, 50)
{
	struct lwp *l[4];
	size_t before = 0;

	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < 4; i++)
			CHECK_EQ(lwp_create("x", PRI_MIN + (int)sim_random(PRI_MAX), NULL,
				     i % 2 ? LWP_JOINABLE : 0, count, NULL, &l[i]),
			    0);
		lwp_join(l[1]);
		lwp_join(l[3]);
		sim_settle();
		if (round == 0)
			before = sim_mem_bytes();
	}
	CHECK_EQ(ran, 24);
	/* At most a few struct lwp more than after the first round. */
	CHECK(sim_mem_bytes() <= before + 4 * sizeof(struct lwp));
}

static bool parked;

static void park(void *arg)
{
	(void)arg;
	parked = true;
	sim_point(SIM_TEST);
	lwp_park();
	ran++;
}

/* Park and unpark in either order: never asleep for ever (I8). */
SIM_TEST(park_and_unpark_meet, 2, 200)
{
	struct lwp *l;

	CHECK_EQ(lwp_create("sleeper", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, park, NULL, &l), 0);
	while (!parked)
		port_pause();
	for (uint64_t i = sim_random(30); i > 0; i--)
		sim_point(SIM_TEST);
	lwp_unpark(l);
	lwp_join(l);
	CHECK_EQ(ran, 1);
}

static bool level_ok;

static void sleep_raised(void *arg)
{
	int s = splraise(IPL_NET);

	(void)arg;
	lwp_sleep_ns(NS_PER_MS);
	level_ok = curlwp->l_ipl == IPL_NET;
	splx(s);
}

/* A level is let go while its lwp sleeps, and is there again afterwards. */
SIM_TEST(level_travels_with_the_lwp, 1, 0)
{
	struct lwp *l;

	CHECK_EQ(lwp_create("raised", PRI_MAX, NULL, LWP_JOINABLE, sleep_raised, NULL, &l), 0);
	CHECK_EQ(l->l_state, LWP_SLEEP);
	CHECK_EQ(curlwp->l_ipl, IPL_NONE);
	lwp_join(l);
	CHECK(level_ok);
}

static unsigned seen;

static void see(struct lwp *l, void *arg)
{
	(void)arg;
	CHECK(l->l_name[0] != '\0');
	CHECK(lwp_state_name(l)[0] != '?');
	seen++;
}

SIM_TEST(each_sees_all, 1, 0)
{
	unsigned before;
	struct lwp *l;

	lwp_each(see, NULL);
	before = seen;
	CHECK_EQ(lwp_create("more", PRI_MIN, NULL, LWP_JOINABLE, count, NULL, &l), 0);
	seen = 0;
	lwp_each(see, NULL);
	CHECK_EQ(seen, before + 1);
	lwp_join(l);
	seen = 0;
	lwp_each(see, NULL);
	CHECK_EQ(seen, before);
}

static void exit_raised(void *arg)
{
	(void)arg;
	splraise(IPL_NET);
}

SIM_PANIC(exits_at_a_level, 1, "exits at level")
{
	CHECK_EQ(lwp_create("bad", PRI_MAX, NULL, 0, exit_raised, NULL, NULL), 0);
	sim_settle();
}
