/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_callout.c - callout: callouts armed, stopped and halted by all CPUs at once, with every
 * result checked.
 *
 * Two sets of callouts are shared by an lwp on each CPU. Those of the first are armed and stopped
 * only, and what stop and arm say is added up: each arming ends in one run, or in somebody who was
 * told that he has prevented it. Those of the second get everything else: a halt may undo several
 * armings and tells once, so there it only counts that nothing runs beside itself. When all are
 * through, all halt all of them, also at once; then nothing may run any more.
 *
 * Contexts: the shell's lwp and those that it makes. Read next: kern/callout.c, callout_stop.c.
 */
#include "app/shell.h"
#include "mem/kmem.h"
#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>

#define ONES 8 /* of each set */
#define N_MAX 10000000
#define AWAY_NS (500 * NS_PER_US)
#define RUN_NS (20 * NS_PER_US) /* long enough for others to come by */
#define PAUSE_NS (200 * NS_PER_US)
#define AFTER_NS (20 * NS_PER_MS)

struct stir;

struct one {
	struct callout o_callout;
	struct stir *o_stir;
	bool o_counted; /* of the first set */
	_Atomic bool o_running;
};

struct stir {
	struct one st_one[2 * ONES];
	struct mutex st_lock;                  /* what the functions of the second set take */
	uint64_t st_each;                      /* what one lwp does */
	_Atomic unsigned st_stirring, st_lwps; /* (~) release by who is through with the one */
	_Atomic bool st_over;                  /* (~) relaxed: nothing may run */
	_Atomic uint64_t st_armed, st_prevented, st_runs, st_others, st_overlaps, st_after;
};

