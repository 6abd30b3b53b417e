/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_witness_wait.c - kern/witness_wait.c: who waits for the end of a function, work queue or lwp
 * that wants what he holds is told, whichever came first; and nobody else is.
 */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/continue.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/rwlock.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <ithaca/sysctl.h>
#include <ithaca/witness.h>
#include <ithaca/workqueue.h>
#include <sim/sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEEDS_CHECKED()                                                                            \
	do {                                                                                       \
		if (!ITHACA_CHECKED)                                                               \
			SKIP("locks are checked in checked builds");                               \
		EXPECT_WITNESS();                                                                  \
		mutex_init(&a, "lock a", IPL_NONE);                                                \
		mutex_init(&b, "lock b", IPL_NONE);                                                \
	} while (0)

static struct mutex a, b;
static struct softint *si;

static uint64_t count(const char *name)
{
	char path[40], value[24];

	snprintf(path, sizeof(path), "debug.witness.%s", name);
	CHECK_EQ(sysctl_read(path, value, sizeof(value)), 0);
	return strtoull(value, NULL, 10);
}

/* One report, of a wait, and it is on the console. */
static void check_one(void)
{
	CHECK_EQ(count("waits"), 1);
	CHECK_EQ(count("reports"), 1);
	CHECK_HAS(sim_console(), "witness: wait that may never end by lwp ");
}

static void both(struct mutex *first, struct mutex *second)
{
	mutex_enter(first);
	mutex_enter(second);
	mutex_exit(second);
	mutex_exit(first);
}

static void pass(void *m)
{
	mutex_enter(m);
	mutex_exit(m);
}

static struct lwp *go(const char *name, void (*fn)(void *), void *arg, unsigned cpu, int flags)
{
	struct lwp *l;

	CHECK_EQ(lwp_create(name, PRI_KERNEL, cpu_lookup(cpu), flags, fn, arg, &l), 0);
	return l;
}

/* ---- Softints ---- */

static void soft(void (*fn)(void *), void *arg)
{
	CHECK_EQ(softint_establish("soft", IPL_SOFTNET, fn, arg, &si), 0);
}

static void soft_gone_under(struct mutex *m)
{
	mutex_enter(m);
	CHECK_EQ(softint_disestablish(si), 0);
	mutex_exit(m);
}

SIM_TEST(softint_that_ran, 1, 0)
{
	NEEDS_CHECKED();
	for (unsigned i = 0; i < 3; i++) {
		soft(pass, &a);
		softint_schedule(si);
		sim_settle();
		CHECK_EQ(count("reports"), i > 0);
		soft_gone_under(&a);
		sim_settle();
		check_one();
	}
	CHECK_HAS(sim_console(), "holds \"lock a\" (level none) at ");
	CHECK_HAS(sim_console(), "waits for the end of softint \"soft\" (level softnet) at ");
	CHECK_HAS(sim_console(), "known: ran softint \"soft\" (level softnet) at ");
	CHECK_HAS(sim_console(), "and under it \"lock a\" (level none) at ");
}

SIM_TEST(softint_that_runs_later, 1, 0)
{
	NEEDS_CHECKED();
	soft(pass, &a);
	soft_gone_under(&a);
	CHECK_EQ(count("reports"), 0);
	soft(pass, &a); /* another, of the same class */
	softint_schedule(si);
	sim_settle();
	check_one();
	CHECK_HAS(sim_console(), "runs softint \"soft\" (level softnet) at ");
	CHECK_HAS(sim_console(), "enters \"lock a\" (level none) at ");
	CHECK_HAS(sim_console(), "known: entered \"lock a\" (level none) at ");
	CHECK_HAS(sim_console(), "and under it waited for the end of softint \"soft\"");
}

SIM_TEST(softint_over_a_third, 1, 0)
{
	NEEDS_CHECKED();
	soft(pass, &b);
	softint_schedule(si);
	both(&b, &a);
	soft_gone_under(&a);
	sim_settle();
	check_one();
}

/* A softint that waits for the other, which wants what its own waiter holds. */
static struct softint *other;

static void end_other(void *unused)
{
	(void)unused;
	CHECK_EQ(softint_disestablish(other), 0);
}

