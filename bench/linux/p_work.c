/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * p_work.c - what it costs Linux to put something off, from a thread: tasklet and work queue.
 *
 * The counterpart of bench/b_work.c. A sample is from before the request to the first instruction
 * of the function. A tasklet runs when the section without bottom halves ends in which it was
 * scheduled, the soonest way from a thread; a work on the high-priority queue, when the thread
 * calls the scheduler, which it does at once.
 *
 * Contexts: the measuring thread; what was put off, in its own. No locks.
 */
#include "peer.h"

#include <linux/bottom_half.h>
#include <linux/interrupt.h>
#include <linux/workqueue.h>

static u64 begun;
static struct tasklet_struct tasklet;
static struct work_struct work;

static void put_off(void)
{
	begun = rdtsc();
	peer_ended++;
}

static void tasklet_fn(struct tasklet_struct *t)
{
	put_off();
}

static void work_fn(struct work_struct *w)
{
	put_off();
}

static void by_tasklet(void)
{
	local_bh_disable();
	tasklet_schedule(&tasklet);
	local_bh_enable();
}

static void by_work(void)
{
	queue_work(system_highpri_wq, &work);
}

static void measure(const char *name, void (*ask)(void))
{
	static struct figure f;
	unsigned long want;
	unsigned int i;
	u64 before;

	figure_begin(&f, "work", name);
	for (i = 0; i < PEER_EVENTS + PEER_WARM; i++) {
		want = peer_ended + 1;
		before = rdtsc();
		ask();
		peer_wait(want);
		if (i >= PEER_WARM)
			figure_add(&f, begun - before);
	}
	figure_end(&f, 0);
}

int peer_work(void)
{
	tasklet_setup(&tasklet, tasklet_fn);
	INIT_WORK(&work, work_fn);
	measure("softint, schedule to function", by_tasklet);
	measure("work queue, enqueue to function", by_work);
	tasklet_kill(&tasklet);
	cancel_work_sync(&work);
	return 0;
}
