/* SPDX-License-Identifier: BSD-2-Clause */
/* For the simulator itself: eight bytes are written while their last four are read. */
#include "scenario.h"

static union {
	uint64_t both;
	uint32_t half[2];
} word;

static void writes(void *arg)
{
	(void)arg;
	word.both = 1;
}

static void reads(void *arg)
{
	(void)arg;
	CHECK_EQ(word.half[1], 0);
}

SCENARIO(race_overlap, "for the simulator: a race of accesses that only overlap") = {.cpus = 2,
    .lwps = {{"writes", 0, writes}, {"reads", 1, reads}},
    .fails = "data race"};
