/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_intr.c - sources, handlers, filters and the mask: architecture section 5, points 2 to 4, and
 * I1, I2, I3, I12. What runs next is in t_ithread.c; races under load in t_races.c.
 */
#include "tdev.h"

#include <ithaca/clock.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/storm.h>

static uint64_t handler_stray(const struct intr_handler *ih)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < cpu_count(); i++)
		n += atomic_load_explicit(&ih->ih_stats[i].st_stray, memory_order_relaxed);
	return n;
}

static uint64_t source_stray(const struct intr_source *is)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < cpu_count(); i++)
		n += atomic_load_explicit(&is->is_stats[i].st_stray, memory_order_relaxed);
	return n;
}

static uint64_t source_count(const struct intr_source *is)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < cpu_count(); i++)
		n += atomic_load_explicit(&is->is_stats[i].st_count, memory_order_relaxed);
	return n;
}

/* ---- Point 2: the answers of filters ---- */

SIM_TEST(handled_runs_no_thread, 1, 0)
{
	struct tdev td = {.td_answer = FILTER_HANDLED};

	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_NET, true);
	tdev_raise(&td);
	sim_settle();
	CHECK_EQ(td.td_filters, 1);
	CHECK_EQ(td.td_runs, 0);
	CHECK_EQ(td.td_line->sl_masks, 0);
	CHECK_EQ(td.td_line->sl_eois, 1);
	CHECK_EQ(source_stray(td.td_line->sl_source), 0);
}

static void check_in_ithread(struct tdev *td)
{
	CHECK(curlwp->l_flags & LWP_ITHREAD);
	CHECK_EQ(curlwp->l_ipl, IPL_NET);
	CHECK_EQ(curlwp->l_level, IPL_NET);
	CHECK(curlwp->l_handler == td->td_ih);
	CHECK(curlwp->l_pinned != NULL);
}

SIM_TEST(both_answers_run_thread_in_ithread, 1, 0)
{
	struct tdev td = {.td_hook = check_in_ithread};

	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_NET, true);
	tdev_raise(&td);
	sim_point(SIM_TEST);
	CHECK_EQ(td.td_filters, 1);
	CHECK_EQ(td.td_runs, 1);
	tdev_check(&td);
	CHECK_EQ(curlwp->l_ipl, IPL_NONE);
	CHECK_EQ(source_count(td.td_line->sl_source), 1);
	CHECK_EQ(source_stray(td.td_line->sl_source), 0);
}

SIM_TEST(schedule_alone_thread_claims, 1, 0)
{
	struct tdev td = {.td_answer = FILTER_SCHEDULE_THREAD};

	tdev_init(&td, "bridge", INTR_LEVEL, 0, IPL_NET, true);
	tdev_raise(&td);
	sim_settle();
	tdev_check(&td);
	CHECK_EQ(td.td_runs, 1);
	CHECK_EQ(handler_stray(td.td_ih), 0);
	CHECK_EQ(atomic_load(&td.td_line->sl_source->is_unclaimed), 0);
}

static unsigned always_schedule(void *arg)
{
	(void)arg;
	return FILTER_SCHEDULE_THREAD;
}

static bool never_mine(void *arg)
{
	(*(unsigned *)arg)++;
	return false;
}

static bool mine(void *arg)
{
	(*(unsigned *)arg)++;
	return true;
}

SIM_TEST(schedule_alone_thread_denies, 1, 0)
{
	struct sim_line *sl = sim_line_create("bridge", INTR_EDGE, 0, 0);
	struct intr_handler *ih;
	unsigned runs = 0;

	CHECK_EQ(intr_establish(sl->sl_source, "liar", IPL_NET, 0, always_schedule, never_mine,
		     &runs, &ih),
	    0);
	sim_line_raise(sl);
	sim_settle();
	CHECK_EQ(runs, 1);
	CHECK_EQ(handler_stray(ih), 1);
	CHECK_EQ(atomic_load(&sl->sl_source->is_unclaimed), 1);
}

