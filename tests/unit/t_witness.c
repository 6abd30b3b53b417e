/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_witness.c - kern/witness.c: each thing that it reports, once and with both names; that it says
 * nothing of what is right; its limits.
 */
#include "unit.h"

#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/cpu.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/rwlock.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <ithaca/sysctl.h>
#include <ithaca/witness.h>
#include <sim/sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEEDS_CHECKED()                                                                            \
	do {                                                                                       \
		if (!ITHACA_CHECKED)                                                               \
			SKIP("locks are checked in checked builds");                               \
		EXPECT_WITNESS();                                                                  \
	} while (0)

static struct mutex a, b, c;
static struct mutex many[300];
static char names[300][8];

static uint64_t count(const char *name)
{
	char path[40], value[24];

	snprintf(path, sizeof(path), "debug.witness.%s", name);
	CHECK_EQ(sysctl_read(path, value, sizeof(value)), 0);
	return strtoull(value, NULL, 10);
}

/* How often the console was told. */
static unsigned said(const char *what)
{
	const char *at = sim_console();
	unsigned n = 0;

	while ((at = strstr(at, what)) != NULL) {
		at += strlen(what);
		n++;
	}
	return n;
}

static void both(struct mutex *first, struct mutex *second)
{
	mutex_enter(first);
	mutex_enter(second);
	mutex_exit(second);
	mutex_exit(first);
}

static void init_abc(int ipl)
{
	mutex_init(&a, "lock a", ipl);
	mutex_init(&b, "lock b", ipl);
	mutex_init(&c, "lock c", ipl);
}

static void init_many(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "m%u", i);
		mutex_init(&many[i], names[i], IPL_NONE);
	}
}

/* ---- Orders ---- */

SIM_TEST(reversal_is_reported_once, 1, 0)
{
	NEEDS_CHECKED();
	init_abc(IPL_NONE);
	both(&a, &b);
	CHECK_EQ(count("reports"), 0);
	both(&b, &a);
	both(&b, &a);
	both(&a, &b);
	sim_settle();
	CHECK_EQ(count("reversals"), 1);
	CHECK_EQ(count("reports"), 1);
	CHECK_EQ(said("lock order reversal by lwp \"main\""), 1);
	CHECK_HAS(sim_console(), "holds \"lock b\" (level none) at ");
	CHECK_HAS(sim_console(), "enters \"lock a\" (level none) at ");
	CHECK_HAS(sim_console(), "known: entered \"lock a\"");
	CHECK_HAS(sim_console(), "and under it \"lock b\"");
}

SIM_TEST(reversal_through_a_third, 1, 0)
{
	NEEDS_CHECKED();
	init_abc(IPL_NONE);
	both(&a, &b);
	both(&b, &c);
	CHECK_EQ(count("reports"), 0);
	both(&c, &a);
	sim_settle();
	CHECK_EQ(count("reversals"), 1);
	CHECK_HAS(sim_console(), "known: entered \"lock a\"");
	CHECK_HAS(sim_console(), "known: entered \"lock b\"");
	CHECK_HAS(sim_console(), "and under it \"lock c\"");
	/* It was not put into the graph: the other two ways round are as right as before. */
	both(&a, &b);
	both(&a, &c);
	CHECK_EQ(count("reports"), 1);
}

/* One way over: all that are held count, not only the last. */
SIM_TEST(reversal_against_one_below_the_top, 1, 0)
{
	NEEDS_CHECKED();
	init_abc(IPL_NONE);
	both(&c, &a);
	mutex_enter(&a);
	CHECK(mutex_tryenter(&b)); /* gives no order after a */
	mutex_enter(&c);
	mutex_exit(&c);
	mutex_exit(&b);
	mutex_exit(&a);
	CHECK_EQ(count("reversals"), 1);
}

SIM_TEST(reversal_among_spin_mutexes, 1, 0)
{
	NEEDS_CHECKED();
	init_abc(IPL_VM);
	both(&a, &b);
	both(&b, &a);
	sim_settle();
	CHECK_EQ(count("reversals"), 1);
	CHECK_HAS(sim_console(), "holds \"lock b\" (level vm)");
	CHECK_EQ(count("inversions"), 0);
}

