/* SPDX-License-Identifier: BSD-2-Clause */
/* dpor.c - exhaustive search. */
#include "explore.h"

#include "simint.h"

uint64_t xp_nodes, xp_pruned;
bool xp_exhausted;

static bool begin(uint64_t seed)
{
	(void)seed;
	sim_failed("the exhaustive strategy is not there yet");
}

static unsigned choose(uint64_t set, unsigned plain)
{
	(void)set;
	return plain;
}

static unsigned pick(enum xp_pick kind, unsigned n)
{
	(void)kind;
	(void)n;
	return 0;
}

static void end(void)
{
}

const struct xp_strategy xp_exhaustive = {"exhaustive", true, begin, choose, pick, end};