SIM_TEST(claim_by_thread_ends_unclaimed_row, 1, 0)
{
	struct sim_line *sl = sim_line_create("bridge", INTR_EDGE, 0, 0);
	struct intr_handler *liar, *child;
	unsigned denied = 0, claimed = 0;

	CHECK_EQ(intr_establish(sl->sl_source, "liar", IPL_NET, 0, always_schedule, never_mine,
		     &denied, &liar),
	    0);
	for (unsigned i = 0; i < 5; i++) {
		sim_line_raise(sl);
		sim_settle();
	}
	CHECK_EQ(atomic_load(&sl->sl_source->is_unclaimed), 5);
	CHECK_EQ(intr_disestablish(liar), 0);
	CHECK_EQ(intr_establish(sl->sl_source, "child", IPL_NET, 0, always_schedule, mine, &claimed,
		     &child),
	    0);
	sim_line_raise(sl);
	sim_settle();
	CHECK_EQ(claimed, 1);
	CHECK_EQ(atomic_load(&sl->sl_source->is_unclaimed), 0);
}

SIM_TEST(no_filter_means_schedule, 1, 0)
{
	struct tdev td = {0};

	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_BIO, false);
	tdev_raise(&td);
	sim_settle();
	tdev_check(&td);
	CHECK_EQ(td.td_runs, 1);
	CHECK_EQ(td.td_line->sl_masks, 1);
	CHECK_EQ(td.td_line->sl_delivered, 1);
}

SIM_TEST(filter_alone_at_vm, 1, 0)
{
	struct sim_line *sl = sim_line_create("dev", INTR_EDGE, 0, 0);
	struct tdev td = {.td_line = sl, .td_answer = FILTER_HANDLED};

	CHECK_EQ(intr_establish(sl->sl_source, "dev", IPL_VM, 0, tdev_filter, NULL, &td, &td.td_ih),
	    0);
	tdev_raise(&td);
	sim_settle();
	CHECK_EQ(td.td_filters, 1);
}

SIM_TEST(shared_line, 1, 0)
{
	struct tdev a = {0}, b = {0}, c = {.td_answer = FILTER_HANDLED};

	tdev_init(&c, "c", INTR_LEVEL, 0, IPL_TTY, true);
	tdev_share(&a, &c, "a", IPL_NET, true);
	tdev_share(&b, &c, "b", IPL_BIO, true);
	tdev_raise(&b);
	sim_settle();
	/* Every filter was asked, only b's thread ran. */
	CHECK_EQ(a.td_filters, 1);
	CHECK_EQ(b.td_filters, 1);
	CHECK_EQ(c.td_filters, 1);
	CHECK_EQ(a.td_runs, 0);
	CHECK_EQ(b.td_runs, 1);
	tdev_check(&b);
	/* Also those behind one that says it was his. */
	a.td_hw = c.td_hw = 1;
	a.td_raised = 1;
	sim_line_raise(a.td_line);
	sim_settle();
	CHECK_EQ(c.td_filters, 2);
	CHECK_EQ(a.td_runs, 1);
	tdev_check(&a);
}

SIM_PANIC(filter_wants_thread_it_lacks, 1, "wants a thread and has none")
{
	struct sim_line *sl = sim_line_create("dev", INTR_EDGE, 0, 0);
	struct intr_handler *ih;

	CHECK_EQ(intr_establish(sl->sl_source, "dev", IPL_NET, 0, always_schedule, NULL, NULL, &ih),
	    0);
	sim_line_raise(sl);
	sim_settle();
}

/* ---- Point 3: queued once, runs again, INTR_MANUAL, hwi_sched ---- */

SIM_TEST(queued_stays_queued, 1, 0)
{
	struct tdev td = {0};
	int s;

	tdev_init(&td, "dev", INTR_EDGE, 0, IPL_NET, true);
	s = splraise(IPL_NET);
	for (unsigned i = 0; i < 3; i++) {
		tdev_raise(&td);
		sim_point(SIM_TEST);
	}
	CHECK_EQ(td.td_filters, 3);
	CHECK_EQ(td.td_runs, 0);
	splx(s);
	CHECK_EQ(td.td_runs, 1);
	tdev_check(&td);
}

static void raise_again_once(struct tdev *td)
{
	if (td->td_runs > 1)
		return;
	tdev_raise(td);
	sim_point(SIM_TEST);
	CHECK_EQ(td->td_filters, 2); /* an edge is not masked while its handler runs */
	CHECK_EQ(td->td_runs, 1);    /* and the handler does not run beside itself */
}

