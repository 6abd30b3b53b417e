/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trap.c - exceptions, backtraces, and stopping the other CPUs.
 *
 * The kernel takes no exception on purpose, so each one ends in a panic that says what happened
 * where: x86_trap() remembers the saved registers, panic() prints its line, and x86_trap_dump(),
 * registered with it, prints the rest.
 *
 * Contexts: x86_trap() wherever the processor was, with interrupts off; NMI, double fault and
 * machine check on stacks of their own (struct x86_cpu), so that a stack overflow can be told. No
 * locks: this must work whoever holds what. Nothing here touches an address that x86_pmap_valid()
 * has not found mapped.
 *
 * An NMI means "stop" once port_stop_others() has said so, an answer if port_probe() has asked, and
 * is an error else.
 *
 *	CPU a, panicking                     CPU b, wherever it is
 *	port_stop_others: stopper = a
 *	NMI to every other -----------------> x86_trap: xc_stopped = its registers
 *	waits until xc_stopped is seen,       (release; pairs in port_stop_others)
 *	a second at most                      halts for good
 *	x86_trap_dump: names b's lwp and place
 *
 * Not for: interrupts of devices (entry.S, vector.c). Read smp.c next.
 */
#include "x86.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <stdatomic.h>

#define FRAMES_MAX 48
#define RFLAGS_IF 0x200u
#define SAVED_REGS 72 /* entry.S: nine registers lie beneath an interrupt's %rip */
#define STOP_SPINS 1000000
#define VEC_DF 8
#define VEC_NMI 2
#define VEC_MC 18
#define VEC_PF 14

struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_mid;
	uint32_t offset_high;
	uint32_t reserved;
};

extern const uint32_t ksym_count;
extern const uint64_t ksym_addr[];
extern const uint32_t ksym_name[];
extern const char ksym_strings[];

extern char kernel_start[], kernel_text_end[];
extern char x86_intr_begin[], x86_intr_end[], x86_trap_return[], x86_handoff_return[];

static _Alignas(16) struct gate idt[X86_NVEC]; /* (a) */
static struct x86_cpu *_Atomic stopper;        /* (~) the CPU that stops all others; set once */

static const char *const names[X86_VEC_FIRST] = {"divide error", "debug trap", "NMI", "breakpoint",
    "overflow", "bound exceeded", "invalid opcode", "no FPU", "double fault", "coprocessor overrun",
    "invalid TSS", "segment not present", "stack fault", "general protection fault", "page fault",
    "exception 15", "FPU error", "alignment check", "machine check", "SIMD error",
    "virtualisation exception", "control protection", "exception 22", "exception 23",
    "exception 24", "exception 25", "exception 26", "exception 27", "hypervisor injection",
    "VMM communication", "security exception", "exception 31"};

/* ---- Symbols ---- */

const char *x86_symbol(uintptr_t addr, size_t *off)
{
	uint32_t lo = 0, hi = ksym_count;

	if (addr < (uintptr_t)kernel_start || addr >= (uintptr_t)kernel_text_end)
		return NULL;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ksym_addr[mid] <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return NULL;
	*off = addr - ksym_addr[lo - 1];
	return &ksym_strings[ksym_name[lo - 1]];
}

static void print_place(const char *what, uintptr_t addr)
{
	size_t off = 0;
	const char *name = x86_symbol(addr, &off);

	if (name != NULL)
		kprintf("%s %016lx %s+%#zx\n", what, (unsigned long)addr, name, off);
	else
		kprintf("%s %016lx\n", what, (unsigned long)addr);
}

void port_symbol(const void *addr, char *buf, size_t size)
{
	size_t off = 0;
	const char *name = x86_symbol((uintptr_t)addr - 1, &off);

	if (name != NULL)
		ksnprintf(buf, size, "%s+%#zx", name, off + 1);
	else
		ksnprintf(buf, size, "%p", addr);
}

static bool in_text(uintptr_t addr)
{
	return addr >= (uintptr_t)kernel_start && addr < (uintptr_t)kernel_text_end;
}

