/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * x86.h - what the files of this port tell each other, and nobody else.
 *
 * The first half of the port is the processor: start.S, boot.c, pmap.c, entry.S, trap.c, ap.S,
 * smp.c, reset.c. The second is what surrounds it: lapic.c, ioapic.c, vector.c, clock.c.
 *
 * Order of the first CPU's start: start.S -> boot.c (loader's tables, pmap_init, cpu tables,
 * core_boot) -> sys_main(), which calls machine_intr_init() and so on when it has memory.
 */
#ifndef X86_X86_H
#define X86_X86_H

#include "insn.h"
#include "layout.h"
#include <ithaca/cpu.h>
#include <ithaca/intr.h>
#include <ithaca/machine.h>
#include <stddef.h>
#include <stdint.h>

/* A saved exception, as entry.S leaves it on the stack. */
struct trapframe {
	uint64_t r15, r14, r13, r12, rbx, rbp; /* lowest address first */
	uint64_t r11, r10, r9, r8, rsi, rdx, rcx, rax, rdi;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss; /* pushed by the processor */
};

struct x86_tss {
	uint32_t reserved0;
	uint32_t rsp[6];
	uint32_t reserved1[2];
	uint32_t ist[14]; /* seven addresses, low half first; not aligned to 8 */
	uint32_t reserved2[2];
	uint16_t reserved3;
	uint16_t iomap;
} __attribute__((packed));

/*
 * One CPU. The core's part comes first, so that a struct cpu * is a struct x86_cpu * and %gs
 * serves both. Locking key: (a) set once before it is shared; (i) own CPU only, interrupts off;
 * (v) vector.c's lock to write, own CPU reads by one load; (~) atomic.
 */
struct x86_cpu {
	struct cpu xc_cpu;                       /* offset 0 */
	struct intr_source *xc_source[X86_NVEC]; /* (v) what each vector is for; NULL: nothing */
	uint32_t xc_apicid;                      /* (a) == xc_cpu.ci_hwid */
	uint64_t xc_clock_deadline;              /* (i) clock.c: counter value, UINT64_MAX: none */
	struct trapframe *xc_trap;               /* (i) the exception that this CPU is dying of */
	struct trapframe *_Atomic xc_stopped;    /* (~) stopped by port_stop_others(), here */
	int16_t xc_isr, xc_irr;                  /* (i) in service, requested; set before it */
	_Atomic bool xc_probed;                  /* (~) an NMI of port_probe() is on its way */
	_Atomic uint64_t xc_answers;             /* (~) own CPU counts: those it has taken */
	_Atomic int xc_unstuck;    /* (~) lapic.c: a vector that had to be ended, or 0 */
	_Atomic unsigned xc_start; /* (~) smp.c: START_* */
	uint64_t xc_gdt[5];        /* (a) null, code, data, TSS (two) */
	struct x86_tss xc_tss;     /* (a) */
	_Alignas(16) uint8_t xc_ist[X86_IST_COUNT][X86_IST_SIZE]; /* own CPU */
};

static inline struct x86_cpu *x86_cpu(struct cpu *ci)
{
	return (struct x86_cpu *)ci;
}

/* ---- boot.c ---- */

/* x86_boot - called by start.S on the boot stack, boot page tables in force. */
void x86_boot(uint32_t magic, uint32_t info) __attribute__((noreturn));

/* x86_cpu_load - GDT, TSS and %gs of this CPU become those of `xc`; IDT loaded. Interrupts off. */
void x86_cpu_load(struct x86_cpu *xc);

extern uint64_t x86_trampoline; /* (a) physical address of a page below 1 MiB, or 0: none */
extern char x86_cmdline[256];   /* (a) the kernel's command line; see x86_option() */

/* x86_option - the value of word `name=value` on the command line, copied to buf; false: absent. */
bool x86_option(const char *name, char *buf, size_t size);

/* ---- pmap.c ---- */

/* x86_pmap_init - the kernel's own page tables from `boot`'s memory (what they take is cut out of
 * it), and `map` beside it as the loader gave it, ACPI areas included. First CPU, once. */
struct boot_area {
	uint64_t base;
	uint64_t size;
	uint32_t type; /* 1 RAM, 3 ACPI tables, 4 ACPI non-volatile, else reserved */
};
void x86_pmap_init(struct boot_info *boot, const struct boot_area *map, unsigned nmap);

/* x86_pmap_identity - the AP's trampoline page is there, executable, at its physical address; or is
 * not any more. ENOMEM. */
int x86_pmap_identity(uint64_t page, bool on);

/* x86_pmap_valid - is [va, va + len) mapped? Walks the tables: any context, faults never. */
bool x86_pmap_valid(uintptr_t va, size_t len);

/* x86_paging_init - the control registers of this CPU: NX, write protection, global pages and so
 * on, as boot.c found the first CPU to have. */