SIM_TEST(softint_over_a_softint, 1, 0)
{
	NEEDS_CHECKED();
	CHECK_EQ(softint_establish("other", IPL_SOFTBIO, pass, &a, &other), 0);
	softint_schedule(other);
	sim_settle();
	soft(end_other, NULL);
	softint_schedule(si);
	sim_settle();
	CHECK_EQ(count("reports"), 0);
	soft_gone_under(&a);
	sim_settle();
	check_one();
	CHECK_HAS(sim_console(), "and waited for the end of softint \"other\"");
}

static void passes_reader(void *rw)
{
	rw_enter(rw, RW_READER);
	rw_exit(rw);
}

SIM_TEST(softint_and_rwlock, 1, 0)
{
	static struct rwlock rw;

	NEEDS_CHECKED();
	rw_init(&rw, "table");
	soft(passes_reader, &rw);
	softint_schedule(si);
	sim_settle();
	rw_enter(&rw, RW_WRITER);
	CHECK_EQ(softint_disestablish(si), 0);
	rw_exit(&rw);
	sim_settle();
	check_one();
	CHECK_HAS(sim_console(), "holds \"table\"");
}

static void tries(void *m)
{
	if (mutex_tryenter(m))
		mutex_exit(m);
}

/* What is right: not held, other locks, tried for only, orders that make no ring. */
SIM_TEST(softints_that_end_well, 2, 20)
{
	NEEDS_CHECKED();
	for (unsigned i = 0; i < 4; i++) {
		soft(i == 0 ? tries : pass, i == 0 ? &a : &b);
		softint_schedule(si);
		if (i == 0) {
			soft_gone_under(&a);
		} else if (i == 1) {
			both(&a, &b);
			soft_gone_under(&a);
		} else {
			pass(&b);
			CHECK_EQ(softint_disestablish(si), 0);
		}
	}
	CHECK_EQ(count("reports"), 0);
	soft(end_other, NULL);
	CHECK_EQ(softint_establish("soft", IPL_SOFTNET, end_other, NULL, &other), 0);
	softint_schedule(si); /* ends another of its class */
	sim_settle();
	CHECK_EQ(softint_disestablish(si), 0);
	CHECK_EQ(count("reports"), 0);
}

SIM_TEST(nobody_watches, 1, 0)
{
	NEEDS_CHECKED();
	CHECK_EQ(sysctl_write("debug.witness.enabled", "0"), 0);
	soft(pass, &a);
	softint_schedule(si);
	sim_settle();
	soft_gone_under(&a);
	CHECK_EQ(sysctl_write("debug.witness.enabled", "1"), 0);
	CHECK_EQ(count("reports"), 0);
}

SIM_TEST(listed_with_the_orders, 1, 0)
{
	struct witness_order wo;
	unsigned i = 0, n = 0;

	NEEDS_CHECKED();
	soft(pass, &a);
	softint_schedule(si);
	sim_settle();
	while ((i = witness_order_next(i, &wo)) != 0)
		n += strcmp(wo.wo_name[0], "softint soft") == 0 &&
		    strcmp(wo.wo_name[1], "lock a") == 0;
	CHECK_EQ(n, 1);
}

/* ---- It does hang, and what holds up a level does not keep the report from being seen. ---- */

static void hold_and_wait(void *unused)
{
	(void)unused;
	mutex_enter(&a);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(softint_disestablish(si), 0);
	FAIL("the softint has ended");
}

static void hang_at(int level)
{
	NEEDS_CHECKED();
	CHECK_EQ(softint_establish("soft", level, pass, &a, &si), 0);
	(void)go("waiter", hold_and_wait, NULL, 0, 0);
	lwp_sleep_ns(NS_PER_MS / 2);
	softint_schedule(si);
	lwp_sleep_ns(10 * NS_PER_MS);
	CHECK(mutex_owner(&a) != NULL);
	check_one();
}

SIM_TEST(hangs_where_reports_are_printed, 1, 0)
{
	hang_at(IPL_SOFTSERIAL);
}

SIM_TEST(hangs_where_they_are_printed_else, 1, 0)
{
	hang_at(IPL_SOFTBIO);
}

/* ---- Handlers and continuations ---- */

static struct sim_line *line;
static struct intr_handler *ih;

static bool pass_thread(void *m)
{
	pass(m);
	return true;
}

