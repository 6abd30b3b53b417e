/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_balance.c - sources move from a CPU that they keep busy to one that they do not: who goes, who
 * stays, when, and that nobody goes to and fro.
 */
#include "unit.h"

#include <ithaca/balance.h>
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/storm.h>
#include <ithaca/sysctl.h>
#include <sim/sim.h>
#include <string.h>

#define LOOK_NS NS_PER_S

/* A source that takes a share of its CPU: its handler works for so long, again and again. */
struct user {
	struct sim_line *u_line;
	struct intr_handler *u_ih;
	uint64_t u_work_ns, u_gap_ns;
	uint64_t u_until_ns; /* ends then by itself; 0: does not */
	bool u_calm;
	unsigned u_raised, u_done;
};

static void user_raise(void *arg)
{
	struct user *u = arg;

	u->u_raised++;
	sim_line_raise(u->u_line);
}

static unsigned user_filter(void *arg)
{
	struct user *u = arg;

	sim_line_lower(u->u_line);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool user_thread(void *arg)
{
	struct user *u = arg;

	u->u_done = u->u_raised;
	for (uint64_t ns = 0; ns < u->u_work_ns; ns += 100 * NS_PER_US) {
		sim_work(100 * NS_PER_US);
		port_pause(); /* the turn of the other CPUs */
	}
	if (!u->u_calm && (u->u_until_ns == 0 || clock_ns() < u->u_until_ns))
		sim_at(u->u_gap_ns, user_raise, u);
	return true;
}

/* user_begin - `percent` of each 10 ms of CPU `cpu`. */
static void user_begin(struct user *u, const char *name, unsigned percent, unsigned cpu,
    unsigned flags)
{
	u->u_work_ns = percent * NS_PER_MS / 10;
	u->u_gap_ns = 10 * NS_PER_MS - u->u_work_ns;
	u->u_line = sim_line_create(name, INTR_MESSAGE, cpu, flags);
	CHECK_EQ(intr_establish(u->u_line->sl_source, name, IPL_NET, 0, user_filter, user_thread, u,
		     &u->u_ih),
	    0);
	user_raise(u);
}

static unsigned where(const struct user *u)
{
	return atomic_load_explicit(&u->u_line->sl_source->is_cpu, memory_order_relaxed)->ci_index;
}

static unsigned number(const char *name)
{
	char text[32];
	unsigned n = 0;

	CHECK_EQ(sysctl_read(name, text, sizeof(text)), 0);
	for (const char *at = text; *at >= '0' && *at <= '9'; at++)
		n = 10 * n + (unsigned)(*at - '0');
	return n;
}

static unsigned moves(void)
{
	return number("hw.intr.balance.moves");
}

static void start(void)
{
	CHECK_EQ(storm_init(), 0);
	CHECK_EQ(balance_init(), 0);
	CHECK_EQ(balance_init(), EEXIST);
}

static void end(struct user *u)
{
	u->u_calm = true;
	lwp_sleep_ns(100 * NS_PER_MS);
	CHECK_EQ(u->u_done, u->u_raised);
}

/* ---- Who goes ---- */

SIM_TEST(one_of_two_goes, 2, 5)
{
	struct user a = {0}, b = {0};

	start();
	user_begin(&a, "a", 40, 0, 0);
	user_begin(&b, "b", 30, 0, 0);
	lwp_sleep_ns(5 * LOOK_NS / 2);
	CHECK_EQ(moves(), 0); /* not before three looks, and the first of them is to begin with */
	lwp_sleep_ns(7 * LOOK_NS / 2);
	CHECK_EQ(moves(), 1);
	/* The smaller one: the greater of the loads is then the least. */
	CHECK_EQ(where(&a), 0);
	CHECK_EQ(where(&b), 1);
	CHECK_EQ(b.u_line->sl_source->is_balance.bs_moves, 1);
	CHECK_HAS(sim_console(), "balance: b (b), ");
	CHECK_HAS(sim_console(), " % of cpu0, moves to cpu1: sources took ");
	lwp_sleep_ns(60 * LOOK_NS);
	CHECK_EQ(moves(), 1);
	end(&a);
	end(&b);
}

/* Three that want two CPUs each alone: one has to share, and it stays at that. They end by
 * themselves, as nobody else gets to run where two of them are. */
SIM_TEST(nobody_goes_to_and_fro, 2, 5)
{
	struct user u[3] = {{0}, {0}, {0}};
	char name[] = "a";
	uint64_t until_ns = clock_ns() + 60 * LOOK_NS;

	start();
	for (unsigned i = 0; i < 3; i++, name[0]++) {
		u[i].u_until_ns = until_ns;
		user_begin(&u[i], name, 60, 0, 0);
	}
	while (clock_ns() < until_ns)
		lwp_sleep_ns(LOOK_NS);
	CHECK_EQ(moves(), 1);
	CHECK_EQ(where(&u[0]) + where(&u[1]) + where(&u[2]), 1);
	for (unsigned i = 0; i < 3; i++)
		end(&u[i]);
}

SIM_TEST(a_crowd_spreads, 4, 0)
{
	struct user u[8] = {{0}};
	char name[] = "a";
	unsigned on[4] = {0};

	start();
	for (unsigned i = 0; i < 8; i++, name[0]++)
		user_begin(&u[i], name, 12, 0, 0);
	lwp_sleep_ns(60 * LOOK_NS);
	for (unsigned i = 0; i < 8; i++)
		on[where(&u[i])]++;
	/* Until four are left, which is less than half of a CPU. */
	CHECK_EQ(moves(), 4);
	CHECK_EQ(on[0], 4);
	for (unsigned i = 1; i < 4; i++)
		CHECK(on[i] == 1 || on[i] == 2);
	for (unsigned i = 0; i < 8; i++)
		end(&u[i]);
}

/* To the CPU of which they take least. */
SIM_TEST(to_the_idlest, 3, 0)
{
	struct user a = {0}, b = {0}, c = {0};

	start();
	user_begin(&a, "a", 40, 0, 0);
	user_begin(&b, "b", 40, 0, 0);
	user_begin(&c, "c", 20, 1, 0);
	lwp_sleep_ns(6 * LOOK_NS);
	CHECK_EQ(moves(), 1);
	CHECK_EQ(where(&a) + where(&b), 2);
	CHECK_EQ(where(&c), 1);
	end(&a);
	end(&b);
	end(&c);
}

/* ---- Who stays ---- */

SIM_TEST(who_is_alone_stays, 2, 0)
{
	struct user a = {0};

	start();
	user_begin(&a, "a", 80, 0, 0);
	lwp_sleep_ns(20 * LOOK_NS);
	CHECK_EQ(moves(), 0);
	end(&a);
}

SIM_TEST(what_is_not_much_stays, 2, 0)
{
	struct user a = {0}, b = {0};

	start();
	user_begin(&a, "a", 25, 0, 0);
	user_begin(&b, "b", 20, 0, 0);
	lwp_sleep_ns(20 * LOOK_NS);
	CHECK_EQ(moves(), 0);
	CHECK_EQ(sysctl_write("hw.intr.balance_percent", "40"), 0);
	lwp_sleep_ns(6 * LOOK_NS);
	CHECK_EQ(moves(), 1);
	end(&a);
	end(&b);
}

/* By hand, or by a driver, and until it is let go. */
SIM_TEST(what_is_bound_stays, 2, 0)
{
	struct user a = {0}, b = {0};

	start();
	user_begin(&a, "a", 40, 1, 0);
	user_begin(&b, "b", 40, 0, 0);
	CHECK_EQ(intr_bind(a.u_line->sl_source, cpu_lookup(0)), 0);
	CHECK_EQ(intr_bind(b.u_line->sl_source, cpu_lookup(0)), 0);
	lwp_sleep_ns(20 * LOOK_NS);
	CHECK_EQ(moves(), 0);
	intr_unbind(a.u_line->sl_source);
	lwp_sleep_ns(6 * LOOK_NS);
	CHECK_EQ(moves(), 1);
	CHECK_EQ(where(&a), 1);
	CHECK_EQ(where(&b), 0);
	end(&a);
	end(&b);
}

SIM_TEST(what_cannot_move_stays, 2, 0)
{
	struct user a = {0}, b = {0};

	start();
	user_begin(&a, "a", 40, 0, SIM_NO_ROUTE);
	user_begin(&b, "b", 40, 0, SIM_NO_ROUTE);
	lwp_sleep_ns(20 * LOOK_NS);
	CHECK_EQ(moves(), 0);
	CHECK_EQ(number("hw.intr.balance.refused"), 0);
	end(&a);
	end(&b);
}

/* No vector left there: said once, and the other one goes. */
SIM_TEST(one_that_is_refused, 2, 0)
{
	struct user a = {0}, b = {0};

	start();
	user_begin(&a, "a", 45, 0, 0);
	user_begin(&b, "b", 30, 0, 0);
	b.u_line->sl_route_error = ENOSPC;
	lwp_sleep_ns(20 * LOOK_NS);
	CHECK_HAS(sim_console(), "balance: b (b) stays on cpu0: cpu1: no vector left");
	CHECK_EQ(number("hw.intr.balance.refused"), 1);
	CHECK_EQ(moves(), 1);
	CHECK_EQ(where(&a), 1);
	CHECK_EQ(where(&b), 0);
	end(&a);
	end(&b);
}

/* A CPU that cannot be given any is the least busy for ever: another is asked next. */
SIM_TEST(one_cpu_that_refuses, 3, 0)
{
	struct user a = {0}, b = {0};

	start();
	user_begin(&a, "a", 45, 0, 0);
	user_begin(&b, "b", 30, 0, 0);
	a.u_line->sl_route_error = b.u_line->sl_route_error = ENOSPC;
	lwp_sleep_ns(20 * LOOK_NS);
	CHECK_HAS(sim_console(), "balance: b (b) stays on cpu0: cpu1: no vector left");
	CHECK_HAS(sim_console(), "balance: a (a) stays on cpu0: cpu2: no vector left");
	CHECK_EQ(number("hw.intr.balance.refused"), 2);
	CHECK_EQ(moves(), 0);
	end(&a);
	end(&b);
}

/* One that storm.c holds, or tries, is left to it. */
SIM_TEST(a_storm_stays, 2, 0)
{
	struct user storm = {0}, a = {0};
	struct storm_info info;

	start();
	CHECK_EQ(sysctl_write("hw.intr.storm_percent", "30"), 0);
	CHECK_EQ(sysctl_write("hw.intr.balance_percent", "1"), 0);
	CHECK_EQ(sysctl_write("hw.intr.balance_ms", "50"), 0);
	user_begin(&a, "a", 20, 1, 0);
	CHECK_EQ(intr_bind(a.u_line->sl_source, cpu_lookup(0)), 0);
	user_begin(&storm, "storm", 40, 0, 0);
	CHECK_EQ(intr_bind(storm.u_line->sl_source, cpu_lookup(0)), 0);
	do {
		lwp_sleep_ns(10 * NS_PER_MS);
		storm_info(storm.u_line->sl_source, &info);
	} while (info.state == STORM_CALM);
	storm.u_work_ns = 2 * NS_PER_MS; /* it learns */
	intr_unbind(storm.u_line->sl_source);
	do {
		CHECK_EQ(moves(), 0);
		lwp_sleep_ns(10 * NS_PER_MS);
		storm_info(storm.u_line->sl_source, &info);
	} while (info.state != STORM_CALM);
	lwp_sleep_ns(NS_PER_S);
	CHECK_EQ(moves(), 1);
	CHECK_EQ(where(&storm), 1);
	end(&storm);
	end(&a);
}

/* ---- When ---- */

SIM_TEST(off_and_on, 2, 0)
{
	struct user a = {0}, b = {0};

	start();
	CHECK_EQ(sysctl_write("hw.intr.balance_ms", "0"), 0);
	CHECK_EQ(sysctl_write("hw.intr.balance_ms", "9"), ERANGE);
	CHECK_EQ(sysctl_write("hw.intr.balance_percent", "0"), ERANGE);
	user_begin(&a, "a", 40, 0, 0);
	user_begin(&b, "b", 40, 0, 0);
	lwp_sleep_ns(20 * LOOK_NS);
	CHECK_EQ(moves(), 0);
	CHECK_EQ(sysctl_write("hw.intr.balance_ms", "100"), 0);
	lwp_sleep_ns(LOOK_NS);
	CHECK_EQ(moves(), 1);
	end(&a);
	end(&b);
}

/* Where no time is charged there is nothing to go by. */
SIM_TEST(without_accounts, 2, 0)
{
	struct user a = {0}, b = {0};

	start();
	CHECK_EQ(sysctl_write("hw.intr.acct", "0"), 0);
	user_begin(&a, "a", 40, 0, 0);
	user_begin(&b, "b", 40, 0, 0);
	lwp_sleep_ns(20 * LOOK_NS);
	CHECK_EQ(moves(), 0);
	end(&a);
	end(&b);
}

/* What it takes is not known yet: nobody is sent to where it is. */
SIM_TEST(one_that_has_just_come, 2, 0)
{
	struct user a = {0}, b = {0}, c = {0};

	start();
	user_begin(&a, "a", 40, 0, 0);
	user_begin(&b, "b", 30, 0, 0);
	lwp_sleep_ns(7 * LOOK_NS / 2);
	user_begin(&c, "c", 60, 1, 0);
	lwp_sleep_ns(20 * LOOK_NS);
	CHECK_EQ(moves(), 0);
	end(&a);
	end(&b);
	end(&c);
}

/* One that moved rests, also where it gets into company. */
SIM_TEST(one_that_moved_rests, 2, 0)
{
	struct user a = {0}, b = {0}, c = {0};
	unsigned looks = 0;

	start();
	user_begin(&a, "a", 40, 0, 0);
	user_begin(&b, "b", 30, 0, 0);
	while (moves() == 0)
		lwp_sleep_ns(LOOK_NS);
	CHECK_EQ(where(&b), 1);
	CHECK_EQ(intr_bind(a.u_line->sl_source, cpu_lookup(1)), 0);
	user_begin(&c, "c", 15, 1, 0);
	CHECK_EQ(intr_bind(c.u_line->sl_source, cpu_lookup(1)), 0);
	for (; moves() == 1; looks++)
		lwp_sleep_ns(LOOK_NS);
	CHECK_EQ(where(&b), 0);
	CHECK(looks >= 9 && looks <= 12);
	end(&a);
	end(&b);
	end(&c);
}

/* CPU 1 stands still for 20 ms of each 23, until then, and so takes its clock interrupts late. */
static struct theft {
	uint64_t t_until_ns;
	bool t_deaf;
} theft;

static void steal(void *arg)
{
	struct theft *t = arg;

	t->t_deaf = !t->t_deaf && clock_ns() < t->t_until_ns;
	sim_deafen(1, t->t_deaf);
	if (clock_ns() < t->t_until_ns)
		sim_at(t->t_deaf ? 20 * NS_PER_MS : 3 * NS_PER_MS, steal, t);
}

/* A CPU whose clock is late may not have been at work: it takes ten times as long to be sure. */
SIM_TEST(in_doubt, 2, 0)
{
	struct user a = {0}, b = {0};

	start();
	CHECK_EQ(sysctl_write("hw.intr.balance_ms", "500"), 0);
	CHECK_EQ(sysctl_write("hw.intr.balance_percent", "5"), 0);
	user_begin(&a, "a", 20, 1, 0);
	user_begin(&b, "b", 20, 1, 0);
	theft.t_until_ns = clock_ns() + 20 * NS_PER_S;
	steal(&theft);
	lwp_sleep_ns(6 * NS_PER_S);
	CHECK_EQ(moves(), 0);
	lwp_sleep_ns(15 * NS_PER_S);
	CHECK_EQ(moves(), 1);
	end(&a);
	end(&b);
}

/* A source goes while the balancer looks; its place may be another's soon. */
SIM_TEST(sources_come_and_go, 2, 20)
{
	struct user a = {0}, b = {0};

	start();
	CHECK_EQ(sysctl_write("hw.intr.balance_ms", "10"), 0);
	for (unsigned i = 0; i < 20; i++) {
		a = b = (struct user){0};
		user_begin(&a, "a", 40, i % 2, 0);
		user_begin(&b, "b", 40, i % 2, 0);
		lwp_sleep_ns((30 + 7 * i) * NS_PER_MS);
		end(&a);
		end(&b);
		CHECK_EQ(intr_disestablish(a.u_ih), 0);
		CHECK_EQ(intr_disestablish(b.u_ih), 0);
		CHECK_EQ(sim_line_destroy(a.u_line), 0);
		CHECK_EQ(sim_line_destroy(b.u_line), 0);
	}
	CHECK(moves() >= 1);
}

/* Nobody is woken where there is nowhere to go. */
SIM_TEST(one_cpu, 1, 0)
{
	struct user a = {0}, b = {0};

	start();
	user_begin(&a, "a", 40, 0, 0);
	user_begin(&b, "b", 40, 0, 0);
	lwp_sleep_ns(10 * LOOK_NS);
	CHECK_EQ(moves(), 0);
	end(&a);
	end(&b);
}
