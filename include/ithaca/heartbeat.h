/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heartbeat.h - every CPU watches itself and its neighbour. The essay is in kern/heartbeat.c. For
 * clock.c and those who start the system.
 *
 * Setting: sysctl kern.heartbeat_ms, within how many milliseconds a CPU that hangs is caught; 0:
 * nobody watches. Counts: kern.heartbeat.*.
 */
#ifndef ITHACA_HEARTBEAT_H
#define ITHACA_HEARTBEAT_H

#include <stdint.h>

struct cpu;

#define HEARTBEAT_MS 1000
#define HEARTBEAT_MS_MIN 100
#define HEARTBEAT_MS_MAX 3600000
#define HEARTBEAT_BEATS 5 /* of each CPU in that time */

/* heartbeat_init - begin, on all CPUs that there are; one that comes later is not watched. Once,
 * thread context; may block. ENOMEM. */
int heartbeat_init(void);

/* heartbeat_tick - for clock.c: a beat, if it is time; `ipl` is the level that was interrupted.
 * Returns when the next is due (ns), UINT64_MAX: never. Interrupts off. Panics if a CPU hangs. */
uint64_t heartbeat_tick(struct cpu *ci, int ipl, uint64_t now_ns);

#endif
