/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_turn.h - a queue's handler comes back instead of waiting; the essay is in nic_turn.c.
 *
 * Rules: one struct a queue, a part of its struct nic_pace, which starts and stops it. Nobody but
 * the client calls the last two, from the calls that a handler makes of it.
 */
#ifndef SYS_DEV_NIC_TURN_H
#define SYS_DEV_NIC_TURN_H

#include <ithaca/queue.h>
#include <stdatomic.h>
#include <stdbool.h>

struct intr_handler;

/* Locking key: (a) set once before it is shared; (t) the mutex of nic_turn.c; (h) the handler's. */
struct nic_turn {
	struct list nt_list;        /* (t) among those that were put off */
	struct intr_handler *nt_ih; /* (a) whom to queue: by its first run (nic_pace_over()) */
	bool nt_stopped;            /* (t) */
	unsigned nt_times;          /* (h) that it was put off, one after another */
};

/* nic_turn_init - once, before any other. nic_turn_start - before the handler is established. Any
 * context. */
void nic_turn_init(void);
void nic_turn_start(struct nic_turn *nt);

/* nic_turn_stop - it is not queued again from here on, and not put off any more. Any context up to
 * filters; before intr_disestablish(). */
void nic_turn_stop(struct nic_turn *nt);

/* nic_turn_put_off - for the handler, where *busy says how many are at what it wants. True: it must
 * return, its card quiet, and will be queued when one of those has left. False: it may go on, and
 * wait if need be; there is nobody, or it was put off too often, or its queue is being taken down.
 * Never blocks. */
bool nic_turn_put_off(struct nic_turn *nt, const _Atomic unsigned *busy);

/* nic_turn_next - one has left, and taken himself off *busy before: those that were put off are
 * queued, in their order, on this CPU. Any context up to filters. Never blocks. */
void nic_turn_next(void);

#endif
