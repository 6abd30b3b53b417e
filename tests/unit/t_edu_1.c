/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_edu_1.c - the driver of docs/writing-a-driver.md with a filter: each raise is counted once, by
 * the unit that it was for.
 */
#include "unit.h"

#include "../examples/edu_1.c"
#include "edu_device.h"

static struct edu edu[DEVICES];

static void raised(struct edu *e, uint64_t n)
{
	edu_raise(e);
	while (atomic_load_explicit(&e->e_count, memory_order_relaxed) < n)
		sim_work(NS_PER_US);
	CHECK_EQ(atomic_load(&e->e_count), n);
}

SIM_TEST(edu_1_two_on_one_line, 2, 50)
{
	device_plug();
	device_line = sim_line_create("edu", INTR_LEVEL, (unsigned)sim_random(2), 0);
	for (unsigned i = 0; i < DEVICES; i++)
		CHECK_EQ(edu_attach(&edu[i], device_regs(i), device_line->sl_source), 0);
	for (uint64_t n = 1; n <= 10; n++) {
		raised(&edu[0], 2 * n - 1);
		raised(&edu[0], 2 * n);
		raised(&edu[1], n);
	}
	edu_detach(&edu[0]);
	raised(&edu[1], 11);
	edu_detach(&edu[1]);
	CHECK_EQ(atomic_load(&edu[0].e_count), 20);
}
