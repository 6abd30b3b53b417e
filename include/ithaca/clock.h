/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.h - time, and who wants to be called when.
 * Tickless: each CPU's one-shot is armed for the earliest of its wishes.
 */
#ifndef ITHACA_CLOCK_H
#define ITHACA_CLOCK_H

#include <ithaca/port.h>
#include <stdint.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull
#define NS_PER_US 1000ull

struct cpu;

/* clock_ns - nanoseconds since the machine started; monotonic over all CPUs. Any context. */
static inline uint64_t clock_ns(void)
{
	return port_counter_ns();
}

/* clock_want - this CPU must look again no later than `deadline_ns`. Interrupts off. */
void clock_want(struct cpu *ci, uint64_t deadline_ns);

/* clock_delay - spin for that long. Any context; for device quirks of a few microseconds. */
void clock_delay(uint64_t ns);

#endif