SIM_TEST(running_runs_again, 1, 0)
{
	struct tdev td = {.td_hook = raise_again_once};

	tdev_init(&td, "dev", INTR_EDGE, 0, IPL_NET, true);
	tdev_raise(&td);
	sim_settle();
	CHECK_EQ(td.td_runs, 2);
	tdev_check(&td);
}

SIM_TEST(manual_only_by_hwi_sched, 1, 0)
{
	struct sim_line *sl = sim_line_create("dev", INTR_LEVEL, 0, 0);
	struct tdev td = {.td_manual = true, .td_line = sl};
	unsigned runs = 0;
	struct intr_handler *nofilter;

	CHECK_EQ(intr_establish(sl->sl_source, "dev", IPL_NET, INTR_MANUAL, tdev_filter,
		     tdev_thread, &td, &td.td_ih),
	    0);
	CHECK_EQ(intr_establish(sl->sl_source, "none", IPL_NET, INTR_MANUAL, NULL, mine, &runs,
		     &nofilter),
	    0);
	tdev_raise(&td);
	sim_settle();
	CHECK_EQ(td.td_filters, 1);
	CHECK_EQ(td.td_runs, 0);
	CHECK_EQ(sl->sl_masks, 0);
	hwi_sched(td.td_ih);
	hwi_sched(nofilter);
	CHECK_EQ(td.td_runs, 1);
	CHECK_EQ(runs, 1);
	tdev_check(&td);
}

static unsigned order[8], norder;

static bool order_self_again(void *arg)
{
	struct intr_handler **ih = arg;

	order[norder++] = 1;
	if (norder == 1)
		hwi_sched(*ih);
	return true;
}

static bool order_two(void *arg)
{
	(void)arg;
	order[norder++] = 2;
	return true;
}

/* Point 10: hwi_sched() from the handler lets its neighbours go first. */
SIM_TEST(hwi_sched_goes_to_the_back, 1, 0)
{
	struct sim_line *sl = sim_line_create("dev", INTR_EDGE, 0, 0);
	struct intr_handler *one, *two;
	int s;

	CHECK_EQ(intr_establish(sl->sl_source, "one", IPL_NET, INTR_MANUAL, NULL, order_self_again,
		     &one, &one),
	    0);
	CHECK_EQ(intr_establish(sl->sl_source, "two", IPL_NET, INTR_MANUAL, NULL, order_two, NULL,
		     &two),
	    0);
	s = splraise(IPL_NET);
	hwi_sched(one);
	hwi_sched(two);
	hwi_sched(one); /* queued already: stays in front */
	splx(s);
	CHECK_EQ(norder, 3);
	CHECK_EQ(order[0], 1);
	CHECK_EQ(order[1], 2);
	CHECK_EQ(order[2], 1);
}

/* ---- Point 4: the mask ---- */

static struct mutex gate;

static void hook_gate(struct tdev *td)
{
	(void)td;
	mutex_enter(&gate);
	mutex_exit(&gate);
}

SIM_TEST(level_masked_while_handler_sleeps, 1, 0)
{
	struct tdev td = {.td_hook = hook_gate};

	mutex_init(&gate, "gate", IPL_NONE);
	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_NET, true);
	mutex_enter(&gate);
	tdev_raise(&td);
	sim_point(SIM_TEST);
	CHECK(td.td_running);
	CHECK_EQ(td.td_line->sl_masks, 1);
	CHECK_EQ(td.td_line->sl_eois, 1);
	CHECK_EQ(td.td_line->sl_eois_unmasked, 0);
	tdev_raise(&td);
	lwp_sleep_ns(NS_PER_MS);
	CHECK(td.td_line->sl_masked);
	CHECK_EQ(td.td_filters, 1);
	mutex_exit(&gate);
	sim_settle();
	CHECK_EQ(td.td_filters, 2);
	CHECK_EQ(td.td_line->sl_unmasks, 3); /* established; ended twice */
	tdev_check(&td);
}