static void later(void *m)
{
	pass(m);
}

static unsigned leave(void *m)
{
	CHECK_EQ(intr_continue(ih, later, m), 0);
	return FILTER_HANDLED;
}

static unsigned leave_sleep(void *m)
{
	CHECK_EQ(intr_continue_sleep(ih, later, m), 0);
	return FILTER_HANDLED;
}

static void establish(unsigned flags, intr_filter_t *filter, intr_thread_t *thread)
{
	if (line == NULL)
		line = sim_line_create("line", INTR_EDGE, 0, 0);
	CHECK_EQ(intr_establish(line->sl_source, "hand", IPL_NET, flags, filter, thread, &a, &ih),
	    0);
}

static void raised(void)
{
	sim_line_raise(line);
	sim_settle();
	lwp_sleep_ns(NS_PER_MS);
}

static void handler_gone_under(struct mutex *m)
{
	mutex_enter(m);
	CHECK_EQ(intr_disestablish(ih), 0);
	mutex_exit(m);
	sim_settle();
}

SIM_TEST(handler_that_ran, 1, 0)
{
	NEEDS_CHECKED();
	establish(0, NULL, pass_thread);
	raised();
	handler_gone_under(&b);
	CHECK_EQ(count("reports"), 0);
	establish(0, NULL, pass_thread);
	handler_gone_under(&a);
	check_one();
	CHECK_HAS(sim_console(), "waits for the end of handler \"hand\" (level net) at ");
	CHECK_HAS(sim_console(), "known: ran handler \"hand\" (level net) at ");
}

SIM_TEST(handler_that_runs_later, 1, 0)
{
	NEEDS_CHECKED();
	establish(0, NULL, pass_thread);
	handler_gone_under(&a);
	CHECK_EQ(count("reports"), 0);
	establish(0, NULL, pass_thread);
	raised();
	check_one();
	CHECK_HAS(sim_console(), "runs handler \"hand\" (level net) at ");
}

SIM_TEST(continuation_in_a_softint, 1, 0)
{
	NEEDS_CHECKED();
	establish(INTR_CONTINUE, leave, NULL);
	raised();
	handler_gone_under(&a);
	check_one();
	CHECK_HAS(sim_console(), "waits for the end of softint \"hand\"");
}

SIM_TEST(continuation_that_may_sleep, 1, 0)
{
	NEEDS_CHECKED();
	establish(INTR_CONTINUE_SLEEP, leave_sleep, NULL);
	raised();
	handler_gone_under(&a);
	check_one();
	CHECK_HAS(sim_console(), "waits for the end of work queue \"hand\"");
}

/* ---- Work ---- */

static struct workqueue *wq;
static struct work first, second;

static void pass_and_sleep(void *m)
{
	pass(m);
	lwp_sleep_ns(5 * NS_PER_MS);
}

static void sleep_only(void *unused)
{
	(void)unused;
	lwp_sleep_ns(5 * NS_PER_MS);
}

static void work(unsigned lwps, void (*fn)(void *))
{
	CHECK_EQ(workqueue_create("queue", PRI_KERNEL, 0, lwps, 0, &wq), 0);
	work_init(&first, fn, &a);
	work_init(&second, sleep_only, NULL);
	CHECK_EQ(workqueue_enqueue(wq, &first), 0);
	lwp_sleep_ns(NS_PER_MS); /* it runs now */
}

/* `n` reports; then nothing is held, and it ends well. */
static void work_ends(unsigned n)
{
	mutex_exit(&a);
	lwp_sleep_ns(20 * NS_PER_MS);
	if (n != 0)
		check_one();
	CHECK_EQ(count("reports"), n);
	CHECK_EQ(workqueue_destroy(wq), 0);
	CHECK_EQ(count("reports"), n);
}

SIM_TEST(work_drained, 1, 0)
{
	NEEDS_CHECKED();
	work(2, pass_and_sleep);
	mutex_enter(&a);
	CHECK_EQ(workqueue_drain(wq), 0);
	work_ends(1);
	CHECK_HAS(sim_console(), "waits for the end of work queue \"queue\" (level none) at ");
	CHECK_HAS(sim_console(), "known: ran work queue \"queue\"");
	CHECK_HAS(sim_console(), "and as part of it work \"queue\"");
	CHECK_HAS(sim_console(), "known: ran work \"queue\"");
	CHECK_HAS(sim_console(), "and under it \"lock a\"");
}

