/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * p_rate.c - interrupts a second by the wall's clock, one at a time: raised as soon as the handler
 * of the last has ended.
 *
 * The counterpart of group rate in bench/b_cpus.c. A hundred direct ones and a hundred threaded
 * ones take turns, so that what else the host does falls on both; a sample is such a slice. What it
 * gives is their ratio; the rates themselves are the host's. Meaningless under -icount.
 *
 * Contexts: the measuring thread; the handlers, in theirs. No locks: one CPU.
 */
#include "peer.h"

#include <linux/interrupt.h>
#include <linux/ktime.h>
#include <linux/math64.h>

#define SLICE 100 /* raises of one kind in a row */

static bool direct; /* what the hard handler is to answer */

static irqreturn_t hard(int irq, void *arg)
{
	edu_quiet();
	if (!direct)
		return IRQ_WAKE_THREAD;
	peer_ended++;
	return IRQ_HANDLED;
}

static irqreturn_t thread(int irq, void *arg)
{
	peer_ended++;
	return IRQ_HANDLED;
}

/* Interrupts a second, of one slice. */
static u64 slice(bool is_direct)
{
	u64 begun = ktime_get_ns(), ns;
	unsigned long want;
	unsigned int i;

	direct = is_direct;
	for (i = 0; i < SLICE; i++) {
		want = peer_ended + 1;
		writel(1, peer_regs + EDU_RAISE);
		peer_wait(want);
	}
	ns = ktime_get_ns() - begun;
	cond_resched();
	return ns == 0 ? 0 : div64_u64(SLICE * NSEC_PER_SEC, ns);
}

int peer_rate(void)
{
	static struct figure direct_rate, thread_rate, ratio;
	unsigned int i;
	u64 d, t;
	int error =
	    request_threaded_irq(peer_irq, hard, thread, IRQF_NO_THREAD, "ithaca_peer", &peer_irq);

	if (error != 0)
		return error;
	figure_begin(&direct_rate, "rate", "direct interrupts a second and CPU, of 1");
	figure_begin(&thread_rate, "rate", "threaded interrupts a second and CPU, of 1");
	figure_begin(&ratio, "rate", "threaded rate by direct rate, CPUs at once: 1");
	direct_rate.f_unit = thread_rate.f_unit = "1/s";
	ratio.f_unit = "permille";
	for (i = 0; i < PEER_EVENTS + PEER_WARM; i++) {
		d = slice(true);
		t = slice(false);
		if (i < PEER_WARM)
			continue;
		figure_add(&direct_rate, d);
		figure_add(&thread_rate, t);
		figure_add(&ratio, d == 0 ? 0 : div64_u64(t * 1000, d));
	}
	free_irq(peer_irq, &peer_irq);
	figure_end(&direct_rate, 0);
	figure_end(&thread_rate, 0);
	figure_end(&ratio, 0);
	return 0;
}
