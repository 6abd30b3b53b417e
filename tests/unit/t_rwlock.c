/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_rwlock.c - readers share, writers do not, everybody gets in, and priorities are lent (I8, I9).
 */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/rwlock.h>
#include <ithaca/sleepq.h>
#include <sim/sim.h>

static struct rwlock rw;
static char order[64];
static unsigned norder;

static void note(void *arg)
{
	CHECK(norder < sizeof(order) - 1);
	order[norder++] = *(const char *)arg;
}

static struct lwp *make(const char *name, int pri, void (*fn)(void *))
{
	struct lwp *l;

	CHECK_EQ(lwp_create(name, pri, NULL, LWP_JOINABLE, fn, (void *)(uintptr_t)name, &l), 0);
	return l;
}

/* Ditto, and it has come as far as it can. */
static struct lwp *make_waiter(const char *name, int pri, void (*fn)(void *))
{
	struct lwp *l = make(name, pri, fn);

	while (l->l_state != LWP_SLEEP)
		lwp_sleep_ns(100000);
	return l;
}

static void write_it(void *arg)
{
	rw_enter(&rw, RW_WRITER);
	note(arg);
	rw_exit(&rw);
}

static void read_it(void *arg)
{
	rw_enter(&rw, RW_READER);
	note(arg);
	rw_exit(&rw);
}

static bool leave;

/* In as a reader until `leave`. */
static void read_long(void *arg)
{
	rw_enter(&rw, RW_READER);
	note(arg);
	while (!leave)
		lwp_sleep_ns(NS_PER_MS);
	rw_exit(&rw);
}

SIM_TEST(alone, 1, 0)
{
	rw_init(&rw, "rw");
	CHECK(!rw_held(&rw, RW_READER));
	rw_enter(&rw, RW_READER);
	CHECK(rw_held(&rw, RW_READER));
	CHECK(!rw_held(&rw, RW_WRITER));
	CHECK(!rw_tryenter(&rw, RW_WRITER));
	rw_exit(&rw);
	rw_enter(&rw, RW_WRITER);
	CHECK(rw_held(&rw, RW_WRITER));
	CHECK(!rw_held(&rw, RW_READER));
	CHECK_EQ((uintptr_t)rw_owner(&rw), (uintptr_t)curlwp);
	CHECK(!rw_tryenter(&rw, RW_WRITER));
	CHECK(!rw_tryenter(&rw, RW_READER));
	rw_exit(&rw);
	CHECK_EQ((uintptr_t)rw_owner(&rw), 0);
	CHECK(rw_tryenter(&rw, RW_WRITER));
	rw_downgrade(&rw);
	CHECK(rw_held(&rw, RW_READER));
	CHECK(rw_tryupgrade(&rw));
	CHECK(rw_held(&rw, RW_WRITER));
	rw_exit(&rw);
	CHECK_EQ(rw.rw_word, 0);
	CHECK_EQ((uintptr_t)rw.rw_reader, 0);
	rw_destroy(&rw);
}

SIM_TEST(readers_share, 2, 20)
{
	struct lwp *a, *b;

	rw_init(&rw, "rw");
	a = make("a", 20, read_long);
	b = make("b", 20, read_long);
	while (norder < 2)
		lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(rw.rw_word, 2 * RW_ONE);
	CHECK(rw_tryenter(&rw, RW_READER));
	CHECK(!rw_tryupgrade(&rw));
	rw_exit(&rw);
	leave = true;
	lwp_join(a);
	lwp_join(b);
	CHECK_EQ(rw.rw_word, 0);
	rw_destroy(&rw);
}

/* A reader that comes after a waiting writer waits for it, tries or not. */
SIM_TEST(waiting_writer_keeps_readers_out, 1, 0)
{
	struct lwp *w, *r;

	rw_init(&rw, "rw");
	lwp_setpri(curlwp, 10);
	rw_enter(&rw, RW_READER);
	w = make_waiter("W", 20, write_it);
	CHECK(!rw_tryenter(&rw, RW_READER));
	r = make_waiter("r", 30, read_it);
	CHECK_EQ(norder, 0);
	rw_exit(&rw);
	lwp_join(w);
	lwp_join(r);
	CHECK_STR(order, "Wr");
	rw_destroy(&rw);
}