SIM_TEST(set_holds_mask_until_the_last, 1, 0)
{
	struct tdev a = {.td_hook = hook_gate}, b = {0};

	mutex_init(&gate, "gate", IPL_NONE);
	tdev_init(&a, "a", INTR_LEVEL, 0, IPL_NET, true);
	tdev_share(&b, &a, "b", IPL_TTY, true);
	mutex_enter(&gate);
	a.td_hw = b.td_hw = a.td_raised = b.td_raised = 1;
	sim_line_raise(a.td_line);
	sim_point(SIM_TEST);
	/* a sleeps in the gate, b has run and left the set. */
	CHECK(a.td_running);
	CHECK_EQ(b.td_done, 1);
	CHECK(a.td_line->sl_masked);
	mutex_exit(&gate);
	sim_settle();
	tdev_check(&a);
	tdev_check(&b);
}

SIM_TEST(edge_and_message_never_masked, 1, 0)
{
	struct tdev e = {0}, m = {0};

	tdev_init(&e, "edge", INTR_EDGE, 0, IPL_NET, true);
	tdev_init(&m, "message", INTR_MESSAGE, 0, IPL_NET, true);
	for (unsigned i = 0; i < 10; i++) {
		tdev_raise(&e);
		tdev_raise(&m);
		sim_point(SIM_TEST);
	}
	sim_settle();
	CHECK_EQ(e.td_line->sl_masks, 0);
	CHECK_EQ(m.td_line->sl_masks, 0);
	tdev_check(&e);
	tdev_check(&m);
}

SIM_TEST(message_that_cannot_be_masked, 1, 0)
{
	struct sim_line *sl = sim_line_create("msi", INTR_MESSAGE, 0, SIM_NO_MASK);
	struct tdev td = {.td_line = sl};

	/* Before anybody is there it is taken and dropped. */
	sim_line_raise(sl);
	sim_settle();
	CHECK_EQ(sl->sl_eois, 1);
	CHECK_EQ(intr_establish(sl->sl_source, "dev", IPL_NET, 0, tdev_filter, tdev_thread, &td,
		     &td.td_ih),
	    0);
	tdev_raise(&td);
	sim_settle();
	tdev_check(&td);
	CHECK_EQ(intr_disestablish(td.td_ih), 0);
	td.td_gone = true;
	sim_line_raise(sl);
	sim_settle();
}

/* A delivery too many, or one that was on its way when the line was masked. */
SIM_TEST(late_and_double_delivery, 1, 0)
{
	struct tdev td = {.td_hook = hook_gate};

	mutex_init(&gate, "gate", IPL_NONE);
	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_NET, true);
	mutex_enter(&gate);
	tdev_raise(&td);
	sim_point(SIM_TEST);
	tdev_raise(&td);
	sim_line_inject(td.td_line, 0); /* masked, and delivered all the same */
	sim_point(SIM_TEST);
	CHECK_EQ(td.td_filters, 2);
	CHECK(td.td_line->sl_masked);
	sim_line_inject(td.td_line, 0); /* for nothing */
	sim_point(SIM_TEST);
	CHECK_EQ(td.td_filters, 3);
	mutex_exit(&gate);
	sim_settle();
	CHECK_EQ(td.td_runs, 2);
	tdev_check(&td);
}

/* ---- Establish and disestablish ---- */

SIM_TEST(establish_refuses, 1, 0)
{
	struct sim_line *sl = sim_line_create("dev", INTR_LEVEL, 0, 0);
	struct intr_source *is = sl->sl_source;
	struct intr_handler *ih;
	unsigned n;

	CHECK_EQ(intr_establish(is, "x", IPL_NET, 0, NULL, NULL, &n, &ih), EINVAL);
	CHECK_EQ(intr_establish(is, "x", IPL_SOFTSERIAL, 0, NULL, mine, &n, &ih), EINVAL);
	CHECK_EQ(intr_establish(is, "x", IPL_VM, 0, NULL, mine, &n, &ih), EINVAL);
	CHECK_EQ(intr_establish(is, "x", IPL_VM, 0, always_schedule, mine, &n, &ih), EINVAL);
	CHECK_EQ(intr_establish(is, "x", IPL_HIGH, 0, always_schedule, NULL, &n, &ih), EINVAL);
	CHECK_EQ(intr_establish(is, "x", -1, 0, NULL, mine, &n, &ih), EINVAL);
	CHECK_EQ(intr_establish(is, "x", IPL_COUNT, 0, NULL, mine, &n, &ih), EINVAL);
	CHECK_EQ(intr_establish(is, "x", IPL_NET, 0x80, NULL, mine, &n, &ih), EINVAL);
	CHECK_EQ(intr_establish(is, "x", IPL_NET, INTR_MANUAL, always_schedule, NULL, &n, &ih),
	    EINVAL);
	CHECK(sl->sl_masked);
	CHECK_EQ(intr_bind(is, cpu_lookup(1)), EINVAL);
}

