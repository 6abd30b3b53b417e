/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_turnstile.c - priority lent along the chain of mutexes, and given back exactly (I9).
 */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <sim/sim.h>

static struct mutex a, b, c;
static char order[32];
static unsigned norder;

static void note(char x)
{
	CHECK(norder < sizeof(order) - 1);
	order[norder++] = x;
}

static void init(void)
{
	mutex_init(&a, "a", IPL_NONE);
	mutex_init(&b, "b", IPL_NONE);
	mutex_init(&c, "c", IPL_NONE);
}

static struct lwp *make(const char *name, int pri, void (*fn)(void *))
{
	struct lwp *l;

	CHECK_EQ(lwp_create(name, pri, NULL, LWP_JOINABLE, fn, (void *)(uintptr_t)name, &l), 0);
	return l;
}

static void take_a(void *arg)
{
	mutex_enter(&a);
	note(*(const char *)arg);
	mutex_exit(&a);
}

static void take_b(void *arg)
{
	mutex_enter(&b);
	note(*(const char *)arg);
	mutex_exit(&b);
}

static void hog(void *arg)
{
	note(*(const char *)arg);
}

/* The classic inversion: a middling lwp does not come between. */
SIM_TEST(lends_to_owner, 1, 0)
{
	struct lwp *high, *mid;

	init();
	lwp_setpri(curlwp, 10);
	mutex_enter(&a);
	high = make("H", 40, take_a); /* preempts, blocks, lends */
	CHECK_EQ(high->l_state, LWP_SLEEP);
	CHECK_EQ(curlwp->l_pri, 40);
	mid = make("M", 20, hog);
	CHECK_EQ(norder, 0);
	mutex_exit(&a);
	CHECK_EQ(curlwp->l_pri, 10);
	lwp_join(mid);
	lwp_join(high);
	CHECK_STR(order, "HM");
}

static void hold_b_want_a(void *arg)
{
	mutex_enter(&b);
	mutex_enter(&a);
	note(*(const char *)arg);
	mutex_exit(&a);
	mutex_exit(&b);
}

static void hold_c_want_b(void *arg)
{
	mutex_enter(&c);
	mutex_enter(&b);
	note(*(const char *)arg);
	mutex_exit(&b);
	mutex_exit(&c);
}

static void take_c(void *arg)
{
	mutex_enter(&c);
	note(*(const char *)arg);
	mutex_exit(&c);
}

/* high -> c (third) -> b (second) -> a (we). */
SIM_TEST(lends_along_the_chain, 1, 0)
{
	struct lwp *second, *third, *high;

	init();
	lwp_setpri(curlwp, 5);
	mutex_enter(&a);
	second = make("2", 10, hold_b_want_a);
	third = make("3", 20, hold_c_want_b);
	CHECK_EQ(curlwp->l_pri, 20);
	high = make("4", 45, take_c);
	CHECK_EQ(third->l_pri, 45);
	CHECK_EQ(second->l_pri, 45);
	CHECK_EQ(curlwp->l_pri, 45);
	CHECK_EQ(curlwp->l_basepri, 5);
	mutex_exit(&a);
	CHECK_EQ(curlwp->l_pri, 5);
	lwp_join(second);
	lwp_join(third);
	lwp_join(high);
	CHECK_STR(order, "234");
}

/* Two mutexes, two lenders: each loan ends with its own mutex. */
SIM_TEST(gives_back_exactly, 1, 0)
{
	struct lwp *ha, *hb;

	init();
	lwp_setpri(curlwp, 5);
	mutex_enter(&a);
	mutex_enter(&b);
	ha = make("A", 30, take_a);
	hb = make("B", 40, take_b);
	CHECK_EQ(curlwp->l_pri, 40);
	mutex_exit(&b);
	CHECK_EQ(curlwp->l_pri, 30);
	mutex_exit(&a);
	CHECK_EQ(curlwp->l_pri, 5);
	lwp_join(ha);
	lwp_join(hb);
	CHECK_STR(order, "BA");
}

