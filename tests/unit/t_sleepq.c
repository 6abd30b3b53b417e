/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_sleepq.c - waiting for an address, with and without a limit, and condition variables on top:
 * no wakeup is lost (I8).
 */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/sleepq.h>
#include <sim/sim.h>

static int channel, other_channel;
static char order[16];
static unsigned norder;

static void sleeper(void *arg)
{
	bool intr = sleepq_lock(&channel);

	CHECK_EQ(sleepq_wait(&channel, "channel", SLEEP_FOREVER, intr), 0);
	CHECK(norder < sizeof(order) - 1);
	order[norder++] = *(const char *)arg;
}

static struct lwp *sleeps(const char *name, int pri)
{
	struct lwp *l;

	CHECK_EQ(lwp_create(name, pri, NULL, LWP_JOINABLE, sleeper, (void *)(uintptr_t)name, &l),
	    0);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(l->l_state, LWP_SLEEP);
	return l;
}

SIM_TEST(wakes_most_urgent_first, 1, 0)
{
	struct lwp *a = sleeps("a", 10), *b = sleeps("b", 20), *c = sleeps("c", 10),
		   *d = sleeps("d", 15);
	bool intr = sleepq_lock(&channel);

	CHECK(sleepq_waiters(&channel));
	CHECK(!sleepq_waiters(&other_channel));
	sleepq_unlock(&channel, intr);
	CHECK_EQ(sleepq_wake(&other_channel, -1), 0);
	CHECK_EQ(sleepq_wake(&channel, 1), 1);
	lwp_join(b);
	CHECK_EQ(norder, 1);
	CHECK_EQ(sleepq_wake(&channel, 2), 2);
	lwp_join(d);
	lwp_join(a);
	CHECK_EQ(norder, 3);
	CHECK_EQ(sleepq_wake(&channel, -1), 1);
	lwp_join(c);
	CHECK_STR(order, "bdac");
	CHECK_EQ(sleepq_wake(&channel, -1), 0);
}

SIM_TEST(priority_of_a_sleeper_changes, 1, 0)
{
	struct lwp *a = sleeps("a", 10), *b = sleeps("b", 20);

	lwp_setpri(a, 25);
	CHECK_EQ(sleepq_wake(&channel, 1), 1);
	lwp_join(a);
	CHECK_EQ(sleepq_wake(&channel, 1), 1);
	lwp_join(b);
	CHECK_STR(order, "ab");
}

SIM_TEST(times_out, 1, 0)
{
	uint64_t t = clock_ns();
	bool intr = sleepq_lock(&channel);

	CHECK_EQ(sleepq_wait(&channel, "channel", t + 5 * NS_PER_MS, intr), ETIMEDOUT);
	CHECK(clock_ns() - t >= 5 * NS_PER_MS);
	CHECK(clock_ns() - t < 6 * NS_PER_MS);
	/* A limit that is past already. */
	intr = sleepq_lock(&channel);
	CHECK_EQ(sleepq_wait(&channel, "channel", t, intr), ETIMEDOUT);
	CHECK_EQ(sleepq_wake(&channel, -1), 0);
}

SIM_TEST(sleep_takes_its_time, 2, 50)
{
	for (uint64_t ns = 1; ns < 100 * NS_PER_MS; ns *= 7) {
		uint64_t t = clock_ns();

		lwp_sleep_ns(ns);
		CHECK(clock_ns() - t >= ns);
		CHECK(clock_ns() - t < ns + NS_PER_MS);
	}
}

static unsigned woken, timed_out, done;

static void limited(void *arg)
{
	bool intr;
	int error;

	(void)arg;
	for (unsigned i = 0; i < 10; i++) {
		intr = sleepq_lock(&channel);
		error = sleepq_wait(&channel, "channel", clock_ns() + sim_random(200 * NS_PER_US),
		    intr);
		CHECK(error == 0 || error == ETIMEDOUT);
		if (error == 0)
			woken++;
		else
			timed_out++;
	}
	done++;
}

/* A wakeup and a timeout at the same time: each sleep ends once, and the counts agree. */
SIM_TEST(wakeups_race_with_timeouts, 3, 200)
{
	unsigned told = 0;

	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("limited", PRI_KERNEL, NULL, 0, limited, NULL, NULL), 0);
	while (done < 3) {
		told += (unsigned)sleepq_wake(&channel, 1);
		lwp_sleep_ns(sim_random(100 * NS_PER_US));
	}
	CHECK_EQ(woken, told);
	CHECK_EQ(woken + timed_out, 30);
}

/* ---- condvar.c ---- */

static struct mutex m;
static struct condvar cv, cv_room;
static unsigned full, produced, consumed;

static void consumer(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	while (consumed < 40) {
		while (full == 0 && consumed < 40)
			cv_wait(&cv, &m);
		CHECK(mutex_owned(&m));
		if (full > 0) {
			full--;
			consumed++;
			cv_signal(&cv_room);
		}
	}
	cv_broadcast(&cv);
	mutex_exit(&m);
	done++;
}

static void producer(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	while (produced < 40) {
		while (full == 2 && produced < 40)
			cv_wait(&cv_room, &m);
		if (produced < 40) {
			produced++;
			full++;
			cv_signal(&cv);
		}
	}
	cv_broadcast(&cv_room);
	mutex_exit(&m);
	done++;
}

SIM_TEST(bounded_buffer, 3, 200)
{
	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "full");
	cv_init(&cv_room, "room");
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(lwp_create("producer", PRI_KERNEL, NULL, 0, producer, NULL, NULL), 0);
		CHECK_EQ(lwp_create("consumer", PRI_KERNEL, NULL, 0, consumer, NULL, NULL), 0);
	}
	while (done < 4)
		lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(consumed, 40);
	CHECK_EQ(full, 0);
	cv_destroy(&cv);
	cv_destroy(&cv_room);
}

SIM_TEST(timedwait, 1, 0)
{
	uint64_t t = clock_ns();

	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "cv");
	mutex_enter(&m);
	CHECK_EQ(cv_timedwait(&cv, &m, 2 * NS_PER_MS), ETIMEDOUT);
	CHECK(mutex_owned(&m));
	CHECK(clock_ns() - t >= 2 * NS_PER_MS);
	cv_signal(&cv); /* nobody waits any more */
	mutex_exit(&m);
	cv_destroy(&cv);
}

static void waits_once(void *arg)
{
	mutex_enter(&m);
	cv_wait(&cv, &m);
	CHECK(mutex_owned(&m));
	mutex_exit(&m);
	(*(unsigned *)arg)++;
}

SIM_TEST(signal_wakes_one_broadcast_all, 2, 100)
{
	unsigned n = 0;

	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "cv");
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(lwp_create("waits", PRI_KERNEL, NULL, 0, waits_once, &n, NULL), 0);
	sim_settle();
	CHECK_EQ(n, 0);
	mutex_enter(&m);
	cv_signal(&cv);
	mutex_exit(&m);
	sim_settle();
	CHECK_EQ(n, 1);
	mutex_enter(&m);
	cv_broadcast(&cv);
	mutex_exit(&m);
	sim_settle();
	CHECK_EQ(n, 4);
	cv_destroy(&cv);
}

SIM_PANIC(wait_without_the_mutex, 1, "cv")
{
	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "cv");
	cv_wait(&cv, &m);
}
