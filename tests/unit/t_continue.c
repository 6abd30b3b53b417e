/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_continue.c - what a filter leaves behind is done, once, in order, in a thread; never too much
 * of it; and not at all after its handler is gone (I12).
 */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/continue.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <sim/sim.h>

#define SLEEP_ARG 1000000u /* in a_numbers: left by intr_continue_sleep() */

typedef int leave_t(struct intr_handler *ih, void (*fn)(void *), void *arg);

/* A device: each interrupt leaves one continuation, with the number of the interrupt. */
struct dev {
	struct sim_line *d_line;
	struct intr_handler *d_ih;
	leave_t *d_leave;
	unsigned d_irqs, d_left, d_refused, d_shut; /* by the filter */
	unsigned d_runs, d_last;
	bool d_running, d_gone;
	unsigned d_level; /* that they are to run at */
	void (*d_hook)(struct dev *);
	int d_error;
};

static struct dev d;

static void later(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg;

	CHECK(!d.d_gone);
	CHECK(!d.d_running);
	d.d_running = true;
	CHECK(port_intr_enabled());
	CHECK_EQ(curlwp->l_ipl, d.d_level);
	CHECK(number > d.d_last);
	d.d_last = number;
	d.d_runs++;
	sim_point(SIM_TEST);
	if (d.d_hook != NULL)
		d.d_hook(&d);
	sim_point(SIM_TEST);
	d.d_running = false;
}

static void leave_one(void)
{
	int error = d.d_leave(d.d_ih, later, (void *)(uintptr_t)++d.d_irqs);

	CHECK(error == 0 || error == EAGAIN || error == ESHUTDOWN);
	*(error == 0 ? &d.d_left : error == EAGAIN ? &d.d_refused : &d.d_shut) += 1;
}

static unsigned filter(void *arg)
{
	(void)arg;
	CHECK(!d.d_gone);
	leave_one();
	return FILTER_HANDLED;
}

static void establish(leave_t *leave, int ipl, unsigned slots, unsigned cpu)
{
	unsigned flag = leave == intr_continue ? INTR_CONTINUE : INTR_CONTINUE_SLEEP;

	d.d_leave = leave;
	d.d_line = sim_line_create("edge", INTR_EDGE, cpu, 0);
	if (leave == intr_continue)
		d.d_level = ipl == IPL_BIO ? IPL_SOFTBIO
		    : ipl == IPL_NET       ? IPL_SOFTNET
					   : IPL_SOFTSERIAL;
	CHECK_EQ(intr_establish(d.d_line->sl_source, "dev", ipl, flag | INTR_SLOTS(slots), filter,
		     NULL, NULL, &d.d_ih),
	    0);
}

static void disestablish(void)
{
	CHECK_EQ(intr_disestablish(d.d_ih), 0);
	d.d_gone = true;
	CHECK(!d.d_running);
	CHECK_EQ(d.d_runs, d.d_left);
}

/* ---- What belongs there is done ---- */

SIM_TEST(softint_at_the_handlers_level, 1, 0)
{
	static const int level[] = {IPL_BIO, IPL_NET, IPL_TTY, IPL_VM};

	for (unsigned i = 0; i < 4; i++) {
		d = (struct dev){0};
		establish(intr_continue, level[i], 4, 0);
		sim_line_raise(d.d_line);
		sim_settle();
		CHECK_EQ(d.d_runs, 1);
		disestablish();
	}
}

static void sleep_a_bit(struct dev *dev)
{
	(void)dev;
	lwp_sleep_ns(sim_random(20000));
}

static void traffic(leave_t *leave, void (*hook)(struct dev *))
{
	d.d_hook = hook;
	establish(leave, IPL_NET, 2 + (unsigned)sim_random(6), (unsigned)sim_random(cpu_count()));
	for (unsigned i = 0; i < 40; i++) {
		sim_line_raise(d.d_line);
		lwp_sleep_ns(sim_random(3) != 0 ? sim_random(2000) : sim_random(200000));
		if (sim_random(8) == 0)
			CHECK_EQ(intr_bind(d.d_line->sl_source,
				     cpu_lookup((unsigned)sim_random(cpu_count()))),
			    0);
	}
	if (sim_random(2))
		sim_settle();
	disestablish();
	CHECK_EQ(d.d_irqs, d.d_left + d.d_refused);
	CHECK(d.d_left > 0);
}