SIM_TEST(exits_in_any_order, 1, 0)
{
	NEEDS_CHECKED();
	init_abc(IPL_NONE);
	mutex_enter(&a);
	CHECK(mutex_tryenter(&b));
	mutex_exit(&a);
	mutex_enter(&c); /* b -> c, and not a -> c */
	mutex_exit(&b);
	mutex_exit(&c);
	both(&c, &a);
	CHECK_EQ(count("reports"), 0);
	both(&c, &b);
	CHECK_EQ(count("reversals"), 1);
}

SIM_TEST(trying_keeps_no_order, 1, 0)
{
	NEEDS_CHECKED();
	init_abc(IPL_NONE);
	both(&a, &b);
	mutex_enter(&b);
	CHECK(mutex_tryenter(&a));
	mutex_exit(&a);
	mutex_exit(&b);
	CHECK_EQ(count("reports"), 0);
	init_abc(IPL_VM);
	both(&a, &b);
	mutex_enter(&b);
	CHECK(mutex_tryenter(&a));
	mutex_exit(&a);
	mutex_exit(&b);
	CHECK_EQ(count("reports"), 0);
}

SIM_TEST(two_of_a_class_by_address, 1, 0)
{
	struct mutex twin[3];

	NEEDS_CHECKED();
	for (unsigned i = 0; i < 3; i++)
		mutex_init(&twin[i], "twin", IPL_NONE);
	both(&twin[0], &twin[1]);
	both(&twin[1], &twin[2]);
	both(&twin[0], &twin[2]);
	CHECK_EQ(count("reports"), 0);
	both(&twin[2], &twin[1]);
	both(&twin[1], &twin[0]);
	sim_settle();
	CHECK_EQ(count("reversals"), 1);
	CHECK_HAS(sim_console(), "enters one of a lower address \"twin\"");
}

/* The same name at two levels is two classes. */
SIM_TEST(level_is_part_of_the_class, 1, 0)
{
	NEEDS_CHECKED();
	mutex_init(&a, "lock", IPL_NONE);
	mutex_init(&b, "lock", IPL_NET);
	mutex_init(&c, "other", IPL_NONE);
	both(&a, &c);
	both(&c, &b);
	CHECK_EQ(count("reports"), 0);
}

/* The wait drops the mutex and takes it again, now under the other. */
SIM_TEST(wait_under_another_mutex, 1, 0)
{
	struct condvar cv;

	NEEDS_CHECKED();
	init_abc(IPL_NONE);
	cv_init(&cv, "cv");
	mutex_enter(&a);
	cv_timedwait(&cv, &a, NS_PER_MS);
	CHECK_EQ(count("reports"), 0);
	mutex_enter(&b);
	cv_timedwait(&cv, &a, NS_PER_MS);
	CHECK_EQ(count("reversals"), 1);
	mutex_exit(&b);
	mutex_exit(&a);
}

/* Many lwps on four CPUs, always upwards, with everything that changes hands. */
static void upwards(void *left)
{
	for (unsigned n = 0; n < 12; n++) {
		unsigned i = (unsigned)sim_random(4), j = i + 1 + (unsigned)sim_random(3);

		mutex_enter(&many[i]);
		if (sim_random(4) == 0)
			lwp_sleep_ns(sim_random(3000));
		mutex_enter(&many[j]);
		mutex_enter(&c); /* a spin mutex */
		mutex_exit(&c);
		sim_point(SIM_TEST);
		mutex_exit(sim_random(2) != 0 ? &many[i] : &many[j]);
		if (mutex_owned(&many[i]))
			mutex_exit(&many[i]);
		if (mutex_owned(&many[j]))
			mutex_exit(&many[j]);
	}
	--*(unsigned *)left;
}

SIM_TEST(right_orders_are_left_alone, 4, 60)
{
	unsigned left = 6;

	NEEDS_CHECKED();
	init_many(8);
	mutex_init(&c, "spin", IPL_VM);
	for (unsigned i = 0; i < 6; i++)
		CHECK_EQ(lwp_create("up", PRI_KERNEL, NULL, 0, upwards, &left, NULL), 0);
	while (left > 0)
		lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(count("reports"), 0);
	both(&many[5], &many[2]);
	both(&many[5], &many[2]);
	CHECK(count("reversals") <= 1);
}