static bool word_at(uintptr_t addr, uintptr_t *out)
{
	if (addr % sizeof(*out) != 0 || !x86_pmap_valid(addr, sizeof(*out)))
		return false;
	*out = *(const uintptr_t *)addr;
	return true;
}

/* ---- Backtrace ---- */

/*
 * One frame on: from `fp` to that of its caller. A return address is printed less one, so that a
 * call that ends a function does not name the next; an interrupt's or exception's own %rip is not.
 * Returns 0 when the chain ends. `l` follows the chain down through pinned lwps.
 */
static uintptr_t frame_next(uintptr_t fp, struct lwp **l)
{
	uintptr_t next, ret, rip;
	const struct trapframe *tf;

	if (!word_at(fp, &next) || !word_at(fp + 8, &ret) || !in_text(ret))
		return 0;
	print_place("   ", ret - 1);
	if (ret >= (uintptr_t)x86_intr_begin && ret < (uintptr_t)x86_intr_end) {
		if (!word_at(fp + 16 + SAVED_REGS, &rip))
			return 0;
		print_place("  interrupted at", rip);
	} else if (ret == (uintptr_t)x86_trap_return) {
		tf = (const struct trapframe *)(fp + 16);
		if (!x86_pmap_valid((uintptr_t)tf, sizeof(*tf)))
			return 0;
		print_place("  exception at", tf->rip);
		return tf->rbp; /* perhaps of another stack */
	} else if (ret == (uintptr_t)x86_handoff_return) {
		struct lwp *below = *l != NULL ? (*l)->l_pinned : NULL;

		if (below == NULL || !word_at(below->l_sp + 48, &rip))
			return 0; /* divorced: what was beneath is gone */
		kprintf("  -- on top of lwp %s --\n", below->l_name);
		print_place("   ", rip - 1);
		*l = below;
		return next; /* of another stack */
	}
	return next > fp ? next : 0;
}

static bool in_guard(const struct lwp *l, uintptr_t addr)
{
	uintptr_t base;

	if (l == NULL)
		return false;
	base = (uintptr_t)l->l_stack;
	return base != 0 && addr < base && addr >= base - PAGE_SIZE;
}

/* Without frame pointers: whatever on the stack might be a return address. Of an exception, the
 * stack that it interrupted. */
static void stack_scan(const struct lwp *l, const struct trapframe *tf, uintptr_t sp)
{
	unsigned found = 0;
	uintptr_t word;

	if (tf != NULL)
		sp = tf->rsp;
	if (in_guard(l, sp))
		sp = (uintptr_t)l->l_stack;
	kprintf("stack (addresses of code on it; not all are callers):\n");
	for (; found < FRAMES_MAX && word_at(sp, &word); sp += sizeof(word)) {
		if (l != NULL && sp == l->l_stack_top)
			return;
		if (in_text(word)) {
			print_place("   ", word - 1);
			found++;
		}
	}
}

static void frames_print(struct lwp *l, uintptr_t fp)
{
	for (unsigned n = 0; fp != 0; n++) {
		if (n == FRAMES_MAX) {
			kprintf("  ... more than %u frames\n", FRAMES_MAX);
			return;
		}
		fp = frame_next(fp, &l);
	}
}

void port_backtrace(void)
{
	uintptr_t fp = (uintptr_t)__builtin_frame_address(0);

	if (!ITHACA_CHECKED) {
		stack_scan(curlwp, x86_cpu(curcpu())->xc_trap, fp);
		return;
	}
	kprintf("backtrace:\n");
	frames_print(curlwp, fp);
}

static void print_vector(const char *what, int vector)
{
	if (vector < 0)
		kprintf(", none %s", what);
	else
		kprintf(", %#x %s", (unsigned)vector, what);
}

/* Why it takes none: they are off, one was not ended, or none was asked for. */
static void print_interrupts(const struct x86_cpu *xc, const struct trapframe *tf)
{
	uint64_t now = port_counter(), deadline = xc->xc_clock_deadline;
	bool late = deadline < now;
	uint64_t us = port_counter_to_ns(late ? now - deadline : deadline - now) / NS_PER_US;

	kprintf("  interrupts %s", (tf->rflags & RFLAGS_IF) != 0 ? "on" : "off");
	print_vector("in service", xc->xc_isr);
	print_vector("requested", xc->xc_irr);
	if (deadline == UINT64_MAX)
		kprintf("; no clock interrupt is armed\n");
	else
		kprintf("; a clock interrupt %s %llu us\n", late ? "is late by" : "comes in",
		    (unsigned long long)us);
}

