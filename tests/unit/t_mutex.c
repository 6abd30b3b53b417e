/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_mutex.c - both kinds of mutex: exclusion, spinning and blocking, and what asserts (I8).
 */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/intr.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
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
	CHECK_EQ(spl_now(), IPL_HIGH);
	CHECK_EQ(spins_held(), 1);
	CHECK(!port_intr_enabled());
	CHECK(mutex_owned(&m));
	CHECK(mutex_tryenter(&n));
	CHECK_EQ(spins_held(), 2);
	/* Out of order: the level comes back with the last. */
	mutex_exit(&m);
	CHECK(!port_intr_enabled());
	mutex_exit(&n);
	CHECK_EQ(spl_now(), IPL_NONE);
	CHECK(port_intr_enabled());
	mutex_spin_enter(&m);
	CHECK(!port_intr_enabled());
	mutex_spin_exit(&m);
	CHECK(port_intr_enabled());
}

/* ---- What interrupts are, after whatever order ---- */

static struct mutex three[3];
static unsigned soft_runs;

static void soft_fn(void *arg)
{
	(void)arg;
	CHECK(port_intr_enabled());
	CHECK_EQ(spl_now(), IPL_SOFTNET);
	soft_runs++;
}

static void three_init(void)
{
	for (unsigned i = 0; i < 3; i++)
		mutex_init(&three[i], i == 0 ? "s0" : i == 1 ? "s1" : "s2", IPL_VM);
}

/* Entered 0, 1, 2 and left in each order there is; `si` is scheduled when `at` are held still. */
static void every_order(bool on, struct softint *si, unsigned at)
{
	static const unsigned char order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0},
	    {2, 0, 1}, {2, 1, 0}};
	unsigned before;

	for (unsigned o = 0; o < 6; o++) {
		before = soft_runs;
		for (unsigned i = 0; i < 3; i++) {
			mutex_spin_enter(&three[i]);
			CHECK_EQ(spins_held(), i + 1);
			CHECK(!port_intr_enabled());
		}
		for (unsigned held = 3; held > 0; held--) {
			CHECK_EQ(spins_held(), held);
			CHECK_EQ(spl_now(), IPL_HIGH);
			CHECK(!port_intr_enabled());
			if (held == at)
				softint_schedule(si);
			CHECK_EQ(soft_runs, before);
			mutex_spin_exit(&three[order[o][3 - held]]);
		}
		CHECK_EQ(spins_held(), 0);
		CHECK_EQ(port_intr_enabled(), on);
		CHECK_EQ(soft_runs, before + (on && si != NULL)); /* before the exit returns */
		CHECK_EQ(curcpu()->ci_pending & (PENDING_SPINS | PENDING_SPIN_ON), 0);
		CHECK_EQ((curcpu()->ci_pending >> IPL_SOFTNET) & 1, !on && si != NULL);
	}
}

SIM_TEST(spin_left_in_any_order, 1, 0)
{
	three_init();
	every_order(true, NULL, 0);
}

/* Interrupts that were off before stay so: for whoever has them off, and at a hard level. */
SIM_TEST(spin_with_interrupts_off_before, 1, 0)
{
	bool intr;
	int s;

	three_init();
	intr = port_intr_disable();
	every_order(false, NULL, 0);
	port_intr_restore(intr);
	CHECK(port_intr_enabled());
	s = splraise(IPL_SCHED);
	every_order(false, NULL, 0);
	CHECK_EQ(spl_now(), IPL_SCHED);
	splx(s);
	CHECK(port_intr_enabled());
	CHECK_EQ(spl_now(), IPL_NONE);
}

/* What becomes pending in a spin section runs at the last exit, whenever it came. */
SIM_TEST(spin_section_holds_up_what_pends, 1, 0)
{
	struct softint *si;
	unsigned before;
	bool intr;

	three_init();
	CHECK_EQ(softint_establish("soft", IPL_SOFTNET, soft_fn, NULL, &si), 0);
	for (unsigned at = 1; at <= 3; at++)
		every_order(true, si, at);
	CHECK_EQ(soft_runs, 18);
	/* And not at that one, if interrupts were off: it is left for who has them off. */
	for (unsigned at = 1; at <= 3; at++) {
		intr = port_intr_disable();
		before = soft_runs;
		mutex_spin_enter(&three[0]);
		if (at == 1)
			softint_schedule(si);
		mutex_spin_enter(&three[1]);
		if (at == 2)
			softint_schedule(si);
		mutex_spin_exit(&three[0]);
		if (at == 3)
			softint_schedule(si);
		mutex_spin_exit(&three[1]);
		CHECK(!port_intr_enabled());
		CHECK_EQ(soft_runs, before);
		intr_return(intr);
		CHECK_EQ(soft_runs, before + 1);
	}
	softint_disestablish(si);
}

/* A try that fails changes nothing; one that does not counts as an enter. */
SIM_TEST(spin_tried, 1, 0)
{
	three_init();
	CHECK(mutex_tryenter(&three[0]));
	CHECK_EQ(spins_held(), 1);
	CHECK(!mutex_tryenter(&three[0]));
	CHECK_EQ(spins_held(), 1);
	CHECK(!port_intr_enabled());
	CHECK(mutex_tryenter(&three[1]));
	mutex_exit(&three[0]);
	CHECK(!port_intr_enabled());
	mutex_exit(&three[1]);
	CHECK(port_intr_enabled());
	mutex_destroy(&three[0]);
}

