/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_latency.c - how long a high-level source waits while lower ones storm on its CPU.
 *
 * Three edu devices send to CPU 0: the high one at IPL_TTY, and two at IPL_BIO and IPL_NET whose
 * thread functions work for a while, of random length, and raise their own device again before
 * they end, so that CPU 0 does nothing else. An lwp on CPU 1 sleeps for a random time and raises
 * the high one, at whatever instruction CPU 0 then is. Measured with the lower ones quiet and with
 * the storm, and printed as a histogram as well.
 *
 * The high one is set up last: where a controller prefers one vector to another, that is the later
 * one here. So where handlers run in the interrupt itself, it has at least the best of that.
 *
 * Under -icount one CPU runs at a time; port_pause() right behind the raise passes the turn to
 * CPU 0, so no more than an instruction or two of CPU 1 is counted. CPU 0 then keeps it until some
 * clock is due, for which CPU 1 arms a callout before.
 *
 * Contexts: one lwp on CPU 1, handlers on CPU 0. No locks. Storm control and heartbeat are off
 * meanwhile: the storm is meant, and keeps the softclock off its CPU.
 */
#include "bench.h"

#include "bench_edu.h"
#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/sysctl.h>
#include <stdatomic.h>

#define SOURCES 3      /* the high one is the first */
#define WORK_MIN 200   /* turns of a loop in a lower thread function */
#define WORK_SPAN 2000 /* and at most so many more */
#define PATIENCE_NS NS_PER_S
#define WAIT_MIN_NS 20000
#define WAIT_SPAN_NS 100000

struct source {
	struct bench_edu so_edu;
	struct intr_handler *so_ih;
	uint64_t so_seed; /* only the thread function */
};

static struct source sources[SOURCES];
static _Atomic bool storming;         /* (~) the lower ones raise themselves again; relaxed */
static uint64_t filter_at, thread_at; /* counter; ordered by `ran` */
static _Atomic uint64_t ran;          /* (~) runs of the high thread function; release, acquire */
static struct bench to_filter, to_thread;
static struct callout turn; /* on CPU 1: it is to run again soon */

/* xorshift: the same lengths on every run. */
static uint64_t chance(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % below;
}

/* ---- Handlers ---- */