SIM_TEST(exclusive, 1, 0)
{
	struct sim_line *sl = sim_line_create("dev", INTR_LEVEL, 0, 0);
	struct intr_source *is = sl->sl_source;
	struct intr_handler *a, *b;
	unsigned n;

	CHECK_EQ(intr_establish(is, "a", IPL_NET, INTR_EXCL, NULL, mine, &n, &a), 0);
	CHECK_EQ(intr_establish(is, "b", IPL_NET, 0, NULL, mine, &n, &b), EBUSY);
	CHECK_EQ(intr_establish(is, "b", IPL_NET, INTR_EXCL, NULL, mine, &n, &b), EBUSY);
	CHECK_EQ(intr_disestablish(a), 0);
	CHECK_EQ(intr_establish(is, "b", IPL_NET, 0, NULL, mine, &n, &b), 0);
	CHECK_EQ(intr_establish(is, "a", IPL_NET, INTR_EXCL, NULL, mine, &n, &a), EBUSY);
	CHECK_EQ(intr_disestablish(b), 0);
}

SIM_TEST(handlers_of_one_source_are_limited, 1, 0)
{
	struct tdev td[INTR_HANDLERS_MAX + 1] = {0};
	struct intr_handler *ih;
	size_t before;

	tdev_init(&td[0], "dev", INTR_LEVEL, 0, IPL_NET, true);
	for (unsigned i = 1; i < INTR_HANDLERS_MAX; i++)
		tdev_share(&td[i], &td[0], "more", IPL_NET, true);
	before = sim_mem_bytes();
	CHECK_EQ(intr_establish(td[0].td_line->sl_source, "x", IPL_NET, 0, tdev_filter, tdev_thread,
		     &td[0], &ih),
	    ENOSPC);
	CHECK_EQ(sim_mem_bytes(), before);
	for (unsigned i = 0; i < INTR_HANDLERS_MAX; i++) {
		td[i].td_hw = td[i].td_raised = 1;
	}
	sim_line_raise(td[0].td_line);
	sim_settle();
	for (unsigned i = 0; i < INTR_HANDLERS_MAX; i++) {
		tdev_check(&td[i]);
		CHECK_EQ(intr_disestablish(td[i].td_ih), 0);
	}
	CHECK(td[0].td_line->sl_masked);
}

SIM_TEST(establish_without_memory, 1, 0)
{
	struct sim_line *sl = sim_line_create("dev", INTR_LEVEL, 0, 0);
	struct intr_handler *ih;
	size_t before = sim_mem_bytes();
	unsigned n = 0, runs = 0;
	int error;

	do {
		sim_mem_fail(++n);
		error = intr_establish(sl->sl_source, "dev", IPL_NET, 0, NULL, mine, &runs, &ih);
		CHECK_EQ(error, sim_mem_failed() ? ENOMEM : 0);
		if (error != 0) {
			CHECK_EQ(sim_mem_bytes(), before);
			CHECK(sl->sl_masked);
		}
	} while (error != 0);
	CHECK(n > 2);
	sim_mem_fail(0);
	CHECK_EQ(intr_disestablish(ih), 0);
	sim_settle();
	CHECK_EQ(sim_mem_bytes(), before);
}

