/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_storm.c - sources that nobody claims, that eat their CPU, that their handlers keep masked: each
 * is noticed, said once, and recovers; what is honest is left alone (I11).
 */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/storm.h>
#include <ithaca/sysctl.h>
#include <sim/sim.h>
#include <string.h>

static unsigned times_said(const char *what)
{
	const char *at = sim_console();
	unsigned n = 0;

	while ((at = strstr(at, what)) != NULL) {
		n++;
		at++;
	}
	return n;
}

static struct storm_info info_of(const struct sim_line *sl)
{
	struct storm_info info;

	storm_info(sl->sl_source, &info);
	return info;
}

/* ---- Nobody's ---- */

struct nobody {
	struct sim_line *n_line;
	bool n_mine; /* the filter claims, and quiets the line */
	unsigned n_asked;
	uint64_t n_asked_ns; /* when last */
};

static unsigned nobody_filter(void *arg)
{
	struct nobody *n = arg;

	n->n_asked++;
	n->n_asked_ns = clock_ns();
	if (!n->n_mine)
		return FILTER_STRAY;
	sim_line_lower(n->n_line);
	return FILTER_HANDLED;
}

static void nobody_init(struct nobody *n, enum intr_trigger trigger, unsigned flags)
{
	struct intr_handler *ih;

	memset(n, 0, sizeof(*n));
	n->n_line = sim_line_create("line", trigger, 0, flags);
	CHECK_EQ(intr_establish(n->n_line->sl_source, "deaf", IPL_NET, 0, nobody_filter, NULL, n,
		     &ih),
	    0);
}

SIM_TEST(unclaimed_level_line_is_held, 1, 10)
{
	struct nobody n;

	CHECK_EQ(storm_init(), 0);
	nobody_init(&n, INTR_LEVEL, 0);
	sim_line_raise(n.n_line); /* and stays up: nobody quiets it */
	lwp_sleep_ns(50 * NS_PER_MS);
	CHECK_EQ(n.n_asked, STORM_UNCLAIMED);
	CHECK(n.n_line->sl_masked);
	CHECK_EQ(info_of(n.n_line).state, STORM_HELD);
	CHECK_EQ(info_of(n.n_line).cause, STORM_BY_NOBODY);
	CHECK_HAS(sim_console(),
	    "storm: line (deaf): 1000 interrupts in a row that nobody claimed");
	lwp_sleep_ns(30 * NS_PER_S);
	CHECK(info_of(n.n_line).backoff_ns >= 6 * NS_PER_S);
	CHECK(n.n_asked < STORM_UNCLAIMED + 12 * 100);
	CHECK_EQ(times_said("storm:"), 1);
	n.n_mine = true; /* the driver learns */
	lwp_sleep_ns(15 * NS_PER_S);
	CHECK(!n.n_line->sl_masked);
	CHECK_EQ(info_of(n.n_line).state, STORM_CALM);
	CHECK_EQ(times_said("storm: line has calmed down"), 1);
	CHECK_EQ(times_said("storm:"), 2);
}

SIM_TEST(unclaimed_line_that_falls_silent, 1, 0)
{
	struct nobody n;

	CHECK_EQ(storm_init(), 0);
	nobody_init(&n, INTR_LEVEL, 0);
	sim_line_raise(n.n_line);
	lwp_sleep_ns(50 * NS_PER_MS);
	CHECK_EQ(info_of(n.n_line).state, STORM_HELD);
	sim_line_lower(n.n_line);
	lwp_sleep_ns(30 * NS_PER_S);
	CHECK_EQ(info_of(n.n_line).state, STORM_CALM);
	CHECK(!n.n_line->sl_masked);
}

static void nobody_raises(void *arg)
{
	struct nobody *n = arg;

	sim_line_raise(n->n_line);
}

static void nobody_learns(void *arg)
{
	struct nobody *n = arg;

	CHECK(n->n_line->sl_masked);
	n->n_mine = true;
}

