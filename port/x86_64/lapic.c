/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lapic.c - the local interrupt controller of each CPU: EOI, IPIs, pending bits.
 *
 * Purpose: bring the local APIC of a CPU into a known state and send interrupts to other CPUs.
 * Two ways lead to its registers: x2APIC (model-specific registers), taken where the CPU has it,
 * and xAPIC (one uncached page). "x2apic=off" or "on" on the command line overrides. Every CPU goes
 * the same way, so one variable decides; the EOI of the fast path is inline in <port/inline.h> and
 * looks at x86_lapic_eoi alone.
 *
 * Contexts: machine_intr_init() on the first CPU, before core_init(), once memory can be mapped;
 * x86_lapic_init_ap() on each other CPU, interrupts off; what sends: any context, also in an NMI.
 * No locks: the registers belong to the CPU that runs.
 *
 * Vectors: 0x20 to 0xef are handed out at run time (vector.c); 0xf0 upwards are fixed (x86.h).
 * The task priority register stays 0: levels are kept by the core in l_ipl, not by the controller.
 * An interrupt is in service only from its entry to its EOI, with interrupts off; so within an IPI
 * nothing of a device's is in service beneath, and the pending bit (IRR) alone tells whether a
 * vector is in flight on this CPU. vector.c relies on it.
 *
 * Sources: Intel SDM volume 3, chapters "Advanced Programmable Interrupt Controller" and its
 * section "Extended XAPIC (x2APIC)"; Intel 8259A data sheet.
 *
 * Not for: time (clock.c) and lines (ioapic.c). Read vector.c next.
 */
#include "x86.h"

#include <ithaca/cpu.h>
#include <ithaca/entry.h>
#include <ithaca/errno.h>
#include <ithaca/machine.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <stdatomic.h>

#define MSR_APIC_BASE 0x1b
#define APIC_BASE_X2APIC (1u << 10)
#define APIC_BASE_ENABLE (1u << 11)
#define APIC_BASE_ADDR 0xffffffffff000ull
#define MSR_X2APIC 0x800 /* plus the register's number */

#define CPUID1_ECX_X2APIC (1u << 21)
#define CPUID1_ECX_HYPERVISOR (1u << 31)
#define CPUID1_EDX_APIC (1u << 9)

/* Registers by number: an MSR each, or 16 bytes each in the page. */
#define LAPIC_ID 0x02
#define LAPIC_VERSION 0x03
#define LAPIC_TPR 0x08
#define LAPIC_EOI 0x0b
#define LAPIC_SVR 0x0f
#define LAPIC_ISR 0x10
#define LAPIC_IRR 0x20
#define LAPIC_ESR 0x28
#define LAPIC_LVT_CMCI 0x2f
#define LAPIC_ICR 0x30
#define LAPIC_ICR_HIGH 0x31
#define LAPIC_LVT_THERMAL 0x33
#define LAPIC_LVT_PERF 0x34
#define LAPIC_LVT_LINT0 0x35
#define LAPIC_LVT_LINT1 0x36
#define LAPIC_LVT_ERROR 0x37

#define SVR_ENABLE 0x100u

#define ICR_FIXED 0x000u
#define ICR_NMI 0x400u
#define ICR_INIT 0x500u
#define ICR_STARTUP 0x600u
#define ICR_PENDING 0x1000u
#define ICR_ASSERT 0x4000u

#define PIC_VECTOR 0xf0
#define PIC1_COMMAND 0x20
#define PIC1_DATA 0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA 0xa1

/* Steps that an IPI before may take to leave; a sound controller needs a handful. */
#define ICR_SPINS_MAX 1000000

#define LOSE_AFTER_NS 1000000000ull /* lose-eoi: the heartbeat is at work by then */

volatile uint32_t *x86_lapic_eoi; /* (a) the xAPIC register; NULL: x2APIC */

static volatile uint32_t *lapic_page; /* (a) xAPIC; NULL: x2APIC */
static bool lapic_ready;              /* (a) x86_lapic_init() has been */
static _Atomic uint64_t lapic_errors; /* (~) counted only; no pairing */

