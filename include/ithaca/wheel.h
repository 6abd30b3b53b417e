/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wheel.h - a hierarchical timing wheel of callouts. For callout.c; the essay is in kern/wheel.c.
 * It has no lock and knows no clock: whoever owns it brings both. Its unit is the tick of
 * CALLOUT_RESOLUTION_NS.
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
#define WHEEL_TICK_MAX (((uint64_t)1 << (WHEEL_DIGIT_BITS * WHEEL_LEVELS)) - 1)
#define WHEEL_NEVER UINT64_MAX /* no tick */

/* Aligned, so that one is never in two cache lines, and found with a shift. */
struct wheel_slot {
	_Alignas(32) struct list s_list;
	uint64_t s_first; /* of a marked slot: no tick in it is before. Of others: WHEEL_NEVER */
};

/* Locking key: all of it by the owner's lock. A slot's index is level * WHEEL_SLOTS + digit. */
struct wheel {
	uint64_t wh_tick;              /* it was looked at up to here */
	struct list wh_due;            /* to be run, in order of time */
	struct list wh_moving;         /* left of a slot that cascades and starts at wh_tick */
	uint64_t wh_map[WHEEL_LEVELS]; /* bit a slot: it is marked; others are empty */
	struct wheel_slot *wh_slot;    /* wh_slots; the compiler does better by a pointer */
	struct wheel_slot wh_slots[WHEEL_LEVELS * WHEEL_SLOTS];
};

/* By the highest bit in which a tick differs from wh_tick: where its digit is, and the index of the
 * first slot of that level. */
struct wheel_digit {
	uint8_t wd_shift;
	uint16_t wd_base;
};
extern const struct wheel_digit wheel_digit[64];

/* wheel_init - empty, and looked at up to `now_ns`. */
void wheel_init(struct wheel *wh, uint64_t now_ns);

/* wheel_tick - the first tick that is not before `when_ns`. */
static inline uint64_t wheel_tick(uint64_t when_ns)
{
	if (when_ns > UINT64_MAX - CALLOUT_RESOLUTION_NS)
		return WHEEL_TICK_MAX;
	return (when_ns + CALLOUT_RESOLUTION_NS - 1) >> WHEEL_TICK_SHIFT;
}

/* wheel_insert_later - put it where `tick` says, which is after wh_tick. O(1), and inline: a third
 * of what arming costs. */
static inline void wheel_insert_later(struct wheel *wh, struct callout *c, uint64_t tick)
{
	const struct wheel_digit *wd;
	struct wheel_slot *s;
	size_t index;

	c->c_tick = tick;
	wd = &wheel_digit[63 ^ (unsigned)__builtin_clzll(tick ^ wh->wh_tick)];
	index = wd->wd_base + (tick >> wd->wd_shift & (WHEEL_SLOTS - 1));
	s = &wh->wh_slot[index];
	if (__builtin_expect(tick < s->s_first, 0)) {
		s->s_first = tick;
		index = (size_t)(s - wh->wh_slot);
		wh->wh_map[index / WHEEL_SLOTS] |= (uint64_t)1 << index % WHEEL_SLOTS;
	}
	list_append(&s->s_list, &c->c_entry);
}

/* wheel_insert - the same for any tick: one that has come is among the due. */
void wheel_insert(struct wheel *wh, struct callout *c, uint64_t tick);

/* wheel_remove - take it out of wherever it stands: slot, moving or due. O(1). Its entry is not
 * made to point at itself. */
static inline void wheel_remove(struct callout *c)
{
	c->c_entry.prev->next = c->c_entry.next;
	c->c_entry.next->prev = c->c_entry.prev;
}

/* wheel_next - no callout has to be looked at before that tick; 0: some are due now; WHEEL_NEVER:
 * there is none. Takes marks off slots that have become empty. */
uint64_t wheel_next(struct wheel *wh);

/* wheel_advance - bring what has come by `now_ns` nearer to wh_due, in at most `moves` steps of a
 * few instructions each: true if more are to be made, false if all of it is in wh_due. */
bool wheel_advance(struct wheel *wh, uint64_t now_ns, unsigned moves);

#endif
