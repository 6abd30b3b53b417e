/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_spl_mutex.c - code under splraise(IPL_NET) beside a handler at IPL_NET that takes an adaptive
 * mutex: what shuts out what. On one CPU a raised level keeps the handler off, wherever in its run
 * it stands; a mutex does on any CPU. What is not promised is shown too: a level means nothing to
 * another CPU, and a handler that blocks lets code at its level run in the middle of its own.
 */
#include "tdev.h"

#include <ithaca/clock.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/sleepq.h>
#include <ithaca/spl.h>

#define SEEDS 150

static struct tdev dev;
static struct mutex lock;
static unsigned by_level; /* who is in code at the level, on CPU 0 */
static unsigned by_mutex; /* who has the mutex */
static bool raised, running;
static unsigned met; /* times that the handler ran while the level was raised */
static struct lwp *holder;
static bool stop;

/* The handler: something that only the level protects, then something that the mutex does, then the
 * level's again. */
static void hook(struct tdev *td)
{
	(void)td;
	CHECK_EQ(by_level++, 0);
	sim_point(SIM_TEST);
	CHECK_EQ(by_level--, 1);
	mutex_enter(&lock);
	CHECK(!raised);
	CHECK_EQ(by_mutex++, 0);
	sim_point(SIM_TEST);
	CHECK_EQ(by_mutex--, 1);
	mutex_exit(&lock);
	CHECK_EQ(by_level++, 0);
	sim_point(SIM_TEST);
	CHECK_EQ(by_level--, 1);
}

static void old_half(void)
{
	int s = splraise(IPL_NET);

	raised = true;
	CHECK_EQ(by_level++, 0);
	for (unsigned i = 0; i < 5; i++)
		sim_point(SIM_TEST);
	CHECK_EQ(by_level--, 1);
	raised = false;
	splx(s);
}

static void new_half(void)
{
	mutex_enter(&lock);
	CHECK_EQ(by_mutex++, 0);
	if (sim_random(3) == 0)
		lwp_sleep_ns(sim_random(20 * NS_PER_US));
	sim_point(SIM_TEST);
	CHECK_EQ(by_mutex--, 1);
	mutex_exit(&lock);
}

static void old_caller(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 30; i++) {
		old_half();
		lwp_sleep_ns(sim_random(20 * NS_PER_US));
	}
}

static void new_caller(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 30; i++) {
		new_half();
		lwp_sleep_ns(sim_random(20 * NS_PER_US));
	}
}

/* Two of the old half, on the handler's CPU; two of the new, wherever. */
static void beside_each_other(void)
{
	struct lwp *l[4];

	mutex_init(&lock, "lock", IPL_NET);
	tdev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
	dev.td_hook = hook;
	tdev_traffic(&dev, 40, 15 * NS_PER_US);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(lwp_create("caller", PRI_KERNEL, i < 2 ? cpu_lookup(0) : NULL,
			     LWP_JOINABLE, i < 2 ? old_caller : new_caller, NULL, &l[i]),
		    0);
	for (unsigned i = 0; i < 4; i++)
		lwp_join(l[i]);
	while (dev.td_left > 0)
		lwp_sleep_ns(10 * NS_PER_US);
	sim_settle();
	tdev_check(&dev);
}

SIM_TEST(beside_each_other_on_one_cpu, 1, SEEDS)
{
	beside_each_other();
}

SIM_TEST(beside_each_other_on_two_cpus, 2, SEEDS)
{
	beside_each_other();
}

/* ---- A handler that has blocked ---- */

static void blocking_hook(struct tdev *td)
{
	(void)td;
	running = true;
	mutex_enter(&lock);
	CHECK(!raised);
	mutex_exit(&lock);
	CHECK(!raised);
	running = false;
}

static void hold(void *arg)
{
	(void)arg;
	mutex_enter(&lock);
	while (!stop)
		lwp_sleep_ns(NS_PER_US);
	mutex_exit(&lock);
}

static void blocked_handler(void)
{
	mutex_init(&lock, "lock", IPL_NET);
	tdev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
	dev.td_hook = blocking_hook;
	CHECK_EQ(lwp_create("holder", PRI_KERNEL, cpu_lookup(cpu_lookup(1) != NULL), LWP_JOINABLE,
		     hold, NULL, &holder),
	    0);
	while (mutex_owner(&lock) != holder)
		lwp_sleep_ns(NS_PER_US);
	tdev_raise(&dev);
	while (!running)
		lwp_sleep_ns(NS_PER_US);
}

/* Not promised: that the handler's run is one piece. It waits for the mutex, and the level, which
 * is let go as whenever a thread blocks, keeps nobody out. */