SIM_TEST(source_create_without_memory, 1, 0)
{
	struct sim_line *sl = sim_line_create("dev", INTR_EDGE, 0, 0);
	const struct intr_pic *pic = sl->sl_source->is_pic;
	struct intr_source *is;
	size_t before = sim_mem_bytes();
	unsigned n = 0;
	int error;

	do {
		sim_mem_fail(++n);
		error = intr_source_create("more", INTR_EDGE, pic, sl, cpu_lookup(0), &is);
		CHECK_EQ(error, sim_mem_failed() ? ENOMEM : 0);
		CHECK(error == 0 || sim_mem_bytes() == before);
	} while (error != 0);
	sim_mem_fail(0);
	CHECK_EQ(intr_source_destroy(is), 0);
	CHECK_EQ(sim_mem_bytes(), before);
}

SIM_TEST(source_destroy_busy, 1, 0)
{
	struct tdev td = {0};

	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_NET, true);
	CHECK_EQ(sim_line_destroy(td.td_line), EBUSY);
	CHECK_EQ(intr_disestablish(td.td_ih), 0);
	CHECK_EQ(sim_line_destroy(td.td_line), 0);
}

static void disestablish_self(struct tdev *td)
{
	CHECK_EQ(intr_disestablish(td->td_ih), EDEADLK);
}

SIM_TEST(disestablish_from_itself, 1, 0)
{
	struct tdev td = {.td_hook = disestablish_self};

	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_NET, true);
	for (unsigned i = 1; i <= 2; i++) {
		tdev_raise(&td);
		sim_settle();
		CHECK_EQ(td.td_runs, i);
	}
	tdev_check(&td);
}

static struct mutex inner;

static void hook_sleep(struct tdev *td)
{
	(void)td;
	mutex_enter(&inner);
	lwp_sleep_ns(5 * NS_PER_MS);
	mutex_exit(&inner);
}

/* I12: a handler that sleeps is waited for, and a queued run takes place first. */
SIM_TEST(disestablish_waits_for_handler, 1, 0)
{
	struct tdev td = {.td_hook = hook_sleep};
	uint64_t began = clock_ns();

	mutex_init(&inner, "inner", IPL_NONE);
	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_NET, true);
	tdev_raise(&td);
	sim_point(SIM_TEST);
	CHECK(td.td_running);
	CHECK_EQ(intr_disestablish(td.td_ih), 0);
	td.td_gone = true;
	CHECK(!td.td_running);
	CHECK_EQ(td.td_done, 1);
	CHECK(clock_ns() - began >= 5 * NS_PER_MS);
	CHECK(td.td_line->sl_masked);
	tdev_raise(&td);
	lwp_sleep_ns(NS_PER_MS);
}

SIM_TEST(last_disestablish_masks_first_establish_unmasks, 1, 0)
{
	struct tdev a = {0}, b = {0};
	struct sim_line *sl;

	tdev_init(&a, "a", INTR_LEVEL, 0, IPL_NET, true);
	sl = a.td_line;
	tdev_share(&b, &a, "b", IPL_NET, true);
	CHECK_EQ(intr_disestablish(a.td_ih), 0);
	a.td_gone = true;
	CHECK(!sl->sl_masked);
	tdev_raise(&b);
	sim_settle();
	tdev_check(&b);
	CHECK_EQ(intr_disestablish(b.td_ih), 0);
	b.td_gone = true;
	CHECK(sl->sl_masked);
	a.td_gone = false;
	tdev_raise(&a); /* held up until somebody is there */
	CHECK_EQ(a.td_filters, 0);
	tdev_share(&a, &a, "a", IPL_NET, true);
	sim_settle();
	tdev_check(&a);
}

static void disestablish_lwp(void *arg)
{
	CHECK_EQ(intr_disestablish(arg), 0);
}

/* A handler that goes keeps its bit until its last run has ended: who comes meanwhile has another,
 * and does not unmask for it. */
SIM_TEST(bit_of_the_leaving_is_not_given_again, 1, 0)
{
	struct tdev a = {.td_hook = hook_gate}, b = {0};
	struct lwp *l;

	mutex_init(&gate, "gate", IPL_NONE);
	tdev_init(&a, "a", INTR_LEVEL, 0, IPL_NET, true);
	mutex_enter(&gate);
	tdev_raise(&a);
	sim_point(SIM_TEST);
	CHECK(a.td_running);
	CHECK_EQ(lwp_create("goes", PRI_KERNEL, NULL, LWP_JOINABLE, disestablish_lwp, a.td_ih, &l),
	    0);
	lwp_sleep_ns(NS_PER_MS);
	tdev_share(&b, &a, "b", IPL_TTY, true);
	tdev_raise(&b);
	sim_line_inject(b.td_line, 0);
	sim_point(SIM_TEST);
	CHECK_EQ(b.td_done, 1);
	CHECK(a.td_running);
	CHECK(b.td_line->sl_masked);
	mutex_exit(&gate);
	lwp_join(l);
	sim_settle();
	tdev_check(&b);
}

