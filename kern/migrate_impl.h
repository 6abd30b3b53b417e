/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * migrate_impl.h - handlers with INTR_MIGRATE that their CPU cannot get to. For intr.c, ithread.c,
 * sched.c, cpu.c and the models. The essay is in migrate.c. Interrupts off in all of it.
 */
#ifndef KERN_MIGRATE_IMPL_H
#define KERN_MIGRATE_IMPL_H

#include <ithaca/cpu.h>
#include <ithaca/hint.h>
#include <ithaca/intr.h>
#include <stdatomic.h>

/* (~) CPUs in whose queues a handler waits that may migrate. Set by them; cleared by who idles and
 * then asks them. */
extern _Atomic cpuset_t migrate_waiting;

/* migrate_look - pass on what waits here and may migrate, but for the one that begins when this
 * interrupt ends: to CPUs that idle, while there are any. curlwp is at the level at which it ends.
 * migrate_soon - the same in a moment, for who is not: this CPU interrupts itself. */
void migrate_look(struct cpu *ci);
void migrate_soon(struct cpu *ci);

/* migrate_poked - IPI_MIGRATE, or what may keep a handler out has changed: queue what was passed on
 * to this CPU, then migrate_look(). */
void migrate_poked(struct cpu *ci);

/* migrate_ask - this CPU has declared itself idle (sched_idle()), and interrupts those that have
 * something for it. */
void migrate_ask_all(struct cpu *ci);
static inline void migrate_ask(struct cpu *ci)
{
	/* Relaxed: the fence in sched_idle() pairs with that in migrate_to(). */
	if (unlikely(atomic_load_explicit(&migrate_waiting, memory_order_relaxed) != 0))
		migrate_ask_all(ci);
}

/* migrate_dump - what is on its way to each CPU: on the console. No lock. */
void migrate_dump(void);

#endif
