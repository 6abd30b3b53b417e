/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wheel.c - a hierarchical timing wheel: which of a million callouts is next?
 *
 * Time is cut into ticks of 2^16 ns (65.5 us) and a tick number into eight digits of six bits,
 * which is all of 64-bit time. A level of the wheel is one digit: 64 slots. A callout stands at
 * the level of the highest digit in which its tick differs from wh_tick, the tick up to which the
 * wheel was looked at, in the slot of its own digit there. Hence:
 *
 *	(1) whatever stands at a level comes before all that stands at the levels above;
 *	(2) at one level, a lower slot comes before a higher one, and all are above wh_tick's digit;
 *	(3) the earliest callout is in the first occupied slot of the lowest occupied level.
 *
 * So arming and cancelling are O(1), and finding the next deadline is a count of trailing zeros.
 * When time reaches the start of a slot, it is due (level 0) or its callouts cascade to the levels
 * below. wh_tick may jump over any time in which no slot starts without breaking (1) to (3): a
 * callout's tick and wh_tick keep the digits that they share, and the digit in which they differ
 * stays smaller in wh_tick, for else the slot would have started.
 *
 * A slot above level 0 keeps the earliest tick that was put in it (s_first), so that a callout
 * alone in the wheel costs one clock interrupt however far away it was; one that was cancelled may
 * cost one for nothing.
 *
 * Cancelling unlinks and no more. A slot whose last callout went that way keeps its mark in wh_map
 * until somebody asks for the next deadline (wheel_next) or time comes there (wheel_step), and
 * loses it then: the clock is never asked for an empty slot. (1) to (3) hold of marked slots.
 *
 * A slot is cleared at once, by moving its whole list: to the due, or to wh_moving, out of which
 * its callouts go down one by one, with the owner's lock let go in between if there are many. While
 * some are left there, wh_tick stands at the slot's start.
 *
 * A tick is rounded up, so nothing is due early, and by 65.5 us late at most. Callouts of one tick
 * are due in the order in which they were armed, or nearly.
 *
 * Contexts: any, under the owner's lock. Lock order: none. Not for: running anything (callout.c).
 */
#include <ithaca/wheel.h>

#include <ithaca/print.h>

#define DIGIT_MASK (WHEEL_SLOTS - 1)
#define SLOTS (WHEEL_LEVELS * WHEEL_SLOTS)
#define MARKS_MAX 64 /* taken off in one go: interrupts are off */

_Static_assert((uint64_t)1 << WHEEL_TICK_SHIFT == CALLOUT_RESOLUTION_NS, "callout.h promises it");
_Static_assert(WHEEL_TICK_SHIFT + WHEEL_DIGIT_BITS * WHEEL_LEVELS == 64, "all of time");
_Static_assert(WHEEL_SLOTS == 64, "a map is that wide");

#define LEVEL(l) [6 * (l)... 6 * (l) + 5] = {6 * (l), WHEEL_SLOTS * (l)}

const struct wheel_digit wheel_digit[64] = {LEVEL(0), LEVEL(1), LEVEL(2), LEVEL(3), LEVEL(4),
    LEVEL(5), LEVEL(6), LEVEL(7)};

void wheel_init(struct wheel *wh, uint64_t now_ns)
{
	unsigned i;

	list_init(&wh->wh_due);
	list_init(&wh->wh_moving);
	for (i = 0; i < WHEEL_LEVELS; i++)
		wh->wh_map[i] = 0;
	wh->wh_slot = wh->wh_slots;
	for (i = 0; i < SLOTS; i++) {
		list_init(&wh->wh_slot[i].s_list);
		wh->wh_slot[i].s_first = WHEEL_NEVER;
	}
	wh->wh_tick = now_ns >> WHEEL_TICK_SHIFT;
}

void wheel_insert(struct wheel *wh, struct callout *c, uint64_t tick)
{
	if (tick > wh->wh_tick) {
		wheel_insert_later(wh, c, tick);
		return;
	}
	c->c_tick = tick;
	list_append(&wh->wh_due, &c->c_entry);
}

/* first_slot - the first marked slot of the lowest level that has one; SLOTS: none. */
static unsigned first_slot(const struct wheel *wh)
{
	unsigned level;

	for (level = 0; level < WHEEL_LEVELS; level++)
		if (wh->wh_map[level] != 0)
			return level * WHEEL_SLOTS + (unsigned)__builtin_ctzll(wh->wh_map[level]);
	return SLOTS;
}

static void slot_unmark(struct wheel *wh, unsigned slot)
{
	wh->wh_slot[slot].s_first = WHEEL_NEVER;
	wh->wh_map[slot / WHEEL_SLOTS] &= ~((uint64_t)1 << slot % WHEEL_SLOTS);
}

uint64_t wheel_next(struct wheel *wh)
{
	unsigned slot, n;

	if (!list_empty(&wh->wh_due) || !list_empty(&wh->wh_moving))
		return 0;
	for (n = 0;; n++) {
		slot = first_slot(wh);
		if (slot == SLOTS)
			return WHEEL_NEVER;
		if (n == MARKS_MAX || !list_empty(&wh->wh_slot[slot].s_list))
			return wh->wh_slot[slot].s_first;
		slot_unmark(wh, slot);
	}
}

static void list_splice(struct list *to, struct list *from)
{
	struct list *first = from->next, *last = from->prev;

	if (list_empty(from))
		return;
	first->prev = to->prev;
	to->prev->next = first;
	last->next = to;
	to->prev = last;
	list_init(from);
}

/* wheel_step - clear the first slot, if it starts at or before `now`. If not, wh_tick is `now`. */
static bool wheel_step(struct wheel *wh, uint64_t now)
{
	unsigned slot = first_slot(wh), shift;
	uint64_t start;

	if (slot != SLOTS) {
		shift = slot / WHEEL_SLOTS * WHEEL_DIGIT_BITS;
		start = ((wh->wh_tick >> shift & ~(uint64_t)DIGIT_MASK) | slot % WHEEL_SLOTS)
		    << shift;
		KASSERT(start > wh->wh_tick, "callout wheel: slot %u lies in the past", slot);
		if (start <= now) {
			wh->wh_tick = start;
			list_splice(shift == 0 ? &wh->wh_due : &wh->wh_moving,
			    &wh->wh_slot[slot].s_list);
			slot_unmark(wh, slot);
			return true;
		}
	}
	if (wh->wh_tick < now)
		wh->wh_tick = now;
	return false;
}

bool wheel_advance(struct wheel *wh, uint64_t now_ns, unsigned moves)
{
	struct callout *c;
	struct list *e;

	for (; moves > 0; moves--) {
		e = list_take(&wh->wh_moving);
		if (e != NULL) {
			c = container_of(e, struct callout, c_entry);
			wheel_insert(wh, c, c->c_tick);
		} else if (!wheel_step(wh, now_ns >> WHEEL_TICK_SHIFT)) {
			return false;
		}
	}
	return true;
}