SIM_TEST(level_is_free_while_the_handler_is_blocked, 1, 20)
{
	int s;

	blocked_handler();
	s = splraise(IPL_NET);
	CHECK(running);
	splx(s);
	stop = true;
	lwp_join(holder);
	sim_settle();
	tdev_check(&dev);
}

/* Promised: woken while the level is raised on its CPU, it does not go on until splx(). */
static void main_on_cpu_0(void *arg)
{
	int s = splraise(IPL_NET);

	(void)arg;
	raised = true;
	stop = true; /* CPU 1 lets go of the mutex, and wakes the handler */
	while (mutex_owner(&lock) == holder)
		sim_work(NS_PER_US);
	for (unsigned i = 0; i < 200; i++)
		sim_work(NS_PER_US);
	CHECK(running);
	raised = false;
	splx(s);
}

SIM_TEST(woken_handler_waits_for_splx, 2, SEEDS)
{
	struct lwp *l;

	blocked_handler();
	CHECK_EQ(lwp_create("raises", PRI_KERNEL, cpu_lookup(0), LWP_JOINABLE, main_on_cpu_0, NULL,
		     &l),
	    0);
	lwp_join(l);
	lwp_join(holder);
	sim_settle();
	CHECK(!running);
	tdev_check(&dev);
}

/* ---- A level over a mutex ---- */

static void freeing_hook(struct tdev *td)
{
	(void)td;
	stop = true;
}

/* Not promised: that the level holds while a mutex is waited for. The holder goes on holding until
 * the handler has run. */
SIM_TEST(level_is_let_go_while_a_mutex_is_waited_for, 1, 20)
{
	int s;

	mutex_init(&lock, "lock", IPL_NET);
	tdev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
	dev.td_hook = freeing_hook;
	CHECK_EQ(lwp_create("holder", PRI_KERNEL, NULL, LWP_JOINABLE, hold, NULL, &holder), 0);
	while (mutex_owner(&lock) != holder)
		lwp_sleep_ns(NS_PER_US);
	s = splraise(IPL_NET);
	tdev_raise(&dev);
	for (unsigned i = 0; i < 50; i++)
		sim_work(NS_PER_US);
	CHECK_EQ(dev.td_runs, 0);
	mutex_enter(&lock);
	CHECK_EQ(dev.td_runs, 1);
	CHECK_EQ(curlwp->l_ipl, IPL_NET);
	mutex_exit(&lock);
	splx(s);
	lwp_join(holder);
	sim_settle();
	tdev_check(&dev);
}

/* Both at once: the level is let go while the mutex is waited for, and is back with it. */
static void both_caller(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 20; i++) {
		int s = splraise(IPL_NET);

		mutex_enter(&lock);
		CHECK_EQ(curlwp->l_ipl, IPL_NET);
		CHECK_EQ(by_mutex++, 0);
		sim_point(SIM_TEST);
		CHECK_EQ(by_mutex--, 1);
		mutex_exit(&lock);
		splx(s);
		CHECK_EQ(curlwp->l_ipl, IPL_NONE);
		lwp_sleep_ns(sim_random(20 * NS_PER_US));
	}
}

static void mutex_hook(struct tdev *td)
{
	(void)td;
	new_half();
}

SIM_TEST(mutex_under_a_level, 2, SEEDS)
{
	struct lwp *l[3];

	mutex_init(&lock, "lock", IPL_NET);
	tdev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
	dev.td_hook = mutex_hook;
	tdev_traffic(&dev, 30, 15 * NS_PER_US);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("both", PRI_KERNEL, NULL, LWP_JOINABLE, both_caller, NULL,
			     &l[i]),
		    0);
	for (unsigned i = 0; i < 3; i++)
		lwp_join(l[i]);
	while (dev.td_left > 0)
		lwp_sleep_ns(10 * NS_PER_US);
	sim_settle();
	tdev_check(&dev);
}

/* ---- Another CPU ---- */

static void meeting_hook(struct tdev *td)
{
	(void)td;
	met += raised;
}

/* Not promised: CPU 1's handler comes while CPU 0 is at its level. */
SIM_TEST(level_means_nothing_to_another_cpu, 2, 20)
{
	int s;

	tdev_init(&dev, "dev", INTR_LEVEL, 1, IPL_NET, true);
	dev.td_hook = meeting_hook;
	s = splraise(IPL_NET);
	if (curcpu()->ci_index == 0) {
		raised = true;
		tdev_raise(&dev);
		while (dev.td_done == 0)
			sim_work(NS_PER_US);
		raised = false;
		CHECK_EQ(met, 1);
	}
	splx(s);
	sim_settle();
	tdev_check(&dev);
}
