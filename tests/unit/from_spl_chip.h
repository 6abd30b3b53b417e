/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * from_spl_chip.h - the chip for the four drivers of docs/from-spl.md.
 *
 * It has a FIFO of three characters and sends one at a time. What it holds is hardware: it changes
 * in one step, and sim_point() stands before each access. The other end types the letters in order,
 * and waits for three that have not been read yet: so none may be lost. Next: from_spl.h.
 */
#ifndef FROM_SPL_CHIP_H
#define FROM_SPL_CHIP_H

#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <sim/sim.h>

#define FIFO 3u
#define CHAR_NS (20 * NS_PER_US)

#define HARDWARE static __attribute__((noinline, unused, no_sanitize("thread")))

static struct {
	struct sim_line *line;
	char fifo[FIFO];
	unsigned held, overruns;
	bool busy, sent;
	unsigned collisions; /* characters written while one was being sent */
	unsigned typed, left, nread;
	char out[160];
	unsigned nout;
	void (*hook)(void); /* called once, after the transmitter was found ready */
} chip;

HARDWARE void chip_lines(void)
{
	if (chip.held > 0 || chip.sent)
		sim_line_raise(chip.line);
	else
		sim_line_lower(chip.line);
}

HARDWARE void chip_type(void)
{
	if (chip.held == FIFO)
		chip.overruns++;
	else
		chip.fifo[chip.held++] = (char)('a' + chip.typed % 26);
	chip.typed++;
	chip_lines();
}

/* Event: the other end types, unless it has to wait. */
HARDWARE void chip_typist(void *arg)
{
	if (chip.typed < chip.nread + FIFO) {
		chip_type();
		chip.left--;
	}
	if (chip.left > 0)
		sim_at(CHAR_NS, chip_typist, arg);
}

/* Event: the other end types and does not care. */
HARDWARE void chip_flood(void *arg)
{
	chip_type();
	if (--chip.left > 0)
		sim_at(CHAR_NS, chip_flood, arg);
}

/* Event: a character has left. */
HARDWARE void chip_gone(void *arg)
{
	(void)arg;
	chip.busy = false;
	chip.sent = true;
	chip_lines();
}

HARDWARE bool chip_getc(struct zs *z, char *c)
{
	(void)z;
	sim_point(SIM_TEST);
	if (chip.held == 0)
		return false;
	*c = chip.fifo[0];
	chip.fifo[0] = chip.fifo[1];
	chip.fifo[1] = chip.fifo[2];
	chip.held--;
	chip_lines();
	return true;
}

HARDWARE bool chip_ready(struct zs *z)
{
	void (*hook)(void) = chip.hook;

	(void)z;
	sim_point(SIM_TEST);
	if (chip.busy)
		return false;
	if (hook != NULL) {
		chip.hook = NULL;
		hook();
	}
	return true;
}

HARDWARE void chip_putc(struct zs *z, char c)
{
	(void)z;
	sim_point(SIM_TEST);
	if (chip.busy) {
		chip.collisions++;
		return;
	}
	CHECK(chip.nout < sizeof(chip.out));
	chip.out[chip.nout++] = c;
	chip.busy = true;
	sim_at(CHAR_NS, chip_gone, NULL);
}

HARDWARE bool chip_sent(struct zs *z)
{
	bool was;

	(void)z;
	sim_point(SIM_TEST);
	was = chip.sent;
	chip.sent = false;
	chip_lines();
	return was;
}

/* Compute for so many characters' time, in many points. */
HARDWARE void from_spl_compute(unsigned chars)
{
	for (unsigned i = 0; i < 32 * chars; i++)
		sim_work(CHAR_NS / 32);
}

HARDWARE void chip_plug(unsigned cpu)
{
	chip.line = sim_line_create("zs", INTR_LEVEL, cpu, 0);
}

#endif