SIM_TEST(work_destroyed, 1, 0)
{
	NEEDS_CHECKED();
	work(2, pass);
	mutex_enter(&a);
	CHECK_EQ(workqueue_destroy(wq), 0);
	mutex_exit(&a);
	sim_settle();
	check_one();
}

SIM_TEST(work_waited_for, 1, 0)
{
	NEEDS_CHECKED();
	work(2, pass_and_sleep);
	mutex_enter(&a);
	CHECK_EQ(workqueue_wait(&first), 0);
	work_ends(1);
	CHECK_HAS(sim_console(), "waits for the end of work \"queue\"");
}

SIM_TEST(work_halted, 1, 0)
{
	NEEDS_CHECKED();
	work(2, pass_and_sleep);
	mutex_enter(&a);
	CHECK_EQ(workqueue_halt(&first), 0);
	work_ends(1);
	CHECK_HAS(sim_console(), "waits for the end of work \"queue\"");
}

/* Another work of the queue is in nobody's way, where there is an lwp for each. */
SIM_TEST(work_beside_another, 1, 0)
{
	NEEDS_CHECKED();
	work(2, pass_and_sleep);
	CHECK_EQ(workqueue_enqueue(wq, &second), 0);
	lwp_sleep_ns(NS_PER_MS);
	mutex_enter(&a);
	CHECK_EQ(workqueue_halt(&second), 0);
	CHECK_EQ(workqueue_enqueue(wq, &second), 0);
	CHECK_EQ(workqueue_wait(&second), 0);
	work_ends(0);
}

/* But it is in the way of what is queued behind it. */
SIM_TEST(work_behind_another, 1, 0)
{
	NEEDS_CHECKED();
	work(1, pass_and_sleep);
	CHECK_EQ(workqueue_enqueue(wq, &second), 0);
	mutex_enter(&a);
	CHECK_EQ(workqueue_wait(&second), 0);
	work_ends(1);
	CHECK_HAS(sim_console(), "waits for the end of work queue \"queue\"");
}

static void waits_for_itself(void *unused)
{
	(void)unused;
	CHECK_EQ(workqueue_wait(&first), EDEADLK);
	CHECK_EQ(workqueue_halt(&first), EDEADLK);
	CHECK_EQ(workqueue_drain(wq), EDEADLK);
	CHECK_EQ(workqueue_wait(&second), 0);
}

/* What is refused, or is about another of one's own queue, is no ring. */
SIM_TEST(work_that_waits, 1, 0)
{
	NEEDS_CHECKED();
	work(2, waits_for_itself);
	CHECK_EQ(workqueue_enqueue(wq, &second), 0);
	CHECK_EQ(workqueue_enqueue(wq, &first), 0);
	mutex_enter(&a);
	work_ends(0);
}

/* ---- Joins ---- */

static void hold_and_join(void *l)
{
	mutex_enter(&a);
	lwp_join(l);
	mutex_exit(&a);
}

static void join(void *l)
{
	lwp_join(l);
}

static void join_late(void *l)
{
	mutex_enter(&a);
	lwp_sleep_ns(3 * NS_PER_MS);
	lwp_join(l);
}

static void pass_late(void *m)
{
	lwp_sleep_ns(NS_PER_MS);
	pass(m);
}

static void check_join(void)
{
	lwp_sleep_ns(10 * NS_PER_MS);
	check_one();
	CHECK_HAS(sim_console(), "lwp \"joined\":\n    enters \"lock a\" (level none) at ");
	CHECK_HAS(sim_console(), "waits for the end of lwp \"joined\" at ");
	CHECK_HAS(sim_console(), "and holds \"lock a\" (level none) at ");
}

SIM_TEST(joined_before_it_enters, 1, 0)
{
	NEEDS_CHECKED();
	(void)go("joiner", hold_and_join, go("joined", pass_late, &a, 0, LWP_JOINABLE), 0, 0);
	check_join();
}

SIM_TEST(joined_while_it_waits, 1, 0)
{
	NEEDS_CHECKED();
	(void)go("joiner", join_late, go("joined", pass_late, &a, 0, LWP_JOINABLE), 0, 0);
	check_join();
}

