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
#include "places.h"
#include "simint.h"

#include <string.h>

#define IN_GRANULE 8u

/* Indices of places, which begin in the granule or reach into it. */
struct granule {
	uint64_t g_at; /* address, with bit 0 set; 0: free */
	uint32_t g_n;
	uint32_t g_loc[IN_GRANULE];
};

struct xp_loc xp_locs[XP_LOCS]; /* 0 is none */
uint32_t xp_loc_index[XP_LOCS]; /* hashed by address; 0: free */
uint32_t xp_loc_run;
static struct granule granules[XP_LOCS];
static uint32_t nlocs, ngranules;

static uint32_t slot_of(uint64_t key)
{
	return (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> (64 - XP_LOCS_BITS));
}

static void forget_all(void)
{
	memset(xp_locs, 0, (nlocs + 1) * sizeof(xp_locs[0]));
	memset(xp_loc_index, 0, sizeof(xp_loc_index));
	memset(granules, 0, sizeof(granules));
	nlocs = ngranules = 0;
}

void xp_places_begin(bool anew)
{
	bool full = nlocs > XP_LOCS / 2 || ngranules > XP_LOCS / 2;

	if (full && xp_config.exact)
		sim_failed("exhaustive: the runs touch more than %u places", XP_LOCS / 2);
	if (full)
		forget_all();
	if (++xp_loc_run == 0)
		anew = true;
	for (uint32_t i = 1; anew && i <= nlocs; i++) {
		memset(&xp_locs[i].l_sync, 0, sizeof(xp_locs[i].l_sync));
		memset(xp_locs[i].l_by, 0, sizeof(xp_locs[i].l_by));
		xp_locs[i].l_run = 0;
	}
	xp_loc_run += xp_loc_run == 0;
}

/* First touched at all. */
static struct xp_loc *add(uint32_t at, uint64_t addr)
{
	struct xp_loc *l;

	if (nlocs >= XP_LOCS / 4 * 3)
		sim_failed("a run touches more than %u places", XP_LOCS / 4);
	l = &xp_locs[++nlocs];
	xp_loc_index[at] = nlocs * (uint32_t)sizeof(*l);
	l->l_addr = addr;
	xp_place_renew(l);
	return l;
}

struct xp_loc *xp_place_search(uint64_t addr)
{
	uint32_t i = xp_place_slot(addr);
	struct xp_loc *l;

	for (;; i = (i + 1) % XP_LOCS) {
		if (xp_loc_index[i] == 0)
			return add(i, addr);
		l = xp_place_in(i);
		if (l->l_addr == addr)
			break;
	}
	if (l->l_run != xp_loc_run)
		xp_place_renew(l);
	return l;
}

unsigned xp_place_index(const struct xp_loc *l)
{
	return (unsigned)(l - xp_locs);
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
	l->l_cpus |= XP_ODD;
	xp_learnt = true;
}

static void enter(struct xp_loc *l, unsigned which, uint64_t at)
{
	struct granule *g = granule_of(at);
	bool there = false;

	l->l_granules[which] = (uint32_t)(g - granules);
	if (g->g_at == 0) {
		g->g_at = (at & ~(uint64_t)7) | 1;
		ngranules++;
	}
	for (unsigned i = 0; i < g->g_n; i++) {
		struct xp_loc *other = &xp_locs[g->g_loc[i]];

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
	l->l_cpus &= (uint8_t)~XP_NOTED;
	enter(l, 0, l->l_addr);
	enter(l, 1, l->l_addr + size - 1);
}

unsigned xp_place_others(const struct xp_loc *l, struct xp_loc **out)
{
	unsigned n = 0;

	for (unsigned which = 0; which < 2; which++) {
		const struct granule *g = &granules[l->l_granules[which]];

		if (which != 0 && l->l_granules[0] == l->l_granules[1])
			break;
		for (unsigned i = 0; i < g->g_n; i++) {
			struct xp_loc *other = &xp_locs[g->g_loc[i]];

			if (other != l && other->l_run == xp_loc_run && overlap(other, l))
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
			struct xp_loc *l = &xp_locs[g->g_loc[i]];

			if (l->l_run != xp_loc_run || l->l_addr < addr)
				continue;
			memset(l->l_by, 0, sizeof(l->l_by));
			xp_history_forget(l);
		}
	}
}