static void count(_Atomic uint64_t *counter, bool yes)
{
	if (yes)
		atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static unsigned long long total(const _Atomic uint64_t *counter)
{
	return (unsigned long long)atomic_load_explicit(counter, memory_order_relaxed);
}

static void one_run(void *arg)
{
	struct one *o = arg;
	struct stir *st = o->o_stir;

	count(&st->st_after, atomic_load_explicit(&st->st_over, memory_order_relaxed));
	count(&st->st_overlaps,
	    atomic_exchange_explicit(&o->o_running, true, memory_order_acquire));
	count(o->o_counted ? &st->st_runs : &st->st_others, true);
	clock_delay(RUN_NS);
	if (!o->o_counted) {
		mutex_enter(&st->st_lock);
		mutex_exit(&st->st_lock);
	}
	atomic_store_explicit(&o->o_running, false, memory_order_release);
}

/* What is said of each is added up. */
static void one_of_the_first(struct stir *st, struct one *o, uint64_t x)
{
	struct callout *c = &o->o_callout;
	uint64_t ns = (x >> 40) % AWAY_NS;
	bool was;

	switch ((x >> 33) % 6) {
	case 0:
		was = callout_schedule(c, ns);
		break;
	case 1:
		was = callout_reset(c, ns, one_run, o);
		break;
	case 2:
		was = callout_schedule_at(c, clock_ns() + ns);
		break;
	case 3:
		was = callout_schedule_deferred(c, ns);
		break;
	default:
		count(&st->st_prevented, callout_stop(c));
		return;
	}
	count(&st->st_armed, true);
	count(&st->st_prevented, was);
}

static void one_of_the_second(struct stir *st, struct one *o, uint64_t x)
{
	struct callout *c = &o->o_callout;
	uint64_t ns = (x >> 40) % AWAY_NS;

	switch ((x >> 33) % 8) {
	case 0:
		(void)callout_schedule_periodic(c, ns / 8 + 1);
		break;
	case 1:
		(void)callout_halt(c, NULL);
		break;
	case 2:
		mutex_enter(&st->st_lock);
		(void)callout_halt(c, &st->st_lock);
		mutex_exit(&st->st_lock);
		break;
	case 3:
		mutex_enter(&st->st_lock);
		(void)callout_trystop(c);
		mutex_exit(&st->st_lock);
		break;
	case 4:
		(void)callout_bind(c, x >> 63 ? NULL : cpu_lookup((x >> 40) % cpu_count()));
		break;
	case 5:
		callout_tolerance(c, ns);
		break;
	default:
		(void)callout_schedule(c, ns);
	}
}

static void halt_all(struct stir *st)
{
	unsigned i;

	for (i = 0; i < 2 * ONES; i++)
		count(&st->st_prevented,
		    callout_halt(&st->st_one[i].o_callout, NULL) && st->st_one[i].o_counted);
}

static void stir_main(void *arg)
{
	struct stir *st = arg;
	uint64_t n, x = port_counter() | 1;
	unsigned i;

	for (n = 0; n < st->st_each; n++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		i = (unsigned)(x >> 36) % ONES;
		if (x >> 62 & 1)
			one_of_the_first(st, &st->st_one[i], x);
		else
			one_of_the_second(st, &st->st_one[ONES + i], x);
		if ((x >> 57) % 16 == 0)
			lwp_sleep_ns((x >> 40) % PAUSE_NS);
	}
	atomic_fetch_sub_explicit(&st->st_stirring, 1, memory_order_release);
	while (atomic_load_explicit(&st->st_stirring, memory_order_acquire) > 0)
		lwp_sleep_ns(NS_PER_MS);
	halt_all(st);
	atomic_fetch_sub_explicit(&st->st_lwps, 1, memory_order_release);
}

static int stir_start(struct stir *st)
{
	unsigned i, n = cpu_count();
	int error = 0;

	mutex_init(&st->st_lock, "callout", IPL_SOFTCLOCK);
	for (i = 0; i < 2 * ONES; i++) {
		st->st_one[i].o_stir = st;
		st->st_one[i].o_counted = i < ONES;
		callout_init(&st->st_one[i].o_callout);
		callout_setfunc(&st->st_one[i].o_callout, one_run, &st->st_one[i]);
	}
	atomic_store_explicit(&st->st_lwps, n, memory_order_relaxed);
	atomic_store_explicit(&st->st_stirring, n, memory_order_relaxed);
	for (i = 0; i < n && error == 0; i++)
		error = lwp_create("stir", PRI_KERNEL - 8, cpu_lookup(i), 0, stir_main, st, NULL);
	if (error != 0) { /* of those that were not made */
		atomic_fetch_sub_explicit(&st->st_stirring, n - i + 1, memory_order_release);
		atomic_fetch_sub_explicit(&st->st_lwps, n - i + 1, memory_order_release);
	}
	return error;
}

static void stir_end(struct stir *st)
{
	unsigned i;

	while (atomic_load_explicit(&st->st_lwps, memory_order_acquire) > 0)
		lwp_sleep_ns(NS_PER_MS);
	halt_all(st); /* there may have been no lwp */
	atomic_store_explicit(&st->st_over, true, memory_order_relaxed);
	lwp_sleep_ns(AFTER_NS);
	for (i = 0; i < 2 * ONES; i++)
		callout_destroy(&st->st_one[i].o_callout);
	mutex_destroy(&st->st_lock);
}

static int stir_report(struct stir *st)
{
	tty_printf(
	    "armed %llu, prevented %llu, runs %llu, others %llu, overlaps %llu, after %llu\n",
	    total(&st->st_armed), total(&st->st_prevented), total(&st->st_runs),
	    total(&st->st_others), total(&st->st_overlaps), total(&st->st_after));
	if (total(&st->st_armed) != total(&st->st_prevented) + total(&st->st_runs))
		return shell_error("an arming was lost, or a stop did not tell the truth");
	if (total(&st->st_overlaps) != 0)
		return shell_error("%llu runs beside another", total(&st->st_overlaps));
	if (total(&st->st_after) != 0)
		return shell_error("%llu runs after all was halted", total(&st->st_after));
	return 0;
}

static int cmd_callout(int argc, char **argv)
{
	struct stir *st;
	uint64_t n;
	int error;

	if (argc != 2)
		return shell_usage();
	if (!shell_number(argv[1], "number of calls", 1, N_MAX, &n))
		return 1;
	st = kmem_alloc(sizeof(*st));
	if (st == NULL)
		return shell_error("no memory");
	st->st_each = (n + cpu_count() - 1) / cpu_count();
	error = stir_start(st);
	stir_end(st);
	if (error != 0)
		shell_error("lwps: %s", errno_name(error));
	else
		error = stir_report(st);
	kmem_free(st, sizeof(*st));
	return error != 0;
}

const struct shell_cmd shell_callout_cmds[] = {
    {"callout", "N",
	"arm, stop and halt callouts from all CPUs at once, N calls; check every result",
	"armed is what was armed of those that are only stopped: each is one that was\n"
	"prevented, or one run. others are runs of those that are halted, periodic, bound.\n",
	cmd_callout, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
