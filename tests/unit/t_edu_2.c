/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_edu_2.c - the driver of docs/writing-a-driver.md that sleeps for its results: three lwps want
 * the device at once.
 */
#include "unit.h"

#include "../examples/edu_2.c"
#include "edu_device.h"

#include <ithaca/lwp.h>

static struct edu edu;

static void worker(void *arg)
{
	uint32_t first = (uint32_t)(uintptr_t)arg, want;

	for (uint32_t n = first; n < first + 4; n++) {
		want = 1;
		for (uint32_t i = 2; i <= n; i++)
			want *= i;
		CHECK_EQ(edu_factorial(&edu, n), want);
	}
}

SIM_TEST(edu_2_three_want_it, 2, 100)
{
	struct lwp *l[3];

	device_plug();
	device_line = sim_line_create("edu", INTR_LEVEL, (unsigned)sim_random(2), 0);
	CHECK_EQ(edu_attach(&edu, device_regs(0), device_line->sl_source), 0);
	for (uintptr_t i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("worker", PRI_KERNEL, NULL, LWP_JOINABLE, worker,
			     (void *)(3 * i), &l[i]),
		    0);
	for (unsigned i = 0; i < 3; i++)
		lwp_join(l[i]);
	CHECK_EQ(intr_disestablish(edu.e_ih), 0);
}
