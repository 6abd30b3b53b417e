/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_pace.c - a card's queue leaves its CPU something for others.
 *
 * A handler that pulls frames and processes each to completion takes a whole CPU when more come
 * than it can do. Yielding to its neighbours after a budget does not help whoever has a lower
 * level: softints, callouts, the lwps that are to consume what came. Nothing would get there, and
 * the watch over sources would take it for a storm and hold it for seconds (kern/storm.c).
 *
 * So the handler rests before it comes to that: when it has taken more than net.share percent of
 * its CPU it leaves the card masked and is queued again by a callout, when the share is right.
 * What comes meanwhile waits in the ring, or is dropped by the card, where it costs nothing.
 *
 * A debt is kept: each nanosecond that it took adds 100 / net.share, each that passed takes one
 * away, and a little may be saved up, so that a burst is done at once. In debt, it rests that long.
 *
 * What it took is what the core charged it with, on this CPU, up to the last run; so the time that
 * it was blocked, or that others preempted it, does not count. With hw.intr.acct off nothing is
 * charged, and nobody rests.
 *
 * Contexts: start and stop: thread; over: the handler. No locks. Not for: fairness among handlers
 * of one level, which the budget is for. Read next: igb_intr.c.
 */
#include "nic_pace.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sysctl.h>

#define SAVED_NS ((int64_t)(10 * NS_PER_MS)) /* most that can be saved up by doing nothing */
#define REST_MAX_NS ((int64_t)(100 * NS_PER_MS))

static _Atomic uint64_t share = 80; /* (~) relaxed: any of its values will do */

static uint64_t share_get(struct sysctl *sy)
{
	(void)sy;
	return atomic_load_explicit(&share, memory_order_relaxed);
}

static int share_set(struct sysctl *sy, uint64_t value)
{
	(void)sy;
	atomic_store_explicit(&share, value, memory_order_relaxed);
	return 0;
}

static struct sysctl node = {.sy_name = "net.share",
    .sy_doc = "percent of its CPU that a card's queue may take before it rests; 100: all",
    .sy_get = share_get,
    .sy_set = share_set,
    .sy_min = 1,
    .sy_max = 100};

/* The callout, on the handler's CPU. */
static void rested(void *arg)
{
	struct nic_pace *np = arg;

	hwi_sched(np->np_ih);
}

void nic_pace_start(struct nic_pace *np)
{
	int error = sysctl_register(&node);

	if (error != 0 && error != EEXIST)
		kprintf("sysctl %s: %s\n", node.sy_name, errno_name(error));
	callout_init(&np->np_rest);
	callout_setfunc(&np->np_rest, rested, np);
	np->np_cpu = CPU_MAX; /* none yet: it begins with what can be saved */
}

void nic_pace_stop(struct nic_pace *np)
{
	callout_shutdown(&np->np_rest, NULL);
}

bool nic_pace_over(struct nic_pace *np, struct intr_handler *ih)
{
	struct cpu *ci = curcpu();
	/* Relaxed: this CPU writes it. */
	uint64_t ticks =
	    atomic_load_explicit(&intr_stats_of(ih->ih_stats, ci)->st_ticks, memory_order_relaxed);
	uint64_t percent = share_get(NULL), now = clock_ns();
	int64_t debt = np->np_debt_ns;

	if (np->np_cpu == ci->ci_index) {
		debt += (int64_t)(port_counter_to_ns(ticks - np->np_ticks) * 100 / percent);
		debt -= (int64_t)(now - np->np_ns);
	}
	if (debt < -SAVED_NS || np->np_cpu != ci->ci_index || percent == 100)
		debt = -SAVED_NS;
	np->np_cpu = ci->ci_index;
	np->np_ns = now;
	np->np_ticks = ticks;
	np->np_debt_ns = debt;
	if (debt <= 0)
		return false;
	np->np_ih = ih;
	port_stat_add(&np->np_rests, 1);
	callout_schedule(&np->np_rest, (uint64_t)(debt < REST_MAX_NS ? debt : REST_MAX_NS));
	return true;
}
