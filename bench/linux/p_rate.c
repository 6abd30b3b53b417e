/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * p_rate.c - interrupts a second by the wall's clock, one at a time: raised as soon as the handler
 * of the last has ended.
 *
 * Slices with a direct and with a threaded handler take turns, so that what else the host does
 * falls on both; a figure's samples are slices. Meaningless under -icount.
 *
 * Contexts: the measuring thread; the handlers, in theirs. No locks.
 */
#include "peer.h"

#include <linux/interrupt.h>
#include <linux/ktime.h>
#include <linux/math64.h>

#define SLICES 10                   /* of each kind */
#define SLICE_NS (NSEC_PER_SEC / 5) /* and how long */
#define PIECE 500                   /* events between two looks at the clock */

static irqreturn_t direct_hard(int irq, void *arg)
{
	edu_quiet();
	peer_ended++;
	return IRQ_HANDLED;
}

static irqreturn_t thread_hard(int irq, void *arg)
{
	edu_quiet();
	return IRQ_WAKE_THREAD;
}

static irqreturn_t thread_fn(int irq, void *arg)
{
	peer_ended++;
	return IRQ_HANDLED;
}

static void piece(void)
{
	unsigned long want;
	unsigned int i;

	for (i = 0; i < PIECE; i++) {
		want = peer_ended + 1;
		writel(1, peer_regs + EDU_RAISE);
		peer_wait(want);
	}
	cond_resched();
}

static int slice(bool threaded, struct figure *f)
{
	u64 begun, ns = 0, n = 0;
	int error = request_threaded_irq(peer_irq, threaded ? thread_hard : direct_hard,
	    threaded ? thread_fn : NULL, IRQF_NO_THREAD, "ithaca_peer", &peer_irq);

	if (error != 0)
		return error;
	piece(); /* code translated */
	for (begun = ktime_get_ns(); ns < SLICE_NS; ns = ktime_get_ns() - begun) {
		piece();
		n += PIECE;
	}
	free_irq(peer_irq, &peer_irq);
	figure_add(f, div64_u64(n * NSEC_PER_SEC, ns));
	return 0;
}

int peer_rate(void)
{
	static struct figure rate[2];
	unsigned int i;
	int error = 0;

	figure_begin(&rate[0], "rate", "direct handler");
	figure_begin(&rate[1], "rate", "threaded handler");
	rate[0].f_unit = rate[1].f_unit = "interrupts a second";
	for (i = 0; i < 2 * SLICES && error == 0; i++)
		error = slice(i % 2 != 0, &rate[i % 2]);
	if (error != 0)
		return error;
	figure_end(&rate[0], 0);
	figure_end(&rate[1], 0);
	return 0;
}
