/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * p_timer.c - what it costs Linux to arm a timer, to stop it and to have it run, with ten to a
 * million others armed.
 *
 * The counterpart of bench/b_callout.c: the others are due at random within an hour from 10 s on,
 * the one that is measured within 10 s; for the way to its function, within 60 us. Timers are
 * those of the wheel, whose grain is a tick of 4 ms; hrtimers are those of the tree, exact as our
 * callouts are. Only these are watched when they run, in the hard interrupt (the same under
 * PREEMPT_RT): one of the wheel waits for a tick first, which is no cost but would be counted as
 * one. A callout runs in a thread.
 *
 * Contexts: the measuring thread. The others' functions never run: they are gone in time.
 */
#include "peer.h"

#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

#define TURNS 100
#define OTHERS_MAX 1000000u

static struct timer_list *timers, timer;
static struct hrtimer *hrtimers, hrtimer, firing;
static unsigned int others;
static u64 fired_at; /* TSC; 0: not yet */
static u64 seed = 88172645463325252ull, wait_for[TURNS];

/* xorshift: the same times on every run. */
static u64 chance(u64 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void timer_nothing(struct timer_list *t)
{
}

static enum hrtimer_restart hrtimer_nothing(struct hrtimer *t)
{
	return HRTIMER_NORESTART;
}

static enum hrtimer_restart fired(struct hrtimer *t)
{
	fired_at = rdtsc();
	return HRTIMER_NORESTART;
}

static void hrtimer_begin(struct hrtimer *t, enum hrtimer_restart (*fn)(struct hrtimer *))
{
	hrtimer_init(t, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	t->function = fn;
}

/* others_arm - until `n` of each are. A scheduling now and then: a million take a while. */
static void others_arm(unsigned int n)
{
	u64 ns;

	for (; others < n; others++) {
		ns = 10 * NSEC_PER_SEC + chance(3600 * NSEC_PER_SEC);
		timer_setup(&timers[others], timer_nothing, 0);
		mod_timer(&timers[others], jiffies + nsecs_to_jiffies(ns));
		hrtimer_begin(&hrtimers[others], hrtimer_nothing);
		hrtimer_start(&hrtimers[others], ns_to_ktime(ns), HRTIMER_MODE_REL_HARD);
		if (others % 1000 == 0)
			cond_resched();
	}
}

static void others_stop(void)
{
	unsigned int i;

	for (i = 0; i < others; i++) {
		timer_delete_sync(&timers[i]);
		hrtimer_cancel(&hrtimers[i]);
		if (i % 1000 == 0)
			cond_resched();
	}
	others = 0;
}

/* ---- Arm and stop ---- */

static noinline void empty(u64 ticks)
{
	barrier();
}

static noinline void timer_arm(u64 ticks)
{
	mod_timer(&timer, jiffies + ticks);
}

static noinline void timer_arm_stop(u64 ticks)
{
	mod_timer(&timer, jiffies + ticks);
	timer_delete(&timer);
}

static noinline void hrtimer_arm(u64 ns)
{
	hrtimer_start(&hrtimer, ns_to_ktime(ns), HRTIMER_MODE_REL_HARD);
}

static noinline void hrtimer_arm_stop(u64 ns)
{
	hrtimer_start(&hrtimer, ns_to_ktime(ns), HRTIMER_MODE_REL_HARD);
	hrtimer_cancel(&hrtimer);
}

/* With a `grain` of so many nanoseconds, which is what `fn` counts in. */
static s32 figure(const char *name, void (*fn)(u64), u64 grain, s32 base)
{
	static struct figure f;
	unsigned int i, turn;
	u64 before;

	figure_begin(&f, "callout", name);
	for (i = 0; i < PEER_EVENTS; i++) {
		for (turn = 0; turn < TURNS; turn++)
			wait_for[turn] = div64_u64(TICK_NSEC + chance(10 * NSEC_PER_SEC), grain);
		before = rdtsc();
		for (turn = 0; turn < TURNS; turn++)
			fn(wait_for[turn]);
		figure_add(&f, rdtsc() - before);
	}
	if (fn == empty)
		return figure_median(&f);
	f.f_turns = TURNS;
	return figure_end(&f, base);
}

/* ---- Run ---- */

/* Watch the counter until the function has run: how much was missed. `*last`: the read before. */
static noinline u64 watch(u64 *last)
{
	u64 now, at, before = rdtsc();

	for (;;) {
		now = rdtsc();
		at = READ_ONCE(fired_at);
		if (at != 0 && at < now)
			break;
		before = now;
	}
	*last = before;
	return now - before;
}

/* What one turn of watch() takes by itself. */
static s32 watch_base(void)
{
	static struct figure f;
	unsigned int i;
	u64 last;

	figure_begin(&f, "callout", "");
	for (i = 0; i < PEER_EVENTS; i++) {
		fired_at = 1;
		figure_add(&f, watch(&last));
	}
	return figure_median(&f);
}

static void figure_fire(unsigned int n)
{
	static struct figure entry, whole;
	static char name[2][PEER_NAME_MAX];
	s32 base = watch_base();
	unsigned int i;
	u64 last, ticks;

	scnprintf(name[0], PEER_NAME_MAX, "hrtimer, fire to function, %u others armed", n);
	scnprintf(name[1], PEER_NAME_MAX, "hrtimer, fire, whole loss, %u others armed", n);
	figure_begin(&entry, "callout", name[0]);
	figure_begin(&whole, "callout", name[1]);
	for (i = 0; i < PEER_EVENTS; i++) {
		fired_at = 0;
		hrtimer_start(&firing, ns_to_ktime(20000 + chance(40000)), HRTIMER_MODE_REL_HARD);
		ticks = watch(&last);
		figure_add(&whole, ticks);
		figure_add(&entry, fired_at - last);
	}
	figure_end(&entry, 0);
	figure_end(&whole, base);
}

/* ---- All of it ---- */

static void figures(void)
{
	s32 base = figure("", empty, 1, 0);
	char name[PEER_NAME_MAX];
	unsigned int n;

	for (n = 10; n <= OTHERS_MAX; n *= 10) {
		others_arm(n);
		scnprintf(name, sizeof(name), "callout, arm and stop, %u others armed", n);
		figure(name, timer_arm_stop, TICK_NSEC, base);
		scnprintf(name, sizeof(name), "hrtimer, arm and stop, %u others armed", n);
		figure(name, hrtimer_arm_stop, 1, base);
		figure_fire(n);
	}
	timer_arm(HZ);
	figure("callout, arm one that is armed", timer_arm, TICK_NSEC, base);
	hrtimer_arm(NSEC_PER_SEC);
	figure("hrtimer, arm one that is armed", hrtimer_arm, 1, base);
	timer_delete_sync(&timer);
	hrtimer_cancel(&hrtimer);
	hrtimer_cancel(&firing);
}

int peer_timer(void)
{
	int error = 0;

	timers = vmalloc_array(OTHERS_MAX, sizeof(*timers));
	hrtimers = vmalloc_array(OTHERS_MAX, sizeof(*hrtimers));
	timer_setup(&timer, timer_nothing, 0);
	hrtimer_begin(&hrtimer, hrtimer_nothing);
	hrtimer_begin(&firing, fired);
	if (timers != NULL && hrtimers != NULL) {
		figures();
		others_stop();
	} else {
		pr_err("ithaca_peer: no memory for %u timers\n", OTHERS_MAX);
		error = -ENOMEM;
	}
	vfree(timers);
	vfree(hrtimers);
	return error;
}
