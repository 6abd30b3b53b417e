/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_fastpath.c - the paths whose every instruction tools/fastpath puts on show.
 *
 * A path is a function of one small thing: one store that interrupts, one mutex pair. It is done
 * many times to warm up, and measured by the counter meanwhile. Then it is done FASTPATH_EVENTS
 * times between two calls of bench_mark(), which does nothing. tools/fastpath stops the machine
 * there, and has QEMU log each instruction from one to the other, interrupts included; but a
 * machine that was stopped has a clock that jumped. So the two ways to count know nothing of each
 * other, and tools/fastpath fails when they differ.
 *
 * Each path names another as its base, which does all but the thing itself; what a path costs is
 * what it takes more than that.
 *
 * Contexts: one lwp, and one more for the switch. No locks but those on show. Accounting
 * (hw.intr.acct) is off but in the path that is named for it. The divorce begins with a mutex that
 * is held, so it contains an uncontended enter.
 * Read tools/fastpath next.
 */
#include "bench.h"

#include "app/shell.h"
#include "bench_edu.h"
#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/softint.h>
#include <ithaca/spl.h>
#include <ithaca/sysctl.h>
#include <stdatomic.h>

#define FASTPATH_WARM 100
#define FASTPATH_EVENTS 10

static struct bench_edu edu;
static struct softint *soft;
static struct mutex adaptive, spin;
static struct callout timer;
static volatile unsigned ran;
static _Atomic bool partner_ends; /* (~) set by the shell's lwp, read by the partner; relaxed */

/* ---- What interrupts run ---- */

static unsigned path_direct_filter(void *arg)
{
	bench_edu_quiet(arg);
	return FILTER_HANDLED;
}