/* Among equals: all readers that wait, then one writer, and again. */
SIM_TEST(equals_take_turns, 1, 0)
{
	static const char *const name[] = {"A", "r", "B", "s", "t"};
	struct lwp *l[5];

	rw_init(&rw, "rw");
	lwp_setpri(curlwp, 40);
	rw_enter(&rw, RW_WRITER);
	for (unsigned i = 0; i < 5; i++)
		l[i] = make_waiter(name[i], 20, i % 2 == 0 && i < 4 ? write_it : read_it);
	rw_exit(&rw);
	for (unsigned i = 0; i < 5; i++)
		lwp_join(l[i]);
	CHECK_STR(order, "rstAB");
}

SIM_TEST(more_urgent_writer_first, 1, 0)
{
	struct lwp *r, *w, *x;

	rw_init(&rw, "rw");
	lwp_setpri(curlwp, 40);
	rw_enter(&rw, RW_WRITER);
	r = make_waiter("r", 10, read_it);
	w = make_waiter("W", 20, write_it);
	x = make_waiter("x", 30, read_it);
	rw_exit(&rw);
	lwp_join(r);
	lwp_join(w);
	lwp_join(x);
	CHECK_STR(order, "xWr");
}

/* Writers that pour in and are more urgent do not keep a reader out for ever. */
static unsigned writers_left;

static void write_often(void *arg)
{
	(void)arg;
	while (!leave && writers_left < 8 * RW_PASSES_MAX) {
		rw_enter(&rw, RW_WRITER);
		writers_left++;
		lwp_sleep_ns(20000); /* so that the other has come, and waits */
		rw_exit(&rw);
	}
}

SIM_TEST(passed_over_so_often_and_not_more, 1, 0)
{
	struct lwp *a, *b, *r;

	rw_init(&rw, "rw");
	lwp_setpri(curlwp, 40);
	rw_enter(&rw, RW_WRITER);
	a = make_waiter("A", 30, write_often);
	b = make_waiter("B", 30, write_often);
	r = make_waiter("r", 5, read_it);
	rw_exit(&rw);
	lwp_join(r);
	CHECK(writers_left >= RW_PASSES_MAX - 1 && writers_left <= RW_PASSES_MAX + 2);
	leave = true;
	lwp_join(a);
	lwp_join(b);
}

/* ---- Priority ---- */

SIM_TEST(lends_to_writer, 1, 0)
{
	struct lwp *r, *w;

	rw_init(&rw, "rw");
	lwp_setpri(curlwp, 10);
	rw_enter(&rw, RW_WRITER);
	r = make_waiter("r", 30, read_it);
	CHECK_EQ(curlwp->l_pri, 30);
	w = make_waiter("W", 40, write_it);
	CHECK_EQ(curlwp->l_pri, 40);
	rw_exit(&rw);
	CHECK_EQ(curlwp->l_pri, 10);
	lwp_join(r);
	lwp_join(w);
	CHECK_STR(order, "Wr");
}

SIM_TEST(lends_to_first_reader_as_long_as_it_stays, 1, 0)
{
	struct lwp *second, *w, *v;

	rw_init(&rw, "rw");
	lwp_setpri(curlwp, 10);
	rw_enter(&rw, RW_READER);
	second = make_waiter("2", 12, read_long);
	w = make_waiter("W", 30, write_it);
	CHECK_EQ(curlwp->l_pri, 30);
	CHECK_EQ(second->l_pri, 12);
	rw_exit(&rw);
	CHECK_EQ(curlwp->l_pri, 10);
	CHECK(list_empty(&curlwp->l_lent));
	v = make_waiter("V", 40, write_it);
	CHECK_EQ(curlwp->l_pri, 10); /* not ours any more */
	CHECK_EQ(second->l_pri, 12); /* not known: lent nothing */
	leave = true;
	lwp_join(second);
	lwp_join(w);
	lwp_join(v);
	CHECK_STR(order, "2VW");
}

/* Handed on: the next holder is lent what the others have, before it runs. */
static struct lwp *heir;
static uint8_t heir_pri;