/* Without the watch it is held and tried again all the same, and nobody else wakes the clock. */
SIM_TEST(unclaimed_without_the_watch, 1, 0)
{
	struct nobody n;
	uint64_t held_ns;

	nobody_init(&n, INTR_LEVEL, 0);
	sim_at(100 * NS_PER_MS, nobody_raises, &n);
	sim_at(150 * NS_PER_MS, nobody_learns, &n);
	held_ns = clock_ns() + 100 * NS_PER_MS;
	lwp_sleep_ns(NS_PER_S);
	CHECK_EQ(n.n_asked, STORM_UNCLAIMED + 1);
	CHECK(n.n_asked_ns - held_ns < 110 * NS_PER_MS);
	CHECK(!n.n_line->sl_masked);
	CHECK_EQ(info_of(n.n_line).state, STORM_CALM);
	CHECK_EQ(times_said("storm:"), 2);
}

SIM_TEST(one_claim_in_a_thousand_is_enough, 1, 0)
{
	struct nobody n;
	unsigned i;

	CHECK_EQ(storm_init(), 0);
	nobody_init(&n, INTR_EDGE, 0);
	for (i = 1; i <= 3 * STORM_UNCLAIMED; i++) {
		n.n_mine = i % (STORM_UNCLAIMED - 1) == 0;
		sim_line_raise(n.n_line);
		sim_point(SIM_TEST);
	}
	CHECK_EQ(n.n_asked, 3 * STORM_UNCLAIMED);
	CHECK_EQ(times_said("storm:"), 0);
}

/* ---- Eaters of time ---- */

struct eater {
	struct sim_line *e_line;
	struct intr_handler *e_ih;
	uint64_t e_work_ns; /* what its handler takes */
	uint64_t e_gap_ns;  /* from the end of one to the next interrupt; 0: at once */
	bool e_calm;
	unsigned e_raised, e_done, e_runs;
};

static void eater_raise(void *arg)
{
	struct eater *e = arg;

	e->e_raised++;
	sim_line_raise(e->e_line);
}

