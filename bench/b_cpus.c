/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_cpus.c - interrupts on 1, 2, 4 and 8 CPUs at once, each with a device of its own.
 *
 * On each CPU an lwp raises that CPU's device again and again; the filter quiets it, and unless
 * the raise was a direct one a thread function runs besides.
 *
 * Group cpus, for -icount, where the CPUs take turns and every instruction of any of them is
 * counted: what an interrupt costs on each of N CPUs, and all the instructions by all the
 * interrupts. What a CPU adds to that is what the CPUs do for, or against, each other.
 *
 * Group rate, for a clock on the wall: how long direct and threaded interrupts take, a hundred of
 * one kind and then of the other, so that whatever else the host does meets both alike. What it
 * gives is their ratio; the rates themselves are the host's.
 *
 * Contexts: an lwp a CPU, each with its line of the array; the shell's lwp waits for them. No
 * locks. Read bench_edu.h for the device.
 */
#include "bench.h"

#include "bench_edu.h"
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sysctl.h>
#include <stdatomic.h>

#define BUSY_MAX 8
#define SLICE 100 /* raises of one kind in a row */
#define CPUS_RAISES 10000
#define CPUS_WARM 100

struct busy {
	_Alignas(64) struct bench_edu bu_edu;
	struct intr_handler *bu_ih;
	struct lwp *bu_lwp;
	struct cpu *bu_cpu;
	bool bu_direct;             /* what the filter is to answer; own CPU only */
	volatile uint64_t bu_taken; /* interrupts that ended; own CPU only */
	uint64_t bu_ended;          /* counter, when all was done; read after the join */
	uint32_t bu_n;              /* samples so far */
	uint32_t bu_direct_ticks[BENCH_EVENTS]; /* of a slice; group cpus: of one interrupt */
	uint32_t bu_thread_ticks[BENCH_EVENTS]; /* of a slice */
};

static struct busy busy[BUSY_MAX];
static unsigned busy_claimed;
static _Atomic unsigned ready; /* (~) lwps that wait for `go`; release */
static _Atomic uint64_t go;    /* (~) 1: begin; release by the shell's lwp, acquire by the others */