static void write_and_look(void *arg)
{
	rw_enter(&rw, RW_WRITER);
	heir_pri = curlwp->l_pri;
	note(arg);
	rw_exit(&rw);
	CHECK_EQ(curlwp->l_pri, curlwp->l_basepri);
}

SIM_TEST(heir_is_lent_to, 1, 0)
{
	struct lwp *r;

	rw_init(&rw, "rw");
	lwp_setpri(curlwp, 45);
	rw_enter(&rw, RW_READER);
	heir = make_waiter("W", 10, write_and_look);
	r = make_waiter("r", 30, read_it);
	rw_exit(&rw);
	lwp_join(heir);
	lwp_join(r);
	CHECK_EQ(heir_pri, 30);
	CHECK_STR(order, "Wr");
}

/* Readers that went in together: the first of them is known to writers that come later. */
SIM_TEST(lends_to_one_of_those_handed_to, 1, 0)
{
	struct lwp *a, *b, *w;

	rw_init(&rw, "rw");
	lwp_setpri(curlwp, 45);
	rw_enter(&rw, RW_WRITER);
	a = make_waiter("a", 20, read_long);
	b = make_waiter("b", 10, read_long);
	rw_exit(&rw);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_STR(order, "ab");
	w = make_waiter("W", 30, write_it);
	CHECK_EQ(a->l_pri, 30);
	CHECK_EQ(b->l_pri, 10);
	leave = true;
	lwp_join(a);
	lwp_join(b);
	lwp_join(w);
}

/* Along the chain: a mutex whose owner waits for the rwlock. */
static struct mutex m;

static void hold_m_write(void *arg)
{
	mutex_enter(&m);
	write_it(arg);
	mutex_exit(&m);
}

static void want_m(void *arg)
{
	mutex_enter(&m);
	note(arg);
	mutex_exit(&m);
}

SIM_TEST(lends_through_a_mutex, 1, 0)
{
	struct lwp *mid, *high;

	rw_init(&rw, "rw");
	mutex_init(&m, "m", IPL_NONE);
	lwp_setpri(curlwp, 5);
	rw_enter(&rw, RW_READER);
	mid = make_waiter("2", 10, hold_m_write);
	high = make_waiter("3", 45, want_m);
	CHECK_EQ(mid->l_pri, 45);
	CHECK_EQ(curlwp->l_pri, 45);
	rw_exit(&rw);
	CHECK_EQ(curlwp->l_pri, 5);
	lwp_join(mid);
	lwp_join(high);
	CHECK_STR(order, "23");
}

/* ---- From one to the other ---- */

SIM_TEST(downgrade_lets_readers_in_and_no_writer, 1, 0)
{
	struct lwp *r, *w;

	rw_init(&rw, "rw");
	lwp_setpri(curlwp, 10);
	rw_enter(&rw, RW_WRITER);
	r = make_waiter("r", 30, read_it);
	w = make_waiter("W", 30, write_it);
	rw_downgrade(&rw);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_STR(order, "r");
	CHECK(rw_held(&rw, RW_READER));
	CHECK_EQ(curlwp->l_pri, 30); /* the writer's, lent to us */
	rw_exit(&rw);
	CHECK_EQ(curlwp->l_pri, 10);
	lwp_join(r);
	lwp_join(w);
	CHECK_STR(order, "rW");
}

SIM_TEST(upgrade_past_a_waiting_writer, 1, 0)
{
	struct lwp *w;

	rw_init(&rw, "rw");
	lwp_setpri(curlwp, 10);
	rw_enter(&rw, RW_READER);
	w = make_waiter("W", 30, write_it);
	CHECK(rw_tryupgrade(&rw));
	CHECK(rw_held(&rw, RW_WRITER));
	CHECK_EQ(curlwp->l_pri, 30);
	CHECK_EQ(norder, 0);
	rw_exit(&rw);
	CHECK_EQ(curlwp->l_pri, 10);
	lwp_join(w);
	CHECK_EQ(rw.rw_word, 0);
}

static bool upgraded;

