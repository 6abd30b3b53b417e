/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * source_impl.h - what the two that watch sources, storm.c and balance.c, read of one: who is on
 * it, what all of them took. The list of handlers must be held still, or whoever takes one off it
 * waits for the reader, who has interrupts off (cpu_barrier()).
 */
#ifndef KERN_SOURCE_IMPL_H
#define KERN_SOURCE_IMPL_H

#include <ithaca/intr.h>
#include <ithaca/print.h>

static inline uint64_t stat_read(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline struct intr_handler *handler_first(struct intr_source *is)
{
	/* Acquire: pairs with the release in intr_link(). */
	return atomic_load_explicit(&is->is_handlers, memory_order_acquire);
}

static inline struct intr_handler *handler_next(struct intr_handler *ih)
{
	return atomic_load_explicit(&ih->ih_next, memory_order_acquire);
}

/* source_ticks - what the source and its handlers have taken of that CPU so far. */
static inline uint64_t source_ticks(struct intr_source *is, unsigned cpu)
{
	uint64_t ticks = stat_read(&is->is_stats[cpu].st_ticks);
	struct intr_handler *ih;

	for (ih = handler_first(is); ih != NULL; ih = handler_next(ih))
		ticks += stat_read(&ih->ih_stats[cpu].st_ticks);
	return ticks;
}

/* source_ticks_all - the same, and what its handlers have taken of CPUs to which they migrated. */
static inline uint64_t source_ticks_all(struct intr_source *is, unsigned cpu)
{
	uint64_t ticks = source_ticks(is, cpu);
	struct intr_handler *ih;
	unsigned i;

	for (ih = handler_first(is); ih != NULL; ih = handler_next(ih))
		for (i = 0; (ih->ih_flags & INTR_MIGRATE) && i < cpu_count(); i++)
			if (i != cpu)
				ticks += stat_read(&ih->ih_stats[i].st_ticks);
	return ticks;
}

/* handler_names - of those in `set`, or of all if it is 0: "a, b". */
static inline void handler_names(struct intr_source *is, uint64_t set, char *buf, size_t size)
{
	struct intr_handler *ih;
	size_t at = 0;

	buf[0] = '\0';
	for (ih = handler_first(is); ih != NULL && at < size; ih = handler_next(ih)) {
		if (set != 0 && (set >> ih->ih_bit & 1) == 0)
			continue;
		at += (size_t)ksnprintf(buf + at, size - at, "%s%s", at == 0 ? "" : ", ",
		    ih->ih_name);
	}
	if (at == 0)
		ksnprintf(buf, size, "no handler");
}

#endif
