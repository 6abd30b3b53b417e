/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_pace.c - the cards' queues leave each CPU something for others.
 *
 * A handler that pulls frames and processes each to completion takes a whole CPU when more come
 * than it can do. Yielding to its neighbours after a budget does not help whoever has a lower
 * level: softints, callouts, the lwps that are to consume what came. Nothing would get there, and
 * the watch over sources would take it for a storm and hold it for seconds (kern/storm.c).
 *
 * So the handlers rest before it comes to that: when all together have taken more than net.share
 * percent of a CPU, the next one leaves its card masked and is queued again by a callout, when the
 * share is right. What comes meanwhile waits in the ring, or is dropped by the card, where it costs
 * nothing.
 *
 * Each CPU has a debt: every nanosecond that a handler took there adds 100 / net.share, every one
 * that passed takes one away, and a little may be saved up, so that a burst is done at once. In
 * debt, a handler rests that long. One that is there as a guest (nic_turn.c) does not: it goes back
 * to the CPU that its interrupts go to, which has a debt of its own, or none.
 *
 * What it took is what the core charged it with for the run before, on whatever CPU that was; so
 * the time that it was blocked, or that others preempted it, does not count. A run is known when it
 * is over and the handler begins again, so each may be one run ahead. With hw.intr.acct off nothing
 * is charged, and nobody rests.
 *
 * The callout is bound to the home CPU. That fails while its function is still about on another
 * CPU, a source that was moved just now: it runs there once more.
 *
 * Contexts: start and stop: thread; over: the handler. Lock order: a debt's is a leaf. Not for:
 * fairness among handlers of one level, which the budget is for. Read next: nic_turn.c.
 */
#include "nic_pace.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/sysctl.h>

#define SAVED_NS ((int64_t)(10 * NS_PER_MS)) /* most that can be saved up by doing nothing */
#define REST_MAX_NS ((int64_t)(100 * NS_PER_MS))
#define DEBT_MAX_NS ((int64_t)NS_PER_S) /* a host that stopped in a run is charged as the run */

static _Atomic uint64_t share = 80; /* (~) relaxed: any of its values will do */

static struct debt {
	_Alignas(64) struct mutex de_mutex;
	int64_t de_ns;        /* (m) owed; below 0: saved */
	uint64_t de_since_ns; /* (m) when that was so */
} debts[CPU_MAX];

static struct sysctl node = {.sy_name = "net.share",
    .sy_doc = "percent of a CPU that the cards' queues may take before they rest; 100: all",
    .sy_value = &share,
    .sy_min = 1,
    .sy_max = 100};

/* The callout, on the CPU that the handler's interrupts go to. */
static void rested(void *arg)
{
	struct nic_pace *np = arg;

	hwi_sched(np->np_turn.nt_ih);
}

void nic_pace_init(void)
{
	for (unsigned i = 0; i < CPU_MAX; i++)
		mutex_init(&debts[i].de_mutex, "nic pace", IPL_VM);
	sysctl_publish(&node, 1);
}

void nic_pace_start(struct nic_pace *np)
{
	nic_turn_start(&np->np_turn);
	callout_init(&np->np_rest);
	callout_setfunc(&np->np_rest, rested, np);
	np->np_cpu = CPU_MAX; /* none yet */
}

void nic_pace_stop(struct nic_pace *np)
{
	callout_shutdown(&np->np_rest, NULL);
	nic_turn_stop(&np->np_turn);
}

/* What the core charged the handler with on `ci`, so far, in ticks. */
static uint64_t taken(const struct intr_handler *ih, const struct cpu *ci)
{
	/* Relaxed: that CPU wrote it before the handler's run there ended, and so before this. */
	return atomic_load_explicit(&intr_stats_of(ih->ih_stats, ci)->st_ticks,
	    memory_order_relaxed);
}

/* The run before goes to the debt of the CPU where it was. */
static void charge(const struct nic_pace *np, const struct intr_handler *ih, uint64_t percent)
{
	struct debt *de = &debts[np->np_cpu];
	uint64_t ticks = taken(ih, cpu_lookup(np->np_cpu)) - np->np_ticks;

	mutex_spin_enter(&de->de_mutex);
	de->de_ns += (int64_t)(port_counter_to_ns(ticks) * 100 / percent);
	mutex_spin_exit(&de->de_mutex);
}

/* What `de` is now. */
static int64_t settle(struct debt *de, uint64_t percent)
{
	uint64_t now = clock_ns();
	int64_t ns;

	mutex_spin_enter(&de->de_mutex);
	ns = de->de_ns - (int64_t)(now - de->de_since_ns);
	if (ns < -SAVED_NS || percent == 100)
		ns = -SAVED_NS;
	if (ns > DEBT_MAX_NS)
		ns = DEBT_MAX_NS;
	de->de_ns = ns;
	de->de_since_ns = now;
	mutex_spin_exit(&de->de_mutex);
	return ns;
}

bool nic_pace_over(struct nic_pace *np, struct intr_handler *ih)
{
	struct cpu *ci = curcpu(), *home;
	uint64_t percent = atomic_load_explicit(&share, memory_order_relaxed), rest = 1;
	int64_t debt;

	if (np->np_cpu != CPU_MAX)
		charge(np, ih, percent);
	np->np_cpu = ci->ci_index;
	np->np_ticks = taken(ih, ci);
	if (np->np_turn.nt_ih == NULL) /* the first run: it stays the same */
		np->np_turn.nt_ih = ih;
	debt = settle(&debts[ci->ci_index], percent);
	if (debt <= 0)
		return false;
	/* Relaxed: it may be moved at any time. */
	home = atomic_load_explicit(&ih->ih_source->is_cpu, memory_order_relaxed);
	if (home == ci) {
		rest = (uint64_t)(debt < REST_MAX_NS ? debt : REST_MAX_NS);
		port_stat_add(&np->np_rests, 1);
	}
	(void)callout_bind(&np->np_rest, home); /* or it stays where it was: see above */
	callout_schedule(&np->np_rest, rest);
	return true;
}