SIM_TEST(each_once_and_in_order_soft, 2, 200)
{
	traffic(intr_continue, NULL);
}

SIM_TEST(each_once_and_in_order_soft_that_blocks, 3, 100)
{
	traffic(intr_continue, sleep_a_bit);
}

SIM_TEST(each_once_and_in_order_sleep, 2, 200)
{
	traffic(intr_continue_sleep, NULL);
}

SIM_TEST(each_once_and_in_order_sleep_that_sleeps, 3, 100)
{
	traffic(intr_continue_sleep, sleep_a_bit);
}

/* A filter on each CPU at a time: nothing is lost between them. */
static unsigned numbers[64];

static void count_it(void *arg)
{
	(*(unsigned *)arg)++;
}

static unsigned filter_many(void *arg)
{
	static unsigned n;
	unsigned mine = n++;

	(void)arg;
	if (mine < 64 && d.d_leave(d.d_ih, count_it, &numbers[mine]) == 0)
		d.d_left++;
	return FILTER_HANDLED;
}

SIM_TEST(left_on_several_cpus, 4, 100)
{
	bool soft = sim_random(2);
	unsigned runs = 0;

	d.d_leave = soft ? intr_continue : intr_continue_sleep;
	d.d_line = sim_line_create("edge", INTR_EDGE, 0, 0);
	CHECK_EQ(intr_establish(d.d_line->sl_source, "dev", IPL_VM,
		     INTR_SLOTS(64) | (soft ? INTR_CONTINUE : INTR_CONTINUE_SLEEP), filter_many,
		     NULL, NULL, &d.d_ih),
	    0);
	for (unsigned i = 0; i < 30; i++) {
		sim_line_inject(d.d_line, (unsigned)sim_random(4));
		sim_line_inject(d.d_line, (unsigned)sim_random(4));
		lwp_sleep_ns(sim_random(3000));
	}
	CHECK_EQ(intr_disestablish(d.d_ih), 0);
	for (unsigned i = 0; i < 64; i++) {
		CHECK(numbers[i] <= 1);
		runs += numbers[i];
	}
	CHECK_EQ(runs, d.d_left);
	CHECK(runs >= 30);
}

/* The thread function leaves some too, and one continuation another, to both kinds. */
static unsigned chain_runs, chain_sleeps;
static struct intr_handler *chain_ih;

static void chain_sleep(void *arg)
{
	(void)arg;
	lwp_sleep_ns(1000);
	chain_sleeps++;
}

static void chain(void *arg)
{
	uintptr_t n = (uintptr_t)arg;

	chain_runs++;
	CHECK_EQ(intr_continue_sleep(chain_ih, chain_sleep, NULL), 0);
	if (n > 1)
		CHECK_EQ(intr_continue(chain_ih, chain, (void *)(n - 1)), 0);
}

static bool chain_thread(void *arg)
{
	(void)arg;
	CHECK_EQ(intr_continue(chain_ih, chain, (void *)5), 0);
	return true;
}

SIM_TEST(continuations_leave_others, 2, 50)
{
	struct sim_line *sl = sim_line_create("edge", INTR_EDGE, 0, 0);

	CHECK_EQ(intr_establish(sl->sl_source, "chain", IPL_BIO,
		     INTR_CONTINUE | INTR_CONTINUE_SLEEP, NULL, chain_thread, NULL, &chain_ih),
	    0);
	sim_line_raise(sl);
	sim_settle();
	CHECK_EQ(chain_runs, 5);
	while (chain_sleeps < 5)
		lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(intr_disestablish(chain_ih), 0);
}

/* One that sleeps holds up its successors and nobody else. */
static bool go;

static void sleep_until_go(struct dev *dev)
{
	(void)dev;
	while (!go)
		lwp_sleep_ns(NS_PER_MS);
}

static void nothing(void *arg)
{
	*(unsigned *)arg += 1;
}

