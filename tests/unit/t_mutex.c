/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_mutex.c - both kinds of mutex: exclusion, spinning and blocking, and what asserts (I8).
 */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/spl.h>
#include <sim/sim.h>

static struct mutex m;
static unsigned inside, total;

SIM_TEST(enter_exit, 1, 0)
{
	mutex_init(&m, "m", IPL_NET);
	CHECK(!mutex_owned(&m));
	CHECK(mutex_owner(&m) == NULL);
	mutex_enter(&m);
	CHECK(mutex_owned(&m));
	CHECK(mutex_owner(&m) == curlwp);
	CHECK_EQ(curlwp->l_ipl, IPL_NONE); /* adaptive: no level */
	CHECK(port_intr_enabled());
	mutex_exit(&m);
	CHECK(!mutex_owned(&m));
	CHECK(mutex_tryenter(&m));
	mutex_exit(&m);
	mutex_destroy(&m);
}

SIM_TEST(spin_raises, 1, 0)
{
	struct mutex n;

	mutex_init(&m, "m", IPL_VM);
	mutex_init(&n, "n", IPL_SCHED);
	mutex_enter(&m);
	CHECK_EQ(curlwp->l_ipl, IPL_VM);
	CHECK(!port_intr_enabled());
	CHECK(mutex_owned(&m));
	CHECK(mutex_tryenter(&n));
	CHECK(curlwp->l_ipl >= IPL_SCHED);
	/* Out of order: the level comes back with the last. */
	mutex_exit(&m);
	CHECK(!port_intr_enabled());
	mutex_exit(&n);
	CHECK_EQ(curlwp->l_ipl, IPL_NONE);
	CHECK(port_intr_enabled());
	mutex_spin_enter(&m);
	CHECK(!port_intr_enabled());
	mutex_spin_exit(&m);
	CHECK(port_intr_enabled());
}

static void contend(void *arg)
{
	for (unsigned i = 0; i < 25; i++) {
		if (sim_random(8) == 0) {
			if (!mutex_tryenter(&m))
				continue;
		} else {
			mutex_enter(&m);
		}
		CHECK_EQ(inside++, 0);
		CHECK(mutex_owned(&m));
		total++;
		sim_point(SIM_TEST);
		if (!IPL_IS_HARD(m.m_ipl) && sim_random(16) == 0)
			lwp_sleep_ns(sim_random(5000));
		CHECK_EQ(inside--, 1);
		mutex_exit(&m);
		sim_point(SIM_TEST);
	}
	(*(unsigned *)arg)--;
}

static void contend_all(int ipl)
{
	unsigned left = 8;

	mutex_init(&m, "m", ipl);
	for (unsigned i = 0; i < 8; i++)
		CHECK_EQ(lwp_create("contend", PRI_MIN + (int)sim_random(PRI_MAX), NULL, 0, contend,
			     &left, NULL),
		    0);
	while (left > 0)
		lwp_sleep_ns(NS_PER_MS);
	CHECK(total > 8 * 10);
	CHECK(!mutex_owned(&m));
	mutex_destroy(&m);
}

SIM_TEST(adaptive_excludes, 4, 200)
{
	contend_all(IPL_NONE);
}

SIM_TEST(adaptive_excludes_on_one_cpu, 1, 100)
{
	contend_all(IPL_NONE);
}

SIM_TEST(spin_excludes, 3, 100)
{
	contend_all(IPL_VM);
}

static bool is_held(void *arg)
{
	return mutex_owner(arg) != NULL;
}

static bool stop;

static void hold_running(void *arg)
{
	mutex_enter(arg);
	while (!stop)
		port_pause();
	mutex_exit(arg);
}

static void want(void *arg)
{
	mutex_enter(arg);
	total++;
	mutex_exit(arg);
}

/* Spins while the owner runs on another CPU: no switch on this one. */
SIM_TEST(spins_while_owner_runs, 3, 0)
{
	struct lwp *holder, *wanter;

	mutex_init(&m, "m", IPL_NONE);
	CHECK_EQ(lwp_create("holder", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, hold_running, &m,
		     &holder),
	    0);
	sim_run_until(1, is_held, &m);
	CHECK_EQ(lwp_create("wanter", PRI_KERNEL, cpu_lookup(2), LWP_JOINABLE, want, &m, &wanter),
	    0);
	for (unsigned i = 0; i < 1000; i++)
		port_pause();
	CHECK(cpu_lookup(2)->ci_curlwp == wanter);
	CHECK_EQ(wanter->l_state, LWP_ONPROC);
	CHECK_EQ(total, 0);
	stop = true;
	lwp_join(wanter);
	lwp_join(holder);
	CHECK_EQ(total, 1);
}

static void hold_sleeping(void *arg)
{
	mutex_enter(arg);
	lwp_sleep_ns(10 * NS_PER_MS);
	mutex_exit(arg);
}

/* And blocks while the owner is off CPU. */
SIM_TEST(blocks_while_owner_sleeps, 3, 0)
{
	struct lwp *holder, *wanter;

	mutex_init(&m, "m", IPL_NONE);
	CHECK_EQ(lwp_create("holder", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, hold_sleeping, &m,
		     &holder),
	    0);
	sim_run_until(1, is_held, &m);
	CHECK_EQ(lwp_create("wanter", PRI_KERNEL, cpu_lookup(2), LWP_JOINABLE, want, &m, &wanter),
	    0);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(wanter->l_state, LWP_SLEEP);
	CHECK(atomic_load(&wanter->l_wchan) == &m);
	CHECK_EQ(total, 0);
	lwp_join(wanter);
	lwp_join(holder);
	CHECK_EQ(total, 1);
}

SIM_PANIC(recursion, 1, "m")
{
	mutex_init(&m, "m", IPL_NONE);
	mutex_enter(&m);
	mutex_enter(&m);
}

SIM_PANIC(exit_by_another, 1, "m")
{
	mutex_init(&m, "m", IPL_NONE);
	mutex_exit(&m);
}

SIM_PANIC(adaptive_under_spin, 1, "")
{
	struct mutex spin;

	mutex_init(&m, "m", IPL_NONE);
	mutex_init(&spin, "spin", IPL_VM);
	mutex_enter(&spin);
	mutex_enter(&m);
}

SIM_PANIC(sleep_under_spin, 1, "blocks at level")
{
	mutex_init(&m, "m", IPL_VM);
	mutex_enter(&m);
	lwp_park();
}

SIM_PANIC(destroyed_while_held, 1, "m")
{
	mutex_init(&m, "m", IPL_NONE);
	mutex_enter(&m);
	mutex_destroy(&m);
}