/* ---- Nobody's interrupts ---- */

static unsigned deny(void *arg)
{
	(*(unsigned *)arg)++;
	return FILTER_STRAY;
}

SIM_TEST(unclaimed_source_is_held, 1, 0)
{
	struct sim_line *sl = sim_line_create("ghost", INTR_LEVEL, 0, 0);
	struct intr_handler *ih;
	unsigned asked = 0;

	CHECK_EQ(intr_establish(sl->sl_source, "deny", IPL_NET, 0, deny, NULL, &asked, &ih), 0);
	sim_line_raise(sl); /* and nobody ever lowers it */
	sim_point(SIM_TEST);
	CHECK_EQ(asked, STORM_UNCLAIMED);
	CHECK(sl->sl_masked);
	CHECK(sl->sl_source->is_set & IS_SET_STORM);
	CHECK_HAS(sim_console(), "ghost");
	sim_line_lower(sl);
}

/* ---- Routing ---- */

SIM_TEST(bind_moves_delivery, 2, 0)
{
	struct tdev td = {0};

	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_NET, true);
	tdev_raise(&td);
	sim_settle();
	CHECK(td.td_cpu == cpu_lookup(0));
	CHECK_EQ(intr_bind(td.td_line->sl_source, cpu_lookup(1)), 0);
	tdev_raise(&td);
	sim_settle();
	CHECK(td.td_cpu == cpu_lookup(1));
	CHECK_EQ(intr_bind(td.td_line->sl_source, cpu_lookup(1)), 0);
	CHECK_EQ(td.td_line->sl_routes, 1);
	td.td_line->sl_route_error = ENOSPC;
	CHECK_EQ(intr_bind(td.td_line->sl_source, cpu_lookup(0)), ENOSPC);
	tdev_raise(&td);
	sim_settle();
	CHECK(td.td_cpu == cpu_lookup(1));
	tdev_check(&td);
}

SIM_TEST(bind_of_what_cannot_move, 2, 0)
{
	struct sim_line *sl = sim_line_create("fixed", INTR_EDGE, 0, SIM_NO_ROUTE);

	CHECK_EQ(intr_bind(sl->sl_source, cpu_lookup(1)), EOPNOTSUPP);
	CHECK_EQ(intr_bind(sl->sl_source, NULL), EINVAL);
}

/* Every one of 64 CPUs takes its source's interrupts and runs the handler where it was queued. */
SIM_TEST(sixty_four_cpus, 64, 0)
{
	static struct tdev td[CPU_MAX];
	char name[INTR_NAME_MAX];

	CHECK_EQ(cpu_count(), CPU_MAX);
	CHECK(cpu_lookup(CPU_MAX) == NULL);
	for (unsigned i = 0; i < CPU_MAX; i++) {
		ksnprintf(name, sizeof(name), "dev%u", i);
		tdev_init(&td[i], name, i % 2 ? INTR_EDGE : INTR_LEVEL, i, IPL_NET, true);
	}
	for (unsigned i = 0; i < CPU_MAX; i++)
		tdev_raise(&td[i]);
	sim_settle();
	for (unsigned i = 0; i < CPU_MAX; i++) {
		tdev_check(&td[i]);
		CHECK_EQ(td[i].td_runs, 1);
		CHECK(td[i].td_cpu == cpu_lookup(i));
		CHECK_EQ(intr_bind(td[i].td_line->sl_source, cpu_lookup(CPU_MAX - 1 - i)), 0);
		tdev_raise(&td[i]);
	}
	sim_settle();
	for (unsigned i = 0; i < CPU_MAX; i++) {
		tdev_check(&td[i]);
		CHECK(td[i].td_cpu == cpu_lookup(CPU_MAX - 1 - i));
	}
}
