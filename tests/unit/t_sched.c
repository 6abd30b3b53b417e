/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_sched.c - who runs: priorities, slices, preemption, binding, idle CPUs that steal.
 */
#include "unit.h"

#include <ithaca/callout.h>
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

/* Two that never yield, for 300 ms in which `wakes` comes between every 3 ms. */
static void share_with(void (*wakes)(void *))
{
	static struct callout c;
	struct lwp *l[2];

	took[0] = took[1] = 0;
	stop = false;
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(lwp_create("burn", 10, NULL, LWP_JOINABLE, burn, &took[i], &l[i]), 0);
	callout_init(&c);
	callout_setfunc(&c, wakes, NULL);
	callout_schedule_periodic(&c, 3 * NS_PER_MS);
	lwp_sleep_ns(300 * NS_PER_MS);
	stop = true;
	callout_halt(&c, NULL);
	callout_destroy(&c);
	lwp_join(l[0]);
	lwp_join(l[1]);
	CHECK(took[0] > 100 * NS_PER_MS);
	CHECK(took[1] > 100 * NS_PER_MS);
}

static struct lwp *guest;

static void wake_guest(void *arg)
{
	(void)arg;
	sleepq_wake(&guest, 1);
}

static void be_guest(void *arg)
{
	(void)arg;
	while (!stop)
		sleepq_wait(&guest, "guest", SLEEP_FOREVER, sleepq_lock(&guest));
}

/* Who is preempted by one more urgent goes on with its slice: it does not begin anew. */
SIM_TEST(slice_outlives_a_preemption, 1, 0)
{
	guest = make("guest", 20, NULL, be_guest);
	share_with(wake_guest);
	wake_guest(NULL);
	lwp_join(guest);
}

static void sleep_a_little(void *arg)
{
	(void)arg;
	lwp_sleep_ns(NS_PER_MS / 10);
}

/* Nor does that of one upon whom a softint blocks, which is divorced from it. */
SIM_TEST(slice_outlives_a_divorce, 1, 0)
{
	uint64_t before = atomic_load(&curcpu()->ci_divorces);

	share_with(sleep_a_little);
	CHECK(atomic_load(&curcpu()->ci_divorces) > before + 50);
}

static void burn_and_yield(void *arg)
{
	uint64_t switches, end;

	switches = atomic_load(&curlwp->l_switches);
	for (unsigned i = 0; i < 30; i++) {
		for (end = clock_ns() + 3 * NS_PER_MS; clock_ns() < end;)
			port_pause();
		lwp_yield();
	}
	*(uint64_t *)arg = atomic_load(&curlwp->l_switches) - switches;
}

/* Each stay on the CPU begins a slice: who yields long before its end is not preempted. */
SIM_TEST(slice_is_of_one_stay, 1, 0)
{
	uint64_t switched[2] = {0, 0};
	struct lwp *l[2];

	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(lwp_create("polite", 10, NULL, LWP_JOINABLE, burn_and_yield, &switched[i],
			     &l[i]),
		    0);
	lwp_join(l[0]);
	lwp_join(l[1]);
	CHECK_EQ(switched[0], 30);
	CHECK_EQ(switched[1], 30);
}

/* With preemption disabled one that is more urgent has come; now it is an equal, and gets its share
 * of the CPU from who does not yield, in time. */
static void make_equal(struct lwp *(*equal)(struct lwp *l))
{
	struct lwp *l;
	uint64_t t;

	lwp_sleep_ns(50 * NS_PER_MS); /* no slice is under way */
	t = clock_ns();
	preempt_disable();
	l = equal(make("e", 12, NULL, note));
	preempt_enable();
	CHECK_EQ(norder, 0);
	while (norder == 0 && clock_ns() - t < 100 * NS_PER_MS)
		port_pause();
	CHECK(clock_ns() - t < 21 * NS_PER_MS);
	lwp_join(l);
}

static struct lwp *lower_it(struct lwp *l)
{
	lwp_setpri(l, 10);
	return l;
}

static struct lwp *raise_self(struct lwp *l)
{
	lwp_setpri(curlwp, 12);
	return l;
}

static void is_joined_by_lowered(void *arg)
{
	(void)arg;
	make_equal(lower_it);
}

static void is_joined_when_raised(void *arg)
{
	(void)arg;
	make_equal(raise_self);
}

SIM_TEST(slice_of_one_lowered_to_an_equal, 1, 0)
{
	lwp_join(make("l", 10, NULL, is_joined_by_lowered));
}

SIM_TEST(slice_of_one_raised_to_an_equal, 1, 0)
{
	lwp_join(make("r", 10, NULL, is_joined_when_raised));
}

static void stay_and_yield(void *arg)
{
	int s = splraise(IPL_BIO);

	lwp_yield();
	splx(s);
	CHECK_EQ(norder, 0);
	preempt_disable();
	lwp_yield();
	preempt_enable();
	CHECK_EQ(norder, 0);
	lwp_yield();
	CHECK_EQ(norder, 1);
	note(arg);
}

/* Neither who raised its level nor who disabled preemption is made to leave by its own yield. */
SIM_TEST(yield_of_who_stays, 1, 0)
{
	struct lwp *stays = make("s", 10, NULL, stay_and_yield), *l = make("y", 10, NULL, note);

	lwp_join(stays);
	lwp_join(l);
	CHECK_STR(order, "ys");
}

SIM_PANIC(yield_with_interrupts_off, 1, "yields with interrupts off")
{
	port_intr_off();
	lwp_yield();
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

static _Atomic unsigned here;

/* until_all_are_here - it ends only if all CPUs are in it at once. */
static void until_all_are_here(void *arg)
{
	unsigned *on = arg;

	CHECK(!port_intr_enabled());
	on[curcpu()->ci_index]++;
	atomic_fetch_add_explicit(&here, 1, memory_order_release);
	while (atomic_load_explicit(&here, memory_order_acquire) % cpu_count() != 0)
		port_pause();
}

SIM_TEST(all_are_called_at_once, 4, 100)
{
	unsigned on[4] = {0};

	atomic_store_explicit(&here, 0, memory_order_relaxed);
	cpu_call_all(until_all_are_here, on);
	CHECK(port_intr_enabled());
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(on[i], 1);
}

static _Atomic unsigned crossed;

static void count(void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&crossed, 1, memory_order_relaxed);
}

static void call_all(void *arg)
{
	for (unsigned i = 0; i < 5; i++)
		cpu_call_all(count, arg);
}

SIM_TEST(calls_of_all_cross, 3, 100)
{
	struct lwp *l[3];

	atomic_store_explicit(&crossed, 0, memory_order_relaxed);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("call", PRI_KERNEL, cpu_lookup(i), LWP_JOINABLE, call_all, NULL,
			     &l[i]),
		    0);
	for (unsigned i = 0; i < 3; i++)
		lwp_join(l[i]);
	CHECK_EQ(atomic_load_explicit(&crossed, memory_order_relaxed), 3 * 5 * 3);
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
