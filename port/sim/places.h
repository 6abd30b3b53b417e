/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * places.h - the places of memory that runs touch: what is known of each.
 *
 * Contexts: a run, with CPUs' interrupts as they are. Next: places.c; quick.h.
 */
#ifndef SIM_PLACES_H
#define SIM_PLACES_H

#include "clock.h"

#define XP_LOCS_BITS 16
#define XP_LOCS (1u << XP_LOCS_BITS)

/* What is known of a place from all runs so far. */
#define LF_OVERLAPS 0x01u /* another place has bytes of it */
#define LF_SHARED 0x02u   /* of more than one CPU or device, and not only read */
#define LF_DEVICE 0x04u   /* and one of them is a device */
#define LF_PLAIN 0x10u    /* shared, and accessed other than atomically */
#define LF_CONTEXTS 0x08u /* of more than one context of one CPU, and not only read */

enum { LC_READ, LC_WRITE, LC_AREAD, LC_AWRITE };

/* The last accesses of a kind, by CPU: when, and from where. */
struct xp_by {
	v4 b_clk;
	uint32_t b_pc[4];
};

/* A place: who touched it last and when, and what its last store released. Its slot, its size (the
 * largest access so far) and its flags stay from run to run. */
struct xp_loc {
	uint64_t l_addr; /* 0: free */
	union {
		struct {
			uint8_t l_size, l_flags;
			bool l_history; /* memory.c knows older stores */
			uint8_t l_cpus; /* bits: who touched it in this run; XP_NOTED, XP_ODD */
			uint32_t l_run; /* these are of this run */
		};
		uint64_t l_state; /* all of that at once */
	};
	uint32_t l_version;     /* atomic writes so far */
	uint32_t l_granules[2]; /* of its first and its last byte (places.c) */
	v4 l_sync;              /* as l_by of runs before: known to all, see struct xp_clocks */
	struct xp_by l_by[4] __attribute__((aligned(64))); /* by LC_* */
} __attribute__((aligned(64)));

#define XP_NOTED 0x80u /* snapshot.c knows of all its bytes */
#define XP_ODD 0x40u   /* has a history, or overlaps another */

/* l_cpus and l_run where they are in l_state: both hosts are little-endian. */
#define XP_STATE(cpus, run) ((uint64_t)(cpus) << 24 | (uint64_t)(run) << 32)
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "XP_STATE");

/* places.c: all places that have bytes of this one, and were touched in this run. */
#define XP_OVERLAPS_MAX 16u
#define XP_OVERLAPPED ((uint64_t)1 << 62) /* the one place that stands for those of a granule */
unsigned xp_place_others(const struct xp_loc *l, struct xp_loc **out);
void xp_places_begin(bool anew); /* anew: the clocks begin at 0 again */

/* places.c: the table, in order of appearance; by address, how many bytes into it; this run. */
extern struct xp_loc xp_locs[XP_LOCS];
extern uint32_t xp_loc_index[XP_LOCS], xp_loc_run;
struct xp_loc *xp_place_search(uint64_t addr);
unsigned xp_place_index(const struct xp_loc *l);
void xp_place_grow(struct xp_loc *l, unsigned size);

/* Where to look for it first. The places of 64 bytes are neighbours in the index, single bytes
 * where words of 8 leave room, and those of one run in the table. */
static inline uint32_t xp_place_slot(uint64_t addr)
{
	uint64_t line = ((addr >> 6) * 0x9e3779b97f4a7c15ull) >> (64 - XP_LOCS_BITS + 4);

	return (uint32_t)(line << 4 | ((addr >> 2 ^ (addr & 3) * 5) & 15));
}

static inline struct xp_loc *xp_place_in(uint32_t slot)
{
	return (struct xp_loc *)(void *)((char *)xp_locs + xp_loc_index[slot]);
}

/* First touched in this run. */
static inline void xp_place_renew(struct xp_loc *l)
{
	l->l_version = 0;
	l->l_history = false;
	l->l_cpus = l->l_flags & LF_OVERLAPS ? XP_ODD : 0;
	l->l_run = xp_loc_run;
}

/* The place that begins at `addr`, which may be `l`. */
static inline struct xp_loc *xp_place_or(struct xp_loc *l, uint64_t addr)
{
	if (__builtin_expect(l->l_addr != addr, 0))
		return xp_place_search(addr);
	if (l->l_run != xp_loc_run)
		xp_place_renew(l);
	return l;
}

static inline struct xp_loc *xp_place(uint64_t addr)
{
	return xp_place_or(xp_place_in(xp_place_slot(addr)), addr);
}

/* `size` bytes from the place's first on are about to be written: the snapshot must know, once. */
static inline void xp_place_dirty(struct xp_loc *l, uint64_t addr, unsigned size)
{
	if (__builtin_expect((l->l_cpus & XP_NOTED) != 0 && size <= l->l_size, 1))
		return;
	xp_dirty(addr, size);
	if (size == l->l_size)
		l->l_cpus |= XP_NOTED;
}

struct xp_loc *xp_atomic(unsigned me, uint64_t addr, unsigned size, bool write, uint32_t pc);

/* points.c: CPU `cpu` has looked there: if it pauses, until that changes. */
void xp_watch_exact(struct xp_cpu *x, struct xp_loc *l, bool write);

static inline void xp_watch(unsigned cpu, struct xp_loc *l, bool write)
{
	struct xp_cpu *x = &xp_cpus[cpu];

	if (__builtin_expect(x->x_watch == 0, 1))
		return;
	if (xp_config.exact)
		xp_watch_exact(x, l, write);
	else
		xp_looked[cpu][--x->x_watch] = (struct looked){l, l->l_version, write};
}

/* ---- Values ---- */

static inline uint64_t xp_get(const void *a, unsigned size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)a;
	case 2:
		return *(const uint16_t *)a;
	case 4:
		return *(const uint32_t *)a;
	default:
		return *(const uint64_t *)a;
	}
}

static inline void xp_put(void *a, unsigned size, uint64_t v)
{
	switch (size) {
	case 1:
		*(uint8_t *)a = (uint8_t)v;
		break;
	case 2:
		*(uint16_t *)a = (uint16_t)v;
		break;
	case 4:
		*(uint32_t *)a = (uint32_t)v;
		break;
	default:
		*(uint64_t *)a = v;
		break;
	}
}

#endif