/* ---- In a filter ---- */

static unsigned filter_runs;

static unsigned spin_filter(void *arg)
{
	(void)arg;
	mutex_filter_enter(&m);
	CHECK_EQ(inside++, 0);
	CHECK_EQ(spins_held(), 0);
	CHECK_EQ(spl_now(), IPL_VM);
	CHECK(!port_intr_enabled());
	sim_point(SIM_TEST);
	mutex_spin_enter(&three[0]); /* whose holder need not be in a filter: counted */
	CHECK_EQ(spins_held(), 1);
	mutex_filter_enter(&three[1]);
	mutex_spin_exit(&three[0]);
	mutex_filter_exit(&three[1]);
	CHECK_EQ(inside--, 1);
	filter_runs++;
	mutex_filter_exit(&m);
	CHECK(!port_intr_enabled());
	return FILTER_HANDLED;
}

static void spin_beside(void *arg)
{
	for (unsigned i = 0; i < 10; i++) {
		mutex_spin_enter(&m);
		CHECK_EQ(inside++, 0);
		sim_point(SIM_TEST);
		CHECK_EQ(inside--, 1);
		mutex_spin_exit(&m);
		CHECK(port_intr_enabled());
	}
	(void)arg;
}

SIM_TEST(filter_takes_it_too, 2, 100)
{
	struct sim_line *sl = sim_line_create("line", INTR_EDGE, 0, 0);
	struct intr_handler *ih;
	struct lwp *l[2];

	mutex_init(&m, "m", IPL_VM);
	three_init();
	CHECK_EQ(intr_establish(sl->sl_source, "dev", IPL_VM, 0, spin_filter, NULL, NULL, &ih), 0);
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(lwp_create("beside", PRI_KERNEL, cpu_lookup(i), LWP_JOINABLE, spin_beside,
			     NULL, &l[i]),
		    0);
	for (unsigned i = 0; i < 5; i++) {
		sim_line_raise(sl);
		lwp_sleep_ns(NS_PER_US);
	}
	for (unsigned i = 0; i < 2; i++)
		lwp_join(l[i]);
	sim_settle();
	CHECK(filter_runs > 0);
	CHECK(!mutex_owned(&m));
	CHECK_EQ(intr_disestablish(ih), 0);
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
	CHECK_EQ(wanter->l_state, LWP_RUN);
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

SIM_PANIC(yield_under_spin, 1, "yields with a spin mutex held")
{
	mutex_init(&m, "m", IPL_VM);
	mutex_enter(&m);
	lwp_yield();
}

SIM_PANIC(spin_exit_by_another, 1, "spin mutex m exited by another")
{
	mutex_init(&m, "m", IPL_VM);
	atomic_store(&m.m_held, 1);
	mutex_spin_exit(&m);
}

SIM_PANIC(spin_exit_of_a_free_one, 1, "spin mutex m exited and not held")
{
	mutex_init(&m, "m", IPL_VM);
	mutex_spin_exit(&m);
}

/* It would let interrupts in at a hard level. */
SIM_PANIC(spin_exit_under_a_level, 1, "spin mutex m exited at level sched, which was raised under")
{
	mutex_init(&m, "m", IPL_VM);
	mutex_spin_enter(&m);
	(void)splraise(IPL_SCHED);
	mutex_spin_exit(&m);
}

/* Interrupts would stay off for good. */
SIM_PANIC(level_left_under_spin, 1, "splx(none) with a spin mutex held that was entered at")
{
	int s = splraise(IPL_HIGH);

	mutex_init(&m, "m", IPL_VM);
	mutex_spin_enter(&m);
	splx(s);
}

SIM_PANIC(filter_enter_in_a_thread, 1, "mutex_filter_enter() of m at level none, interrupts on")
{
	mutex_init(&m, "m", IPL_VM);
	mutex_filter_enter(&m);
}

/* Interrupts off are not enough: it would not be known that nothing may block. */
SIM_PANIC(filter_enter_under_spin, 1, "mutex_filter_enter() of m at level none, interrupts off")
{
	struct mutex n;

	mutex_init(&m, "m", IPL_VM);
	mutex_init(&n, "n", IPL_VM);
	mutex_spin_enter(&n);
	mutex_filter_enter(&m);
}

SIM_PANIC(filter_exit_of_a_spin_enter, 1, "filter_exit(), entered by mutex_spin_enter()")
{
	(void)splraise(IPL_HIGH);
	mutex_init(&m, "m", IPL_VM);
	mutex_spin_enter(&m);
	mutex_filter_exit(&m);
}

SIM_PANIC(spin_exit_of_a_filter_enter, 1, "spin_exit(), entered by mutex_filter_enter()")
{
	(void)splraise(IPL_HIGH);
	mutex_init(&m, "m", IPL_VM);
	mutex_filter_enter(&m);
	mutex_exit(&m);
}

SIM_PANIC(destroyed_while_held, 1, "m")
{
	mutex_init(&m, "m", IPL_NONE);
	mutex_enter(&m);
	mutex_destroy(&m);
}
