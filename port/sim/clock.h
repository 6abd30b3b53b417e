/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.h - vector clocks and the places of memory, between race.c and memory.c.
 */
#ifndef SIM_CLOCK_H
#define SIM_CLOCK_H

#include "explore.h"

typedef uint32_t v4 __attribute__((vector_size(16))); /* one a CPU */
_Static_assert(XP_CPUS == 4, "v4 has four");

#define XP_LOCS_BITS 14
#define XP_LOCS (1u << XP_LOCS_BITS)

enum { LC_READ, LC_WRITE, LC_AREAD, LC_AWRITE };

/* A place: who touched it last and when, and what its last store released. */
struct xp_loc {
	uint64_t l_addr;
	uint32_t l_run;     /* valid in this run */
	uint32_t l_version; /* atomic writes so far */
	v4 l_sync;
	v4 l_clk[4];         /* by LC_*, then CPU */
	bool l_history;      /* memory.c knows older stores */
	uint32_t l_pc[4][4]; /* from here on not cleared */
};

struct xp_clocks {
	v4 now[XP_CPUS];
	v4 pending[XP_CPUS]; /* read relaxed, for an acquire fence to come */
	v4 fence[XP_CPUS];   /* of the last release fence */
	v4 seq;              /* of the last seq_cst fence */
};

extern struct xp_clocks xp_clocks;

struct xp_loc *xp_place(uint64_t addr);
unsigned xp_place_index(const struct xp_loc *l);
struct xp_loc *xp_atomic(unsigned me, uint64_t addr, bool write, uint32_t pc);
void xp_acquire(unsigned me, v4 sync, int order);
v4 xp_release(unsigned me, int order);
void xp_tick(unsigned me);
void xp_race_found(uint64_t addr, unsigned cpu, uint32_t pc, const char *what, unsigned cpu2,
    uint32_t pc2, const char *what2);

void xp_memory_begin(void);
void xp_history_forget(struct xp_loc *l);
void xp_history_add(struct xp_loc *l, unsigned me, uint64_t value, v4 sync, bool seq, unsigned size,
    uint64_t addr);

#endif
