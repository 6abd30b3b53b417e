/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_ithread.c - handoff, nesting, divorce, the pool: architecture section 5, points 5 to 10, and
 * I4 to I7, in set scenes. Races under load are in t_races.c.
 */
#include "tdev.h"

#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>

/* What ran, in order: each handler leaves its td_arg. */
static char ran[64];
static unsigned nran;

static void note(char c)
{
	CHECK(nran < sizeof(ran) - 1);
	ran[nran++] = c;
	ran[nran] = '\0';
}

static void hook_note(struct tdev *td)
{
	note(*(const char *)td->td_arg);
}

/* An edge device whose runs leave a letter. */
static void noted(struct tdev *td, const char *letter, int ipl)
{
	*td = (struct tdev){.td_hook = hook_note, .td_arg = (void *)(uintptr_t)letter};
	tdev_init(td, letter, INTR_EDGE, 0, ipl, true);
}

static struct ithread_counts counts(void)
{
	struct ithread_counts c;

	ithread_count(&c);
	CHECK_EQ(c.free + c.spare + c.active + c.divorced, c.total);
	return c;
}

/* ---- Points 5 to 7: exit, handoff, return ---- */

static struct lwp *interrupted;

static void hook_pinned(struct tdev *td)
{
	(void)td;
	CHECK(curlwp->l_flags & LWP_ITHREAD);
	CHECK(curlwp->l_pinned == interrupted);
	CHECK_EQ(interrupted->l_state, LWP_RUN);
	CHECK_EQ(counts().active, 1);
}

SIM_TEST(handoff_pins_and_returns, 1, 0)
{
	struct tdev td = {.td_hook = hook_pinned};
	uint64_t handoffs, switches;
	int s;

	interrupted = curlwp;
	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_NET, true);
	sim_settle();
	handoffs = curcpu()->ci_handoffs;
	switches = atomic_load(&curcpu()->ci_switches);
	s = splraise(IPL_BIO);
	tdev_raise(&td);
	sim_point(SIM_TEST);
	CHECK_EQ(td.td_done, 1);
	CHECK_EQ(curlwp->l_ipl, IPL_BIO);
	splx(s);
	CHECK(curlwp == interrupted);
	CHECK_EQ(curcpu()->ci_handoffs, handoffs + 1);
	CHECK_EQ(atomic_load(&curcpu()->ci_switches), switches); /* not through the scheduler */
	CHECK_EQ(curcpu()->ci_divorces, 0);
	CHECK_EQ(counts().active, 0);
}

SIM_TEST(one_handoff_drains_all_highest_first, 1, 0)
{
	static struct tdev a, b, c, d;
	uint64_t handoffs;
	int s;

	noted(&a, "a", IPL_BIO);
	noted(&b, "b", IPL_NET);
	noted(&c, "c", IPL_TTY);
	noted(&d, "d", IPL_NET);
	handoffs = curcpu()->ci_handoffs;
	s = splraise(IPL_TTY);
	tdev_raise(&a);
	tdev_raise(&d);
	tdev_raise(&b);
	tdev_raise(&c);
	sim_point(SIM_TEST);
	CHECK_EQ(nran, 0);
	splx(s);
	CHECK_STR(ran, "cdba");
	CHECK_EQ(curcpu()->ci_handoffs, handoffs + 1);
}

SIM_TEST(level_keeps_out_what_is_not_above_it, 1, 0)
{
	static struct tdev bio, net, tty;
	int s;

	noted(&bio, "b", IPL_BIO);
	noted(&net, "n", IPL_NET);
	noted(&tty, "t", IPL_TTY);
	s = splraise(IPL_NET);
	tdev_raise(&bio);
	tdev_raise(&net);
	tdev_raise(&tty);
	sim_point(SIM_TEST);
	CHECK_EQ(net.td_filters, 1);
	CHECK_STR(ran, "t");
	splx(IPL_BIO);
	CHECK_STR(ran, "tn");
	splx(s);
	CHECK_STR(ran, "tnb");
}

static void nothing(void *arg)
{
	(void)arg;
}

/* Not even when there is a more urgent lwp to look for as well. */
SIM_TEST(level_holds_with_urgent_lwp_waiting, 1, 0)
{
	static struct tdev net;
	struct lwp *l;
	int s;

	noted(&net, "n", IPL_NET);
	s = splraise(IPL_NET);
	CHECK_EQ(lwp_create("urgent", PRI_MAX, NULL, LWP_JOINABLE, nothing, NULL, &l), 0);
	tdev_raise(&net);
	sim_point(SIM_TEST);
	CHECK_EQ(net.td_filters, 1);
	CHECK_EQ(nran, 0);
	CHECK_EQ(l->l_state, LWP_RUN);
	splx(s);
	CHECK_EQ(nran, 1);
	lwp_join(l);
}

