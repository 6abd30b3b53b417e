/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * from_spl.h - the tests that the four drivers of docs/from-spl.md (tests/examples/from_spl_?.c)
 * are put to. A file that includes it has included its driver before, and is compiled as the core
 * is: every access of the driver to memory is a point of the schedule. Next: from_spl_chip.h.
 */
#ifndef FROM_SPL_H
#define FROM_SPL_H

#include "from_spl_chip.h"

#define TYPED 40u   /* characters, in from_spl_traffic() */
#define WRITTEN 40u /* by each of the two writers */

static struct zs zs;

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