/* On many CPUs at once, and yet once. Nobody waits for anybody: each has mutexes of its own. */
static void own_reversal(void *unused)
{
	struct mutex x, y;

	(void)unused;
	mutex_init(&x, "lock a", IPL_NONE);
	mutex_init(&y, "lock b", IPL_NONE);
	both(&y, &x);
}

SIM_TEST(many_find_it_and_one_reports, 4, 60)
{
	struct lwp *l[4];

	NEEDS_CHECKED();
	init_abc(IPL_NONE);
	both(&a, &b);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(lwp_create("own", PRI_KERNEL, cpu_lookup(i), LWP_JOINABLE, own_reversal,
			     NULL, &l[i]),
		    0);
	for (unsigned i = 0; i < 4; i++)
		lwp_join(l[i]);
	sim_settle();
	CHECK_EQ(count("reports"), 1);
	CHECK_EQ(said("witness:"), 1);
	CHECK_EQ(said("known:"), 1); /* and whole */
}

/* ---- Levels and contexts ---- */

SIM_TEST(level_inversion, 1, 0)
{
	NEEDS_CHECKED();
	mutex_init(&a, "high", IPL_HIGH);
	mutex_init(&b, "vm", IPL_VM);
	both(&b, &a);
	CHECK_EQ(count("reports"), 0);
	init_abc(IPL_HIGH);
	mutex_init(&b, "low", IPL_VM);
	both(&a, &b);
	both(&a, &b);
	sim_settle();
	CHECK_EQ(count("inversions"), 1);
	CHECK_HAS(sim_console(), "holds \"lock a\" (level high)");
	CHECK_HAS(sim_console(), "enters \"low\" (level vm)");
}

SIM_PANIC(adaptive_under_spin, 1, "holds spin mutex \"spin\" (level vm)")
{
	mutex_init(&a, "spin", IPL_VM);
	mutex_init(&b, "adaptive", IPL_NONE);
	both(&a, &b);
}

SIM_TEST(adaptive_tried_under_spin, 1, 0)
{
	NEEDS_CHECKED();
	mutex_init(&a, "spin", IPL_VM);
	mutex_init(&b, "adaptive", IPL_NONE);
	mutex_enter(&a);
	CHECK(mutex_tryenter(&b));
	mutex_exit(&b);
	mutex_exit(&a);
	sim_settle();
	CHECK_EQ(count("contexts"), 1);
	CHECK_HAS(sim_console(), "enters \"adaptive\"");
}

SIM_PANIC(adaptive_after_splraise, 1, "or after splraise()")
{
	mutex_init(&a, "adaptive", IPL_NONE);
	(void)splraise(IPL_VM);
	mutex_enter(&a);
}

SIM_PANIC(sleep_under_spin, 1, "sleeps on \"sleep\" at ")
{
	mutex_init(&a, "spin", IPL_VM);
	mutex_enter(&a);
	lwp_sleep_ns(1);
}

SIM_PANIC(wait_under_spin, 1, "sleeps on \"cv\" at ")
{
	struct condvar cv;

	mutex_init(&a, "spin", IPL_VM);
	mutex_init(&b, "adaptive", IPL_NONE);
	cv_init(&cv, "cv");
	mutex_enter(&b);
	mutex_enter(&a);
	cv_wait(&cv, &b);
}

static void take(void *m)
{
	mutex_enter(m);
}

static void take_adaptive_in_interrupt(void)
{
	struct callout co;

	mutex_init(&a, "adaptive", IPL_NONE);
	callout_init_hard(&co);
	callout_setfunc(&co, take, &a);
	callout_schedule(&co, NS_PER_MS);
	lwp_sleep_ns(10 * NS_PER_MS);
}

SIM_PANIC(adaptive_in_an_interrupt, 1, "in a filter or another interrupt")
{
	take_adaptive_in_interrupt();
}

SIM_PANIC(recursion_is_reported, 1, "enters \"lock a\" (level none)")
{
	init_abc(IPL_NONE);
	both(&a, &a);
}

/* Which would spin for ever. */
SIM_PANIC(spin_recursion, 1, "spin mutex lock a entered twice by main")
{
	init_abc(IPL_VM);
	both(&a, &a);
}

