/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_edu_3.c - the whole driver of docs/writing-a-driver.md: a device that dies, that is late, that
 * is taken away while lwps want it; and memory that runs out.
 */
#include "unit.h"

#include "../examples/edu_3.c"
#include "edu_device.h"

#include <ithaca/lwp.h>
#include <ithaca/sleepq.h>

static struct edu edu;
static unsigned answers, refused;

static void attach(void)
{
	device_plug();
	device_line = sim_line_create("edu", INTR_LEVEL, (unsigned)sim_random(2), 0);
	CHECK_EQ(edu_attach(&edu, device_regs(0), device_line->sl_source), 0);
}

SIM_TEST(edu_3_dead_then_late, 2, 20)
{
	uint32_t result = 0;

	attach();
	CHECK_EQ(edu_factorial(&edu, 5, &result), 0);
	CHECK_EQ(result, 120);
	device[0].dead = true;
	CHECK_EQ(edu_factorial(&edu, 6, &result), ETIMEDOUT);
	CHECK_EQ(edu_factorial(&edu, 7, &result), EBUSY);
	CHECK_EQ(result, 120);
	/* What was given up is done after all, at any moment. */
	device[0].dead = false;
	sim_at(sim_random(2 * NS_PER_MS), device_done, &device[0]);
	while (edu_factorial(&edu, 4, &result) == EBUSY)
		lwp_sleep_ns(10 * NS_PER_US);
	CHECK_EQ(result, 24);
	edu_detach(&edu);
}

static void worker(void *arg)
{
	uint32_t result;

	(void)arg;
	switch (edu_factorial(&edu, 4, &result)) {
	case 0:
		CHECK_EQ(result, 24);
		answers++;
		break;
	case ENXIO:
		refused++;
		break;
	default:
		FAIL("neither done nor refused");
	}
}

/* One computes, two wait for it, or one of them has been quick: then the driver goes. */
SIM_TEST(edu_3_detached_at_work, 2, 100)
{
	struct lwp *l[3];
	bool inside;

	answers = refused = 0;
	attach();
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("worker", PRI_KERNEL, NULL, LWP_JOINABLE, worker, NULL, &l[i]),
		    0);
	do {
		lwp_sleep_ns(1 + sim_random(20 * NS_PER_US));
		mutex_enter(&edu.e_lock);
		inside = edu.e_inside + answers == 3;
		mutex_exit(&edu.e_lock);
	} while (!inside);
	edu_detach(&edu);
	for (unsigned i = 0; i < 3; i++)
		lwp_join(l[i]);
	CHECK_EQ(answers + refused, 3);
}

SIM_TEST(edu_3_no_memory, 1, 0)
{
	uint32_t result = 0;
	size_t before;
	unsigned n;
	int error;

	device_plug();
	device_line = sim_line_create("edu", INTR_LEVEL, 0, 0);
	for (n = 1;; n++) {
		sim_settle();
		before = sim_mem_bytes();
		sim_mem_fail(n);
		error = edu_attach(&edu, device_regs(0), device_line->sl_source);
		if (!sim_mem_failed())
			break;
		CHECK_EQ(error, ENOMEM);
		CHECK_EQ(device[0].status, 0);
	}
	sim_mem_fail(0);
	CHECK(n > 1);
	CHECK_EQ(error, 0);
	CHECK_EQ(edu_factorial(&edu, 10, &result), 0);
	CHECK_EQ(result, 3628800);
	edu_detach(&edu);
	sim_settle();
	CHECK_EQ(sim_mem_bytes(), before);
}
