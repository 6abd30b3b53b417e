/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_softint.c - functions that software schedules: once, again, elsewhere, and away.
 */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <sim/sim.h>

struct soft {
	struct softint *s_si;
	unsigned s_runs;
	struct cpu *s_cpu;
	bool s_running;
	char s_name;
	void (*s_hook)(struct soft *);
};

static char order[16];
static unsigned norder;

static void run(void *arg)
{
	struct soft *s = arg;

	CHECK(!s->s_running);
	s->s_running = true;
	s->s_runs++;
	s->s_cpu = curcpu();
	CHECK(curlwp->l_flags & LWP_SOFTINT);
	CHECK_EQ(curlwp->l_ipl, s->s_si->si_level);
	CHECK(port_intr_enabled());
	sim_point(SIM_TEST);
	if (s->s_hook != NULL)
		s->s_hook(s);
	s->s_running = false;
}

static void establish(struct soft *s, int level)
{
	CHECK_EQ(softint_establish("test", level, run, s, &s->s_si), 0);
}

SIM_TEST(runs_at_once, 1, 0)
{
	struct soft s = {0};

	for (int level = IPL_SOFTCLOCK; level <= IPL_SOFTSERIAL; level++) {
		s.s_runs = 0;
		establish(&s, level);
		softint_schedule(s.s_si);
		CHECK_EQ(s.s_runs, 1);
		CHECK_EQ(softint_disestablish(s.s_si), 0);
	}
}

SIM_TEST(scheduled_twice_runs_once, 1, 0)
{
	struct soft s = {0};
	int spl;

	establish(&s, IPL_SOFTNET);
	spl = splraise(IPL_SOFTNET);
	softint_schedule(s.s_si);
	softint_schedule(s.s_si);
	CHECK_EQ(s.s_runs, 0);
	splx(spl);
	CHECK_EQ(s.s_runs, 1);
}

static void again_once(struct soft *s)
{
	if (s->s_runs == 1)
		softint_schedule(s->s_si);
}

SIM_TEST(scheduled_while_it_runs_runs_again, 1, 0)
{
	struct soft s = {.s_hook = again_once};

	establish(&s, IPL_SOFTNET);
	softint_schedule(s.s_si);
	CHECK_EQ(s.s_runs, 2);
}

static void note_level(struct soft *s)
{
	order[norder++] = (char)('0' + s->s_si->si_level);
}

SIM_TEST(highest_level_first, 1, 0)
{
	struct soft s[4] = {{.s_hook = note_level}, {.s_hook = note_level}, {.s_hook = note_level},
	    {.s_hook = note_level}};
	int spl;

	for (int i = 0; i < 4; i++)
		establish(&s[i], IPL_SOFTCLOCK + i);
	spl = splraise(IPL_SOFTSERIAL);
	softint_schedule(s[1].s_si);
	softint_schedule(s[0].s_si);
	softint_schedule(s[3].s_si);
	softint_schedule(s[2].s_si);
	splx(spl);
	CHECK_STR(order, "4321");
}

/* Queued as `names` says, a letter each; they run in that order. */
static void queue_and_run(struct soft *s, const char *names)
{
	int spl = splraise(IPL_SOFTNET);

	norder = 0;
	for (const char *c = names; *c != '\0'; c++)
		softint_schedule(s[*c - 'a'].s_si);
	CHECK_EQ(norder, 0);
	splx(spl);
	order[norder] = '\0';
	CHECK_STR(order, names);
}

static void note_name(struct soft *s)
{
	order[norder++] = s->s_name;
}

SIM_TEST(one_level_in_order, 1, 0)
{
	static const char *const names[] = {"abcd", "a", "dcba", "b", "ab", "c", "cad", "bd"};
	struct soft s[4] = {{0}};

	for (unsigned i = 0; i < 4; i++) {
		s[i].s_hook = note_name;
		s[i].s_name = (char)('a' + i);
		establish(&s[i], IPL_SOFTNET);
	}
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		queue_and_run(s, names[i]);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(softint_disestablish(s[i].s_si), 0);
}

static struct mutex m;
static struct condvar cv;
static bool go;

static void wait_go(struct soft *s)
{
	(void)s;
	mutex_enter(&m);
	while (!go)
		cv_wait(&cv, &m);
	mutex_exit(&m);
}

