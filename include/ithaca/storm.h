/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storm.h - watches sources: nobody's interrupts, sources that eat their CPU, lines held masked.
 * The essay is in kern/storm.c. For intr.c and those who look.
 */
#ifndef ITHACA_STORM_H
#define ITHACA_STORM_H

#include <ithaca/intr.h>

/* storm_unclaimed - so many interrupts in a row that nobody claimed: the source is held. Hard or
 * thread context, interrupts off. */
#define STORM_UNCLAIMED 1000
void storm_unclaimed(struct intr_source *is);

/* storm_init - start the watch; once, thread context. */
void storm_init(void);

#endif
