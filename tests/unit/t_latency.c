/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_latency.c - kern/latency.c: what waited, for how long, is in the right bucket, once; what no
 * interrupt asked for, and what was before anybody wanted to know, is not there.
 */
#include "tdev.h"

#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/latency.h>
#include <ithaca/port.h>
#include <ithaca/spl.h>
#include <ithaca/sysctl.h>

struct found {
	const struct intr_handler *fo_ih;
	uint64_t fo_total;
	unsigned fo_first, fo_last; /* buckets with anything in them */
	bool fo_counted;
};

static bool look(struct intr_source *is, void *arg)
{
	struct found *fo = arg;
	uint64_t sum[LATENCY_BUCKETS];
	struct intr_handler *ih;

	for (ih = atomic_load(&is->is_handlers); ih != NULL; ih = atomic_load(&ih->ih_next)) {
		if (ih != fo->fo_ih)
			continue;
		fo->fo_counted = latency_sum(ih, sum);
		for (unsigned b = LATENCY_BUCKETS; b-- > 0;) {
			fo->fo_total += sum[b];
			if (sum[b] != 0) {
				fo->fo_first = b;
				fo->fo_last = fo->fo_last > b ? fo->fo_last : b;
			}
		}
	}
	return true;
}

static struct found counted(const struct tdev *td)
{
	struct found fo = {.fo_ih = td->td_ih};

	intr_source_each(look, &fo);
	return fo;
}

SIM_TEST(edges_grow_by_half_powers, 1, 0)
{
	CHECK_EQ(latency_edge(0), 64);
	CHECK_EQ(latency_edge(1), 96);
	CHECK_EQ(latency_edge(2), 128);
	for (unsigned b = 2; b < LATENCY_BUCKETS; b++)
		CHECK_EQ(latency_edge(b), 2 * latency_edge(b - 2));
}

static void raise_and_wait(struct tdev *td)
{
	unsigned before = td->td_runs;

	tdev_raise(td);
	sim_settle();
	CHECK_EQ(td->td_runs, before + 1);
}

static void plain_and_line(enum intr_trigger trigger)
{
	struct tdev td = {0};

	tdev_init(&td, "dev", trigger, 0, IPL_NET, true);
	raise_and_wait(&td);
	CHECK(!counted(&td).fo_counted);
	CHECK_EQ(latency_want(true), 0);
	CHECK(counted(&td).fo_counted);
	CHECK_EQ(counted(&td).fo_total, 0);
	for (unsigned i = 1; i <= 3; i++) {
		raise_and_wait(&td);
		CHECK_EQ(counted(&td).fo_total, i);
	}
	CHECK_EQ(latency_want(true), 0); /* again: nothing is lost */
	CHECK_EQ(counted(&td).fo_total, 3);
	CHECK_EQ(latency_want(false), 0);
	CHECK(!counted(&td).fo_counted);
	raise_and_wait(&td);
	CHECK_EQ(latency_want(true), 0);
	CHECK_EQ(counted(&td).fo_total, 0);
	CHECK_EQ(latency_want(false), 0);
}

SIM_TEST(a_run_upon_the_interrupted_lwp_is_counted, 1, 0)
{
	plain_and_line(INTR_MESSAGE);
}

SIM_TEST(a_run_out_of_the_queue_is_counted, 1, 0)
{
	plain_and_line(INTR_LEVEL);
}

static void waits_for(enum intr_trigger trigger, uint64_t ns)
{
	struct tdev td = {0};
	struct found fo;
	uint64_t from;
	int s;

	tdev_init(&td, "dev", trigger, 0, IPL_NET, true);
	CHECK_EQ(latency_want(true), 0);
	s = splraise(IPL_NET);
	from = port_counter();
	tdev_raise(&td);
	sim_point(SIM_TEST);
	CHECK_EQ(td.td_filters, 1);
	CHECK_EQ(td.td_runs, 0);
	sim_work(ns);
	splx(s);
	from = port_counter() - from;
	sim_settle();
	CHECK_EQ(td.td_runs, 1);
	fo = counted(&td);
	CHECK_EQ(fo.fo_total, 1);
	CHECK_EQ(fo.fo_first, fo.fo_last);
	CHECK(port_counter_to_ns(latency_edge(fo.fo_last)) > ns);
	CHECK(fo.fo_last == 0 || latency_edge(fo.fo_last - 1) <= from);
	CHECK_EQ(latency_want(false), 0);
}

