/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_heartbeat.c - kern/heartbeat.c: what hangs is caught in time and named, what is only slow, kept
 * waiting or stopped by its host is not. With a tenth of the default time, since a simulated CPU
 * that does not idle is simulated step by step.
 */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/heartbeat.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <ithaca/spl.h>
#include <ithaca/sysctl.h>
#include <sim/probe.h>
#include <sim/sim.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_NS (100 * NS_PER_MS)

static uint64_t value(const char *name)
{
	char text[24];

	CHECK_EQ(sysctl_read(name, text, sizeof(text)), 0);
	return strtoull(text, NULL, 10);
}

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

static void start(void)
{
	CHECK_EQ(heartbeat_init(), 0);
	CHECK_EQ(sysctl_write("kern.heartbeat_ms", "100"), 0);
	lwp_sleep_ns(LIMIT_NS);
}

static void loop(void *unused)
{
	(void)unused;
	for (;;) {
		sim_work(100 * NS_PER_US);
		port_pause(); /* the turn of the others */
	}
}

/* ---- What is well ---- */

SIM_TEST(beats_five_times_a_second, 4, 0)
{
	uint64_t before;

	CHECK_EQ(heartbeat_init(), 0);
	before = value("kern.heartbeat.beats");
	lwp_sleep_ns(10 * NS_PER_S);
	CHECK(value("kern.heartbeat.beats") - before >= 4 * 49);
	CHECK(value("kern.heartbeat.beats") - before <= 4 * 51);
	CHECK_EQ(value("kern.heartbeat.reports"), 0);
}

SIM_TEST(off_there_is_none, 2, 0)
{
	uint64_t before;

	start();
	CHECK_EQ(sysctl_write("kern.heartbeat_ms", "0"), 0);
	before = value("kern.heartbeat.beats");
	sim_deafen(1, true);
	lwp_sleep_ns(5 * NS_PER_S);
	sim_deafen(1, false);
	CHECK(value("kern.heartbeat.beats") - before <= 1); /* what was under way */
	CHECK_EQ(sysctl_write("kern.heartbeat_ms", "500"), 0);
	before = value("kern.heartbeat.beats");
	lwp_sleep_ns(5 * NS_PER_S);
	CHECK(value("kern.heartbeat.beats") - before >= 98);
	CHECK_EQ(sysctl_write("kern.heartbeat_ms", "99"), ERANGE);
	CHECK_EQ(sysctl_write("kern.heartbeat_ms", "3600001"), ERANGE);
	CHECK_EQ(value("kern.heartbeat_ms"), 500);
}

/* Half the time without interrupts is no hang. */
SIM_TEST(deaf_for_a_while, 3, 0)
{
	start();
	for (unsigned i = 0; i < 3; i++) {
		sim_deafen(1, true);
		lwp_sleep_ns(LIMIT_NS / 2);
		sim_deafen(1, false);
		lwp_sleep_ns(LIMIT_NS / 4);
	}
	CHECK_EQ(value("kern.heartbeat.reports"), 0);
}

/* The host lets a CPU lie for seconds, and then go on. */
SIM_TEST(stopped_by_its_host, 2, 0)
{
	start();
	for (unsigned i = 0; i < 2; i++) {
		sim_deafen(1, true);
		sim_probe_freeze(1, true);
		lwp_sleep_ns(7 * LIMIT_NS);
		sim_probe_freeze(1, false);
		sim_deafen(1, false);
		lwp_sleep_ns(2 * LIMIT_NS);
	}
	CHECK(value("kern.heartbeat.beats") > 2 * 5 * 5);
}

/* Both at once, so that the watcher wakes up to a neighbour that has been silent for long. */
SIM_TEST(both_stopped_by_their_host, 3, 0)
{
	start();
	for (unsigned i = 0; i < 4; i++) { /* some silence that was answered */
		sim_deafen(2, true);
		lwp_sleep_ns(LIMIT_NS / 2);
		sim_deafen(2, false);
		lwp_sleep_ns(LIMIT_NS / 2);
	}
	for (unsigned i = 1; i < 3; i++) {
		sim_deafen(i, true);
		sim_probe_freeze(i, true);
	}
	lwp_sleep_ns(5 * LIMIT_NS);
	for (unsigned i = 1; i < 3; i++) {
		sim_probe_freeze(i, false);
		sim_deafen(i, false); /* the first takes its clock interrupt here */
	}
	lwp_sleep_ns(2 * LIMIT_NS);
}

static bool let_go;

