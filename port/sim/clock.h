/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.h - vector clocks and the places of memory, between race.c and memory.c.
 */
#ifndef SIM_CLOCK_H
#define SIM_CLOCK_H

#include "points.h"

typedef uint32_t v4 __attribute__((vector_size(16))); /* one a CPU */
_Static_assert(XP_CPUS == 4, "v4 has four");

#define XP_LOCS_BITS 16
#define XP_LOCS (1u << XP_LOCS_BITS)

/* What is known of a place from all runs so far. */
#define LF_OVERLAPS 0x01u /* another place has bytes of it */
#define LF_SHARED 0x02u   /* of more than one CPU or device, and not only read */
#define LF_DEVICE 0x04u   /* and one of them is a device */
#define LF_CONTEXTS 0x08u /* of more than one context of one CPU, and not only read */

enum { LC_READ, LC_WRITE, LC_AREAD, LC_AWRITE };

/* A place: who touched it last and when, and what its last store released. Its slot, its size (the
 * largest access so far) and its flags stay from run to run. */
struct xp_loc {
	uint64_t l_addr; /* 0: free */
	uint8_t l_size, l_flags;
	bool l_history;     /* memory.c knows older stores */
	uint8_t l_cpus;     /* bits: who touched it in this run */
	uint32_t l_run;     /* the rest is valid in this run */
	uint32_t l_version; /* atomic writes so far */
	v4 l_sync;
	v4 l_clk[4];         /* by LC_*, then CPU */
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
void xp_place_grow(struct xp_loc *l, unsigned size);
struct xp_loc *xp_atomic(unsigned me, uint64_t addr, unsigned size, bool write, uint32_t pc);
void xp_acquire(unsigned me, v4 sync, int order);
v4 xp_release(unsigned me, int order);
void xp_tick(unsigned me);
void xp_race_found(uint64_t addr, unsigned cpu, uint32_t pc, const char *what, unsigned cpu2,
    uint32_t pc2, const char *what2);

/* places.c: all places that have bytes of this one, and were touched in this run. */
#define XP_OVERLAPS_MAX 16u
#define XP_OVERLAPPED ((uint64_t)1 << 62) /* the one place that stands for those of a granule */
unsigned xp_place_others(const struct xp_loc *l, struct xp_loc **out);
void xp_places_begin(void);

/* shared.c: an access, for who shares what and for the trace; before the version goes up. */
#define XP_BY_DEVICE 8u /* instead of a CPU */
void xp_seen(struct xp_loc *l, unsigned cpu, bool write);
void xp_seen_issued(struct xp_loc *l, unsigned cpu, uint64_t value);
bool xp_seen_before(struct xp_loc *l);
void xp_shared_begin(void);

/* explore.c: CPU `cpu` has looked there: if it pauses, until that changes. */
void xp_watch(unsigned cpu, struct xp_loc *l, bool write);

void xp_device_touched(struct xp_loc *l, bool write);

void xp_memory_begin(void);
void xp_history_forget(struct xp_loc *l);
void xp_history_add(struct xp_loc *l, unsigned me, uint64_t value, v4 sync, bool seq, unsigned size,
    uint64_t addr);

#endif
