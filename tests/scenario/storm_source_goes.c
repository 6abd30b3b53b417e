/* SPDX-License-Identifier: BSD-2-Clause */
/* A source goes while its CPU looks at all of its sources: none is looked at when it has gone, and
 * its neighbours all are: I12. */
#include "dev.h"

#include <ithaca/errno.h>
#include <ithaca/storm.h>
#include <ithaca/sysctl.h>

static struct sim_line *line[3];

static void setup(void)
{
	for (unsigned i = 0; i < 3; i++)
		line[i] = sim_line_create("line", INTR_EDGE, 0, 0);
	CHECK_EQ(storm_init(), 0);
}

static void goes(void *arg)
{
	(void)arg;
	CHECK_EQ(sim_line_destroy(line[1]), 0);
	/* Nobody watches any more: the clock may come to rest. */
	CHECK_EQ(sysctl_write("hw.intr.storm_percent", "0"), 0);
	CHECK_EQ(sysctl_write("hw.intr.stuck_ms", "0"), 0);
}

SCENARIO(storm_source_goes, "a source goes while the storm watch walks: I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"goes", 1, goes}},
    .timers = true};