SIM_TEST(most_urgent_first_fifo_among_equals, 1, 0)
{
	static const char *const name[] = {"1", "2", "3", "4", "5"};
	static const int pri[] = {10, 20, 10, 30, 20};
	struct lwp *l[5];

	init();
	lwp_setpri(curlwp, 1);
	mutex_enter(&a);
	for (unsigned i = 0; i < 5; i++) {
		l[i] = make(name[i], pri[i], take_a);
		lwp_sleep_ns(NS_PER_MS);
		CHECK_EQ(l[i]->l_state, LWP_SLEEP);
	}
	CHECK_EQ(curlwp->l_pri, 30);
	mutex_exit(&a);
	for (unsigned i = 0; i < 5; i++)
		lwp_join(l[i]);
	CHECK_STR(order, "42513");
}

/* A waiter's own priority changes while it waits: so does what it lends, and its place. */
SIM_TEST(waiter_changes_priority, 1, 0)
{
	struct lwp *x, *y;

	init();
	lwp_setpri(curlwp, 1);
	mutex_enter(&a);
	x = make("x", 10, take_a);
	y = make("y", 20, take_a);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(curlwp->l_pri, 20);
	lwp_setpri(x, 35);
	CHECK_EQ(curlwp->l_pri, 35);
	lwp_setpri(x, 15);
	CHECK_EQ(curlwp->l_pri, 20);
	lwp_setpri(y, 12);
	CHECK_EQ(curlwp->l_pri, 15);
	mutex_exit(&a);
	CHECK_EQ(curlwp->l_pri, 1);
	lwp_join(x);
	lwp_join(y);
	CHECK_STR(order, "xy");
}

/* The owner is runnable on another CPU's queue behind a hog: lending moves it to the front. */
static bool stop;

static void spin_hog(void *arg)
{
	(void)arg;
	while (!stop)
		port_pause();
}

static void low_holder(void *arg)
{
	mutex_enter(&a);
	lwp_sleep_ns(NS_PER_MS);
	note(*(const char *)arg);
	mutex_exit(&a);
}

SIM_TEST(lends_to_queued_owner_elsewhere, 2, 100)
{
	struct lwp *low, *h;
	uint64_t t;

	init();
	lwp_setpri(curlwp, 40);
	CHECK_EQ(lwp_create("low", 5, cpu_lookup(1), LWP_JOINABLE, low_holder,
		     (void *)(uintptr_t) "l", &low),
	    0);
	while (low->l_state != LWP_SLEEP)
		port_pause();
	CHECK_EQ(lwp_create("hog", 20, cpu_lookup(1), LWP_JOINABLE, spin_hog, NULL, &h), 0);
	lwp_sleep_ns(3 * NS_PER_MS);
	CHECK_EQ(low->l_state, LWP_RUN); /* its time is up, but the hog does not stop */
	t = clock_ns();
	mutex_enter(&a);
	CHECK(clock_ns() - t < NS_PER_MS);
	CHECK_EQ(low->l_pri, 5);
	mutex_exit(&a);
	stop = true;
	lwp_join(low);
	lwp_join(h);
}

static struct mutex *const all[] = {&a, &b, &c};

static void random_chain(void *arg)
{
	for (unsigned n = 0; n < 12; n++) {
		unsigned first = (unsigned)sim_random(3);

		for (unsigned i = first; i < 3; i++) {
			mutex_enter(all[i]);
			if (sim_random(6) == 0)
				lwp_sleep_ns(sim_random(3000));
		}
		for (unsigned i = 3; i-- > first;)
			mutex_exit(all[i]);
		if (sim_random(8) == 0)
			lwp_setpri(curlwp, PRI_MIN + (int)sim_random(PRI_MAX));
		CHECK(list_empty(&curlwp->l_lent));
		CHECK_EQ(curlwp->l_pri, curlwp->l_basepri);
	}
	(*(unsigned *)arg)--;
}

SIM_TEST(random_chains_leave_no_loan, 3, 200)
{
	unsigned left = 6;

	init();
	for (unsigned i = 0; i < 6; i++)
		CHECK_EQ(lwp_create("chain", PRI_MIN + (int)sim_random(PRI_MAX), NULL, 0,
			     random_chain, &left, NULL),
		    0);
	while (left > 0)
		lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(curlwp->l_pri, curlwp->l_basepri);
}
