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
 * So arming and cancelling are O(1), and finding the next deadline is two counts of trailing
 * zeros. When time reaches the start of a slot, it is due (level 0) or its callouts cascade to
 * the levels below. wh_tick may jump over any time in which no slot starts without breaking (1) to
 * (3): a callout's tick and wh_tick keep the digits that they share, and the digit in which they
 * differ stays smaller in wh_tick, for else the slot would have started.
 *
 * A slot above level 0 keeps the earliest tick that was put in it (wh_first), so that a callout
 * alone in the wheel costs one clock interrupt however far away it was; one that was cancelled may
 * cost one for nothing.
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
#define TICK_MAX (((uint64_t)1 << (WHEEL_DIGIT_BITS * WHEEL_LEVELS)) - 1)
#define TICK_NS ((uint64_t)1 << WHEEL_TICK_SHIFT)

_Static_assert(TICK_NS == CALLOUT_RESOLUTION_NS, "callout.h promises it");
_Static_assert(WHEEL_TICK_SHIFT + WHEEL_DIGIT_BITS * WHEEL_LEVELS == 64, "all of time");
_Static_assert(WHEEL_LEVELS <= 8 && WHEEL_SLOTS <= 64, "maps are that wide");

static uint64_t tick_of(uint64_t when_ns)
{
	uint64_t tick = when_ns >> WHEEL_TICK_SHIFT;

	return (when_ns & (TICK_NS - 1)) != 0 && tick < TICK_MAX ? tick + 1 : tick;
}

void wheel_init(struct wheel *wh, uint64_t now_ns)
{
	unsigned level, slot;

	list_init(&wh->wh_due);
	list_init(&wh->wh_moving);
	for (level = 0; level < WHEEL_LEVELS; level++) {
		wh->wh_map[level] = 0;
		for (slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&wh->wh_slot[level][slot]);
	}
	wh->wh_levels = 0;
	wh->wh_tick = now_ns >> WHEEL_TICK_SHIFT;
}

void wheel_insert(struct wheel *wh, struct callout *c)
{
	uint64_t tick = tick_of(c->c_when_ns), bit;
	unsigned level, slot;

	if (tick <= wh->wh_tick) {
		list_append(&wh->wh_due, &c->c_entry);
		return;
	}
	level = (63 - (unsigned)__builtin_clzll(tick ^ wh->wh_tick)) / WHEEL_DIGIT_BITS;
	slot = (unsigned)(tick >> (level * WHEEL_DIGIT_BITS)) & DIGIT_MASK;
	bit = (uint64_t)1 << slot;
	c->c_slot_level = (uint8_t)level;
	c->c_slot = (uint8_t)slot;
	if ((wh->wh_map[level] & bit) == 0) {
		wh->wh_map[level] |= bit;
		wh->wh_levels = (uint8_t)(wh->wh_levels | 1u << level);
		wh->wh_first[level][slot] = tick;
	} else if (tick < wh->wh_first[level][slot]) {
		wh->wh_first[level][slot] = tick;
	}
	list_append(&wh->wh_slot[level][slot], &c->c_entry);
}

static void slot_vacate(struct wheel *wh, unsigned level, unsigned slot)
{
	wh->wh_map[level] &= ~((uint64_t)1 << slot);
	if (wh->wh_map[level] == 0)
		wh->wh_levels = (uint8_t)(wh->wh_levels & ~(1u << level));
}

void wheel_remove(struct wheel *wh, struct callout *c)
{
	/* Of one that is due or moving, c_slot says where it stood before: to vacate that slot if
	 * it is empty changes nothing. */
	list_remove(&c->c_entry);
	if (list_empty(&wh->wh_slot[c->c_slot_level][c->c_slot]))
		slot_vacate(wh, c->c_slot_level, c->c_slot);
}

uint64_t wheel_next_ns(const struct wheel *wh)
{
	unsigned level;

	if (!list_empty(&wh->wh_due) || !list_empty(&wh->wh_moving))
		return 0;
	if (wh->wh_levels == 0)
		return UINT64_MAX;
	level = (unsigned)__builtin_ctz(wh->wh_levels);
	return wh->wh_first[level][__builtin_ctzll(wh->wh_map[level])] << WHEEL_TICK_SHIFT;
}

static void list_splice(struct list *to, struct list *from)
{
	struct list *first = from->next, *last = from->prev;

	KASSERT(!list_empty(from), "callout wheel: an empty slot is marked occupied");
	first->prev = to->prev;
	to->prev->next = first;
	last->next = to;
	to->prev = last;
	list_init(from);
}

/* wheel_step - clear the first slot, if it starts at or before `now`. If not, wh_tick is `now`. */
static bool wheel_step(struct wheel *wh, uint64_t now)
{
	unsigned level, slot, shift;
	uint64_t start;

	if (wh->wh_levels != 0) {
		level = (unsigned)__builtin_ctz(wh->wh_levels);
		slot = (unsigned)__builtin_ctzll(wh->wh_map[level]);
		shift = level * WHEEL_DIGIT_BITS;
		start = ((wh->wh_tick >> shift & ~(uint64_t)DIGIT_MASK) | slot) << shift;
		KASSERT(start > wh->wh_tick, "callout wheel: level %u slot %u lies in the past",
		    level, slot);
		if (start <= now) {
			wh->wh_tick = start;
			list_splice(level == 0 ? &wh->wh_due : &wh->wh_moving,
			    &wh->wh_slot[level][slot]);
			slot_vacate(wh, level, slot);
			return true;
		}
	}
	if (wh->wh_tick < now)
		wh->wh_tick = now;
	return false;
}

bool wheel_advance(struct wheel *wh, uint64_t now_ns, unsigned moves)
{
	struct list *e;

	for (; moves > 0; moves--) {
		e = list_take(&wh->wh_moving);
		if (e != NULL)
			wheel_insert(wh, container_of(e, struct callout, c_entry));
		else if (!wheel_step(wh, now_ns >> WHEEL_TICK_SHIFT))
			return false;
	}
	return true;
}
