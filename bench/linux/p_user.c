/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * p_user.c - a handler for a process that interrupts itself, which init.c does.
 *
 * The handlers take the time, and the process reads it from the module's parameters: that is a few
 * instructions in the loss, of thousands.
 *
 * Contexts: peer_user() and peer_user_end(), process context; the handlers, in theirs. No locks:
 * one CPU, one event at a time.
 */
#include "peer.h"

#include <linux/errno.h>
#include <linux/interrupt.h>
#include <linux/string.h>

unsigned long long peer_hard_at, peer_thread_at;

static bool there;

static irqreturn_t direct_hard(int irq, void *arg)
{
	peer_hard_at = rdtsc();
	edu_quiet();
	return IRQ_HANDLED;
}

static irqreturn_t thread_hard(int irq, void *arg)
{
	peer_hard_at = rdtsc();
	edu_quiet();
	return IRQ_WAKE_THREAD;
}

static irqreturn_t thread_fn(int irq, void *arg)
{
	peer_thread_at = rdtsc();
	return IRQ_HANDLED;
}

int peer_user(const char *kind)
{
	bool threaded = strcmp(kind, "threaded") == 0;
	int error;

	if (!threaded && strcmp(kind, "direct") != 0)
		return -EINVAL;
	error = request_threaded_irq(peer_irq, threaded ? thread_hard : direct_hard,
	    threaded ? thread_fn : NULL, IRQF_NO_THREAD, "ithaca_peer", &peer_irq);
	there = error == 0;
	return error;
}

void peer_user_end(void)
{
	if (there)
		free_irq(peer_irq, &peer_irq);
	there = false;
}
