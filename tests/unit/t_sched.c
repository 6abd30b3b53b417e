/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_sched.c - who runs: priorities, slices, preemption, binding, idle CPUs that steal.
 */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <sim/sim.h>

static char order[64];
static unsigned norder;
static bool stop;

static void note(void *arg)
{
	CHECK(norder < sizeof(order) - 1);
	order[norder++] = *(const char *)arg;
}

static struct lwp *make(const char *name, int pri, struct cpu *ci, void (*fn)(void *))
{
	struct lwp *l;

	CHECK_EQ(lwp_create(name, pri, ci, LWP_JOINABLE, fn, (void *)(uintptr_t)name, &l), 0);
	return l;
}

SIM_TEST(most_urgent_first_fifo_among_equals, 1, 0)
{
	static const char *const name[] = {"1", "2", "3", "4", "5"};
	static const int pri[] = {10, 20, 10, 30, 20};
	struct lwp *l[5];

	for (unsigned i = 0; i < 5; i++)
		l[i] = make(name[i], pri[i], NULL, note);
	CHECK_EQ(norder, 0); /* all less urgent than we are */
	for (unsigned i = 0; i < 5; i++)
		lwp_join(l[i]);
	CHECK_STR(order, "42513");
}

SIM_TEST(more_urgent_preempts, 1, 0)
{
	struct lwp *l;

	preempt_disable();
	l = make("p", PRI_MAX, NULL, note);
	sim_point(SIM_TEST);
	CHECK_EQ(norder, 0);
	preempt_enable();
	CHECK_EQ(norder, 1);
	lwp_join(l);
}

static void spin_until_stop(void *arg)
{
	(void)arg;
	while (!stop)
		port_pause();
}

static void note_often(void *arg)
{
	for (unsigned i = 0; i < 3; i++) {
		note(arg);
		lwp_yield();
	}
}

SIM_TEST(yield_alternates, 1, 0)
{
	struct lwp *a = make("a", 10, NULL, note_often), *b = make("b", 10, NULL, note_often);

	lwp_join(a);
	lwp_join(b);
	CHECK_STR(order, "ababab");
}

static uint64_t took[2];

static void burn(void *arg)
{
	uint64_t *t = arg, last = clock_ns(), now;

	while (!stop) {
		port_pause();
		now = clock_ns();
		if (now - last < NS_PER_US) /* not if another ran meanwhile */
			*t += now - last;
		last = now;
	}
}

/* Two that never yield share the CPU by slices. */
SIM_TEST(slices_are_fair, 1, 0)
{
	struct lwp *l[2];

	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(lwp_create("burn", 10, NULL, LWP_JOINABLE, burn, &took[i], &l[i]), 0);
	lwp_sleep_ns(200 * NS_PER_MS);
	stop = true;
	lwp_join(l[0]);
	lwp_join(l[1]);
	CHECK(took[0] + took[1] > 180 * NS_PER_MS);
	CHECK(took[0] > 80 * NS_PER_MS);
	CHECK(took[1] > 80 * NS_PER_MS);
}

/* A woken one that is more urgent runs at once, in the midst of a slice. */
SIM_TEST(wakeup_preempts_in_time, 1, 0)
{
	struct lwp *hog = make("hog", 20, NULL, spin_until_stop);
	uint64_t t = clock_ns();

	lwp_sleep_ns(NS_PER_MS);
	t = clock_ns() - t;
	CHECK(t >= NS_PER_MS);
	CHECK(t < 2 * NS_PER_MS);
	stop = true;
	lwp_join(hog);
}

SIM_TEST(idle_cpus_steal, 4, 100)
{
	struct lwp *l[3];

	for (unsigned i = 0; i < 3; i++)
		l[i] = make("s", 10, NULL, spin_until_stop);
	for (unsigned i = 0; i < 3; i++)
		while (!lwp_oncpu(l[i]))
			port_pause();
	stop = true;
	for (unsigned i = 0; i < 3; i++)
		lwp_join(l[i]);
}