/* On two CPUs, each as it comes: either it is through in time, or it is told, once. */
SIM_TEST(joined_at_any_time, 2, 300)
{
	struct lwp *l;

	NEEDS_CHECKED();
	l = go("joined", pass, &a, 1, LWP_JOINABLE);
	(void)go("joiner", hold_and_join, l, 0, 0);
	lwp_sleep_ns(10 * NS_PER_MS);
	if (mutex_owner(&a) != NULL)
		check_one();
	else
		CHECK_EQ(count("reports"), 0);
}

SIM_TEST(joined_by_who_is_joined, 1, 0)
{
	NEEDS_CHECKED();
	(void)go("joiner", hold_and_join,
	    go("between", join, go("joined", pass_late, &a, 0, LWP_JOINABLE), 0, LWP_JOINABLE), 0,
	    0);
	check_join();
	CHECK_HAS(sim_console(), "lwp \"joiner\" waits for the end of lwp \"between\" at ");
}

SIM_TEST(joined_by_who_is_joined_later, 1, 0)
{
	NEEDS_CHECKED();
	(void)go("joiner", join_late,
	    go("between", join, go("joined", pass_late, &a, 0, LWP_JOINABLE), 0, LWP_JOINABLE), 0,
	    0);
	check_join();
	CHECK_HAS(sim_console(), "lwp \"joiner\" waits for the end of lwp \"between\" at ");
}

/* It enters another, but whoever has that may wait for what the joiner holds. */
SIM_TEST(joined_over_a_third, 1, 0)
{
	NEEDS_CHECKED();
	both(&b, &a);
	hold_and_join(go("joined", pass_late, &b, 0, LWP_JOINABLE));
	sim_settle();
	check_one();
	CHECK_HAS(sim_console(), "enters \"lock b\"");
	CHECK_HAS(sim_console(), "and under it \"lock a\"");
}

static void ends_soft(void *unused)
{
	(void)unused;
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(softint_disestablish(si), 0);
}

/* It waits for a softint that enters what its joiner holds. */
SIM_TEST(joined_while_it_ends_a_softint, 1, 0)
{
	NEEDS_CHECKED();
	soft(pass, &a);
	softint_schedule(si);
	sim_settle();
	hold_and_join(go("joined", ends_soft, NULL, 0, LWP_JOINABLE));
	sim_settle();
	check_one();
	CHECK_HAS(sim_console(), "waits for the end of softint \"soft\"");
}

static void soft_joins(void *unused)
{
	(void)unused;
	lwp_join(go("joined", pass, &a, 0, LWP_JOINABLE));
}

/* A softint that joins an lwp is as good as one that enters what the lwp does. */
SIM_TEST(joined_in_a_softint, 1, 0)
{
	NEEDS_CHECKED();
	soft(soft_joins, NULL);
	softint_schedule(si);
	lwp_sleep_ns(5 * NS_PER_MS);
	CHECK_EQ(count("reports"), 0);
	soft_gone_under(&a);
	sim_settle();
	check_one();
}

static void pass_and_end(void *m)
{
	pass(m);
	lwp_sleep_ns(5 * NS_PER_MS);
	pass(&b);
}

/* What it entered before anybody waited for it, what its joiner does not hold, and what another
 * holds while the first is joined: nothing. */
SIM_TEST(joined_in_time, 2, 50)
{
	struct lwp *l;

	NEEDS_CHECKED();
	l = go("joined", pass_and_end, &a, 1, LWP_JOINABLE);
	lwp_sleep_ns(NS_PER_MS);
	hold_and_join(l);
	l = go("joined", pass_late, &a, 1, LWP_JOINABLE);
	both(&a, &b);
	mutex_enter(&b);
	mutex_exit(&b);
	lwp_join(l);
	CHECK_EQ(count("reports"), 0);
	/* In the same memory: nobody waits for this one yet. */
	l = go("joined", pass_late, &a, 1, LWP_JOINABLE);
	mutex_enter(&a);
	lwp_sleep_ns(2 * NS_PER_MS);
	mutex_exit(&a);
	lwp_join(l);
	CHECK_EQ(count("reports"), 0);
}