static unsigned other_filter(void *arg)
{
	(void)arg;
	return FILTER_STRAY;
}

SIM_TEST(sleeper_holds_up_its_own_only, 1, 0)
{
	struct intr_handler *other;
	struct sim_line *sl = sim_line_create("other", INTR_EDGE, 0, 0);
	unsigned runs = 0;

	d.d_hook = sleep_until_go;
	establish(intr_continue_sleep, IPL_BIO, 4, 0);
	CHECK_EQ(intr_establish(sl->sl_source, "other", IPL_BIO,
		     INTR_CONTINUE | INTR_CONTINUE_SLEEP, other_filter, NULL, NULL, &other),
	    0);
	sim_line_raise(d.d_line);
	lwp_sleep_ns(NS_PER_MS);
	sim_line_raise(d.d_line);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(d.d_runs, 1);
	CHECK_EQ(intr_continue(other, nothing, &runs), 0);
	CHECK_EQ(intr_continue_sleep(other, nothing, &runs), 0);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(runs, 2);
	CHECK_EQ(d.d_runs, 1);
	go = true;
	CHECK_EQ(intr_disestablish(other), 0);
	disestablish();
	CHECK_EQ(d.d_runs, 2);
}

/* ---- The bound ---- */

static void bound(leave_t *leave)
{
	int spl;

	d = (struct dev){0};
	establish(leave, IPL_TTY, 3, 0);
	sim_console_clear();
	lwp_setpri(curlwp, PRI_MAX);
	spl = splraise(IPL_TTY); /* softints wait */
	for (unsigned i = 0; i < 10; i++)
		leave_one();
	CHECK_EQ(d.d_left, 3);
	CHECK_EQ(d.d_refused, 7);
	CHECK_HAS(sim_console(), "intr: dev: all 3 slots for continuations are taken\n");
	sim_console_clear();
	leave_one();
	CHECK_STR(sim_console(), ""); /* said once */
	intr_dump();
	CHECK_HAS(sim_console(), "3 of 3, 8 refused");
	splx(spl);
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(d.d_runs, 3);
	leave_one();
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(d.d_runs, 4);
	disestablish();
}

SIM_TEST(bounded_and_named, 1, 0)
{
	bound(intr_continue);
	bound(intr_continue_sleep);
}

SIM_TEST(sixteen_unless_asked_otherwise, 1, 0)
{
	int spl;

	establish(intr_continue, IPL_BIO, 0, 0);
	spl = splraise(IPL_SOFTSERIAL);
	for (unsigned i = 0; i < 40; i++)
		leave_one();
	CHECK_EQ(d.d_left, INTR_SLOTS_DEFAULT);
	splx(spl);
	disestablish();
}

/* ---- The end ---- */

/* Interrupts pour in while the handler goes. */
static unsigned raises_left;

static void raise_event(void *arg)
{
	sim_line_raise(arg);
	if (--raises_left > 0)
		sim_at(1 + sim_random(2000), raise_event, arg);
}

static void gone_in_the_midst(leave_t *leave)
{
	size_t before;

	d.d_hook = sim_random(2) ? sleep_a_bit : NULL;
	establish(leave, IPL_BIO, 1 + (unsigned)sim_random(8), (unsigned)sim_random(2));
	before = sim_mem_bytes();
	raises_left = 50;
	sim_at(sim_random(2000), raise_event, d.d_line);
	lwp_sleep_ns(sim_random(60000));
	disestablish();
	CHECK(sim_mem_bytes() < before);
	while (raises_left > 0)
		lwp_sleep_ns(NS_PER_MS);
}

SIM_TEST(gone_in_the_midst_soft, 2, 200)
{
	gone_in_the_midst(intr_continue);
}

SIM_TEST(gone_in_the_midst_sleep, 3, 200)
{
	gone_in_the_midst(intr_continue_sleep);
}

/* Those that were left run first, refuse successors, and may not wait for themselves. */
static void leave_for_ever(struct dev *dev)
{
	if (dev->d_error == 0)
		dev->d_error = intr_disestablish(dev->d_ih);
	CHECK_EQ(dev->d_error, EDEADLK);
	leave_one();
	lwp_sleep_ns(1000);
}

