/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_edu.h - an edu device in the hands of a benchmark: a source whose every raise is one store.
 *
 * Rules: one benchmark at a time; whoever claims releases, its handlers disestablished before.
 */
#ifndef BENCH_EDU_H
#define BENCH_EDU_H

#include <ithaca/intr.h>
#include <stdint.h>

#define EDU_LIVENESS 0x04 /* a register that interrupts nobody */
#define EDU_STATUS 0x24
#define EDU_RAISE 0x60
#define EDU_ACK 0x64

struct bench_edu {
	volatile uint32_t *be_regs;
	struct intr_source *be_source; /* its message, or its line */
	struct pci_dev *be_pci;
};

/* bench_edu_claim - an edu that no driver has. Thread context; may block. ENXIO: none is free, as
 * it says; or what PCI answers. bench_edu_claim_line - the same, to interrupt by its level line.
 * bench_edu_release - give it back. */
int bench_edu_claim(struct bench_edu *e);
int bench_edu_claim_line(struct bench_edu *e);
void bench_edu_release(struct bench_edu *e);

/* bench_edu_store - one store of 1 to a register. Any context. */
static inline void bench_edu_store(const struct bench_edu *e, unsigned reg)
{
	__asm__ volatile("" : : : "memory");
	e->be_regs[reg / 4] = 1;
	__asm__ volatile("" : : : "memory");
}

/* bench_edu_quiet - read what it raised, and acknowledge that. For filters. */
static inline void bench_edu_quiet(const struct bench_edu *e)
{
	e->be_regs[EDU_ACK / 4] = e->be_regs[EDU_STATUS / 4];
}

#endif