static void leave(void *m)
{
	mutex_exit(m);
}

SIM_PANIC(left_by_another, 1, "held by lwp \"main\"")
{
	struct lwp *l;

	init_abc(IPL_NONE);
	mutex_enter(&a);
	CHECK_EQ(lwp_create("stranger", PRI_KERNEL, NULL, LWP_JOINABLE, leave, &a, &l), 0);
	lwp_join(l);
}

static struct rwlock table;

static void leave_table(void *unused)
{
	(void)unused;
	rw_exit(&table);
}

static void hold_and_let_leave(enum rw_op op)
{
	EXPECT_WITNESS();
	rw_init(&table, "table");
	rw_enter(&table, op);
	CHECK_EQ(lwp_create("stranger", PRI_KERNEL, NULL, 0, leave_table, NULL, NULL), 0);
	lwp_sleep_ns(NS_PER_MS);
}

SIM_PANIC(rwlock_left_by_another, 1, "held by lwp \"main\"\n  entered \"table\"")
{
	hold_and_let_leave(RW_WRITER);
}

SIM_TEST(rwlock_left_by_no_reader, 1, 0)
{
	NEEDS_CHECKED();
	hold_and_let_leave(RW_READER);
	CHECK_EQ(count("strangers"), 1);
	CHECK_HAS(sim_console(), "held by lwp \"main\"\n  entered \"table\"");
}

static void read_table(void *unused)
{
	(void)unused;
	rw_enter(&table, RW_READER);
	lwp_sleep_ns(NS_PER_S);
	rw_exit(&table);
}

/* What was entered while nobody watched, or while the list was full, is not a stranger's; nor is a
 * reader beside the one that the lock knows. */
SIM_TEST(entered_unwatched, 1, 0)
{
	unsigned i;

	NEEDS_CHECKED();
	init_abc(IPL_NONE);
	rw_init(&table, "table");
	CHECK_EQ(lwp_create("reader", PRI_KERNEL, NULL, 0, read_table, NULL, NULL), 0);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(sysctl_write("debug.witness.enabled", "0"), 0);
	rw_enter(&table, RW_READER);
	mutex_enter(&a);
	CHECK_EQ(sysctl_write("debug.witness.enabled", "1"), 0);
	mutex_enter(&b);
	mutex_exit(&b);
	rw_exit(&table);
	mutex_exit(&a);
	for (i = 0; i < WITNESS_HELD_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "n%u", i);
		mutex_init(&many[i], names[i], IPL_NONE);
		mutex_enter(&many[i]);
	}
	rw_enter(&table, RW_READER);
	rw_exit(&table);
	while (i-- > 0)
		mutex_exit(&many[i]);
	CHECK_EQ(count("strangers"), 0);
	CHECK_EQ(count("reports"), 0);
}

static bool spin_held_by_other(void *m)
{
	return mutex_owned(m);
}

static void hold_spin(void *m)
{
	mutex_enter(m);
	for (;;)
		port_pause();
}

SIM_TEST(spin_left_by_another, 2, 0)
{
	NEEDS_CHECKED();
	init_abc(IPL_VM);
	CHECK_EQ(lwp_create("holder", PRI_KERNEL, cpu_lookup(1), 0, hold_spin, &a, NULL), 0);
	sim_run_until(1, spin_held_by_other, &a);
	mutex_enter(&b);
	mutex_exit(&a); /* not ours; and b goes with it, in a manner of speaking */
	CHECK_EQ(count("strangers"), 1);
	CHECK_HAS(sim_console(), "held by lwp \"holder\"");
}

/* ---- What must not be held at the end ---- */

SIM_TEST(lwp_that_exits_holding, 1, 0)
{
	struct lwp *l;

	NEEDS_CHECKED();
	init_abc(IPL_NONE);
	for (unsigned i = 0; i < 2; i++) {
		mutex_init(&a, "kept", IPL_NONE);
		CHECK_EQ(lwp_create("forgetful", PRI_KERNEL, NULL, LWP_JOINABLE, take, &a, &l), 0);
		lwp_join(l);
	}
	sim_settle();
	CHECK_EQ(count("leaks"), 1);
	CHECK_HAS(sim_console(), "lwp \"forgetful\"");
	CHECK_HAS(sim_console(), "entered \"kept\"");
	/* The next lwp in the same memory begins with nothing. */
	CHECK_EQ(lwp_create("next", PRI_KERNEL, NULL, LWP_JOINABLE, own_reversal, NULL, &l), 0);
	lwp_join(l);
	CHECK_EQ(count("reports"), 1);
}

