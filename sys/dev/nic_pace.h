/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_pace.h - the cards' queues leave each CPU something for others; the essay is in nic_pace.c.
 *
 * Rules: one struct a queue, the queue's own. The handler asks at the beginning of each run, while
 * the card's interrupt is masked. nic_pace_stop() comes before intr_disestablish().
 */
#ifndef SYS_DEV_NIC_PACE_H
#define SYS_DEV_NIC_PACE_H

#include "nic_turn.h"
#include <ithaca/callout.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct intr_handler;

/* Locking key: (h) the handler's; (~) atomic. */
struct nic_pace {
	struct callout np_rest;
	struct nic_turn np_turn;
	unsigned np_cpu;           /* (h) where it ran last */
	uint64_t np_ticks;         /* (h) what it had taken there by then */
	_Atomic uint64_t np_rests; /* (~) relaxed: a count */
};

/* nic_pace_init - once, before any other. */
void nic_pace_init(void);

/* nic_pace_start - before the handler is established. Thread context; may block. */
void nic_pace_start(struct nic_pace *np);

/* nic_pace_over - for the handler `ih`: true when the queues have had their share of this CPU
 * (sysctl net.share): it must return without unmasking, and is queued again in a while, or soon on
 * its own CPU if this is another. Never blocks. */
bool nic_pace_over(struct nic_pace *np, struct intr_handler *ih);

/* nic_pace_stop - it is not queued again from here on. Thread context; may block; not from the
 * handler. */
void nic_pace_stop(struct nic_pace *np);

#endif
