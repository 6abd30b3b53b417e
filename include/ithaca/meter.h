/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * meter.h - what share of a CPU something takes, from one look to the next. For storm.c and
 * balance.c, which watch sources; whoever has a meter looks after its locking.
 */
#ifndef ITHACA_METER_H
#define ITHACA_METER_H

#include <stdbool.h>
#include <stdint.h>

struct meter {
	bool mt_read;        /* the others are of a look at mt_cpu */
	unsigned mt_cpu;     /* index */
	uint64_t mt_ticks;   /* what had been taken of it by then */
	uint64_t mt_counter; /* port_counter(), by then */
};

/*
 * meter_read - `ticks` of the CPU number `cpu` have been taken in all when its counter is at
 * `counter`. True: *permille is the share since the look before, at most 1000. False, and 0: there
 * was none, or of another CPU; or less has been taken than had been by then, as who took it is
 * gone. Any context; no lock.
 */
static inline bool meter_read(struct meter *mt, unsigned cpu, uint64_t ticks, uint64_t counter,
    unsigned *permille)
{
	bool known =
	    mt->mt_read && mt->mt_cpu == cpu && ticks >= mt->mt_ticks && counter > mt->mt_counter;
	uint64_t share = 0;

	if (known)
		share = (ticks - mt->mt_ticks) * 1000 / (counter - mt->mt_counter);
	*mt = (struct meter){true, cpu, ticks, counter};
	*permille = share < 1000 ? (unsigned)share : 1000;
	return known;
}

#endif