void x86_paging_init(void);
uint64_t x86_pmap_root(void); /* physical; below 4 GiB */

/* ---- entry.S ---- */

extern const uint64_t x86_vector_stub[X86_NVEC]; /* their addresses */

/* ---- trap.c ---- */

void x86_trap_init(void);            /* the IDT, once */
void x86_idt_load(void);             /* on each CPU */
void x86_trap(struct trapframe *tf); /* from entry.S */

/* x86_symbol - the function that `addr` lies in and how far in; NULL if there is none. */
const char *x86_symbol(uintptr_t addr, size_t *off);

/* ---- smp.c ---- */

void x86_ap_main(struct x86_cpu *xc) __attribute__((noreturn)); /* from ap.S */

/* ---- lapic.c (second half) ---- */

extern volatile uint32_t *x86_lapic_eoi; /* also in port/inline.h: NULL: x2APIC, by MSR */

void x86_ipi_vector(void);   /* from entry.S: EOI, intr_ipi() */
void x86_clock_vector(void); /* clock.c: EOI, clock_intr() */
void x86_error_vector(void); /* the local controller reports an error */

/* x86_lapic_init_ap - this CPU's controller and clock. On the CPU being started, interrupts off,
 * %gs and IDT loaded, not cpu_attach()ed yet (it has no number): IPIs are kept for it from here on.
 * smp.c calls x86_vector_cpu_up() when it is attached. */
void x86_lapic_init_ap(struct x86_cpu *xc);

/* Starting another CPU, and stopping one (nothing if the controller is not up yet). Not by the
 * shorthand for all others: that wakes CPUs which the firmware has parked. */
void x86_lapic_init_ipi(uint32_t apicid);
void x86_lapic_startup_ipi(uint32_t apicid, uint8_t page); /* begins at page << 12 */
void x86_lapic_nmi(uint32_t apicid);
uint32_t x86_lapic_id(void); /* of this CPU */

bool x86_lapic_irr(unsigned vector); /* is it requested on this CPU? */
int x86_lapic_isr(void);             /* the highest in service on this CPU, or -1 */
int x86_lapic_irr_top(void);         /* the highest requested on this CPU, or -1 */
/* EOIs that are lost, see lapic.c. The first in an NMI, the others in the clock interrupt. */
void x86_lapic_unstick(struct x86_cpu *xc);
void x86_lapic_tell(struct x86_cpu *xc);
bool x86_lapic_loses(const struct x86_cpu *xc);

void x86_lapic_send(struct cpu *ci, uint8_t vector); /* an interrupt for `ci`. Any context. */

uint32_t x86_lapic_read(unsigned reg); /* a register of this CPU's controller, by number */
void x86_lapic_write(unsigned reg, uint32_t value);

#define X86_LAPIC_LVT_TIMER 0x32
#define X86_LVT_MASKED 0x10000u

/* ---- vector.c ---- */

/* x86_stray_vector - from entry.S: an interrupt whose vector is nobody's on this CPU. Which one it
 * was says x86_lapic_isr(); its EOI is due if it is in service. */
void x86_stray_vector(void);

/* A vector of one CPU, and so the way that a source's interrupts go. ro_cpu NULL: none. */
struct x86_route {
	struct cpu *ro_cpu;
	uint8_t ro_vector;
};

/* x86_vector_cpu_up - vectors of `ci` may be handed out from now on. Called on it. */
void x86_vector_cpu_up(struct cpu *ci);

/*
 * x86_vector_reserve - a vector of `ci`, NULL: of the CPU with most free; number `wish` if it is
 * not 0 and free there. ENOSPC, EINVAL (the CPU is not up), both with a message. Then
 * x86_vector_set() says whose it is, before any interrupt.
 * x86_vector_settled - `route` was left: on its CPU, interrupts off: nothing of it is pending?
 * then it is free. x86_vector_clear - the same from thread context, waiting (bounded): the number
 * stays reserved. x86_vector_free - it is nobody's again.
 */
int x86_vector_reserve(struct cpu *ci, uint8_t wish, struct x86_route *out);
void x86_vector_set(const struct x86_route *route, struct intr_source *is);
bool x86_vector_settled(struct x86_route *route);
void x86_vector_clear(const struct x86_route *route);
void x86_vector_free(struct x86_route *route);

/* ---- clock.c ---- */

/* x86_clock_init - calibrate, on the first CPU, once; machine_intr_init() calls it. ENXIO: there
 * is nothing to measure with. x86_clock_init_ap - this CPU's timer, and is its counter ours? */
int x86_clock_init(void);
void x86_clock_init_ap(void);

/* x86_clock_publish - what a CPU's counter is compared with; smp.c calls it over and over while it
 * waits for the CPU it starts. */
void x86_clock_publish(void);

/* x86_delay_ns - spin that long; any context, once calibrated. */
void x86_delay_ns(uint64_t ns);

#endif
