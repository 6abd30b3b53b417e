/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats.h - the core's counters by name (sysctl.h).
 */
#ifndef ITHACA_STATS_H
#define ITHACA_STATS_H

/* stats_init - for cpu.c: register hw.intr.*, hw.ncpu, kern.*; once, thread context. */
void stats_init(void);

#endif