SIM_TEST(softint_that_returns_holding, 1, 0)
{
	struct softint *si;

	NEEDS_CHECKED();
	mutex_init(&a, "kept", IPL_NONE);
	CHECK_EQ(softint_establish("soft", IPL_SOFTNET, take, &a, &si), 0);
	softint_schedule(si);
	sim_settle();
	CHECK_EQ(count("leaks"), 1);
	CHECK_HAS(sim_console(), "softint \"soft\"");
}

SIM_TEST(callout_that_returns_holding, 1, 0)
{
	struct callout co;

	NEEDS_CHECKED();
	mutex_init(&a, "kept", IPL_NONE);
	callout_init(&co);
	callout_reset(&co, NS_PER_MS, take, &a);
	lwp_sleep_ns(5 * NS_PER_MS);
	sim_settle();
	CHECK_EQ(count("leaks"), 1);
	CHECK_HAS(sim_console(), "callout");
}

static bool take_thread(void *m)
{
	mutex_enter(m);
	return true;
}

SIM_TEST(handler_that_returns_holding, 1, 0)
{
	struct sim_line *sl;
	struct intr_handler *ih;

	NEEDS_CHECKED();
	mutex_init(&a, "kept", IPL_NONE);
	sl = sim_line_create("line", INTR_EDGE, 0, 0);
	CHECK_EQ(intr_establish(sl->sl_source, "hand", IPL_NET, 0, NULL, take_thread, &a, &ih), 0);
	sim_line_raise(sl);
	sim_settle();
	CHECK_EQ(count("leaks"), 1);
	CHECK_HAS(sim_console(), "handler \"hand\"");
}

static unsigned take_filter(void *m)
{
	mutex_spin_enter(m);
	curcpu()->ci_pending -= PENDING_SPIN; /* the core's own, and asserted elsewhere */
	return FILTER_HANDLED;
}

SIM_TEST(filter_that_returns_holding, 1, 0)
{
	struct sim_line *sl;
	struct intr_handler *ih;

	NEEDS_CHECKED();
	mutex_init(&a, "kept", IPL_VM);
	sl = sim_line_create("line", INTR_EDGE, 0, 0);
	CHECK_EQ(intr_establish(sl->sl_source, "filt", IPL_VM, 0, take_filter, NULL, &a, &ih), 0);
	sim_line_raise(sl);
	sim_settle();
	CHECK_EQ(count("leaks"), 1);
	CHECK_HAS(sim_console(), "filter \"filt\"");
}

/* A filter on top of an lwp that holds and wants mutexes: neither's are the other's. */
static unsigned spin_filter(void *m)
{
	mutex_enter(m);
	mutex_exit(m);
	return FILTER_HANDLED;
}

SIM_TEST(filters_in_between, 2, 100)
{
	struct sim_line *sl;
	struct intr_handler *ih;

	NEEDS_CHECKED();
	init_abc(IPL_NONE);
	mutex_init(&c, "spin", IPL_VM);
	sl = sim_line_create("line", INTR_EDGE, 0, 0);
	CHECK_EQ(intr_establish(sl->sl_source, "filt", IPL_VM, 0, spin_filter, NULL, &c, &ih), 0);
	for (unsigned i = 0; i < 20; i++) {
		sim_line_raise(sl);
		mutex_enter(&a);
		mutex_enter(&c);
		mutex_exit(&c);
		both(&b, &c);
		mutex_exit(&a);
	}
	sim_settle();
	CHECK_EQ(count("reports"), 0);
}

/* ---- Settings and limits ---- */