SIM_TEST(what_its_level_kept_out_waited_so_long, 1, 0)
{
	waits_for(INTR_MESSAGE, 70 * NS_PER_US);
	waits_for(INTR_LEVEL, 3 * NS_PER_MS);
}

static void ask_again(struct tdev *td)
{
	if (td->td_runs == 1)
		hwi_sched(td->td_ih);
}

SIM_TEST(what_no_interrupt_asked_for_is_not_counted, 1, 0)
{
	struct tdev td = {.td_hook = ask_again}, manual = {0};

	tdev_init(&td, "dev", INTR_MESSAGE, 0, IPL_NET, true);
	tdev_init(&manual, "manual", INTR_MESSAGE, 0, IPL_NET, true);
	CHECK_EQ(latency_want(true), 0);
	tdev_raise(&td);
	sim_settle();
	CHECK_EQ(td.td_runs, 2);
	CHECK_EQ(counted(&td).fo_total, 1);
	hwi_sched(manual.td_ih);
	sim_settle();
	CHECK_EQ(manual.td_runs, 1);
	CHECK_EQ(counted(&manual).fo_total, 0);
	CHECK_EQ(latency_want(false), 0);
}

/* Of two on a line only one is asked for; the other's next interrupt, later, waits from then. */
SIM_TEST(a_neighbour_does_not_wait, 1, 0)
{
	struct tdev a = {0}, b = {0};
	struct found fo;

	tdev_init(&a, "a", INTR_LEVEL, 0, IPL_NET, true);
	tdev_share(&b, &a, "b", IPL_NET, true);
	CHECK_EQ(latency_want(true), 0);
	raise_and_wait(&a);
	CHECK_EQ(counted(&a).fo_total, 1);
	CHECK_EQ(counted(&b).fo_total, 0);
	sim_work(20 * NS_PER_MS);
	raise_and_wait(&b);
	fo = counted(&b);
	CHECK_EQ(fo.fo_total, 1);
	CHECK(port_counter_to_ns(latency_edge(fo.fo_last)) < 20 * NS_PER_MS);
	CHECK_EQ(counted(&a).fo_total, 1);
	CHECK_EQ(latency_want(false), 0);
}

/* Two handlers: rows for the first, for the second, for both can be had. */
SIM_TEST(without_memory_all_is_given_back, 1, 0)
{
	struct tdev a = {0}, b = {0};
	size_t before;

	tdev_init(&a, "a", INTR_MESSAGE, 0, IPL_NET, true);
	tdev_init(&b, "b", INTR_LEVEL, 0, IPL_NET, true);
	before = sim_mem_bytes();
	for (unsigned n = 1; n <= 2; n++) {
		sim_mem_fail(n);
		CHECK_EQ(latency_want(true), ENOMEM);
		CHECK_EQ(sim_mem_bytes(), before);
		CHECK(!latency_wanted());
		raise_and_wait(&a);
	}
	sim_mem_fail(0);
	CHECK_EQ(latency_want(true), 0);
	CHECK(sim_mem_bytes() > before);
	CHECK_EQ(latency_want(false), 0);
	CHECK_EQ(sim_mem_bytes(), before);
}

SIM_TEST(newcomers_are_counted_and_leave_nothing, 2, 0)
{
	struct tdev td = {0}, again = {0};
	size_t during;

	CHECK_EQ(latency_want(true), 0);
	tdev_init(&td, "dev", INTR_MESSAGE, 1, IPL_NET, true);
	raise_and_wait(&td);
	CHECK_EQ(counted(&td).fo_total, 1);
	CHECK_EQ(intr_disestablish(td.td_ih), 0);
	tdev_init(&again, "again", INTR_MESSAGE, 1, IPL_NET, true);
	raise_and_wait(&again);
	during = sim_mem_bytes();
	CHECK_EQ(latency_want(false), 0);
	CHECK(sim_mem_bytes() < during);
	CHECK_EQ(intr_disestablish(again.td_ih), 0);
}

SIM_TEST(without_accounting_nothing_is_counted, 1, 0)
{
	struct tdev td = {0};

	tdev_init(&td, "dev", INTR_MESSAGE, 0, IPL_NET, true);
	CHECK_EQ(sysctl_write("hw.intr.acct", "0"), 0);
	CHECK_EQ(latency_want(true), 0);
	raise_and_wait(&td);
	CHECK_EQ(counted(&td).fo_total, 0);
	CHECK_EQ(latency_want(false), 0);
	CHECK_EQ(sysctl_write("hw.intr.acct", "1"), 0);
}
