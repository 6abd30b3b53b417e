/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spin.h - the bare spin lock under the scheduler, the sleep queues and the controllers.
 *
 * Not for drivers: they use a mutex at a hard level (mutex.h), which raises the level too.
 * Whoever takes one has interrupts off already, and holds it for a bounded number of steps.
 * Lock order of the core: sleep queue or turnstile chain -> lwp (l_lock) -> run queue -> none.
 */
#ifndef ITHACA_SPIN_H
#define ITHACA_SPIN_H

#include <ithaca/port.h>
#include <ithaca/print.h>
#include <stdatomic.h>
#include <stdbool.h>

struct spin {
	_Atomic unsigned s_held; /* (~) 0 or 1: acquire in spin_lock, release in spin_unlock */
};

/* spin_init - ready to use, and free. Any context. */
static inline void spin_init(struct spin *s)
{
	atomic_init(&s->s_held, 0);
}

/* spin_trylock - take it if it is free. Interrupts off. Never waits. */
static inline bool spin_trylock(struct spin *s)
{
	/* Of a bit, which some machines set and test in one instruction. */
	return (atomic_fetch_or_explicit(&s->s_held, 1, memory_order_acquire) & 1) == 0;
}

/* spin_lock - take it, waiting in place. Interrupts off; not for one that this CPU holds. */
static inline void spin_lock(struct spin *s)
{
	KASSERT(!port_intr_enabled(), "spin lock %p taken with interrupts on", (void *)s);
	if (__builtin_expect(spin_trylock(s), 1))
		return; /* apart from the loop: an instruction or two less */
	do {
		while (atomic_load_explicit(&s->s_held, memory_order_relaxed) != 0)
			port_pause();
	} while (!spin_trylock(s));
}

/* spin_unlock - let go of it; whoever takes it next sees all that was written before. */
static inline void spin_unlock(struct spin *s)
{
	atomic_store_explicit(&s->s_held, 0, memory_order_release);
}

/* spin_held - somebody holds it (for assertions: that it is us cannot be told). */
static inline bool spin_held(struct spin *s)
{
	return atomic_load_explicit(&s->s_held, memory_order_relaxed) != 0;
}

#endif
