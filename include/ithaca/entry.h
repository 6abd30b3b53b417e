/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * entry.h - all that a machine may call in the core. The other direction is port.h.
 *
 * The three interrupt entries are called with interrupts off, on the stack of the lwp that was
 * interrupted (or on an interrupt stack where the machine is modal), and return with interrupts
 * off, on the same CPU or, if the lwp was preempted and moved, on another: the port returns from
 * the interrupt from the stack it is called back on and keeps nothing of the CPU in registers.
 */
#ifndef ITHACA_ENTRY_H
#define ITHACA_ENTRY_H

#include <stddef.h>
#include <stdint.h>

struct cpu;
struct intr_source;
struct lwp;

/* intr_dispatch - `is` interrupted this CPU. Filters, queue, mask, EOI, handoff, preemption. */
void intr_dispatch(struct intr_source *is);

/* intr_ipi - another CPU called port_ipi() for this one. The port has done its own EOI. */
void intr_ipi(void);

/* clock_intr - the deadline armed with port_clock_arm() has come. The port has done its EOI. */
void clock_intr(void);

/* lwp_main - where a new lwp begins, interrupts off, on its own stack. Does not return. */
void lwp_main(void) __attribute__((noreturn));

/*
 * core_boot - first of all, interrupts off: `ci` (zeroed memory of the port's) becomes CPU 0 and
 * what runs becomes its lwp "main", with the stack from `stack` up to `stack + size`. From here
 * on curcpu() and curlwp work (the port has them point at `ci`), and so do spin mutexes.
 */
void core_boot(struct cpu *ci, void *stack, size_t size);

/* core_init - the rest of the core's start, once port_mem_alloc() works: idle lwp, softints, pool.
 * Interrupts off before, on after. Panics if memory does not suffice even for that. */
void core_init(void);

/*
 * cpu_attach - make `ci` (zeroed memory of the port's) the CPU with the next free number, with its
 * idle lwp, softint lwps and ithreads. Thread context; may block. EINVAL when 64 are attached,
 * ENOMEM. Then the port starts it, with ci_idle's stack, and it enters by cpu_main().
 */
int cpu_attach(struct cpu *ci);

/* cpu_counts - a started CPU is one of cpu_count() from now on; cpu_main() sees to it if the port
 * has not, which has something to do once others call this CPU and before it runs any lwp. On that
 * CPU, interrupts off. */
void cpu_counts(void);

/* cpu_main - a started CPU enters the core here: on ci_idle's stack, curcpu() and curlwp
 * (== ci_idle) working, interrupts off. Does not return. */
void cpu_main(void) __attribute__((noreturn));

#endif