static void loop_until_let_go(void *unused)
{
	(void)unused;
	(void)splraise(IPL_NET);
	while (!let_go) {
		sim_work(100 * NS_PER_US);
		port_pause();
	}
	splx(IPL_NONE);
}

/* One takes no interrupts, one stays at its level, and both may wait for the one that stands. */
SIM_TEST(waiting_for_one_that_its_host_stopped, 4, 0)
{
	start();
	sim_deafen(3, true);
	sim_probe_freeze(3, true);
	sim_deafen(1, true);
	CHECK_EQ(lwp_create("waits", PRI_MAX, cpu_lookup(2), 0, loop_until_let_go, NULL, NULL), 0);
	lwp_sleep_ns(6 * LIMIT_NS);
	let_go = true;
	sim_deafen(1, false);
	sim_probe_freeze(3, false);
	sim_deafen(3, false);
	lwp_sleep_ns(3 * LIMIT_NS);
	CHECK_EQ(value("kern.heartbeat.reports"), 0);
}

/* When that one goes on, or answers again, it is no excuse any more. */
SIM_PANIC(nobody_is_stopped_any_more, 4, "cpu1 takes no interrupts for")
{
	start();
	sim_deafen(3, true);
	sim_probe_freeze(3, true);
	sim_deafen(1, true);
	lwp_sleep_ns(3 * LIMIT_NS);
	sim_probe_freeze(3, false);
	sim_deafen(3, false);
	lwp_sleep_ns(LIMIT_NS);
	FAIL("not caught");
}

static void work(void *left)
{
	for (unsigned i = 0; i < 10; i++) {
		sim_work(sim_random(3) * NS_PER_MS);
		lwp_sleep_ns(sim_random(LIMIT_NS));
	}
	--*(unsigned *)left;
}

SIM_TEST(under_load, 3, 20)
{
	unsigned left = 6;

	start();
	for (unsigned i = 0; i < 6; i++)
		CHECK_EQ(lwp_create("work", PRI_KERNEL, NULL, 0, work, &left, NULL), 0);
	while (left > 0)
		lwp_sleep_ns(LIMIT_NS / 10);
	CHECK_EQ(value("kern.heartbeat.reports"), 0);
}

/* ---- No interrupts ---- */

SIM_PANIC(deaf_cpu, 3, "heartbeat: cpu1 takes no interrupts for 8")
{
	start();
	sim_deafen(1, true);
	lwp_sleep_ns(LIMIT_NS); /* no longer: it must be caught within that */
	FAIL("not caught");
}

SIM_PANIC(deaf_last_cpu_is_watched_by_the_one_before, 3, "heartbeat: cpu2 takes no interrupts")
{
	start();
	sim_deafen(2, true);
	lwp_sleep_ns(LIMIT_NS);
	FAIL("not caught");
}

static void loop_deaf(void *unused)
{
	(void)port_intr_disable();
	loop(unused);
}

SIM_PANIC(first_cpu_is_watched_by_the_last, 3, "heartbeat: cpu0 takes no interrupts")
{
	start();
	CHECK_EQ(lwp_create("deaf", PRI_MAX, cpu_lookup(0), 0, loop_deaf, NULL, NULL), 0);
	lwp_sleep_ns(LIMIT_NS);
	FAIL("not caught");
}

SIM_PANIC(the_one_that_hangs_is_named, 2, "lwp \"deaf\" at level none")
{
	start();
	CHECK_EQ(lwp_create("deaf", PRI_KERNEL, cpu_lookup(1), 0, loop_deaf, NULL, NULL), 0);
	lwp_sleep_ns(LIMIT_NS);
	FAIL("not caught");
}

SIM_PANIC(and_shown, 2, "cpu1, which hangs:\n  lwp \"deaf\"")
{
	start();
	CHECK_EQ(lwp_create("deaf", PRI_KERNEL, cpu_lookup(1), 0, loop_deaf, NULL, NULL), 0);
	lwp_sleep_ns(LIMIT_NS);
	FAIL("not caught");
}

SIM_PANIC(dead_cpu_in_the_end, 2, "and does not answer")
{
	start();
	sim_deafen(1, true);
	sim_probe_freeze(1, true);
	lwp_sleep_ns(9 * LIMIT_NS);
	CHECK_EQ(said("panic"), 0);
	lwp_sleep_ns(3 * LIMIT_NS);
	FAIL("not caught");
}

/* ---- No softclock ---- */

