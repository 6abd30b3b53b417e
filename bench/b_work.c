/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_work.c - what it costs to put something off: softint, work queue, continuation; and rwlocks.
 *
 * The queues are bound to this CPU and more urgent than this lwp, so that a run follows its request
 * at once: a sample is from before the request to the first instruction of the function. The costs
 * of a lock are means of 100 turns, as in b_lock.c.
 * Contexts: the shell's lwp; on one CPU, as ./ithaca bench has it. No locks.
 */
#include "bench.h"

#include <ithaca/continue.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/rwlock.h>
#include <ithaca/softint.h>
#include <ithaca/workqueue.h>

#define TURNS 100

static uint64_t begun;   /* counter, set by what was put off */
static _Atomic bool ran; /* (~) release by what was put off */
static struct softint *si;
static struct workqueue *wq;
static struct work work;
static struct intr_source *source;
static struct intr_handler *ih;
static struct rwlock rw;

static void put_off(void *arg)
{
	(void)arg;
	begun = port_counter();
	atomic_store_explicit(&ran, true, memory_order_release);
}

static void by_softint(void)
{
	softint_schedule(si);
}

static void by_work(void)
{
	(void)workqueue_enqueue(wq, &work);
}

static void by_continue(void)
{
	(void)intr_continue(ih, put_off, NULL);
}

static void by_continue_sleep(void)
{
	(void)intr_continue_sleep(ih, put_off, NULL);
}

static void measure(const char *name, void (*ask)(void))
{
	static struct bench b;
	uint64_t before;
	unsigned i;

	bench_begin(&b, name);
	for (i = 0; i < BENCH_EVENTS; i++) {
		atomic_store_explicit(&ran, false, memory_order_relaxed);
		before = port_counter();
		ask();
		while (!atomic_load_explicit(&ran, memory_order_acquire))
			lwp_yield();
		bench_add(&b, begun - before);
	}
	bench_end(&b, 0);
}

/* ---- Locks ---- */

static void one_nothing(void)
{
	__asm__ volatile("" : : : "memory");
}

static void one_reader(void)
{
	rw_enter(&rw, RW_READER);
	rw_exit(&rw);
}

static void one_writer(void)
{
	rw_enter(&rw, RW_WRITER);
	rw_exit(&rw);
}

static void measure_lock(const char *name, void (*fn)(void))
{
	static struct bench empty, b;
	uint64_t before;
	unsigned i, n;

	bench_begin(&empty, "");
	bench_begin(&b, name);
	b.b_turns = TURNS;
	for (i = 0; i < 2 * BENCH_EVENTS; i++) {
		void (*volatile f)(void) = i % 2 ? fn : one_nothing;

		before = port_counter();
		for (n = 0; n < TURNS; n++)
			f();
		bench_add(i % 2 ? &b : &empty, port_counter() - before);
	}
	bench_end(&b, bench_median(&empty));
}

/* ---- A source without a device ---- */

static void no_mask(struct intr_source *is)
{
	(void)is;
}

static unsigned no_filter(void *arg)
{
	(void)arg;
	return FILTER_STRAY;
}

static int set_up(void)
{
	static const struct intr_pic pic = {"bench", no_mask, no_mask, NULL, NULL};
	int error = softint_establish("bench", IPL_SOFTNET, put_off, NULL, &si);

	if (error == 0)
		error = workqueue_create("bench", PRI_MAX, 0, 1, 0, &wq);
	if (error == 0)
		error = intr_source_create("bench", INTR_EDGE, &pic, NULL, curcpu(), &source);
	if (error == 0)
		error = intr_establish(source, "bench", IPL_NET,
		    INTR_CONTINUE | INTR_CONTINUE_SLEEP, no_filter, NULL, NULL, &ih);
	work_init(&work, put_off, NULL);
	rw_init(&rw, "bench");
	return error;
}

static void take_down(void)
{
	if (ih != NULL)
		(void)intr_disestablish(ih);
	if (source != NULL)
		(void)intr_source_destroy(source);
	if (wq != NULL)
		(void)workqueue_destroy(wq);
	if (si != NULL)
		(void)softint_disestablish(si);
	ih = NULL;
	source = NULL;
	wq = NULL;
	si = NULL;
}

int bench_work(void)
{
	int error = set_up();

	if (error == 0) {
		measure("softint, schedule to function", by_softint);
		measure("intr_continue, to function", by_continue);
		measure("work queue, enqueue to function", by_work);
		measure("intr_continue_sleep, to function", by_continue_sleep);
		measure_lock("rwlock, enter and exit as a reader", one_reader);
		measure_lock("rwlock, enter and exit as the writer", one_writer);
	}
	take_down();
	return error;
}