static void read_then_write(void *arg)
{
	rw_enter(&rw, RW_READER);
	while (!leave)
		lwp_sleep_ns(NS_PER_MS);
	CHECK(rw_tryupgrade(&rw));
	note(arg);
	upgraded = true;
	while (leave)
		lwp_sleep_ns(NS_PER_MS);
	rw_exit(&rw);
}

/* A reader that was lent nothing is known once it is the writer. */
SIM_TEST(upgrade_makes_known, 1, 0)
{
	struct lwp *second, *w;

	rw_init(&rw, "rw");
	lwp_setpri(curlwp, 45);
	rw_enter(&rw, RW_READER);
	second = make_waiter("2", 12, read_then_write);
	w = make_waiter("W", 30, write_it);
	rw_exit(&rw);
	CHECK_EQ(second->l_pri, 12);
	leave = true;
	while (!upgraded)
		lwp_sleep_ns(100000);
	CHECK_EQ(second->l_pri, 30);
	leave = false;
	lwp_join(second);
	lwp_join(w);
	CHECK_STR(order, "2W");
}

/* ---- At random ---- */

static unsigned readers, writers, left, data[2];

static void check_read(void)
{
	CHECK_EQ(writers, 0);
	readers++;
	CHECK_EQ(data[0], data[1]);
	if (sim_random(4) == 0)
		lwp_sleep_ns(sim_random(3000));
	else
		sim_point(SIM_TEST);
	CHECK_EQ(writers, 0);
	CHECK_EQ(data[0], data[1]);
	readers--;
}

static void check_write(void)
{
	CHECK_EQ(writers, 0);
	CHECK_EQ(readers, 0);
	writers++;
	data[0]++;
	if (sim_random(4) == 0)
		lwp_sleep_ns(sim_random(3000));
	else
		sim_point(SIM_TEST);
	data[1]++;
	CHECK_EQ(writers, 1);
	CHECK_EQ(readers, 0);
	writers--;
}

static void one_turn(void)
{
	bool writer = sim_random(3) == 0;
	enum rw_op op = writer ? RW_WRITER : RW_READER;

	if (sim_random(5) != 0)
		rw_enter(&rw, op);
	else if (!rw_tryenter(&rw, op))
		return;
	if (writer) {
		check_write();
		if (sim_random(3) == 0) {
			rw_downgrade(&rw);
			writer = false;
		}
	}
	if (!writer) {
		check_read();
		if (sim_random(3) == 0 && rw_tryupgrade(&rw))
			check_write();
	}
	rw_exit(&rw);
}

static void random_turns(void *arg)
{
	(void)arg;
	for (unsigned n = 0; n < 15; n++) {
		one_turn();
		if (sim_random(8) == 0)
			lwp_setpri(curlwp, PRI_MIN + (int)sim_random(PRI_MAX));
		CHECK(list_empty(&curlwp->l_lent));
		CHECK_EQ(curlwp->l_pri, curlwp->l_basepri);
	}
	left--;
}

static void at_random(unsigned lwps)
{
	rw_init(&rw, "rw");
	left = lwps;
	for (unsigned i = 0; i < lwps; i++)
		CHECK_EQ(lwp_create("turns", PRI_MIN + (int)sim_random(PRI_MAX), NULL, 0,
			     random_turns, NULL, NULL),
		    0);
	while (left > 0)
		lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(rw.rw_word, 0);
	CHECK_EQ((uintptr_t)rw.rw_reader, 0);
	CHECK_EQ(curlwp->l_pri, curlwp->l_basepri);
	rw_destroy(&rw);
}

SIM_TEST(at_random_on_two, 2, 400)
{
	at_random(5);
}

SIM_TEST(at_random_on_four, 4, 300)
{
	at_random(9);
}

SIM_TEST(at_random_on_64, 64, 10)
{
	at_random(100);
}

/* A handler may take one: it is divorced, what it interrupted goes on and lets it in. */
static bool handled;

static bool thread_reads(void *arg)
{
	sim_line_lower(arg);
	rw_enter(&rw, RW_READER);
	handled = true;
	rw_exit(&rw);
	return true;
}

static bool thread_reads_edge(void *arg)
{
	(void)arg;
	rw_enter(&rw, RW_READER);
	handled = true;
	rw_exit(&rw);
	return true;
}