uint32_t x86_lapic_read(unsigned reg)
{
	if (lapic_page == NULL)
		return (uint32_t)rdmsr(MSR_X2APIC + reg);
	return lapic_page[reg * 4];
}

void x86_lapic_write(unsigned reg, uint32_t value)
{
	if (lapic_page == NULL)
		wrmsr(MSR_X2APIC + reg, value);
	else
		lapic_page[reg * 4] = value;
}

uint32_t x86_lapic_id(void)
{
	uint32_t id = x86_lapic_read(LAPIC_ID);

	return lapic_page == NULL ? id : id >> 24;
}

bool x86_lapic_irr(unsigned vector)
{
	return (x86_lapic_read(LAPIC_IRR + vector / 32) >> (vector % 32) & 1) != 0;
}

/* The highest of the 256 bits that begin at that register, or -1. */
static int highest(unsigned reg)
{
	uint32_t bits;
	int i;

	for (i = 7; i >= 0; i--) {
		bits = x86_lapic_read(reg + (unsigned)i);
		if (bits != 0)
			return i * 32 + 31 - __builtin_clz(bits);
	}
	return -1;
}

int x86_lapic_isr(void)
{
	return highest(LAPIC_ISR);
}

int x86_lapic_irr_top(void)
{
	return highest(LAPIC_IRR);
}

/* The IPI before has left. xAPIC only, interrupts off. */
static void icr_wait(void)
{
	unsigned spins;

	for (spins = 0; spins < ICR_SPINS_MAX; spins++) {
		if ((lapic_page[LAPIC_ICR * 4] & ICR_PENDING) == 0)
			return;
		port_pause();
	}
	KASSERT(panicking(), "LAPIC %u: an IPI did not leave", x86_lapic_id());
}

/*
 * Send. x2APIC: one write, but one that earlier stores may follow, hence the fence (SDM, "Writing
 * to the ICR in x2APIC mode"). xAPIC: the high half, then the low half sends; an interrupt between
 * the two that sends itself would change the address, so there is none. An NMI may come between:
 * our NMI handler sends nothing that it returns from.
 */
static void icr_send(uint32_t apicid, uint32_t command)
{
	bool on;

	if (lapic_page == NULL) {
		__asm__ volatile("mfence; lfence" ::: "memory");
		wrmsr(MSR_X2APIC + LAPIC_ICR, (uint64_t)apicid << 32 | command);
		return;
	}
	on = port_intr_disable();
	icr_wait();
	lapic_page[LAPIC_ICR_HIGH * 4] = apicid << 24;
	lapic_page[LAPIC_ICR * 4] = command;
	port_intr_restore(on);
}

void port_ipi(struct cpu *ci)
{
	icr_send(ci->ci_hwid, ICR_FIXED | ICR_ASSERT | X86_VEC_IPI);
}

void x86_lapic_send(struct cpu *ci, uint8_t vector)
{
	icr_send(ci->ci_hwid, ICR_FIXED | ICR_ASSERT | vector);
}

void x86_lapic_nmi(uint32_t apicid)
{
	if (lapic_ready)
		icr_send(apicid, ICR_NMI | ICR_ASSERT);
}

void x86_lapic_init_ipi(uint32_t apicid)
{
	icr_send(apicid, ICR_INIT | ICR_ASSERT);
}

void x86_lapic_startup_ipi(uint32_t apicid, uint8_t page)
{
	icr_send(apicid, ICR_STARTUP | ICR_ASSERT | page);
}

/* ---- What arrives ---- */

void x86_ipi_vector(void)
{
	port_intr_eoi();
	intr_ipi();
}

void x86_error_vector(void)
{
	uint64_t n = atomic_fetch_add_explicit(&lapic_errors, 1, memory_order_relaxed) + 1;
	uint32_t status;

	x86_lapic_write(LAPIC_ESR, 0); /* latches what happened since the last write */
	status = x86_lapic_read(LAPIC_ESR);
	port_intr_eoi();
	if (n == 1 || (n >= 1024 && (n & (n - 1)) == 0))
		kprintf("lapic %u: error status %#x (%llu errors)\n", x86_lapic_id(), status,
		    (unsigned long long)n);
}

/* ---- EOIs that are lost ---- */