static unsigned eater_filter(void *arg)
{
	struct eater *e = arg;

	sim_line_lower(e->e_line);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool eater_thread(void *arg)
{
	struct eater *e = arg;

	e->e_runs++;
	e->e_done = e->e_raised;
	for (uint64_t ns = 0; ns < e->e_work_ns; ns += 100 * NS_PER_US) {
		sim_work(e->e_work_ns < 100 * NS_PER_US ? e->e_work_ns : 100 * NS_PER_US);
		port_pause(); /* the turn of the other CPUs */
	}
	if (!e->e_calm)
		sim_at(e->e_gap_ns, eater_raise, e);
	return true;
}

static void eater_init(struct eater *e, const char *name, enum intr_trigger trigger, unsigned cpu,
    unsigned flags)
{
	e->e_line = sim_line_create(name, trigger, cpu, flags);
	CHECK_EQ(intr_establish(e->e_line->sl_source, name, IPL_NET, 0, eater_filter, eater_thread,
		     e, &e->e_ih),
	    0);
}

static void eater_storms(enum intr_trigger trigger, unsigned flags)
{
	struct eater e = {.e_work_ns = 100 * NS_PER_US};
	unsigned runs;

	CHECK_EQ(storm_init(), 0);
	eater_init(&e, "eater", trigger, 0, flags);
	eater_raise(&e);
	lwp_sleep_ns(2 * NS_PER_S);
	CHECK_EQ(times_said("storm: eater (eater) took"), 1);
	CHECK_EQ(info_of(e.e_line).cause, STORM_BY_TIME);
	CHECK_EQ(info_of(e.e_line).storms, 1);
	runs = e.e_runs;
	lwp_sleep_ns(60 * NS_PER_S);
	/* Trials of 10 ms, each after a back-off that doubles to 10 s. */
	CHECK(e.e_runs > runs);
	CHECK(e.e_runs - runs < 20 * 120);
	CHECK_EQ(times_said("storm:"), 1);
	e.e_calm = true;
	lwp_sleep_ns(30 * NS_PER_S);
	CHECK_EQ(info_of(e.e_line).state, STORM_CALM);
	CHECK_EQ(times_said("storm: eater has calmed down"), 1);
	CHECK_EQ(e.e_done, e.e_raised);
	eater_raise(&e);
	sim_settle();
	CHECK_EQ(e.e_done, e.e_raised);
}

SIM_TEST(eater_on_a_level_line, 1, 0)
{
	eater_storms(INTR_LEVEL, 0);
}

/* What came while it was held is not lost: the filters are asked when it is let in. */
SIM_TEST(eater_by_message, 1, 0)
{
	eater_storms(INTR_MESSAGE, 0);
}

SIM_TEST(eater_that_cannot_be_masked, 1, 0)
{
	eater_storms(INTR_MESSAGE, SIM_NO_MASK);
}

SIM_TEST(eater_with_two_cpus, 2, 5)
{
	eater_storms(INTR_EDGE, 0);
}

/* I11: beside a storm that never ends, others get their CPU, its softints included. */
SIM_TEST(neighbours_of_a_storm, 1, 0)
{
	struct eater e = {.e_work_ns = 100 * NS_PER_US};
	uint64_t before;
	unsigned i, late = 0;

	CHECK_EQ(storm_init(), 0);
	eater_init(&e, "eater", INTR_LEVEL, 0, 0);
	eater_raise(&e);
	lwp_sleep_ns(5 * NS_PER_S);
	for (i = 0; i < 200; i++) {
		before = clock_ns();
		lwp_sleep_ns(20 * NS_PER_MS);
		late += clock_ns() - before > 21 * NS_PER_MS;
	}
	CHECK(late < 20);
}

/* Many interrupts that take little time are none of storm.c's business. */
SIM_TEST(honest_crowd_is_left_alone, 1, 0)
{
	struct eater e = {.e_work_ns = 1000, .e_gap_ns = 2 * NS_PER_US};

	CHECK_EQ(storm_init(), 0);
	eater_init(&e, "nic", INTR_MESSAGE, 0, 0);
	eater_raise(&e);
	lwp_sleep_ns(2 * NS_PER_S);
	CHECK(e.e_runs > 350000); /* in 2 s */
	CHECK_EQ(times_said("storm:"), 0);
	CHECK(info_of(e.e_line).percent > 5);
}

/* ---- Time that the host gave to others ---- */

/* A CPU that stands still for some time takes its clock interrupt late: so much of each `of_ns` is
 * kept from it. */
static void steal(unsigned index, uint64_t ns, uint64_t of_ns, uint64_t for_ns)
{
	uint64_t end_ns = clock_ns() + for_ns;

	while (clock_ns() < end_ns) {
		sim_deafen(index, true);
		lwp_sleep_ns(ns);
		sim_deafen(index, false);
		lwp_sleep_ns(of_ns - ns);
	}
}

/* In doubt it takes ten times as long to be sure, and is said with the time that it took. */
SIM_TEST(eater_of_stolen_time, 2, 0)
{
	struct eater e = {.e_work_ns = 200 * NS_PER_MS};

	CHECK_EQ(storm_init(), 0);
	eater_init(&e, "eater", INTR_LEVEL, 1, 0);
	eater_raise(&e);
	steal(1, 3 * NS_PER_MS, 17 * NS_PER_MS, 3 * NS_PER_S);
	CHECK_EQ(info_of(e.e_line).storms, 0);
	CHECK(info_of(e.e_line).percent >= 90);
	steal(1, 6 * NS_PER_MS, 13 * NS_PER_MS, 4 * NS_PER_S);
	CHECK_EQ(info_of(e.e_line).storms, 1);
	CHECK_HAS(sim_console(), " % of cpu1 for ");
	CHECK_EQ(times_said("for 500 ms"), 0);
	e.e_calm = true;
}

/* When it is over the doubt is. */
SIM_TEST(eater_after_stolen_time, 2, 0)
{
	struct eater e = {.e_work_ns = 200 * NS_PER_MS};

	CHECK_EQ(storm_init(), 0);
	eater_init(&e, "eater", INTR_LEVEL, 1, 0);
	eater_raise(&e);
	steal(1, 3 * NS_PER_MS, 17 * NS_PER_MS, NS_PER_S);
	CHECK_EQ(info_of(e.e_line).storms, 0);
	lwp_sleep_ns(700 * NS_PER_MS);
	CHECK_EQ(info_of(e.e_line).storms, 1);
	e.e_calm = true;
}

/* A hold is not made longer in doubt either. */
SIM_TEST(trial_in_doubt, 2, 0)
{
	struct eater e = {.e_work_ns = 200 * NS_PER_MS};
	uint64_t holds;

	CHECK_EQ(storm_init(), 0);
	eater_init(&e, "eater", INTR_LEVEL, 1, 0);
	eater_raise(&e);
	while (info_of(e.e_line).state != STORM_HELD)
		lwp_sleep_ns(10 * NS_PER_MS);
	holds = info_of(e.e_line).holds;
	while (info_of(e.e_line).state != STORM_TRIAL)
		steal(1, 7 * NS_PER_MS, 8 * NS_PER_MS, 8 * NS_PER_MS);
	steal(1, 6 * NS_PER_MS, 13 * NS_PER_MS, 50 * NS_PER_MS);
	CHECK_EQ(info_of(e.e_line).holds, holds);
	CHECK_EQ(info_of(e.e_line).state, STORM_TRIAL);
	lwp_sleep_ns(150 * NS_PER_MS);
	CHECK(info_of(e.e_line).holds > holds);
	e.e_calm = true;
}

/* The looks at one on trial are no looks at its neighbour, which works for a fifth of a second at
 * a time. */
SIM_TEST(burst_beside_a_trial, 1, 0)
{
	struct eater e = {.e_work_ns = 100 * NS_PER_US};
	struct eater burst = {.e_work_ns = 200 * NS_PER_MS, .e_gap_ns = 300 * NS_PER_MS};

	CHECK_EQ(storm_init(), 0);
	eater_init(&e, "eater", INTR_LEVEL, 0, 0);
	eater_raise(&e);
	lwp_sleep_ns(2 * NS_PER_S);
	CHECK_EQ(info_of(e.e_line).storms, 1);
	eater_init(&burst, "burst", INTR_LEVEL, 0, 0);
	eater_raise(&burst);
	e.e_calm = true;
	while (info_of(e.e_line).state != STORM_CALM)
		lwp_sleep_ns(NS_PER_S / 10);
	CHECK(burst.e_runs >= 2);
	CHECK_EQ(info_of(burst.e_line).storms, 0);
	burst.e_calm = true;
}

SIM_TEST(limit_off_and_on, 1, 0)
{
	struct eater e = {.e_work_ns = 100 * NS_PER_US};
	char buf[32];

	CHECK_EQ(storm_init(), 0);
	CHECK_EQ(sysctl_write("hw.intr.storm_percent", "0"), 0);
	CHECK(sysctl_write("hw.intr.storm_percent", "101") != 0);
	eater_init(&e, "eater", INTR_LEVEL, 0, 0);
	e.e_gap_ns = NS_PER_US;
	eater_raise(&e);
	lwp_sleep_ns(2 * NS_PER_S);
	CHECK_EQ(times_said("storm:"), 0);
	CHECK_EQ(sysctl_write("hw.intr.storm_percent", "50"), 0);
	lwp_sleep_ns(2 * NS_PER_S);
	CHECK_EQ(times_said("storm:"), 1);
	CHECK_EQ(sysctl_read("hw.intr.storms", buf, sizeof(buf)), 0);
	CHECK_STR(buf, "1");
	CHECK_EQ(sysctl_write("hw.intr.storm_percent", "0"), 0);
	lwp_sleep_ns(NS_PER_S);
	CHECK(!e.e_line->sl_masked || e.e_runs > 0);
	CHECK_EQ(info_of(e.e_line).state, STORM_CALM);
}

/* A source may go while it is held. */
SIM_TEST(held_source_goes, 2, 20)
{
	struct eater e = {.e_work_ns = 100 * NS_PER_US};
	struct nobody n;

	CHECK_EQ(storm_init(), 0);
	eater_init(&e, "eater", INTR_LEVEL, 1, 0);
	eater_raise(&e);
	lwp_sleep_ns(2 * NS_PER_S);
	CHECK_EQ(times_said("storm:"), 1);
	CHECK_EQ(intr_disestablish(e.e_ih), 0);
	CHECK_EQ(sim_line_destroy(e.e_line), 0);
	nobody_init(&n, INTR_LEVEL, 0);
	lwp_sleep_ns(NS_PER_S);
	CHECK_EQ(info_of(n.n_line).state, STORM_CALM);
}

/* And takes its trouble along: with nothing to watch the clock is not asked for. */
SIM_TEST(held_source_goes_for_good, 1, 0)
{
	struct eater e = {.e_work_ns = 100 * NS_PER_US};

	CHECK_EQ(storm_init(), 0);
	eater_init(&e, "eater", INTR_LEVEL, 0, 0);
	eater_raise(&e);
	lwp_sleep_ns(2 * NS_PER_S);
	CHECK_EQ(info_of(e.e_line).state, STORM_HELD);
	CHECK_EQ(intr_disestablish(e.e_ih), 0);
	CHECK_EQ(sim_line_destroy(e.e_line), 0);
	CHECK_EQ(sysctl_write("hw.intr.storm_percent", "0"), 0);
	CHECK_EQ(sysctl_write("hw.intr.stuck_ms", "0"), 0);
	(void)port_intr_disable();
	CHECK_EQ(storm_tick(curcpu(), clock_ns()), UINT64_MAX);
	port_intr_enable();
}

/* ---- Lines held masked ---- */

struct sleeper {
	struct sim_line *s_line;
	uint64_t s_ns;
};

static bool sleeper_thread(void *arg)
{
	struct sleeper *s = arg;

	sim_line_lower(s->s_line);
	lwp_sleep_ns(s->s_ns);
	return true;
}

SIM_TEST(stuck_line_is_named_once, 2, 10)
{
	struct sleeper s = {.s_ns = 4 * NS_PER_S};
	struct nobody other;
	struct intr_handler *ih;

	CHECK_EQ(storm_init(), 0);
	s.s_line = sim_line_create("irq9", INTR_LEVEL, 1, 0);
	memset(&other, 0, sizeof(other));
	other.n_line = s.s_line;
	CHECK_EQ(intr_establish(s.s_line->sl_source, "innocent", IPL_BIO, 0, nobody_filter, NULL,
		     &other, &ih),
	    0);
	CHECK_EQ(intr_establish(s.s_line->sl_source, "slow", IPL_BIO, 0, NULL, sleeper_thread, &s,
		     &ih),
	    0);
	sim_line_raise(s.s_line);
	lwp_sleep_ns(900 * NS_PER_MS);
	CHECK_EQ(times_said("masked"), 0);
	lwp_sleep_ns(2 * NS_PER_S);
	CHECK_EQ(times_said("intr: irq9 has been masked by slow for more than 1000 ms"), 1);
	CHECK(info_of(s.s_line).stuck);
	lwp_sleep_ns(3 * NS_PER_S);
	CHECK_EQ(times_said("masked"), 1);
	CHECK(!info_of(s.s_line).stuck);
	sim_line_raise(s.s_line);
	lwp_sleep_ns(3 * NS_PER_S);
	CHECK_EQ(times_said("masked"), 2);
}

SIM_TEST(no_memory, 1, 0)
{
	struct sim_line *sl = sim_line_create("good", INTR_LEVEL, 0, 0);
	struct intr_source *is;
	size_t bytes = sim_mem_bytes();
	unsigned i, failed = 0;

	for (i = 1; i <= 3; i++) {
		sim_mem_fail(i);
		if (intr_source_create("bad", INTR_LEVEL, sl->sl_source->is_pic, NULL, curcpu(),
			&is) != 0) {
			failed++;
			CHECK_EQ(sim_mem_bytes(), bytes);
		}
	}
	CHECK_EQ(failed, 3);
}