static unsigned high_filter(void *arg)
{
	struct source *so = arg;

	filter_at = port_counter();
	bench_edu_quiet(&so->so_edu);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool high_thread(void *arg)
{
	(void)arg;
	thread_at = port_counter();
	atomic_fetch_add_explicit(&ran, 1, memory_order_release);
	return true;
}

static unsigned low_filter(void *arg)
{
	struct source *so = arg;

	bench_edu_quiet(&so->so_edu);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool low_thread(void *arg)
{
	struct source *so = arg;
	uint64_t turns = WORK_MIN + chance(&so->so_seed, WORK_SPAN);

	while (turns-- != 0)
		__asm__ volatile("" : "+r"(turns));
	if (atomic_load_explicit(&storming, memory_order_relaxed))
		bench_edu_store(&so->so_edu, EDU_RAISE);
	return true;
}

/* ---- The one who raises ---- */

static void turn_over(void *arg)
{
	__asm__ volatile("" : : "r"(arg) : "memory");
}

/* Raise the high one and wait for its thread function. False: it did not come, which where handlers
 * run in the interrupt may be: then the storm ends, and it does. */
static bool raise_high(uint64_t *before)
{
	uint64_t want = atomic_load_explicit(&ran, memory_order_relaxed) + 1, limit;
	bool served = true;

	callout_schedule(&turn, 1);
	*before = port_counter();
	bench_edu_store(&sources[0].so_edu, EDU_RAISE);
	port_pause();
	limit = clock_ns() + PATIENCE_NS;
	while (atomic_load_explicit(&ran, memory_order_acquire) < want) {
		port_pause();
		if (clock_ns() > limit && served) {
			served = false;
			atomic_store_explicit(&storming, false, memory_order_relaxed);
		}
	}
	return served;
}

/* `arg`: not NULL for a storm. It is begun here, for whoever runs on CPU 0 may not run again. */
static void raiser_main(void *arg)
{
	uint64_t before, seed = 88172645463325252ull;
	unsigned i;

	callout_init(&turn);
	callout_setfunc(&turn, turn_over, NULL);
	atomic_store_explicit(&storming, arg != NULL, memory_order_relaxed);
	for (i = 1; arg != NULL && i < SOURCES; i++)
		bench_edu_store(&sources[i].so_edu, EDU_RAISE);
	for (i = 0; i < BENCH_EVENTS; i++) {
		lwp_sleep_ns(WAIT_MIN_NS + chance(&seed, WAIT_SPAN_NS));
		if (!raise_high(&before))
			break;
		bench_add(&to_filter, filter_at - before);
		bench_add(&to_thread, thread_at - before);
	}
	atomic_store_explicit(&storming, false, memory_order_relaxed);
	callout_halt(&turn, NULL);
	callout_destroy(&turn);
}

static int measure(const char *filter, const char *thread, bool storm)
{
	struct lwp *raiser;
	int error;

	bench_begin(&to_filter, filter);
	bench_begin(&to_thread, thread);
	error = lwp_create("raiser", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, raiser_main,
	    storm ? sources : NULL, &raiser);
	if (error)
		return error;
	lwp_join(raiser);
	bench_end(&to_filter, 0);
	bench_end(&to_thread, 0);
	bench_histogram(&to_filter, 0);
	bench_histogram(&to_thread, 0);
	if (to_filter.b_n < BENCH_EVENTS) {
		bench_say("the high source was not served in a second");
		return ETIMEDOUT;
	}
	return 0;
}

/* ---- All of it ---- */

static void source_end(struct source *so)
{
	intr_disestablish(so->so_ih);
	bench_edu_release(&so->so_edu);
}

static int source_begin(struct source *so, int ipl, intr_filter_t *filter, intr_thread_t *thread)
{
	int error = bench_edu_claim(&so->so_edu);

	if (error)
		return error;
	so->so_seed = 2463534242u + (unsigned)ipl;
	error = intr_bind(so->so_edu.be_source, cpu_lookup(0));
	if (error == 0)
		error = intr_establish(so->so_edu.be_source, "bench", ipl, 0, filter, thread, so,
		    &so->so_ih);
	if (error)
		bench_edu_release(&so->so_edu);
	return error;
}

static int all_figures(void)
{
	int error = measure("high source: raise to filter, idle below",
	    "high source: raise to thread, idle below", false);

	if (error == 0)
		error = measure("high source: raise to filter, storm below",
		    "high source: raise to thread, storm below", true);
	return error;
}

int bench_latency(void)
{
	static const int ipl[SOURCES] = {IPL_TTY, IPL_BIO, IPL_NET};
	char storm[24], beat[24];
	unsigned n; /* sources[n] and those behind it have begun */
	int error = 0;

	if (cpu_count() < 2) {
		bench_say("latency: needs 2 CPUs, and there is 1");
		return ENXIO;
	}
	sysctl_read("hw.intr.storm_percent", storm, sizeof(storm));
	sysctl_read("kern.heartbeat_ms", beat, sizeof(beat));
	sysctl_write("hw.intr.storm_percent", "0");
	sysctl_write("kern.heartbeat_ms", "0");
	sysctl_write("hw.intr.acct", "0");
	for (n = SOURCES; n > 0 && error == 0; n--)
		error = source_begin(&sources[n - 1], ipl[n - 1], n == 1 ? high_filter : low_filter,
		    n == 1 ? high_thread : low_thread);
	if (error)
		n++; /* the last one did not begin */
	else
		error = all_figures();
	for (; n < SOURCES; n++)
		source_end(&sources[n]);
	sysctl_write("hw.intr.acct", "1");
	sysctl_write("hw.intr.storm_percent", storm);
	sysctl_write("kern.heartbeat_ms", beat);
	return error;
}