/*
 * What is in service keeps out every vector of its class and below. If its EOI is lost, that is for
 * good: no clock, no IPI, no device. It was seen in QEMU 10.0, about once in a thousand boots, in
 * the first half second: the handler's next access to the controller, which armed the timer, had
 * arrived, the EOI before it had not. Why is not known; PCI is given its windows at that time.
 *
 * The heartbeat asks a CPU that takes no interrupts by an NMI. One that comes with interrupts on
 * comes when nothing can be in service (see above), so what is can be ended then.
 */
void x86_lapic_unstick(struct x86_cpu *xc)
{
	int vector, n;

	for (n = 0; n < X86_NVEC && (vector = x86_lapic_isr()) >= 0; n++) {
		port_intr_eoi();
		atomic_store_explicit(&xc->xc_unstuck, vector, memory_order_relaxed);
	}
}

void x86_lapic_tell(struct x86_cpu *xc)
{
	int vector = atomic_exchange_explicit(&xc->xc_unstuck, 0, memory_order_relaxed);

	if (vector != 0)
		kprintf(
		    "lapic %u: vector %#x was in service with interrupts on: its EOI was lost; it "
		    "has been ended\n",
		    xc->xc_apicid, (unsigned)vector);
}

/* (~) relaxed: the CPU of which a clock interrupt is to lose its EOI, until it has; -1: none. */
static _Atomic int lapic_lose = -1;

bool x86_lapic_loses(const struct x86_cpu *xc)
{
	if ((int)xc->xc_cpu.ci_index != atomic_load_explicit(&lapic_lose, memory_order_relaxed) ||
	    port_counter_ns() < LOSE_AFTER_NS)
		return false;
	atomic_store_explicit(&lapic_lose, -1, memory_order_relaxed);
	return true;
}

static void lapic_lose_init(void)
{
	char value[4];

	if (!ITHACA_CHECKED || !x86_option("lose-eoi", value, sizeof(value)))
		return;
	if (value[0] < '0' || value[0] > '9' || value[1] != '\0')
		kprintf("lose-eoi=%s: must be a CPU, 0 to 9; none loses any\n", value);
	else
		atomic_store_explicit(&lapic_lose, value[0] - '0', memory_order_relaxed);
}

/* ---- Start ---- */

/*
 * The two 8259 controllers: moved away from the exceptions, all lines masked. Their vectors lie on
 * 0xf0 to 0xff so that none is lost to vector.c; the only one that a masked controller can still
 * raise is its seventh, and 0xf7 and 0xff are a stray vector and the spurious one.
 */
static void pic_silence(void)
{
	outb(PIC1_COMMAND, 0x11); /* ICW1: edge, cascade, ICW4 follows */
	outb(PIC2_COMMAND, 0x11);
	outb(PIC1_DATA, PIC_VECTOR);
	outb(PIC2_DATA, PIC_VECTOR + 8);
	outb(PIC1_DATA, 0x04); /* the second one is at line 2 */
	outb(PIC2_DATA, 0x02);
	outb(PIC1_DATA, 0x01); /* ICW4: 8086 mode */
	outb(PIC2_DATA, 0x01);
	outb(PIC1_DATA, 0xff);
	outb(PIC2_DATA, 0xff);
}

/* This CPU's controller on, in the mode that was chosen. */
static void lapic_mode(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);
	bool x2apic = lapic_page == NULL;

	/* From x2APIC the only way to xAPIC leads through off. */
	if (!x2apic && (base & APIC_BASE_X2APIC) != 0) {
		base &= ~(uint64_t)(APIC_BASE_X2APIC | APIC_BASE_ENABLE);
		wrmsr(MSR_APIC_BASE, base);
	}
	base |= APIC_BASE_ENABLE;
	wrmsr(MSR_APIC_BASE, base);
	if (x2apic)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
}

