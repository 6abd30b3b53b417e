/* SPDX-License-Identifier: BSD-2-Clause */
/* probe.h - what a test does to the interrupt that cannot be shut out; see port/sim/probe.c. */
#ifndef SIM_PROBE_H
#define SIM_PROBE_H

#include <stdbool.h>

/* sim_probe_freeze - CPU `index` executes nothing (or goes on), so that it does not answer. */
void sim_probe_freeze(unsigned index, bool on);

#endif