static unsigned path_filter(void *arg)
{
	bench_edu_quiet(arg);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool path_thread(void *arg)
{
	(void)arg;
	ran++;
	return true;
}

static bool path_blocks(void *arg)
{
	mutex_enter(&adaptive);
	mutex_exit(&adaptive);
	return path_thread(arg);
}

static unsigned path_soft_filter(void *arg)
{
	bench_edu_quiet(arg);
	softint_schedule(soft);
	return FILTER_HANDLED;
}

static void path_soft(void *arg)
{
	(void)arg;
	ran++;
}

/* ---- The paths ---- */

static void path_nothing(void)
{
	__asm__ volatile("" : : : "memory");
}

static void path_store(void)
{
	bench_edu_store(&edu, EDU_LIVENESS);
}

static void path_raise(void)
{
	bench_edu_store(&edu, EDU_RAISE);
}

/* The handler wants what this one holds: it blocks, and goes on at the exit. */
static void path_divorce(void)
{
	mutex_enter(&adaptive);
	bench_edu_store(&edu, EDU_RAISE);
	mutex_exit(&adaptive);
}

static void path_mutex(void)
{
	mutex_enter(&adaptive);
	mutex_exit(&adaptive);
}

static void path_spin(void)
{
	mutex_spin_enter(&spin);
	mutex_spin_exit(&spin);
}

static void path_spl(void)
{
	splx(splraise(IPL_NET));
}

static void path_callout(void)
{
	callout_schedule(&timer, 10 * NS_PER_S);
	callout_stop(&timer);
}

static void path_yield(void)
{
	lwp_yield();
}

void __attribute__((noinline)) bench_mark(const char *name)
{
	__asm__ volatile("" : : "r"(name) : "memory");
}

/* Not inlined, nor made to measure for one path: what it adds is the same for all. */
static uint64_t __attribute__((noinline)) path_ticks(void (*fn)(void))
{
	uint64_t before = port_counter();

	fn();
	return port_counter() - before;
}

static void __attribute__((noinline)) path_marked(const char *name, void (*fn)(void))
{
	unsigned i;

	bench_mark(name);
	for (i = 0; i < FASTPATH_EVENTS; i++)
		fn();
	bench_mark(NULL);
}

/* The least ticks of many, so that one with a clock interrupt in it does not count. */
static void path_show(const char *name, const char *base, void (*fn)(void))
{
	uint64_t ticks, least = UINT64_MAX;
	unsigned i;

	for (i = 0; i < FASTPATH_WARM; i++) {
		ticks = path_ticks(fn);
		if (ticks < least)
			least = ticks;
	}
	path_marked(name, fn);
	tty_printf("fastpath %-12s base %-8s ticks %llu\n", name, base, (unsigned long long)least);
}

/* ---- Groups of them ---- */

static int show_interrupt(const char *name, void (*fn)(void), intr_filter_t *filter,
    intr_thread_t *thread)
{
	struct intr_handler *ih;
	int error = intr_establish(edu.be_source, "bench", IPL_NET, 0, filter, thread, &edu, &ih);

	if (error)
		return error;
	path_show(name, "store", fn);
	return intr_disestablish(ih);
}

static int show_messages(void)
{
	int error = bench_edu_claim(&edu);

	if (error)
		return error;
	path_show("store", "none", path_store);
	if ((error = show_interrupt("direct", path_raise, path_direct_filter, NULL)) == 0 &&
	    (error = show_interrupt("threaded", path_raise, path_filter, path_thread)) == 0 &&
	    (error = show_interrupt("softint", path_raise, path_soft_filter, NULL)) == 0 &&
	    (error = show_interrupt("divorce", path_divorce, path_filter, path_blocks)) == 0) {
		sysctl_write("hw.intr.acct", "1");
		error = show_interrupt("accounted", path_raise, path_filter, path_thread);
		sysctl_write("hw.intr.acct", "0");
	}
	bench_edu_release(&edu);
	return error;
}

static int show_line(void)
{
	int error = bench_edu_claim_line(&edu);

	if (error)
		return error;
	error = show_interrupt("line", path_raise, path_filter, path_thread);
	bench_edu_release(&edu);
	return error;
}

static int show_interrupts(void)
{
	int error = softint_establish("bench", IPL_SOFTNET, path_soft, NULL, &soft);

	if (error)
		return error;
	mutex_init(&adaptive, "bench", IPL_NET);
	error = show_messages();
	if (error == 0)
		error = show_line();
	mutex_destroy(&adaptive);
	softint_disestablish(soft);
	return error;
}

static void show_locks(void)
{
	mutex_init(&adaptive, "bench", IPL_NET);
	mutex_init(&spin, "bench", IPL_VM);
	path_show("nothing", "none", path_nothing);
	path_show("mutex", "nothing", path_mutex);
	path_show("spin", "nothing", path_spin);
	path_show("spl", "nothing", path_spl);
	mutex_destroy(&adaptive);
	mutex_destroy(&spin);
	callout_init(&timer);
	callout_setfunc(&timer, path_soft, NULL);
	path_show("callout", "nothing", path_callout);
	callout_destroy(&timer);
}

static void partner_main(void *arg)
{
	(void)arg;
	while (!atomic_load_explicit(&partner_ends, memory_order_relaxed))
		lwp_yield();
}

/* To another lwp of the same priority and back: two switches. The shell's lwp is as `me`. */
static void yield_main(void *arg)
{
	(void)arg;
	path_show("yield", "nothing", path_yield);
	atomic_store_explicit(&partner_ends, true, memory_order_relaxed);
}

static int show_switch(void)
{
	struct cpu *ci = cpu_lookup(0);
	struct lwp *one, *two;
	int error;

	atomic_store_explicit(&partner_ends, false, memory_order_relaxed);
	error = lwp_create("partner", PRI_KERNEL, ci, LWP_JOINABLE, partner_main, NULL, &two);
	if (error)
		return error;
	error = lwp_create("shown", PRI_KERNEL, ci, LWP_JOINABLE, yield_main, NULL, &one);
	if (error)
		atomic_store_explicit(&partner_ends, true, memory_order_relaxed);
	else
		lwp_join(one);
	lwp_join(two);
	return error;
}

int bench_fastpath(void)
{
	int error;

	sysctl_write("hw.intr.acct", "0");
	show_locks();
	error = show_switch();
	if (error == 0)
		error = show_interrupts();
	sysctl_write("hw.intr.acct", "1");
	return error;
}
