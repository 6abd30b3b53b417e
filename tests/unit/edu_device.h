/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * edu_device.h - QEMU's edu device, as far as the drivers of docs/writing-a-driver.md use it, for
 * tests/unit/t_edu_?.c. A file that includes it has included its driver before. What is in here is
 * hardware: each access is one step, with sim_point() before it.
 */
#ifndef EDU_DEVICE_H
#define EDU_DEVICE_H

#include "unit.h"

#include <ithaca/clock.h>
#include <sim/sim.h>

#define HARDWARE static __attribute__((noinline, unused, no_sanitize("thread")))
#define DEVICES 2u

struct device {
	uint32_t id, live, value, status, irq;
	bool dead;      /* computes for ever */
	uint64_t takes; /* ns for a factorial */
};

static struct device device[DEVICES];
static struct sim_line *device_line; /* they share it */

HARDWARE volatile uint8_t *device_regs(unsigned n)
{
	return (volatile uint8_t *)&device[n];
}

HARDWARE void device_plug(void)
{
	for (unsigned i = 0; i < DEVICES; i++)
		device[i] = (struct device){.id = 0x010000ed, .takes = 10 * NS_PER_US};
}

HARDWARE void device_lines(void)
{
	uint32_t irq = 0;

	for (unsigned i = 0; i < DEVICES; i++)
		irq |= device[i].irq;
	if (device_line != NULL && irq != 0)
		sim_line_raise(device_line);
	else if (device_line != NULL)
		sim_line_lower(device_line);
}

/* Event: it has computed. */
HARDWARE void device_done(void *arg)
{
	struct device *d = arg;
	uint32_t n = d->value;

	for (d->value = 1; n > 1; n--)
		d->value *= n;
	d->status &= ~1u;
	if ((d->status & 0x80) != 0)
		d->irq |= 1;
	device_lines();
}

HARDWARE uint32_t edu_read(struct edu *e, unsigned reg)
{
	struct device *d = (struct device *)(uintptr_t)e->e_regs;

	sim_point(SIM_TEST);
	switch (reg) {
	case 0x00:
		return d->id;
	case 0x04:
		return d->live;
	case 0x08:
		return d->value;
	case 0x20:
		return d->status;
	case 0x24:
		return d->irq;
	default:
		FAIL("register 0x%x read", reg);
	}
}

HARDWARE void edu_write(struct edu *e, unsigned reg, uint32_t value)
{
	struct device *d = (struct device *)(uintptr_t)e->e_regs;

	sim_point(SIM_TEST);
	if (reg == 0x04)
		d->live = ~value;
	else if (reg == 0x20)
		d->status = (d->status & 1) | (value & 0x80);
	else if (reg == 0x60)
		d->irq |= value;
	else if (reg == 0x64)
		d->irq &= ~value;
	else if (reg != 0x08)
		FAIL("register 0x%x written", reg);
	else if ((d->status & 1) == 0) {
		d->value = value;
		d->status |= 1;
		if (!d->dead)
			sim_at(d->takes, device_done, d);
	}
	device_lines();
}

#endif
