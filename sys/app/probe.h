/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.h - how long interrupts take on each CPU, measured while somebody wants to know.
 * The essay is in probe.c. Thread context; all functions may block.
 */
#ifndef SYS_APP_PROBE_H
#define SYS_APP_PROBE_H

#include <stdbool.h>
#include <stdint.h>

/* A histogram's bucket i counts what took less than probe_edge_ns(i), and not less than the one
 * before. */
#define PROBE_BUCKETS 84

struct probe_counts {
	uint64_t pc_raise[PROBE_BUCKETS];  /* from the interrupt's raise to hard context */
	uint64_t pc_thread[PROBE_BUCKETS]; /* from there to the handler's thread function */
	uint64_t pc_raise_max_ns, pc_thread_max_ns;
	uint64_t pc_missed; /* probes left out: the handler was not through with the one before */
};

/* Who wants it. */
#define PROBE_SYSCTL 0x1
#define PROBE_DASH 0x2

/* probe_init - register hw.intr.latency. Once. */
void probe_init(void);

/* probe_want - `who` (PROBE_*) wants probes, or no longer; the first one starts them, the last one
 * ends them. ENOMEM, or as intr_establish(): they are not running. */
int probe_want(unsigned who, bool on);

/* probe_get - what the CPU has counted since probes were started; false: they do not run. */
bool probe_get(unsigned cpu, struct probe_counts *pc);

uint64_t probe_edge_ns(unsigned bucket);

#endif
