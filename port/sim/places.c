/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * places.c - the places of memory that runs touch, and which of them overlap.
 *
 * A place is known by the address of its first byte, and is as long as the largest access that
 * began there. It keeps its slot in the table from run to run, with what is known of it from all
 * runs (its flags); what happened to it in a run is forgotten when the next touches it first.
 *
 * Accesses that overlap without beginning at the same byte are found by granules: 8 bytes, aligned,
 * with the places that have bytes of it. As long as a place is alone in its bytes nothing is
 * looked up; once another overlaps it, both are flagged, and race.c compares all of the granule.
 *
 * Contexts: a run. One host thread. Invariant: no access is larger than a granule; larger ones come
 * in pieces. Next: race.c, shared.c.
 */
#include "clock.h"
#include "simint.h"

#include <string.h>

#define IN_GRANULE 8u

/* Indices of places, which begin in the granule or reach into it. */
struct granule {
	uint64_t g_at; /* address, with bit 0 set; 0: free */
	uint32_t g_n;
	uint32_t g_loc[IN_GRANULE];
};

static struct xp_loc locs[XP_LOCS]; /* in order of appearance; 0 is none */
static uint32_t index_of[XP_LOCS];  /* hashed by address */
static struct granule granules[XP_LOCS];
static uint32_t run, nlocs, ngranules;

static uint32_t slot_of(uint64_t key)
{
	return (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> (64 - XP_LOCS_BITS));
}

void xp_places_begin(void)
{
	bool full = nlocs > XP_LOCS / 2 || ngranules > XP_LOCS / 2;

	if (full && xp_config.exact)
		sim_failed("exhaustive: the runs touch more than %u places", XP_LOCS / 2);
	if (full || ++run == 0) {
		memset(locs, 0, sizeof(locs));
		memset(index_of, 0, sizeof(index_of));
		memset(granules, 0, sizeof(granules));
		nlocs = ngranules = 0;
		run = 1;
	}
}

/* First touched in this run. */
static void renew(struct xp_loc *l)
{
	memset(&l->l_version, 0,
	    offsetof(struct xp_loc, l_pc) - offsetof(struct xp_loc, l_version));
	l->l_history = false;
	l->l_cpus = 0;
	l->l_run = run;
}

/* First touched at all. */
static __attribute__((noinline)) struct xp_loc *add(uint32_t at, uint64_t addr)
{
	if (nlocs >= XP_LOCS / 4 * 3)
		sim_failed("a run touches more than %u places", XP_LOCS / 4);
	index_of[at] = ++nlocs;
	locs[nlocs].l_addr = addr;
	renew(&locs[nlocs]);
	return &locs[nlocs];
}

/* The places of 64 bytes are neighbours in the index, and those of one run in the table. */
struct xp_loc *xp_place(uint64_t addr)
{
	uint32_t line =
	    (uint32_t)(((addr >> 6) * 0x9e3779b97f4a7c15ull) >> (64 - XP_LOCS_BITS + 4));
	uint32_t i = line << 4 | (addr >> 2 & 15);
	struct xp_loc *l;

	for (;; i = (i + 1) % XP_LOCS) {
		if (__builtin_expect(index_of[i] == 0, 0))
			return add(i, addr);
		l = &locs[index_of[i]];
		if (l->l_addr == addr)
			break;
	}
	if (__builtin_expect(l->l_run != run, 0))
		renew(l);
	return l;
}

unsigned xp_place_index(const struct xp_loc *l)
{
	return (unsigned)(l - locs);
}

/* ---- What overlaps ---- */

static struct granule *granule_of(uint64_t addr)
{
	uint64_t at = (addr & ~(uint64_t)7) | 1;
	uint32_t i = slot_of(at);

	while (granules[i].g_at != at && granules[i].g_at != 0)
		i = (i + 1) % XP_LOCS;
	return &granules[i];
}

static bool overlap(const struct xp_loc *a, const struct xp_loc *b)
{
	return a->l_addr < b->l_addr + b->l_size && b->l_addr < a->l_addr + a->l_size;
}

static void flag(struct xp_loc *l)
{
	if (l->l_flags & LF_OVERLAPS)
		return;
	l->l_flags |= LF_OVERLAPS;
	xp_learnt = true;
}

static void enter(struct xp_loc *l, uint64_t at)
{
	struct granule *g = granule_of(at);
	bool there = false;

	if (g->g_at == 0) {
		g->g_at = (at & ~(uint64_t)7) | 1;
		ngranules++;
	}
	for (unsigned i = 0; i < g->g_n; i++) {
		struct xp_loc *other = &locs[g->g_loc[i]];

		if (other == l) {
			there = true;
		} else if (overlap(other, l)) {
			flag(other);
			flag(l);
		}
	}
	if (there)
		return;
	if (g->g_n == IN_GRANULE)
		sim_failed("places: more than %u begin or reach into the 8 bytes at %#llx",
		    IN_GRANULE, (unsigned long long)(at & ~(uint64_t)7));
	g->g_loc[g->g_n++] = xp_place_index(l);
}

void xp_place_grow(struct xp_loc *l, unsigned size)
{
	l->l_size = (uint8_t)size;
	enter(l, l->l_addr);
	if (((l->l_addr ^ (l->l_addr + size - 1)) & ~(uint64_t)7) != 0)
		enter(l, l->l_addr + size - 1);
}

unsigned xp_place_others(const struct xp_loc *l, struct xp_loc **out)
{
	uint64_t last = l->l_addr + l->l_size - 1;
	unsigned n = 0;

	for (uint64_t at = l->l_addr & ~(uint64_t)7; at <= last; at += 8) {
		const struct granule *g = granule_of(at);

		for (unsigned i = 0; i < g->g_n; i++) {
			struct xp_loc *other = &locs[g->g_loc[i]];

			if (other != l && other->l_run == run && overlap(other, l))
				out[n++] = other;
		}
	}
	return n;
}

void xp_race_freed(uint64_t addr, size_t size)
{
	for (uint64_t at = addr & ~(uint64_t)7; at < addr + size; at += 8) {
		const struct granule *g = granule_of(at);

		for (unsigned i = 0; i < g->g_n; i++) {
			struct xp_loc *l = &locs[g->g_loc[i]];

			if (l->l_run != run || l->l_addr < addr)
				continue;
			memset(l->l_clk, 0, sizeof(l->l_clk));
			xp_history_forget(l);
		}
	}
}
