/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hpet.h - a periodic source: a comparator of the HPET on an I/O APIC line.
 * All functions are for thread context and may block.
 */
#ifndef SYS_DEV_HPET_H
#define SYS_DEV_HPET_H

#include <stdint.h>

#define HPET_HZ_MIN 1
#define HPET_HZ_MAX 10000

/* hpet_init - find it and claim its line, not running. ENXIO: there is none that can be used. */
int hpet_init(void);

/* hpet_start - tick `hz` times a second (again: at the new rate). ENXIO; ERANGE. hpet_stop - do not;
 * returns when no handler runs. */
int hpet_start(unsigned hz);
int hpet_stop(void);

/* hpet_hz - the rate now, 0 if stopped or absent. hpet_ticks - calls of the filter that found the
 * timer due, and runs of the thread function, since the start of the system. */
unsigned hpet_hz(void);
void hpet_ticks(uint64_t *filters, uint64_t *threads);

#endif