/* One that blocks holds up its own level on its own CPU, and nothing else. */
SIM_TEST(blocked_holds_up_its_level_only, 2, 100)
{
	static struct soft blocked = {.s_hook = wait_go}, behind, other_level, other_cpu;

	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "go");
	establish(&blocked, IPL_SOFTNET);
	establish(&behind, IPL_SOFTNET);
	establish(&other_level, IPL_SOFTBIO);
	establish(&other_cpu, IPL_SOFTNET);
	softint_schedule_cpu(blocked.s_si, cpu_lookup(1));
	while (!blocked.s_running)
		port_pause();
	softint_schedule_cpu(behind.s_si, cpu_lookup(1));
	softint_schedule_cpu(other_level.s_si, cpu_lookup(1));
	softint_schedule_cpu(other_cpu.s_si, cpu_lookup(0));
	sim_settle();
	CHECK(blocked.s_running);
	CHECK_EQ(behind.s_runs, 0);
	CHECK_EQ(other_level.s_runs, 1);
	CHECK(other_level.s_cpu == cpu_lookup(1));
	CHECK_EQ(other_cpu.s_runs, 1);
	CHECK(other_cpu.s_cpu == cpu_lookup(0));
	mutex_enter(&m);
	go = true;
	cv_broadcast(&cv);
	mutex_exit(&m);
	sim_settle();
	CHECK(!blocked.s_running);
	CHECK_EQ(behind.s_runs, 1);
	CHECK(behind.s_cpu == cpu_lookup(1));
}

static unsigned left;

static void schedule_many(void *arg)
{
	struct soft *s = arg;

	for (unsigned i = 0; i < 30; i++) {
		if (sim_random(2) == 0)
			softint_schedule(s[sim_random(3)].s_si);
		else
			softint_schedule_cpu(s[sim_random(3)].s_si,
			    cpu_lookup((unsigned)sim_random(3)));
		if (sim_random(8) == 0)
			lwp_yield();
	}
	left--;
}

static void block_now_and_then(struct soft *s)
{
	(void)s;
	mutex_enter(&m);
	sim_point(SIM_TEST);
	mutex_exit(&m);
}

SIM_TEST(from_everywhere, 3, 200)
{
	static struct soft s[3];
	unsigned runs;

	mutex_init(&m, "m", IPL_NONE);
	for (unsigned i = 0; i < 3; i++) {
		s[i].s_hook = block_now_and_then;
		establish(&s[i], i == 2 ? IPL_SOFTSERIAL : IPL_SOFTNET);
	}
	left = 3;
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("many", PRI_KERNEL, cpu_lookup(i), 0, schedule_many, s, NULL),
		    0);
	sim_settle();
	CHECK_EQ(left, 0);
	/* And each still answers. */
	for (unsigned i = 0; i < 3; i++) {
		runs = s[i].s_runs;
		softint_schedule_cpu(s[i].s_si, cpu_lookup(i));
		sim_settle();
		CHECK_EQ(s[i].s_runs, runs + 1);
		CHECK_EQ(softint_disestablish(s[i].s_si), 0);
	}
}

static void sleep_a_bit(struct soft *s)
{
	(void)s;
	lwp_sleep_ns(NS_PER_MS);
}

SIM_TEST(disestablish_waits, 2, 100)
{
	static struct soft s = {.s_hook = sleep_a_bit};
	size_t before = sim_mem_bytes();

	establish(&s, IPL_SOFTBIO);
	softint_schedule_cpu(s.s_si, cpu_lookup((unsigned)sim_random(2)));
	while (!s.s_running)
		port_pause();
	CHECK_EQ(softint_disestablish(s.s_si), 0);
	CHECK(!s.s_running);
	CHECK_EQ(s.s_runs, 1);
	CHECK_EQ(sim_mem_bytes(), before);
}

static int self_error;

static void disestablish_self(struct soft *s)
{
	self_error = softint_disestablish(s->s_si);
}

SIM_TEST(refusals, 1, 0)
{
	struct soft s = {.s_hook = disestablish_self};
	struct softint *si;

	CHECK_EQ(softint_establish("x", IPL_NONE, run, &s, &si), EINVAL);
	CHECK_EQ(softint_establish("x", IPL_BIO, run, &s, &si), EINVAL);
	CHECK_EQ(softint_establish("x", IPL_SOFTNET, NULL, &s, &si), EINVAL);
	sim_mem_fail(1);
	CHECK_EQ(softint_establish("x", IPL_SOFTNET, run, &s, &si), ENOMEM);
	establish(&s, IPL_SOFTNET);
	softint_schedule(s.s_si);
	CHECK_EQ(self_error, EDEADLK);
	CHECK_EQ(softint_disestablish(s.s_si), 0);
}
