/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_spin.c - a handler that must spin: it wants a mutex whose owner runs on another CPU.
 *
 * The owner, on CPU 1, takes the mutex, raises the device, whose source is on CPU 0, waits until
 * the handler wants the mutex, and lets go. A sample is from before that exit to the handler's
 * first instruction as the owner. Both wait with port_pause(): where the machine has one CPU run
 * at a time (-icount), that passes the turn, so nothing is counted but the two sides' own steps.
 *
 * Contexts: one lwp on CPU 1 beside the shell's; a handler on CPU 0. The lock is the one on show.
 * Read b_intr.c for a handler that blocks.
 */
#include "bench.h"

#include "bench_edu.h"
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/string.h>
#include <stdatomic.h>

static struct bench_edu edu;
static struct mutex held;
static struct bench handover;
static uint64_t entered_at;    /* counter; ordered by `ran` */
static _Atomic uint64_t wants; /* (~) runs that came to the mutex; release by the handler */
static _Atomic uint64_t ran;   /* (~) runs that had it; same */

static unsigned spin_filter(void *arg)
{
	bench_edu_quiet(arg);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool spin_thread(void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&wants, 1, memory_order_release);
	mutex_enter(&held);
	entered_at = port_counter();
	mutex_exit(&held);
	atomic_fetch_add_explicit(&ran, 1, memory_order_release);
	return true;
}

static void wait_for(_Atomic uint64_t *count, uint64_t value)
{
	while (atomic_load_explicit(count, memory_order_acquire) < value)
		port_pause();
}

static void owner_main(void *arg)
{
	uint64_t released, i;

	(void)arg;
	for (i = 1; i <= BENCH_EVENTS; i++) {
		mutex_enter(&held);
		bench_edu_store(&edu, EDU_RAISE);
		wait_for(&wants, i);
		port_pause();
		released = port_counter();
		mutex_exit(&held);
		wait_for(&ran, i);
		bench_add(&handover, entered_at - released);
	}
}

static int spin_measure(void)
{
	struct intr_handler *ih;
	struct lwp *owner;
	int error = intr_bind(edu.be_source, cpu_lookup(0));

	if (error == 0)
		error = intr_establish(edu.be_source, "bench", IPL_NET, 0, spin_filter, spin_thread,
		    &edu, &ih);
	if (error)
		return error;
	atomic_store_explicit(&wants, 0, memory_order_relaxed);
	atomic_store_explicit(&ran, 0, memory_order_relaxed);
	bench_begin(&handover, "spin: owner's exit to handler owns it");
	error =
	    lwp_create("owner", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, owner_main, NULL, &owner);
	if (error == 0) {
		lwp_join(owner);
		bench_end(&handover, 0);
	}
	intr_disestablish(ih);
	return error;
}

int bench_spin(void)
{
	int error;

	if (cpu_count() < 2) {
		bench_say("spin: needs 2 CPUs, and there is 1");
		return ENXIO;
	}
	if (strcmp(bench_model(), "direct") == 0) {
		bench_say("spin: not under this model, whose handlers cannot block");
		return 0;
	}
	error = bench_edu_claim(&edu);
	if (error)
		return error;
	mutex_init(&held, "bench", IPL_NET);
	error = spin_measure();
	mutex_destroy(&held);
	bench_edu_release(&edu);
	return error;
}