void port_backtrace_cpu(struct cpu *ci)
{
	const struct x86_cpu *xc = x86_cpu(ci);
	/* Pairs with the release store in x86_trap(). */
	const struct trapframe *tf = atomic_load_explicit(&xc->xc_stopped, memory_order_acquire);

	if (tf == NULL) {
		kprintf("  it did not stop\n");
		return;
	}
	print_interrupts(xc, tf);
	print_place("   ", tf->rip);
	if (ITHACA_CHECKED)
		frames_print(ci->ci_curlwp, tf->rbp);
	else
		stack_scan(ci->ci_curlwp, tf, tf->rsp);
}

/* ---- Exceptions ---- */

static void trap_panic(const struct trapframe *tf)
{
	const struct lwp *l = curlwp;
	const char *name = names[tf->vector % X86_VEC_FIRST];
	unsigned long cr2 = read_cr2(), rip = tf->rip;
	size_t off = 0;
	const char *sym = x86_symbol(rip, &off);

	if (sym == NULL)
		sym = "nowhere";
	if ((tf->vector == VEC_PF || tf->vector == VEC_DF) && in_guard(l, cr2))
		panic("%s at %s+%#zx: stack overflow of lwp %s: address %#lx, stack %p + %zu", name,
		    sym, off, l->l_name, cr2, l->l_stack, l->l_stack_size);
	if (tf->vector == VEC_PF)
		panic("page fault at %s+%#zx: %s of %s address %#lx", sym, off,
		    (tf->error & 0x10) != 0       ? "execution"
			: (tf->error & 0x02) != 0 ? "write"
						  : "read",
		    (tf->error & 0x08) != 0       ? "reserved-bit"
			: (tf->error & 0x01) != 0 ? "protected"
						  : "unmapped",
		    cr2);
	panic("%s (vector %lu, error %#lx) at %s+%#zx", name, (unsigned long)tf->vector,
	    (unsigned long)tf->error, sym, off);
}

void x86_trap(struct trapframe *tf)
{
	struct x86_cpu *xc = x86_cpu(curcpu());
	/* Pairs with the exchange in port_stop_others(). */
	struct x86_cpu *by = atomic_load_explicit(&stopper, memory_order_acquire);

	if (tf->vector == VEC_NMI && by != NULL && by != xc) {
		xc->xc_isr = (int16_t)x86_lapic_isr();
		xc->xc_irr = (int16_t)x86_lapic_irr_top();
		/* Pairs with the acquire loads in port_stop_others() and x86_trap_dump(). */
		atomic_store_explicit(&xc->xc_stopped, tf, memory_order_release);
		halt_forever();
	}
	if (tf->vector == VEC_NMI && by == xc)
		return; /* late, or another's; this CPU has enough to do */
	/* Pairs with the store in port_probe(). */
	if (tf->vector == VEC_NMI &&
	    atomic_exchange_explicit(&xc->xc_probed, false, memory_order_relaxed)) {
		if ((tf->rflags & RFLAGS_IF) != 0)
			x86_lapic_unstick(xc);
		atomic_fetch_add_explicit(&xc->xc_answers, 1, memory_order_relaxed);
		return;
	}
	xc->xc_trap = tf;
	trap_panic(tf);
}

