/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * p_sched.c - what it costs Linux to go from one kernel thread to another.
 *
 * The counterpart of bench/b_sched.c. Two threads of SCHED_FIFO and of one priority, on one CPU:
 * first each yields to the other, then each wakes the other and sleeps. A sample is one way, the
 * mean of ten turns.
 *
 * ping makes pong runnable itself: were it done by the measuring thread, a kernel that preempts
 * would run pong to its end before there is a ping, and a yield to nobody looks cheap. How often
 * ping really left the CPU is therefore counted, and too seldom is an error.
 *
 * A sleeper sets its state before it looks for the other's wake, so that none is lost.
 * Contexts: two kernel threads; the measuring thread waits.
 */
#include "peer.h"

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kthread.h>

#define TURNS 10

static struct task_struct *ping, *pong;
static struct figure yields, wakes;
static DECLARE_COMPLETION(over);
static unsigned int ping_woken, pong_woken;
static unsigned long switched; /* from ping, while it was measured */

static void sleep_until(unsigned int *woken)
{
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (READ_ONCE(*woken) != 0)
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	WRITE_ONCE(*woken, 0);
}

static void wake(struct task_struct *t, unsigned int *woken)
{
	WRITE_ONCE(*woken, 1);
	wake_up_process(t);
}

/* times_left - the CPU, by the caller. */
static unsigned long times_left(void)
{
	return current->nvcsw + current->nivcsw;
}

static int pong_main(void *arg)
{
	unsigned int i;

	for (i = 0; i < PEER_WARM + PEER_EVENTS * TURNS; i++)
		yield();
	for (i = 0; i < PEER_EVENTS * TURNS; i++) {
		sleep_until(&pong_woken);
		wake(ping, &ping_woken);
	}
	complete(&over);
	return 0;
}

static int ping_main(void *arg)
{
	unsigned long left;
	unsigned int r, i;
	u64 before;

	wake_up_process(pong);
	for (i = 0; i < PEER_WARM; i++)
		yield();
	left = times_left();
	for (r = 0; r < PEER_EVENTS; r++) {
		before = rdtsc();
		for (i = 0; i < TURNS; i++)
			yield();
		figure_add(&yields, rdtsc() - before);
	}
	for (r = 0; r < PEER_EVENTS; r++) {
		before = rdtsc();
		for (i = 0; i < TURNS; i++) {
			wake(pong, &pong_woken);
			sleep_until(&ping_woken);
		}
		figure_add(&wakes, rdtsc() - before);
	}
	switched = times_left() - left;
	complete(&over);
	return 0;
}

int peer_sched(void)
{
	figure_begin(&yields, "sched", "lwp switch (yield), one way");
	figure_begin(&wakes, "sched", "wake and switch, one way");
	yields.f_turns = wakes.f_turns = 2 * TURNS;
	ping = kthread_create(ping_main, NULL, "ping");
	if (IS_ERR(ping))
		return PTR_ERR(ping);
	pong = kthread_create(pong_main, NULL, "pong");
	if (IS_ERR(pong)) {
		kthread_stop(ping);
		return PTR_ERR(pong);
	}
	sched_set_fifo_low(ping);
	sched_set_fifo_low(pong);
	wake_up_process(ping);
	wait_for_completion(&over);
	wait_for_completion(&over);
	if (switched < 2 * PEER_EVENTS * TURNS) {
		pr_err("ithaca_peer: %lu switches, %d were measured\n", switched,
		    2 * PEER_EVENTS * TURNS);
		return -EIO;
	}
	figure_end(&yields, 0);
	figure_end(&wakes, 0);
	return 0;
}
