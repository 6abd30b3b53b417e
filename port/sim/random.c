/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * random.c - strategies that draw: the random walk, and PCT.
 *
 * The random walk asks itself every few points, and then lets any process go on, each as likely as
 * the others.
 *
 * PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte: A Randomized Scheduler with Probabilistic
 * Guarantees of Finding Bugs, 2010) gives each process a random priority and always lets the
 * highest go on, but for depth - 1 points drawn beforehand at which the one that runs falls below
 * all others. A bug that needs `depth` orderings is found in one run with a probability of at
 * least 1 / (processes * points ^ (depth - 1)). The number of points is learnt from the first run.
 *
 * Contexts: a run. Not for proofs: search.c. Next: replay.c.
 */
#include "explore.h"

#include "simint.h"

#include <string.h>

#define GAP 12
#define PROCESSES 64u
#define DEPTH_MAX 16u
#define FAIR 1000u /* points; then who runs falls below the others, or an endless loop stays so */

/* How many, and the n-th of them. Without branches, which nobody could foretell: of two or three,
 * most often. (Not every processor has an instruction that counts.) */
static uint64_t choices(uint64_t set)
{
	set -= set >> 1 & 0x5555555555555555ull;
	set = (set & 0x3333333333333333ull) + (set >> 2 & 0x3333333333333333ull);
	set = (set + (set >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return set * 0x0101010101010101ull >> 56;
}

static unsigned nth(uint64_t set, uint64_t n)
{
	for (unsigned i = 0; i < 3; i++)
		set &= set - (i < n);
	for (; n > 3; n--)
		set &= set - 1;
	return (unsigned)__builtin_ctzll(set);
}

static unsigned draw(enum xp_pick kind, unsigned n)
{
	uint64_t d = kind == XP_PICK_ALLOC ? xp_chance(8) == 0 : xp_chance(n);

	return (unsigned)d;
}

static void nothing(void)
{
}

/* ---- Random walk ---- */

static bool random_begin(uint64_t seed)
{
	xp_chance_seed(seed);
	return true;
}

static unsigned random_choose(uint64_t set, unsigned plain)
{
	xp_ask_at = xp_steps + 2 + xp_chance(GAP);
	if ((set & (set - 1)) == 0)
		return plain;
	if (set & XP_BIT(XP_TIME) && xp_chance(8) != 0)
		set &= ~XP_BIT(XP_TIME);
	return nth(set, xp_chance(choices(set)));
}

const struct xp_strategy xp_random = {"random", XP_AT_TIMES, random_begin, random_choose, draw,
    nothing};

/* ---- PCT ---- */

static uint32_t priority[PROCESSES];
static uint64_t change[DEPTH_MAX], points = 200;
static unsigned nchange;
static bool measured;
static uint32_t low;
static uint64_t fair_at;

static bool pct_begin(uint64_t seed)
{
	xp_chance_seed(seed);
	nchange = xp_config.depth > DEPTH_MAX ? DEPTH_MAX : xp_config.depth;
	nchange = nchange > 0 ? nchange - 1 : 0;
	for (unsigned i = 0; i < PROCESSES; i++)
		priority[i] = 1000 + (uint32_t)xp_chance(1u << 30);
	for (unsigned i = 0; i < nchange; i++)
		change[i] = 1 + xp_chance(points);
	low = 1000;
	fair_at = FAIR;
	return true;
}

static unsigned highest(uint64_t set)
{
	unsigned best = (unsigned)__builtin_ctzll(set);

	for (uint64_t s = set & (set - 1); s != 0; s &= s - 1)
		if (priority[__builtin_ctzll(s)] > priority[best])
			best = (unsigned)__builtin_ctzll(s);
	return best;
}

static unsigned pct_choose(uint64_t set, unsigned plain)
{
	unsigned p;

	if (set & (set - 1))
		set &= ~XP_BIT(XP_TIME);
	p = set & XP_BIT(plain) ? highest(set) : plain;
	if (xp_steps >= fair_at) {
		if (priority[p] != low)
			priority[p] = --low;
		/* Nobody else just now, perhaps with interrupts off: soon. */
		fair_at = xp_steps + (highest(set) == p ? 1 : FAIR);
		p = highest(set);
	}
	xp_ask_at = fair_at;
	for (unsigned i = 0; i < nchange; i++) {
		if (change[i] == 0)
			continue;
		if (change[i] <= xp_steps) {
			change[i] = 0;
			priority[p] = --low;
			p = highest(set);
		} else if (change[i] < xp_ask_at) {
			xp_ask_at = change[i];
		}
	}
	return p;
}

static void pct_end(void)
{
	/* Learnt once, of the first run of the process, which is always that of seed 0: a seed
	 * means the same whatever ran before it. */
	if (!measured)
		points = xp_steps;
	measured = true;
}

const struct xp_strategy xp_pct = {"pct", XP_AT_TIMES, pct_begin, pct_choose, draw, pct_end};