SIM_TEST(handler_blocks_and_is_divorced, 1, 50)
{
	struct sim_line *sl = sim_line_create("line", INTR_LEVEL, 0, 0);
	struct sim_line *se = sim_line_create("edge", INTR_EDGE, 0, 0);
	struct intr_handler *ih, *ie;
	int pri = curlwp->l_pri;

	rw_init(&rw, "rw");
	CHECK_EQ(intr_establish(sl->sl_source, "l", IPL_NET, 0, NULL, thread_reads, sl, &ih), 0);
	CHECK_EQ(intr_establish(se->sl_source, "e", IPL_BIO, 0, NULL, thread_reads_edge, se, &ie),
	    0);
	for (unsigned i = 0; i < 2; i++) {
		handled = false;
		rw_enter(&rw, RW_WRITER);
		sim_line_raise(i == 0 ? sl : se);
		while (curlwp->l_pri == pri)
			sim_point(SIM_TEST);
		CHECK_EQ(curlwp->l_pri, PRI_LEVEL(i == 0 ? IPL_NET : IPL_BIO));
		CHECK(!handled);
		rw_exit(&rw);
		sim_settle();
		CHECK(handled);
		CHECK_EQ(curlwp->l_pri, pri);
	}
	CHECK_EQ(intr_disestablish(ih), 0);
	CHECK_EQ(intr_disestablish(ie), 0);
}

/* ---- What the lock checker sees ---- */

SIM_TEST(order_is_watched, 1, 0)
{
	struct rwlock other;

	EXPECT_WITNESS();
	rw_init(&rw, "rw");
	rw_init(&other, "other");
	mutex_init(&m, "m", IPL_NONE);
	rw_enter(&rw, RW_READER);
	mutex_enter(&m);
	rw_enter(&other, RW_WRITER);
	rw_exit(&other);
	mutex_exit(&m);
	CHECK(rw_tryupgrade(&rw));
	rw_downgrade(&rw);
	rw_exit(&rw);
	sim_console_clear();
	rw_enter(&other, RW_READER);
	CHECK_STR(sim_console(), "");
	rw_enter(&rw, RW_WRITER);
	if (ITHACA_CHECKED)
		CHECK_HAS(sim_console(), "other");
	rw_exit(&rw);
	rw_exit(&other);
	rw_destroy(&rw);
	rw_destroy(&other);
}

/* ---- Programmer's errors ---- */

SIM_PANIC(writer_enters_twice, 1, "rwlock rw entered twice by main")
{
	rw_init(&rw, "rw");
	rw_enter(&rw, RW_WRITER);
	rw_enter(&rw, RW_READER);
}

SIM_PANIC(reader_becomes_writer_by_entering, 1, "rwlock rw entered twice by main")
{
	rw_init(&rw, "rw");
	rw_enter(&rw, RW_READER);
	rw_enter(&rw, RW_WRITER);
}

SIM_PANIC(exit_not_held, 1, "rwlock rw exited by main, owned by nobody")
{
	rw_init(&rw, "rw");
	rw_exit(&rw);
}

static void exit_it(void *arg)
{
	(void)arg;
	rw_exit(&rw);
}

SIM_PANIC(exit_by_another, 1, "rwlock rw exited by thief, owned by main")
{
	rw_init(&rw, "rw");
	rw_enter(&rw, RW_WRITER);
	lwp_join(make("thief", 40, exit_it));
}

SIM_PANIC(destroyed_while_held, 1, "rwlock rw destroyed while held")
{
	rw_init(&rw, "rw");
	rw_enter(&rw, RW_READER);
	rw_destroy(&rw);
}

SIM_PANIC(entered_at_a_hard_level, 1, "rwlock rw entered at level vm")
{
	rw_init(&rw, "rw");
	splraise(IPL_VM);
	rw_enter(&rw, RW_READER);
}

SIM_PANIC(downgraded_by_a_reader, 1, "rwlock rw downgraded by main, which does not own it")
{
	rw_init(&rw, "rw");
	rw_enter(&rw, RW_READER);
	rw_downgrade(&rw);
}