SIM_TEST(preempt_disable_defers, 1, 0)
{
	static struct tdev td;

	noted(&td, "t", IPL_TTY);
	preempt_disable();
	preempt_disable();
	tdev_raise(&td);
	sim_point(SIM_TEST);
	CHECK_EQ(td.td_filters, 1);
	preempt_enable();
	CHECK_EQ(nran, 0);
	preempt_enable();
	CHECK_EQ(nran, 1);
}

SIM_TEST(spin_mutex_exit_lets_pending_run, 1, 0)
{
	static struct tdev td;
	struct mutex m;

	noted(&td, "t", IPL_TTY);
	mutex_init(&m, "spin", IPL_VM);
	mutex_enter(&m);
	hwi_sched(td.td_ih);
	sim_point(SIM_TEST);
	CHECK_EQ(nran, 0);
	mutex_exit(&m);
	CHECK_EQ(nran, 1);
	mutex_destroy(&m);
}

static struct tdev nest_bio, nest_net, nest_tty, nest_bio2;

static void hook_nest(struct tdev *td)
{
	note('(');
	tdev_raise(&nest_bio2); /* equal: waits */
	sim_point(SIM_TEST);
	tdev_raise(&nest_net); /* higher: nests */
	sim_point(SIM_TEST);
	CHECK_EQ(nest_net.td_runs, 1);
	CHECK_EQ(nest_bio2.td_runs, 0);
	CHECK_EQ(curlwp->l_ipl, IPL_BIO);
	CHECK(curlwp->l_handler == td->td_ih);
	note(')');
}

static void hook_nest_again(struct tdev *td)
{
	(void)td;
	note('[');
	CHECK(curlwp->l_pinned->l_flags & LWP_ITHREAD);
	CHECK_EQ(counts().active, 2);
	tdev_raise(&nest_tty);
	sim_point(SIM_TEST);
	note(']');
}

SIM_TEST(higher_level_nests, 1, 0)
{
	unsigned limit_min, limit_max;

	nest_bio.td_hook = hook_nest;
	nest_net.td_hook = hook_nest_again;
	tdev_init(&nest_bio, "bio", INTR_EDGE, 0, IPL_BIO, true);
	tdev_init(&nest_net, "net", INTR_EDGE, 0, IPL_NET, true);
	noted(&nest_tty, "t", IPL_TTY);
	noted(&nest_bio2, "b", IPL_BIO);
	ithread_limits(&limit_min, &limit_max);
	CHECK_EQ(limit_min, 2);
	CHECK_EQ(limit_max, 4);
	CHECK_EQ(ithread_resize(3), 0);
	tdev_raise(&nest_bio);
	sim_settle();
	CHECK_STR(ran, "([t])b");
	CHECK_EQ(counts().active, 0);
	CHECK_EQ(counts().total, 3);
}

/* ---- Point 8: divorce ---- */

static struct mutex gate;
static bool gate_open;
static struct condvar gate_cv;

static void hook_gate(struct tdev *td)
{
	if (td->td_arg != NULL)
		note(*(const char *)td->td_arg);
	mutex_enter(&gate);
	while (!gate_open)
		cv_wait(&gate_cv, &gate);
	mutex_exit(&gate);
}

static void gate_init(void)
{
	mutex_init(&gate, "gate", IPL_NONE);
	cv_init(&gate_cv, "gate");
}

static void gate_set(bool open)
{
	mutex_enter(&gate);
	gate_open = open;
	cv_broadcast(&gate_cv);
	mutex_exit(&gate);
}

SIM_TEST(divorce_resumes_pinned_and_drains_the_rest, 1, 0)
{
	static struct tdev a = {.td_hook = hook_gate}, b;
	struct lwp *it;
	int s;

	gate_init();
	tdev_init(&a, "a", INTR_LEVEL, 0, IPL_NET, true);
	noted(&b, "b", IPL_NET);
	s = splraise(IPL_NET);
	tdev_raise(&a);
	tdev_raise(&b);
	sim_point(SIM_TEST);
	splx(s);
	/* a waits for the gate; b was served by another ithread; we are back. */
	it = a.td_lwp;
	CHECK(a.td_running);
	CHECK_EQ(b.td_done, 1);
	CHECK(b.td_lwp != it);
	CHECK_EQ(curcpu()->ci_divorces, 1);
	CHECK_EQ(counts().divorced, 1);
	CHECK_EQ(counts().active, 0);
	CHECK_EQ(it->l_state, LWP_SLEEP);
	CHECK(it->l_pinned == NULL);
	CHECK_EQ(it->l_pri, PRI_IPL(IPL_NET));
	CHECK(a.td_line->sl_masked);
	gate_set(true);
	/* More urgent than this lwp: it has run by now. */
	CHECK(!a.td_running);
	tdev_check(&a);
	CHECK_EQ(counts().divorced, 0);
	CHECK_EQ(counts().free + counts().spare, 2);
}

