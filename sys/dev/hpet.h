/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hpet.h - a periodic source: a comparator of the HPET on an I/O APIC line, or the RTC where there
 * is no HPET that can do it. Its rate is the sysctl dev.hpet.hz too.
 *
 * All functions are for thread context and may block.
 */
#ifndef SYS_DEV_HPET_H
#define SYS_DEV_HPET_H

#include <stdint.h>

#define HPET_HZ_DEFAULT 2
#define HPET_HZ_MIN 1
#define HPET_HZ_MAX 8192

/* hpet_init - find the timer, claim its line, start it at HPET_HZ_DEFAULT. Once, when CPUs, ACPI
 * tables and lines are there. ENXIO: there is none that can be used; or what machine_line_source()
 * or intr_establish() answers. */
int hpet_init(void);

/*
 * hpet_start - tick `hz` times a second; if it ticks already, at the new rate. The RTC takes the
 * next power of two. ENXIO: no timer; ERANGE: not HPET_HZ_MIN to _MAX; or as intr_establish().
 * hpet_stop - do not tick; when it returns no handler runs or is established. ENXIO: no timer.
 */
int hpet_start(unsigned hz);
int hpet_stop(void);

/* hpet_hz - the rate, 0 when stopped or absent. */
unsigned hpet_hz(void);

/* hpet_ticks - since the start of the system: calls of the filter that found the timer due, and
 * runs of the thread function. */
void hpet_ticks(uint64_t *filters, uint64_t *threads);

#endif
