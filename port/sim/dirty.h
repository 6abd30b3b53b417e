/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dirty.h - what a run writes is noted, so that it can be undone: snapshot.c.
 *
 * Contexts: the notes, in a run, before the write; taking and going back, the host's.
 */
#ifndef SIM_DIRTY_H
#define SIM_DIRTY_H

#include <stddef.h>
#include <stdint.h>

void xp_snapshot_take(void);
void xp_snapshot_restore(void);
void xp_dirty_stack(uint64_t addr);
extern uint16_t xp_dirty_stacks[];
extern unsigned xp_ndirty_stacks;
void xp_dirty_many(uint64_t addr, size_t size);

/* An area of memory, its image, and which words of it this run has written. */
struct xp_area {
	uint64_t a_base, a_size;
	char *a_image;
	uint32_t *a_stamp; /* by word: the run that wrote it last */
	uint32_t *a_words; /* numbers of those that this run has written */
	uint32_t a_n, a_run;
};

extern struct xp_area xp_data, xp_heap;

/* A word is noted once a run; without a branch, as nobody could foretell it. */
static inline void xp_dirty_word(struct xp_area *a, uint64_t at)
{
	uint32_t word = (uint32_t)(at / 8);

	a->a_words[a->a_n] = word;
	a->a_n += a->a_stamp[word] != a->a_run;
	a->a_stamp[word] = a->a_run;
}

/* xp_dirty - these bytes are about to be written. */
static inline void xp_dirty(uint64_t addr, size_t size)
{
	uint64_t at = addr - xp_data.a_base;

	if (at < xp_data.a_size && (at & 7) + size <= 8)
		xp_dirty_word(&xp_data, at);
	else
		xp_dirty_many(addr, size);
}

/* state.c: hash of the machine; of the memory that is left in the end. l has a stack from now. */
struct lwp;
uint64_t xp_machine_state(void);
uint64_t xp_end_state(void);
void xp_stack_is(struct lwp *l);

/* The simulator's own state: fn() for each piece of it. sim.c, line.c, mem.c. */
void sim_state(void (*fn)(void *p, size_t size));
void sim_machine_state(void (*fn)(void *p, size_t size)); /* as it is now */
void sim_line_state(void (*fn)(void *p, size_t size));
void sim_mem_state(void (*fn)(void *p, size_t size));
uint64_t sim_mem_top(void);

#endif