/* A queue that gave its handler twice while the first is divorced: the second waits (I2). */
SIM_TEST(divorced_handler_runs_again_after_itself, 1, 0)
{
	static struct tdev a = {.td_hook = hook_gate};

	gate_init();
	tdev_init(&a, "a", INTR_EDGE, 0, IPL_NET, true);
	tdev_raise(&a);
	sim_point(SIM_TEST);
	tdev_raise(&a);
	sim_point(SIM_TEST);
	CHECK_EQ(a.td_filters, 2);
	CHECK_EQ(a.td_runs, 1);
	gate_set(true);
	sim_settle();
	CHECK_EQ(a.td_runs, 2);
	tdev_check(&a);
}

static void hook_nested_block(struct tdev *td)
{
	tdev_raise(&nest_net);
	sim_point(SIM_TEST);
	note(*(const char *)td->td_arg);
}

/* The upper of two nested blocks: the lower goes on at once, then what it interrupted. */
SIM_TEST(divorce_of_the_nested_one, 1, 0)
{
	gate_init();
	nest_bio = (struct tdev){.td_hook = hook_nested_block, .td_arg = (void *)(uintptr_t) "b"};
	nest_net = (struct tdev){.td_hook = hook_gate, .td_arg = (void *)(uintptr_t) "n"};
	tdev_init(&nest_bio, "bio", INTR_EDGE, 0, IPL_BIO, true);
	tdev_init(&nest_net, "net", INTR_EDGE, 0, IPL_NET, true);
	tdev_raise(&nest_bio);
	sim_point(SIM_TEST);
	CHECK_STR(ran, "nb");
	CHECK(!nest_bio.td_running);
	CHECK(nest_net.td_running);
	gate_set(true);
	sim_settle();
	tdev_check(&nest_net);
	tdev_check(&nest_bio);
}

static void hook_sleep(struct tdev *td)
{
	lwp_sleep_ns(3 * NS_PER_MS);
	if (td->td_arg != NULL)
		note(*(const char *)td->td_arg);
}

SIM_TEST(divorced_stays_on_its_cpu, 2, 100)
{
	struct tdev td[2] = {{.td_hook = hook_sleep}, {.td_hook = hook_sleep}};

	tdev_init(&td[0], "zero", INTR_LEVEL, 0, IPL_NET, true);
	tdev_init(&td[1], "one", INTR_LEVEL, 1, IPL_BIO, false);
	for (unsigned n = 0; n < 3; n++) {
		tdev_raise(&td[0]);
		tdev_raise(&td[1]);
		lwp_sleep_ns(NS_PER_MS);
		for (unsigned i = 0; i < 2; i++) {
			CHECK(td[i].td_running);
			CHECK(atomic_load(&td[i].td_lwp->l_cpu) == cpu_lookup(i));
			CHECK(td[i].td_line->sl_masked);
		}
		sim_settle();
		lwp_sleep_ns(5 * NS_PER_MS);
	}
	sim_settle();
	tdev_check(&td[0]);
	tdev_check(&td[1]);
	CHECK_EQ(td[0].td_runs, 3);
}

static void burn(void *arg)
{
	while (!*(bool *)arg)
		port_pause();
}

/* Who runs at thread level comes before every ordinary lwp, divorced or not. */
SIM_TEST(divorced_comes_before_lwps, 1, 0)
{
	struct tdev td = {.td_hook = hook_sleep, .td_arg = (void *)(uintptr_t) "t"};
	bool stop = false;
	struct lwp *hog;

	tdev_init(&td, "dev", INTR_EDGE, 0, IPL_BIO, true);
	lwp_setpri(curlwp, PRI_MAX);
	CHECK_EQ(lwp_create("hog", PRI_MAX, cpu_lookup(0), LWP_JOINABLE, burn, &stop, &hog), 0);
	tdev_raise(&td);
	while (nran == 0)
		lwp_yield();
	CHECK(clock_ns() < 30 * NS_PER_MS);
	stop = true;
	lwp_join(hog);
	tdev_check(&td);
}

static void high_lwp(void *arg)
{
	(void)arg;
	mutex_enter(&gate);
	note('h');
	mutex_exit(&gate);
}