SIM_PANIC(softint_that_loops, 2, "runs no softclock for 1")
{
	struct softint *si;

	start();
	CHECK_EQ(softint_establish("endless", IPL_SOFTCLOCK, loop, NULL, &si), 0);
	softint_schedule_cpu(si, cpu_lookup(1));
	lwp_sleep_ns(3 * LIMIT_NS / 2);
	FAIL("not caught");
}

SIM_PANIC(softint_that_loops_is_named, 1, "at level softclock stays in endless")
{
	struct softint *si;

	start();
	CHECK_EQ(softint_establish("endless", IPL_SOFTCLOCK, loop, NULL, &si), 0);
	softint_schedule(si);
	FAIL("it came back");
}

static void loop_raised(void *unused)
{
	(void)splraise(IPL_NET);
	loop(unused);
}

SIM_PANIC(lwp_that_loops_at_a_level, 1, "lwp \"raised\" at level net")
{
	start();
	CHECK_EQ(lwp_create("raised", PRI_MAX, NULL, 0, loop_raised, NULL, NULL), 0);
	lwp_sleep_ns(3 * LIMIT_NS);
	FAIL("not caught");
}

static bool loop_thread(void *unused)
{
	loop(unused);
	return true;
}

static struct sim_line *line(const char *name, unsigned index, intr_thread_t *thread)
{
	struct sim_line *sl = sim_line_create(name, INTR_EDGE, index, 0);
	struct intr_handler *ih;

	CHECK_EQ(intr_establish(sl->sl_source, name, IPL_NET, 0, NULL, thread, NULL, &ih), 0);
	return sl;
}

SIM_PANIC(handler_that_loops, 2, "at level net stays in looper")
{
	start();
	sim_line_raise(line("looper", 1, loop_thread));
	lwp_sleep_ns(3 * LIMIT_NS / 2);
	FAIL("not caught");
}

/* The softclock is blocked, and the CPU well: the console is told, more and more rarely. */
static struct mutex m;

static void pass(void *unused)
{
	(void)unused;
	mutex_enter(&m);
	mutex_exit(&m);
}

SIM_TEST(softclock_that_is_blocked, 2, 0)
{
	struct softint *si;

	start();
	mutex_init(&m, "the mutex", IPL_SOFTCLOCK);
	CHECK_EQ(softint_establish("patient", IPL_SOFTCLOCK, pass, NULL, &si), 0);
	mutex_enter(&m);
	softint_schedule(si);
	lwp_sleep_ns(9 * LIMIT_NS);
	CHECK_EQ(value("kern.heartbeat.reports"), 4); /* after 1, 2, 4, 8 s or so */
	mutex_exit(&m);
	CHECK_HAS(sim_console(),
	    "softint patient waits for \"the mutex\", held by lwp \"main\" (sleep on sleep)");
	lwp_sleep_ns(5 * LIMIT_NS);
	CHECK_EQ(value("kern.heartbeat.reports"), 4);
	/* Anew the next time. */
	mutex_enter(&m);
	softint_schedule(si);
	lwp_sleep_ns(3 * LIMIT_NS / 2);
	mutex_exit(&m);
	CHECK_EQ(value("kern.heartbeat.reports"), 5);
}

static void doze(void *unused)
{
	(void)unused;
	lwp_sleep_ns(3 * LIMIT_NS / 2);
}

SIM_TEST(softclock_that_sleeps, 2, 0)
{
	struct softint *si;

	start();
	CHECK_EQ(softint_establish("dozer", IPL_SOFTCLOCK, doze, NULL, &si), 0);
	softint_schedule(si);
	lwp_sleep_ns(3 * LIMIT_NS);
	CHECK_EQ(value("kern.heartbeat.reports"), 1);
	CHECK_HAS(sim_console(), "softint dozer sleeps on \"sleep\"");
}

/* Handlers that come and go leave the softclock nothing: too much work, and no hang. */
static struct sim_line *busy;
static bool enough;

static bool busy_thread(void *unused)
{
	(void)unused;
	sim_work(NS_PER_MS / 2);
	port_pause();
	if (!enough)
		sim_line_raise(busy);
	return true;
}

SIM_TEST(too_much_work, 2, 0)
{
	start();
	busy = line("busy", 1, busy_thread);
	sim_line_raise(busy);
	lwp_sleep_ns(4 * LIMIT_NS);
	enough = true;
	sim_settle();
	CHECK(value("kern.heartbeat.reports") >= 1);
	CHECK_HAS(sim_console(), "heartbeat: cpu1 runs no softclock");
	CHECK_HAS(sim_console(), "there is too much to do");
}
