/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.c - the simulated machine's interrupt that cannot be shut out, for heartbeat.c.
 *
 * A CPU answers at once, unless a test says that its host does not let it run (sim_probe_freeze()).
 * That is apart from what the schedule does: sim_deafen() holds back interrupts, as interrupts off
 * would; together they are a CPU whose host has stopped.
 *
 * Under the explorer both are undone when a run begins.
 *
 * Contexts: any. Not for: what a CPU does in such an interrupt; it does nothing. Next: sim.c.
 */
#include "points.h"

#include <ithaca/port.h>
#include <ithaca/print.h>
#include <sim/probe.h>

static uint64_t answers[CPU_MAX];
static bool frozen[CPU_MAX];

void sim_probe_freeze(unsigned index, bool on)
{
	xp_dirty((uintptr_t)&frozen[index], sizeof(frozen[index]));
	frozen[index] = on;
}

uint64_t port_probe(struct cpu *ci)
{
	uint64_t before = answers[ci->ci_index];

	if (!frozen[ci->ci_index]) {
		xp_dirty((uintptr_t)&answers[ci->ci_index], sizeof(answers[0]));
		answers[ci->ci_index]++;
	}
	return before;
}

void port_backtrace_cpu(struct cpu *ci)
{
	kprintf("  its stack ends at %#lx\n",
	    (unsigned long)atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed)->l_stack_top);
}