SIM_TEST(the_last_refuses_its_successor, 2, 100)
{
	d.d_hook = leave_for_ever;
	establish(sim_random(2) ? intr_continue : intr_continue_sleep, IPL_BIO, 1, 0);
	sim_line_raise(d.d_line);
	lwp_sleep_ns(sim_random(50000));
	disestablish();
	CHECK_EQ(d.d_shut, d.d_runs != 0);
}

/* One that sleeps is still at work when its handler goes, and tries to leave others: both kinds
 * refuse, also that which had nothing left to do. */
static struct intr_handler *both_ih;
static int late_error[2];

static void late_leaver(void *arg)
{
	(void)arg;
	while (!go)
		lwp_sleep_ns(NS_PER_MS);
	late_error[0] = intr_continue(both_ih, nothing, &chain_runs);
	late_error[1] = intr_continue_sleep(both_ih, nothing, &chain_runs);
}

static void go_event(void *arg)
{
	(void)arg;
	go = true;
}

SIM_TEST(refused_by_both_kinds_while_one_ends, 2, 20)
{
	struct sim_line *sl = sim_line_create("edge", INTR_EDGE, 0, 0);

	CHECK_EQ(intr_establish(sl->sl_source, "both", IPL_BIO, INTR_CONTINUE | INTR_CONTINUE_SLEEP,
		     other_filter, NULL, NULL, &both_ih),
	    0);
	CHECK_EQ(intr_continue_sleep(both_ih, late_leaver, NULL), 0);
	lwp_sleep_ns(NS_PER_MS);
	sim_at(20 * NS_PER_MS, go_event, NULL);
	CHECK_EQ(intr_disestablish(both_ih), 0);
	CHECK_EQ(late_error[0], ESHUTDOWN);
	CHECK_EQ(late_error[1], ESHUTDOWN);
	CHECK_EQ(chain_runs, 0);
}

SIM_TEST(refusals, 1, 0)
{
	struct intr_handler *ih;
	struct intr_source *is = sim_line_create("edge", INTR_EDGE, 0, 0)->sl_source;

	CHECK_EQ(intr_establish(is, "x", IPL_BIO, INTR_SLOTS(4), filter, NULL, NULL, &ih), EINVAL);
	CHECK_EQ(intr_establish(is, "x", IPL_BIO, INTR_CONTINUE | INTR_SLOTS(256), filter, NULL,
		     NULL, &ih),
	    EINVAL);
	CHECK_EQ(intr_establish(is, "x", IPL_BIO, INTR_CONTINUE, filter, NULL, NULL, &ih), 0);
	CHECK_EQ(intr_continue(ih, NULL, NULL), EINVAL);
	CHECK_EQ(intr_disestablish(ih), 0);
}

SIM_TEST(no_memory, 2, 0)
{
	struct intr_source *is = sim_line_create("edge", INTR_EDGE, 0, 0)->sl_source;
	struct intr_handler *ih;
	size_t before;
	unsigned n;
	int error;

	for (unsigned round = 0; round < 2; round++) {
		sim_settle();
		before = sim_mem_bytes();
		for (n = 1;; n++) {
			sim_mem_fail(n);
			error = intr_establish(is, "x", IPL_BIO,
			    INTR_CONTINUE | INTR_CONTINUE_SLEEP, filter, NULL, NULL, &ih);
			if (!sim_mem_failed())
				break;
			CHECK_EQ(error, ENOMEM);
			sim_settle();
			CHECK(round == 0 || sim_mem_bytes() == before);
		}
		CHECK(n > 6);
		CHECK_EQ(error, 0);
		sim_mem_fail(0);
		CHECK_EQ(intr_disestablish(ih), 0);
		sim_settle();
	}
	CHECK_EQ(sim_mem_bytes(), before);
}

SIM_PANIC(not_asked_for, 1,
    "continuation of dev, which was not established with INTR_CONTINUE_SLEEP")
{
	establish(intr_continue, IPL_BIO, 0, 0);
	(void)intr_continue_sleep(d.d_ih, later, NULL);
}