/* Priority goes through a divorced ithread to who keeps it waiting (section 7). */
SIM_TEST(lends_through_divorced_ithread, 1, 0)
{
	static struct tdev td = {.td_hook = hook_gate};
	struct mutex low;
	struct lwp *me = curlwp;

	gate_init();
	gate_open = true;
	mutex_init(&low, "low", IPL_NONE);
	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_TTY, true);
	mutex_enter(&gate);
	tdev_raise(&td);
	sim_point(SIM_TEST);
	CHECK(td.td_running);
	CHECK_EQ(me->l_pri, PRI_IPL(IPL_TTY));
	CHECK_EQ(me->l_basepri, PRI_KERNEL);
	CHECK_EQ(lwp_create("high", PRI_MAX, NULL, 0, high_lwp, NULL, NULL), 0);
	CHECK_EQ(nran, 0); /* not even started: we are more urgent */
	mutex_exit(&gate);
	CHECK_EQ(me->l_pri, PRI_KERNEL);
	CHECK(!td.td_running);
	sim_settle();
	tdev_check(&td);
	CHECK_STR(ran, "h");
}

/* ---- Point 9: no ithread free ---- */

SIM_TEST(pool_exhausted_waits_and_is_rescued, 1, 0)
{
	static struct tdev td[4];

	gate_init();
	for (unsigned i = 0; i < 4; i++) {
		td[i].td_hook = hook_gate;
		tdev_init(&td[i], "dev", i % 2 ? INTR_LEVEL : INTR_EDGE, 0, IPL_NET, true);
	}
	for (unsigned i = 0; i < 4; i++) {
		tdev_raise(&td[i]);
		sim_point(SIM_TEST);
	}
	CHECK(td[0].td_running && td[1].td_running);
	CHECK(!td[2].td_running && !td[3].td_running);
	CHECK_EQ(counts().divorced, 2);
	CHECK(curcpu()->ci_starvations >= 1);
	CHECK(td[3].td_line->sl_masked);
	gate_set(true);
	sim_settle();
	for (unsigned i = 0; i < 4; i++)
		tdev_check(&td[i]);
	CHECK_EQ(counts().free + counts().spare, 2);
}

/* A blocked pool does not hold up softints or the running lwp; one more interrupt changes
 * nothing. */
SIM_TEST(starved_cpu_goes_on, 1, 0)
{
	static struct tdev td[3];
	uint64_t t;

	gate_init();
	for (unsigned i = 0; i < 3; i++) {
		td[i].td_hook = hook_gate;
		tdev_init(&td[i], "dev", INTR_EDGE, 0, IPL_NET, true);
		tdev_raise(&td[i]);
		sim_point(SIM_TEST);
	}
	t = clock_ns();
	lwp_sleep_ns(NS_PER_MS); /* a callout: needs the softclock */
	CHECK(clock_ns() - t >= NS_PER_MS);
	tdev_raise(&td[2]);
	sim_point(SIM_TEST);
	CHECK_EQ(td[2].td_runs, 0);
	gate_set(true);
	sim_settle();
	for (unsigned i = 0; i < 3; i++)
		tdev_check(&td[i]);
}

/* I6: another CPU's spare comes to the rescue while every ithread of this one sleeps. */
SIM_TEST(rescued_by_another_cpu, 2, 200)
{
	static struct tdev td[4];

	gate_init();
	for (unsigned i = 0; i < 4; i++) {
		td[i].td_hook = hook_gate;
		tdev_init(&td[i], "dev", INTR_LEVEL, 0, IPL_NET, true);
	}
	for (unsigned i = 0; i < 4; i++)
		tdev_raise(&td[i]);
	sim_settle();
	/* All four of the pool sleep in their handlers, though CPU 0 had two. */
	for (unsigned i = 0; i < 4; i++)
		CHECK(td[i].td_running);
	CHECK_EQ(counts().divorced, 4);
	CHECK(cpu_lookup(0)->ci_rescues >= 1);
	gate_set(true);
	sim_settle();
	for (unsigned i = 0; i < 4; i++)
		tdev_check(&td[i]);
	CHECK_EQ(counts().free + counts().spare, 4);
}

SIM_TEST(growing_rescues, 1, 0)
{
	static struct tdev td[4];

	gate_init();
	for (unsigned i = 0; i < 4; i++) {
		td[i].td_hook = hook_gate;
		tdev_init(&td[i], "dev", INTR_EDGE, 0, IPL_NET, true);
		tdev_raise(&td[i]);
		sim_point(SIM_TEST);
	}
	CHECK_EQ(counts().divorced, 2);
	CHECK_EQ(ithread_resize(4), 0);
	sim_settle();
	for (unsigned i = 0; i < 4; i++)
		CHECK(td[i].td_running);
	gate_set(true);
	sim_settle();
	CHECK_EQ(counts().total, 4);
	CHECK_EQ(ithread_resize(2), 0);
	sim_settle();
	CHECK_EQ(counts().total, 2);
}