static void stays(void *arg)
{
	struct cpu *ci = arg;

	for (unsigned i = 0; i < 20; i++) {
		CHECK(curcpu() == ci);
		if (sim_random(3) == 0)
			lwp_sleep_ns(sim_random(NS_PER_US));
		else
			lwp_yield();
	}
}

static void yields(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 20; i++)
		lwp_yield();
}

SIM_TEST(bound_stay, 3, 100)
{
	struct lwp *l[9];

	/* Among others that may be taken anywhere. */
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("free", 5, NULL, 0, yields, NULL, NULL), 0);
	for (unsigned i = 0; i < 9; i++)
		CHECK_EQ(lwp_create("bound", 10 + (int)(i % 2), cpu_lookup(i / 3), LWP_JOINABLE,
			     stays, cpu_lookup(i / 3), &l[i]),
		    0);
	for (unsigned i = 0; i < 9; i++)
		lwp_join(l[i]);
}

static void raised_stays(void *arg)
{
	for (unsigned i = 0; i < 20; i++) {
		int s = splraise(IPL_BIO);
		struct cpu *ci = curcpu();

		for (unsigned k = 0; k < 5; k++) {
			sim_point(SIM_TEST);
			CHECK(curcpu() == ci);
		}
		splx(s);
	}
	(void)arg;
}

SIM_TEST(raised_is_not_moved, 2, 100)
{
	struct lwp *l[5];

	for (unsigned i = 0; i < 5; i++)
		l[i] = make("r", 10, NULL, raised_stays);
	for (unsigned i = 0; i < 5; i++)
		lwp_join(l[i]);
}

SIM_TEST(setpri_of_a_queued_one, 1, 0)
{
	struct lwp *a = make("a", 10, NULL, note), *b = make("b", 11, NULL, note);

	lwp_setpri(a, 12);
	lwp_join(a);
	lwp_join(b);
	CHECK_STR(order, "ab");
}

SIM_TEST(setpri_below_gives_way, 1, 0)
{
	struct lwp *a = make("a", 10, NULL, note);

	lwp_setpri(curlwp, 5);
	CHECK_EQ(norder, 1);
	lwp_join(a);
}

/* ---- cpu.c ---- */

static struct cpu *called_on;
static bool called_off;

static void called(void *arg)
{
	(*(unsigned *)arg)++;
	called_on = curcpu();
	called_off = !port_intr_enabled();
}

SIM_TEST(call_runs_there_and_is_done, 3, 100)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 3; i++) {
		cpu_call(cpu_lookup(i), called, &n);
		CHECK_EQ(n, i + 1);
		CHECK(called_on == cpu_lookup(i));
		CHECK(called_off);
	}
}

static bool off_began, off_ended;

static void with_interrupts_off(void *arg)
{
	bool intr = port_intr_disable();

	(void)arg;
	off_began = true;
	for (unsigned i = 0; i < 100; i++)
		port_pause();
	off_ended = true;
	port_intr_restore(intr);
}

SIM_TEST(barrier_waits_for_interrupts_off, 2, 100)
{
	struct lwp *l = make("off", PRI_KERNEL, cpu_lookup(1), with_interrupts_off);

	while (!off_began)
		port_pause();
	cpu_barrier();
	CHECK(off_ended);
	lwp_join(l);
}

static void call_others(void *arg)
{
	unsigned *n = arg;

	for (unsigned i = 0; i < 10; i++)
		cpu_call(cpu_lookup((unsigned)sim_random(3)), called, n);
}

SIM_TEST(calls_cross, 3, 100)
{
	struct lwp *l[3];
	unsigned n = 0;

	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("call", PRI_KERNEL, cpu_lookup(i), LWP_JOINABLE, call_others,
			     &n, &l[i]),
		    0);
	for (unsigned i = 0; i < 3; i++)
		lwp_join(l[i]);
	CHECK_EQ(n, 30);
}
