/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quarantine.c - freed objects are kept back for a while.
 *
 * Purpose: memory that is handed out again at once hides whoever still uses it. So kmem.c gives
 * what is freed to a queue here, poisoned, and frees for good what comes out at the other end: when
 * the queue has more than HELD_MAX / 2 objects or BYTES_MAX bytes, or when memory is short.
 *
 * Contexts: thread, up to IPL_VM. Lock: held_lock, a leaf, with interrupts off. Invariant: the
 * objects are the entries from held_first to held_next, held_bytes is the sum of their sizes.
 * Not for: deciding what a late use looks like (kasan_report.c). Read next: sys/mem/kmem.c.
 */
#include "san.h"

#include <ithaca/port.h>
#include <ithaca/spin.h>

#define HELD_MAX 512u
#define BYTES_MAX ((size_t)1 << 20)
#define SIZE_MAX_HELD (BYTES_MAX / 16) /* greater ones would drive out everything else */

/* Locking key: (m) held_lock. */
static struct held {
	void *p;
	size_t size;
} held[HELD_MAX]; /* (m) */

static struct spin held_lock;          /* taken with interrupts off */
static unsigned held_first, held_next; /* (m) count upwards */
static size_t held_bytes;              /* (m) */

bool kasan_hold(void *p, size_t size)
{
	bool intr, room;

	if (size > SIZE_MAX_HELD)
		return false;
	intr = port_intr_disable();
	spin_lock(&held_lock);
	room = held_next - held_first < HELD_MAX;
	if (room) {
		held[held_next++ % HELD_MAX] = (struct held){.p = p, .size = size};
		held_bytes += size;
	}
	spin_unlock(&held_lock);
	port_intr_restore(intr);
	return room;
}

bool kasan_let_go(bool all, void **p, size_t *size)
{
	bool intr = port_intr_disable(), out;

	spin_lock(&held_lock);
	out = held_next != held_first &&
	    (all || held_next - held_first > HELD_MAX / 2 || held_bytes > BYTES_MAX);
	if (out) {
		*p = held[held_first % HELD_MAX].p;
		*size = held[held_first % HELD_MAX].size;
		held_first++;
		held_bytes -= *size;
	}
	spin_unlock(&held_lock);
	port_intr_restore(intr);
	return out;
}