/* The registers of this CPU. LINT1 is the NMI button, which is heard by the first CPU alone. */
static void lapic_setup(bool first)
{
	unsigned lvt_max = x86_lapic_read(LAPIC_VERSION) >> 16 & 0xff;

	x86_lapic_write(LAPIC_SVR, SVR_ENABLE | X86_VEC_SPURIOUS);
	x86_lapic_write(LAPIC_TPR, 0);
	x86_lapic_write(X86_LAPIC_LVT_TIMER, X86_LVT_MASKED);
	x86_lapic_write(LAPIC_LVT_LINT0, X86_LVT_MASKED);
	x86_lapic_write(LAPIC_LVT_LINT1, first ? ICR_NMI : X86_LVT_MASKED);
	if (lvt_max >= 4)
		x86_lapic_write(LAPIC_LVT_PERF, X86_LVT_MASKED);
	if (lvt_max >= 5)
		x86_lapic_write(LAPIC_LVT_THERMAL, X86_LVT_MASKED);
	if (lvt_max >= 6)
		x86_lapic_write(LAPIC_LVT_CMCI, X86_LVT_MASKED);
	x86_lapic_write(LAPIC_ESR, 0); /* forget what came before */
	x86_lapic_write(LAPIC_ESR, 0);
	x86_lapic_write(LAPIC_LVT_ERROR, X86_VEC_ERROR);
}

/* QEMU's own translator runs this CPU, and not the hardware. */
static bool translated(void)
{
	uint32_t id[4];

	cpuid(1, 0, id);
	if ((id[2] & CPUID1_ECX_HYPERVISOR) == 0)
		return false;
	cpuid(0x40000000, 0, id);
	return memcmp(&id[1], "TCGTCGTCGTCG", 12) == 0;
}

/*
 * The translator has x2APIC from QEMU 9 on, but ends with "Bad icount read" when it counts
 * instructions (-icount) and the timer's registers are touched as MSRs. So there it has to be asked
 * for.
 */
static bool x2apic_wanted(void)
{
	char value[8];

	if (!x86_option("x2apic", value, sizeof(value)))
		return !translated();
	if (strcmp(value, "on") == 0)
		return true;
	if (strcmp(value, "off") == 0)
		return false;
	kprintf("x2apic=%s: must be on or off; off is taken\n", value);
	return false;
}

/* Which way to the registers? Sets lapic_page and x86_lapic_eoi. */
static int lapic_choose(uint64_t lapic)
{
	uint32_t id[4];
	uint64_t base;
	int error;

	cpuid(1, 0, id);
	if ((id[3] & CPUID1_EDX_APIC) == 0) {
		kprintf("lapic: this CPU has none\n");
		return ENXIO;
	}
	if ((id[2] & CPUID1_ECX_X2APIC) != 0 && x2apic_wanted())
		return 0;
	base = rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDR;
	if (lapic == 0)
		lapic = base;
	if (lapic != base || lapic % PAGE_SIZE != 0) {
		kprintf("lapic: the tables say %#llx, the CPU %#llx; the CPU is believed\n",
		    (unsigned long long)lapic, (unsigned long long)base);
		lapic = base;
	}
	error = machine_map(X86_LAPIC_VA, lapic, MAP_WRITE | MAP_DEVICE);
	if (error != 0)
		return error;
	lapic_page = (volatile uint32_t *)X86_LAPIC_VA;
	x86_lapic_eoi = &lapic_page[LAPIC_EOI * 4];
	return 0;
}

int machine_intr_init(uint64_t lapic)
{
	int error;

	KASSERT(!lapic_ready, "machine_intr_init() called twice");
	error = lapic_choose(lapic);
	if (error != 0)
		return error;
	pic_silence();
	lapic_mode();
	lapic_setup(true);
	curcpu()->ci_hwid = x86_lapic_id();
	x86_cpu(curcpu())->xc_apicid = x86_lapic_id();
	lapic_ready = true;
	lapic_lose_init();
	error = x86_clock_init();
	if (error != 0)
		return error;
	x86_vector_cpu_up(curcpu());
	kprintf("lapic: %s, id %u\n", lapic_page == NULL ? "x2APIC" : "xAPIC", x86_lapic_id());
	return 0;
}

void x86_lapic_init_ap(struct x86_cpu *xc)
{
	lapic_mode();
	lapic_setup(false);
	KASSERT(xc->xc_apicid == x86_lapic_id(), "started local controller %u, came as %u",
	    xc->xc_apicid, x86_lapic_id());
	x86_clock_init_ap();
}