/* ---- The size of the pool ---- */

SIM_TEST(resize_within_limits, 2, 0)
{
	static struct tdev td[8];
	unsigned min, max;
	size_t before;

	ithread_limits(&min, &max);
	CHECK_EQ(min, 4);
	CHECK_EQ(max, 4);
	for (unsigned i = 0; i < 8; i++)
		tdev_init(&td[i], "dev", INTR_EDGE, 0, IPL_NET, true);
	ithread_limits(&min, &max);
	CHECK_EQ(max, 8);
	CHECK_EQ(ithread_resize(3), ERANGE);
	CHECK_EQ(ithread_resize(9), ERANGE);
	CHECK_EQ(counts().total, 4);
	before = sim_mem_bytes();
	CHECK_EQ(ithread_resize(8), 0);
	CHECK_EQ(counts().total, 8);
	CHECK_EQ(counts().target, 8);
	CHECK_EQ(ithread_resize(4), 0);
	sim_settle();
	CHECK_EQ(counts().total, 4);
	/* Stacks and turnstiles are back; struct lwp is kept (type-stable). */
	CHECK(sim_mem_bytes() <= before + 4 * sizeof(struct lwp));
}

SIM_TEST(shrinking_while_busy, 1, 0)
{
	static struct tdev td[4];

	gate_init();
	for (unsigned i = 0; i < 4; i++) {
		td[i].td_hook = hook_gate;
		tdev_init(&td[i], "dev", INTR_EDGE, 0, IPL_NET, true);
	}
	CHECK_EQ(ithread_resize(4), 0);
	for (unsigned i = 0; i < 4; i++) {
		tdev_raise(&td[i]);
		sim_point(SIM_TEST);
	}
	CHECK_EQ(counts().divorced, 4);
	CHECK_EQ(ithread_resize(2), 0);
	CHECK_EQ(counts().total, 4);
	CHECK_EQ(counts().target, 2);
	gate_set(true);
	sim_settle();
	for (unsigned i = 0; i < 4; i++)
		tdev_check(&td[i]);
	CHECK_EQ(counts().total, 2);
}

SIM_TEST(resize_without_memory, 1, 0)
{
	static struct tdev td[6];
	unsigned n = 0;
	int error;

	for (unsigned i = 0; i < 6; i++)
		tdev_init(&td[i], "dev", INTR_EDGE, 0, IPL_NET, true);
	do {
		sim_mem_fail(++n);
		error = ithread_resize(6);
		CHECK_EQ(error, sim_mem_failed() ? ENOMEM : 0);
		CHECK_EQ(counts().total, counts().target);
		CHECK(counts().total >= 2);
	} while (error != 0);
	CHECK(n > 3);
	CHECK_EQ(counts().total, 6);
	sim_mem_fail(0);
}

/* ---- Rules that panic ---- */

static void hook_raised(struct tdev *td)
{
	(void)td;
	splraise(IPL_TTY);
}

SIM_PANIC(handler_returns_raised, 1, "returned at level")
{
	struct tdev td = {.td_hook = hook_raised};

	tdev_init(&td, "dev", INTR_EDGE, 0, IPL_NET, true);
	tdev_raise(&td);
	sim_settle();
}

static void hook_undisabled(struct tdev *td)
{
	(void)td;
	preempt_disable();
}

SIM_PANIC(handler_returns_unpreemptible, 1, "returned at level net, preemption 1")
{
	struct tdev td = {.td_hook = hook_undisabled};

	tdev_init(&td, "dev", INTR_EDGE, 0, IPL_NET, true);
	tdev_raise(&td);
	sim_settle();
}

static unsigned filter_blocks(void *arg)
{
	(void)arg;
	mutex_enter(&gate);
	return FILTER_HANDLED;
}

SIM_PANIC(filter_takes_adaptive_mutex, 1, "")
{
	struct sim_line *sl = sim_line_create("dev", INTR_EDGE, 0, 0);
	struct intr_handler *ih;

	gate_init();
	CHECK_EQ(intr_establish(sl->sl_source, "dev", IPL_NET, 0, filter_blocks, NULL, NULL, &ih),
	    0);
	mutex_enter(&gate);
	sim_line_raise(sl);
	sim_settle();
}
