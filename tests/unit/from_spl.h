/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * from_spl.h - the chip for the four drivers of docs/from-spl.md (tests/examples/from_spl_?.c), and
 * the tests that each of them is put to. A file that includes it has included its driver before, and
 * is compiled as the core is: every access of the driver to memory is a point of the schedule.
 *
 * The chip has a FIFO of three characters and sends one at a time. What it holds is hardware: it
 * changes in one step, and sim_point() stands before each access. The other end types the letters in
 * order, and none before those that it typed have been read, but for three: so none may be lost.
 */
#ifndef FROM_SPL_H
#define FROM_SPL_H

#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <sim/sim.h>

#define FIFO 3u
#define TYPED 40u   /* characters, in from_spl_traffic() */
#define WRITTEN 40u /* by each of the two writers */
#define CHAR_NS (20 * NS_PER_US)

#define HARDWARE static __attribute__((noinline, unused, no_sanitize("thread")))

static struct {
	struct sim_line *line;
	char fifo[FIFO];
	unsigned held, overruns;
	bool busy, sent;
	unsigned collisions; /* characters written while one was being sent */
	unsigned typed, left, nread;
	char out[4 * WRITTEN];
	unsigned nout;
	void (*hook)(void); /* called once, after the transmitter was found ready */
} chip;

static struct zs zs;

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

HARDWARE void from_spl_reader(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < TYPED; i++) {
		CHECK_EQ(zs_read(&zs), (char)('a' + i % 26));
		chip.nread++;
	}
}

/* Writer 0 writes 0x80, 0x81 and so on, writer 1 0xc0 and so on. */
HARDWARE void from_spl_writer(void *arg)
{
	const unsigned char *first = arg;

	for (unsigned i = 0; i < WRITTEN; i++) {
		zs_write(&zs, (char)(*first + i));
		if (sim_random(8) == 0)
			lwp_sleep_ns(sim_random(20 * CHAR_NS));
	}
}

/* Each writer's characters have left in its order, and all of them. */
HARDWARE void from_spl_check(void)
{
	unsigned next[2] = {0x80, 0xc0};

	for (unsigned i = 0; i < chip.nout; i++) {
		unsigned c = (unsigned char)chip.out[i];

		CHECK_EQ(c, next[c >= 0xc0]);
		next[c >= 0xc0]++;
	}
	CHECK_EQ(chip.nout, 2 * WRITTEN);
	CHECK_EQ(chip.collisions, 0);
	CHECK_EQ(chip.overruns, 0);
	CHECK_EQ(zs.zs_lost, 0);
	CHECK_EQ(zs.zs_in.r_count + zs.zs_out.r_count, 0);
}

/* A reader and two writers, bound to these CPUs or (NULL) not, while the other end types. */
HARDWARE void from_spl_traffic(struct cpu *reads, struct cpu *writes)
{
	static const unsigned char first[2] = {0x80, 0xc0};
	struct lwp *l[3];

	chip.left = TYPED;
	sim_at(CHAR_NS, chip_typist, NULL);
	CHECK_EQ(lwp_create("reader", PRI_KERNEL, reads, LWP_JOINABLE, from_spl_reader, NULL, l),
	    0);
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(lwp_create("writer", PRI_KERNEL, writes, LWP_JOINABLE, from_spl_writer,
			     (void *)(uintptr_t)&first[i], &l[1 + i]),
		    0);
	for (unsigned i = 0; i < 3; i++)
		lwp_join(l[i]);
	while (chip.nout < 2 * WRITTEN)
		lwp_sleep_ns(CHAR_NS);
	sim_settle();
	from_spl_check();
	zs_detach(&zs);
}

/* ---- Two CPUs in the output ring ---- */

/* CPU 0 has sent the second character, or had plenty of time for it. */
HARDWARE bool from_spl_enough(void *arg)
{
	unsigned *asked = arg;

	return chip.nout == 2 || ++*asked == 1000;
}

/* CPU 1 has found the transmitter ready; now CPU 0 gets its interrupt. */
HARDWARE void from_spl_late(void)
{
	unsigned asked = 0;

	sim_deafen(0, false);
	sim_run_until(0, from_spl_enough, &asked);
}

HARDWARE void from_spl_one_more(void *arg)
{
	(void)arg;
	sim_deafen(0, true);
	zs_write(&zs, 'x'); /* leaves, and CPU 0 does not hear of it yet */
	from_spl_compute(2);
	chip.hook = from_spl_late;
	zs_write(&zs, 'y');
}

/*
 *	CPU 1, zs_write()                       CPU 0, the handler
 *	'y' is in the ring
 *	the transmitter is ready
 *	                                        a character has left: zs_start()
 *	                                        the transmitter is ready
 *	                                        'y' is taken and sent
 *	takes one from an empty ring
 *
 * Returns whether the ring has survived it.
 */
HARDWARE bool from_spl_two_in_the_ring(void)
{
	struct lwp *l;

	CHECK_EQ(lwp_create("writer", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, from_spl_one_more,
		     NULL, &l),
	    0);
	lwp_join(l);
	sim_settle();
	return zs.zs_out.r_count == 0 && chip.collisions == 0 && chip.nout == 2;
}

/* ---- A CPU whose threads are busy ---- */

/* Twelve characters arrive while the level is raised. Returns how many the chip has lost. */
HARDWARE unsigned from_spl_busy(void)
{
	int s = splraise(IPL_TTY);

	chip.left = 12;
	sim_at(CHAR_NS, chip_flood, NULL);
	from_spl_compute(20);
	splx(s);
	sim_settle();
	CHECK_EQ(zs.zs_in.r_count, 12 - chip.overruns);
	CHECK_EQ(zs.zs_lost, 0);
	return chip.overruns;
}

#endif
