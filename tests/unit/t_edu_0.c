/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_edu_0.c - the driver of docs/writing-a-driver.md that only looks whether it is the device.
 */
#include "unit.h"

#include "../examples/edu_0.c"
#include "edu_device.h"

static struct edu edu;

SIM_TEST(edu_0_the_device_and_no_other, 1, 0)
{
	device_plug();
	CHECK_EQ(edu_attach(&edu, device_regs(0)), 0);
	device[1].id = 0xffffffff;
	CHECK_EQ(edu_attach(&edu, device_regs(1)), EIO);
	device[1].id = 0x010000ee;
	CHECK_EQ(edu_attach(&edu, device_regs(1)), EIO);
}
