/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_from_spl_3.c - the driver with a filter: as from_spl_2.c, and it loses nothing while
 * threads wait.
 */
#include "unit.h"

#include "../examples/from_spl_3.c"
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

SIM_TEST(two_cpus, 2, SEEDS)
{
	attach();
	from_spl_traffic(NULL, NULL);
}

SIM_TEST(two_cpus_in_the_ring, 2, 0)
{
	attach();
	CHECK(from_spl_two_in_the_ring());
}

SIM_TEST(busy_cpu_loses_nothing, 1, 0)
{
	attach();
	CHECK_EQ(from_spl_busy(), 0);
}