static unsigned busy_filter(void *arg)
{
	struct busy *bu = arg;

	bench_edu_quiet(&bu->bu_edu);
	if (bu->bu_direct) {
		bu->bu_taken++;
		return FILTER_HANDLED;
	}
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool busy_thread(void *arg)
{
	struct busy *bu = arg;

	bu->bu_taken++;
	return true;
}

/* One raise, and all that it leads to; how long the raiser was away. */
static inline uint64_t busy_raise(struct busy *bu)
{
	uint64_t want = bu->bu_taken + 1, before = port_counter(), ticks;

	bench_edu_store(&bu->bu_edu, EDU_RAISE);
	ticks = port_counter() - before;
	while (bu->bu_taken < want)
		port_pause();
	return ticks;
}

/* ---- What the lwps do ---- */

static void busy_wait(void)
{
	atomic_fetch_add_explicit(&ready, 1, memory_order_release);
	while (atomic_load_explicit(&go, memory_order_acquire) == 0)
		port_pause();
}

static void cpus_main(void *arg)
{
	struct busy *bu = arg;
	uint64_t ticks;
	unsigned i;

	bu->bu_direct = false;
	for (i = 0; i < CPUS_WARM; i++)
		busy_raise(bu);
	busy_wait();
	for (i = 0; i < CPUS_RAISES; i++) {
		ticks = busy_raise(bu);
		if (i % (CPUS_RAISES / BENCH_EVENTS) == 0)
			bu->bu_direct_ticks[bu->bu_n++] = (uint32_t)ticks;
	}
	bu->bu_ended = port_counter();
}

static uint32_t rate_slice(struct busy *bu, bool direct)
{
	uint64_t before = port_counter(), ticks;
	unsigned i;

	bu->bu_direct = direct;
	for (i = 0; i < SLICE; i++)
		busy_raise(bu);
	ticks = port_counter() - before;
	return ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
}

static void rate_main(void *arg)
{
	struct busy *bu = arg;

	rate_slice(bu, false);
	rate_slice(bu, true);
	busy_wait();
	while (bu->bu_n < BENCH_EVENTS) {
		bu->bu_direct_ticks[bu->bu_n] = rate_slice(bu, true);
		bu->bu_thread_ticks[bu->bu_n] = rate_slice(bu, false);
		bu->bu_n++;
	}
	bu->bu_ended = port_counter();
}

/* ---- Devices, one a CPU ---- */

static void busy_release(void)
{
	while (busy_claimed > 0) {
		busy_claimed--;
		intr_disestablish(busy[busy_claimed].bu_ih);
		bench_edu_release(&busy[busy_claimed].bu_edu);
	}
}

static int busy_claim_one(struct busy *bu, unsigned index)
{
	int error = bench_edu_claim(&bu->bu_edu);

	if (error)
		return error;
	bu->bu_cpu = cpu_lookup(index);
	error = intr_bind(bu->bu_edu.be_source, bu->bu_cpu);
	if (error == 0)
		error = intr_establish(bu->bu_edu.be_source, "bench", IPL_NET, 0, busy_filter,
		    busy_thread, bu, &bu->bu_ih);
	if (error)
		bench_edu_release(&bu->bu_edu);
	return error;
}

static int busy_claim(void)
{
	unsigned n = cpu_count() < BUSY_MAX ? cpu_count() : BUSY_MAX;
	int error = 0;

	for (busy_claimed = 0; busy_claimed < n && error == 0; busy_claimed++) {
		error = busy_claim_one(&busy[busy_claimed], busy_claimed);
		if (error) {
			bench_say("%u CPUs want as many edu devices", n);
			break;
		}
	}
	if (error)
		busy_release();
	return error;
}

/* Run `fn` on CPUs 0 to n - 1 at once; returns how many ticks passed until all had ended. */
static int busy_run(unsigned n, void (*fn)(void *), uint64_t *ticks)
{
	uint64_t before, last = 0;
	unsigned i, made;
	int error = 0;

	atomic_store_explicit(&ready, 0, memory_order_relaxed);
	atomic_store_explicit(&go, 0, memory_order_relaxed);
	for (made = 0; made < n && error == 0; made++) {
		busy[made].bu_n = 0;
		error = lwp_create("busy", PRI_KERNEL, busy[made].bu_cpu, LWP_JOINABLE, fn,
		    &busy[made], &busy[made].bu_lwp);
		if (error)
			break;
	}
	while (atomic_load_explicit(&ready, memory_order_acquire) < made)
		lwp_yield();
	before = port_counter();
	atomic_store_explicit(&go, 1, memory_order_release);
	for (i = 0; i < made; i++) {
		lwp_join(busy[i].bu_lwp);
		last = busy[i].bu_ended > last ? busy[i].bu_ended : last;
	}
	*ticks = last - before;
	return error;
}

/* ---- The groups ---- */

static uint32_t store_base(const struct bench_edu *e)
{
	static struct bench b;
	uint64_t before;
	unsigned i;

	bench_begin(&b, "");
	for (i = 0; i < BENCH_EVENTS; i++) {
		before = port_counter();
		bench_edu_store(e, EDU_LIVENESS);
		bench_add(&b, port_counter() - before);
	}
	return bench_median(&b);
}

static int cpus_figures(unsigned n)
{
	static struct bench b;
	char name[2][BENCH_NAME_MAX];
	uint32_t base = store_base(&busy[0].bu_edu);
	uint64_t ticks;
	unsigned i;
	int error = busy_run(n, cpus_main, &ticks);

	if (error)
		return error;
	ksnprintf(name[0], sizeof(name[0]), "whole loss, threaded handler, CPUs at once: %u", n);
	ksnprintf(name[1], sizeof(name[1]), "all instructions by interrupts, CPUs at once: %u", n);
	bench_begin(&b, name[0]);
	for (i = 0; i < BENCH_EVENTS; i++) /* of each CPU its share */
		bench_add(&b, busy[i % n].bu_direct_ticks[i]);
	bench_end(&b, base);
	bench_value(name[1], bench_unit(), ticks, (uint64_t)n * CPUS_RAISES, n * CPUS_RAISES);
	return 0;
}

/* Interrupts a second, from the ticks of a slice. */
static uint64_t rate_of(uint32_t ticks)
{
	uint64_t ns = port_counter_to_ns(ticks);

	return ns == 0 ? 0 : SLICE * 1000000000ull / ns;
}

static int rate_figures(unsigned n)
{
	static struct bench ratio, direct, thread;
	char name[3][BENCH_NAME_MAX];
	uint64_t ticks, d, t;
	unsigned i;
	int error = busy_run(n, rate_main, &ticks);

	if (error)
		return error;
	ksnprintf(name[0], sizeof(name[0]), "direct interrupts a second and CPU, of %u", n);
	ksnprintf(name[1], sizeof(name[1]), "threaded interrupts a second and CPU, of %u", n);
	ksnprintf(name[2], sizeof(name[2]), "threaded rate by direct rate, CPUs at once: %u", n);
	bench_begin(&direct, name[0]);
	bench_begin(&thread, name[1]);
	bench_begin(&ratio, name[2]);
	direct.b_unit = thread.b_unit = "1/s";
	ratio.b_unit = "permille";
	for (i = 0; i < BENCH_EVENTS; i++) {
		d = rate_of(busy[i % n].bu_direct_ticks[i]);
		t = rate_of(busy[i % n].bu_thread_ticks[i]);
		bench_add(&direct, d);
		bench_add(&thread, t);
		bench_add(&ratio, d == 0 ? 0 : t * 1000 / d);
	}
	bench_end(&direct, 0);
	bench_end(&thread, 0);
	bench_end(&ratio, 0);
	return 0;
}

static int with_devices(int (*figures)(unsigned n))
{
	int error = busy_claim();
	unsigned n;

	if (error)
		return error;
	sysctl_write("hw.intr.acct", "0");
	for (n = 1; n <= busy_claimed && error == 0; n *= 2)
		error = figures(n);
	sysctl_write("hw.intr.acct", "1");
	busy_release();
	return error;
}

int bench_cpus(void)
{
	return with_devices(cpus_figures);
}

int bench_rate(void)
{
	return with_devices(rate_figures);
}
