/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring.h - a ring of bytes between one producer and one consumer, without a lock.
 *
 * Rules: one producer and one consumer at a time; each side may be a filter or a thread. "At a
 * time" is the owner's business (a lock of the producers, a lock of the consumers). The positions
 * run freely and wrap at 2^32; the size is a power of two.
 */
#ifndef SYS_DEV_RING_H
#define SYS_DEV_RING_H

#include <ithaca/print.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
	char *r_buf;             /* (a) */
	uint32_t r_size;         /* (a) power of two */
	_Atomic uint32_t r_head; /* (~) producer writes, release; consumer reads, acquire */
	_Atomic uint32_t r_tail; /* (~) consumer writes, release; producer reads, acquire */
};

/* ring_init - empty, over `size` bytes at `buf`. */
static inline void ring_init(struct ring *r, char *buf, uint32_t size)
{
	KASSERT(size > 0 && (size & (size - 1)) == 0, "ring of %u bytes: no power of two", size);
	r->r_buf = buf;
	r->r_size = size;
	atomic_init(&r->r_head, 0);
	atomic_init(&r->r_tail, 0);
}

/* ring_used - bytes inside: exact for the consumer's lower bound, a hint for anyone else. */
static inline uint32_t ring_used(const struct ring *r)
{
	/* The tail first: it never passes the head, so the difference cannot be negative. */
	uint32_t tail = atomic_load_explicit(&r->r_tail, memory_order_acquire);

	return atomic_load_explicit(&r->r_head, memory_order_acquire) - tail;
}

/* ring_room - bytes that the producer may still put in; at least that many are free. */
static inline uint32_t ring_room(const struct ring *r)
{
	/* The other way round: a tail read later than our own head can only have grown. */
	uint32_t head = atomic_load_explicit(&r->r_head, memory_order_relaxed);

	return r->r_size - (head - atomic_load_explicit(&r->r_tail, memory_order_acquire));
}

/* ring_put - producer: false if it is full. */
static inline bool ring_put(struct ring *r, char c)
{
	uint32_t head = atomic_load_explicit(&r->r_head, memory_order_relaxed);

	if (ring_room(r) == 0)
		return false;
	r->r_buf[head & (r->r_size - 1)] = c;
	/* Pairs with the acquire of r_head in ring_get(). */
	atomic_store_explicit(&r->r_head, head + 1, memory_order_release);
	return true;
}

/* ring_get - consumer: false if it is empty. */
static inline bool ring_get(struct ring *r, char *out)
{
	uint32_t tail = atomic_load_explicit(&r->r_tail, memory_order_relaxed);

	if (atomic_load_explicit(&r->r_head, memory_order_acquire) == tail)
		return false;
	*out = r->r_buf[tail & (r->r_size - 1)];
	/* Pairs with the acquire of r_tail in ring_room(): read first, then free the place. */
	atomic_store_explicit(&r->r_tail, tail + 1, memory_order_release);
	return true;
}

#endif
