/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_from_spl_1.c - the driver that is half under splraise(), half under a mutex: right with two
 * CPUs, as long as who reads is on the handler's; and says so when not.
 */
#include "unit.h"

#include "../examples/from_spl_1.c"
#include "from_spl.h"

#define SEEDS 100

static void attach(void)
{
	chip_plug(0);
	CHECK_EQ(zs_attach(&zs, chip.line->sl_source, cpu_lookup(0)), 0);
}

SIM_TEST(one_cpu, 1, SEEDS)
{
	attach();
	from_spl_traffic(NULL, NULL);
}

SIM_TEST(two_cpus, 2, SEEDS)
{
	attach();
	from_spl_traffic(cpu_lookup(0), NULL);
}

SIM_TEST(two_cpus_in_the_ring, 2, 0)
{
	attach();
	CHECK(from_spl_two_in_the_ring());
}

SIM_TEST(busy_cpu_overruns, 1, 0)
{
	attach();
	CHECK_EQ(from_spl_busy(), 9);
}

SIM_PANIC(read_on_the_other_cpu, 2, "read on CPU 1, but its handler is on CPU 0")
{
	attach();
	from_spl_traffic(cpu_lookup(1), NULL);
}
