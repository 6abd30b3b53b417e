/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wheel.h - a hierarchical timing wheel of callouts. For callout.c; the essay is in kern/wheel.c.
 * It has no lock and knows no clock: whoever owns it brings both.
 */
#ifndef ITHACA_WHEEL_H
#define ITHACA_WHEEL_H

#include <ithaca/callout.h>
#include <ithaca/queue.h>
#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICK_SHIFT 16 /* nanoseconds to ticks */
#define WHEEL_DIGIT_BITS 6
#define WHEEL_SLOTS (1u << WHEEL_DIGIT_BITS)
#define WHEEL_LEVELS 8

/* Locking key: all of it by the owner's lock. */
struct wheel {
	uint64_t wh_tick;              /* it was looked at up to here */
	struct list wh_due;            /* to be run, in order of time */
	struct list wh_moving;         /* left of a slot that cascades and starts at wh_tick */
	uint64_t wh_map[WHEEL_LEVELS]; /* bit a slot: it is occupied */
	struct list wh_slot[WHEEL_LEVELS][WHEEL_SLOTS];
	uint64_t wh_first[WHEEL_LEVELS][WHEEL_SLOTS]; /* no tick in that occupied slot is before */
	uint8_t wh_levels;                            /* bit a level: it has an occupied slot */
};

/* wheel_init - empty, and looked at up to `now_ns`. */
void wheel_init(struct wheel *wh, uint64_t now_ns);

/* wheel_insert - put it where c_when_ns says; among the due if that has come. O(1). */
void wheel_insert(struct wheel *wh, struct callout *c);

/* wheel_remove - take it out of wherever it stands: slot, moving or due. O(1). */
void wheel_remove(struct wheel *wh, struct callout *c);

/* wheel_next_ns - no callout has to be looked at before that; 0: some are due now; UINT64_MAX:
 * there is none. */
uint64_t wheel_next_ns(const struct wheel *wh);

/* wheel_advance - bring what has come by `now_ns` nearer to wh_due, in at most `moves` steps of a
 * few instructions each: true if more are to be made, false if all of it is in wh_due. */
bool wheel_advance(struct wheel *wh, uint64_t now_ns, unsigned moves);

#endif