SIM_TEST(off_and_on, 1, 0)
{
	NEEDS_CHECKED();
	init_abc(IPL_NONE);
	both(&a, &b);
	mutex_enter(&c);
	CHECK_EQ(sysctl_write("debug.witness.enabled", "0"), 0);
	both(&b, &a);
	mutex_exit(&c);
	CHECK_EQ(count("reports"), 0);
	mutex_enter(&c);
	CHECK_EQ(sysctl_write("debug.witness.enabled", "1"), 0);
	mutex_exit(&c); /* entered while nobody watched */
	CHECK_EQ(count("reports"), 0);
	both(&b, &a);
	CHECK_EQ(count("reports"), 1);
}

SIM_TEST(more_held_than_fit, 1, 0)
{
	NEEDS_CHECKED();
	init_many(40);
	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned i = 0; i < 20; i++)
			mutex_enter(&many[i]);
		for (unsigned i = 0; i < 20; i++)
			mutex_exit(&many[i]);
	}
	sim_settle();
	CHECK_EQ(count("reports"), 0);
	CHECK_EQ(said("witness: more than 16 mutexes"), 1);
	both(&many[1], &many[0]);
	CHECK_EQ(count("reversals"), 1); /* the others are watched as before */
}

SIM_TEST(more_classes_than_fit, 1, 0)
{
	NEEDS_CHECKED();
	init_many(300);
	for (unsigned i = 1; i < 300; i++)
		both(&many[0], &many[i]);
	sim_settle();
	CHECK_EQ(count("classes"), WITNESS_CLASSES - 1);
	CHECK_EQ(said("witness: more than 255 classes"), 1);
	both(&many[299], &many[0]);
	CHECK_EQ(count("reports"), 0); /* not watched, and nothing false said */
	both(&many[1], &many[0]);
	CHECK_EQ(count("reports"), 1);
}

SIM_TEST(more_orders_than_fit, 1, 0)
{
	NEEDS_CHECKED();
	init_many(70);
	for (unsigned i = 0; i < 70; i++)
		for (unsigned j = i + 1; j < 70; j++)
			both(&many[i], &many[j]);
	sim_settle();
	CHECK_EQ(count("edges"), WITNESS_EDGES);
	CHECK_EQ(said("witness: more than 2048 pairs"), 1);
	CHECK_EQ(count("reports"), 0);
	both(&many[1], &many[0]);
	CHECK_EQ(count("reports"), 1);
}

SIM_TEST(more_reports_than_fit, 1, 0)
{
	NEEDS_CHECKED();
	init_many(30);
	for (unsigned i = 0; i < 30; i++)
		for (unsigned j = i + 1; j < 30; j++)
			both(&many[i], &many[j]);
	for (unsigned i = 0; i < 30; i++)
		for (unsigned j = i + 1; j < 30; j++)
			both(&many[j], &many[i]);
	sim_settle();
	CHECK_EQ(count("reports"), WITNESS_REPORTS);
	CHECK_EQ(said("witness: more than 256 reports: no more are made"), 1);
	CHECK_EQ(said("lock order reversal"), WITNESS_REPORTS);
}

/* The printer is kept out: eight are kept, the others counted. */
SIM_TEST(more_at_once_than_can_wait, 1, 0)
{
	int level;

	NEEDS_CHECKED();
	init_many(24);
	level = splraise(IPL_TTY);
	for (unsigned i = 0; i < 24; i += 2) {
		both(&many[i], &many[i + 1]);
		both(&many[i + 1], &many[i]);
	}
	splx(level);
	sim_settle();
	CHECK_EQ(count("reports"), 12);
	CHECK_EQ(said("lock order reversal"), 8);
	CHECK_EQ(said("witness: 4 more reports, too fast to be kept"), 1);
}

SIM_TEST(orders_can_be_listed, 1, 0)
{
	struct witness_order wo;
	unsigned i = 0, n = 0;

	NEEDS_CHECKED();
	init_abc(IPL_NET);
	both(&a, &b);
	both(&b, &c);
	while ((i = witness_order_next(i, &wo)) != 0) {
		if (strcmp(wo.wo_name[0], "lock a") == 0) {
			CHECK_STR(wo.wo_name[1], "lock b");
			CHECK_EQ(wo.wo_ipl, IPL_NET);
		}
		n += strncmp(wo.wo_name[0], "lock", 4) == 0;
	}
	CHECK_EQ(n, 2);
}
