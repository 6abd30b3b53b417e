/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_from_spl_0.c - the driver that relies on splraise() alone: right on one CPU, or with all of
 * it on the handler's; wrong when who writes is on another.
 */
#include "unit.h"

#include "../examples/from_spl_0.c"
#include "from_spl.h"

#define SEEDS 100

static void attach(void)
{
	chip_plug(0);
	CHECK_EQ(zs_attach(&zs, chip.line->sl_source), 0);
}

SIM_TEST(one_cpu, 1, SEEDS)
{
	attach();
	from_spl_traffic(NULL, NULL);
}

SIM_TEST(two_cpus_but_all_on_one, 2, SEEDS)
{
	attach();
	from_spl_traffic(cpu_lookup(0), cpu_lookup(0));
}

/* What this driver cannot do: the counter of the ring breaks. */
SIM_TEST(two_cpus_break_it, 2, 0)
{
	attach();
	CHECK(!from_spl_two_in_the_ring());
	CHECK(zs.zs_out.r_count > ZS_RING); /* taken from when empty: below 0 */
}

SIM_TEST(busy_cpu_overruns, 1, 0)
{
	attach();
	CHECK_EQ(from_spl_busy(), 9);
}