static void trap_dump_regs(const struct trapframe *tf)
{
	static const char fmt[] = "  %s %016lx  %s %016lx  %s %016lx\n";
#define R(name) #name, (unsigned long)tf->name
	kprintf("registers: vector %lu error %#lx cr2 %016lx cr3 %016lx\n",
	    (unsigned long)tf->vector, (unsigned long)tf->error, (unsigned long)read_cr2(),
	    (unsigned long)read_cr3());
	kprintf(fmt, R(rax), R(rbx), R(rcx));
	kprintf(fmt, R(rdx), R(rsi), R(rdi));
	kprintf("  r8  %016lx  r9  %016lx  r10 %016lx\n", (unsigned long)tf->r8,
	    (unsigned long)tf->r9, (unsigned long)tf->r10);
	kprintf(fmt, R(r11), R(r12), R(r13));
	kprintf(fmt, R(r14), R(r15), R(rbp));
	kprintf("  rsp %016lx  rflags %#lx  cs %#lx ss %#lx\n", (unsigned long)tf->rsp,
	    (unsigned long)tf->rflags, (unsigned long)tf->cs, (unsigned long)tf->ss);
	print_place("  rip", tf->rip);
#undef R
}

/* For panic(): the exception that it was, and where the other CPUs were stopped. */
static void x86_trap_dump(void)
{
	struct x86_cpu *self = x86_cpu(curcpu());

	if (self->xc_trap != NULL)
		trap_dump_regs(self->xc_trap);
	for (unsigned i = 0; i < cpu_count(); i++) {
		struct x86_cpu *xc = x86_cpu(cpu_lookup(i));
		const struct trapframe *tf;

		if (xc == NULL || xc == self)
			continue;
		/* Pairs with the release store in x86_trap(). */
		tf = atomic_load_explicit(&xc->xc_stopped, memory_order_acquire);
		kprintf("cpu %u: lwp %s", i,
		    xc->xc_cpu.ci_curlwp != NULL ? xc->xc_cpu.ci_curlwp->l_name : "none");
		if (tf != NULL)
			print_place(" at", tf->rip);
		else
			kprintf(" did not stop\n");
	}
}

/* ---- Asking, and stopping the others ---- */

uint64_t port_probe(struct cpu *ci)
{
	struct x86_cpu *xc = x86_cpu(ci);
	uint64_t answers = atomic_load_explicit(&xc->xc_answers, memory_order_relaxed);

	/* Pairs with the exchange in x86_trap(). One that was not answered is not sent again. */
	if (!atomic_exchange_explicit(&xc->xc_probed, true, memory_order_relaxed))
		x86_lapic_nmi(ci->ci_hwid);
	return answers;
}

void port_stop_others(void)
{
	struct x86_cpu *none = NULL, *self = x86_cpu(curcpu());

	/* Release: pairs with the load in x86_trap(). Only the first to come stops the others. */
	if (!atomic_compare_exchange_strong_explicit(&stopper, &none, self, memory_order_acq_rel,
		memory_order_acquire))
		return;
	for (unsigned i = 0; i < cpu_count(); i++) {
		struct cpu *ci = cpu_lookup(i);

		if (ci != NULL && ci != &self->xc_cpu)
			x86_lapic_nmi(ci->ci_hwid);
	}
	for (unsigned spin = 0, i = 0; spin < STOP_SPINS && i < cpu_count(); spin++) {
		struct x86_cpu *xc = x86_cpu(cpu_lookup(i));

		/* Pairs with the release store in x86_trap(). */
		if (xc == NULL || xc == self ||
		    atomic_load_explicit(&xc->xc_stopped, memory_order_acquire) != NULL)
			i++;
		else
			port_pause();
	}
}

/* ---- The table of gates ---- */

void x86_trap_init(void)
{
	for (unsigned v = 0; v < X86_NVEC; v++) {
		uint64_t to = x86_vector_stub[v];

		idt[v] = (struct gate){
		    .offset_low = (uint16_t)to,
		    .selector = X86_CODE_SEL,
		    .type = 0x8e, /* present, interrupt gate: interrupts off */
		    .offset_mid = (uint16_t)(to >> 16),
		    .offset_high = (uint32_t)(to >> 32),
		};
	}
	idt[VEC_NMI].ist = X86_IST_NMI;
	idt[VEC_DF].ist = X86_IST_DF;
	idt[VEC_MC].ist = X86_IST_MC;
	panic_register(x86_trap_dump);
}

void x86_idt_load(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {.limit = sizeof(idt) - 1, .base = (uintptr_t)idt};

	__asm__ volatile("lidt %0" : : "m"(idtr));
}
