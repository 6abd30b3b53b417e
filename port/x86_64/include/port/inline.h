/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inline.h - the hot part of port.h on x86-64. Included by port.h and by nobody else.
 *
 * %gs points at this CPU's struct cpu (the head of the port's struct x86_cpu); its first two
 * fields are itself and the running lwp.
 */
#ifndef PORT_INLINE_H
#define PORT_INLINE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Volatile, so that two calls are two loads: the lwp may have moved between them. It does not
 * clobber memory: volatile statements keep their order among themselves, so one that follows
 * port_intr_disable() in the program follows the cli in the code.
 */
static inline struct cpu *curcpu(void)
{
	struct cpu *ci;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(ci));
	return ci;
}

/*
 * Not volatile: whoever runs finds itself here, on any CPU, before and after any switch, so the
 * compiler may keep the answer for the whole of a function or throw it away. The three places
 * where curlwp changes (port_switch, port_handoff, lwp_main) change stacks with it.
 */
static inline struct lwp *port_curlwp(void)
{
	struct lwp *l;

	__asm__("movq %%gs:8, %0" : "=r"(l));
	return l;
}

static inline bool port_pending(void)
{
	bool pends;

	__asm__ volatile("cmpl $0, %%gs:16" : "=@ccne"(pends) : : "memory");
	return pends;
}

static inline bool port_intr_disable(void)
{
	uint32_t flags; /* the upper half is of no use */

	__asm__ volatile("pushfq; popq %q0; cli" : "=r"(flags) : : "memory");
	return (flags & 0x200) != 0;
}

/* One instruction, so an interrupt comes before it or after it. */
static inline void port_stat_add(_Atomic uint64_t *counter, uint64_t n)
{
	__asm__("addq %1, %0" : "+m"(*counter) : "er"(n) : "cc");
}

static inline void port_intr_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void port_intr_restore(bool on)
{
	if (on)
		__asm__ volatile("sti" : : : "memory");
	else
		__asm__ volatile("" : : : "memory");
}

static inline void port_intr_enable(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline bool port_intr_enabled(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
	return (flags & 0x200) != 0;
}

/* The local controller's EOI register, in the page that lapic.c mapped; NULL: x2APIC, an MSR. Set
 * once, before the first interrupt. */
extern volatile uint32_t *x86_lapic_eoi;

static inline void port_intr_eoi(void)
{
	volatile uint32_t *eoi = x86_lapic_eoi;

	if (eoi != NULL)
		*eoi = 0;
	else
		__asm__ volatile("wrmsr" : : "c"(0x80b), "a"(0), "d"(0) : "memory");
}

static inline void port_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

/* sti takes effect after the instruction that follows it: nothing gets in before the hlt. */
static inline void port_idle(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* Not fenced: a figure may be off by what the processor has in flight, some tens of cycles. */
static inline uint64_t port_counter(void)
{
	uint64_t lo, hi; /* the upper halves are cleared */

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return hi << 32 | lo;
}

/* Nanoseconds a tick of the counter, << X86_NS_SHIFT. Set once, when it is calibrated. */
#define X86_NS_SHIFT 58
extern uint64_t x86_ns_per_tick;

/* The product of 128 bits, shifted. In one piece, or the compiler puts off the second half of the
 * work and keeps three registers for it. */
static inline uint64_t port_counter_ns(void)
{
	uint64_t ns, hi;

	__asm__ volatile("rdtsc; shlq $32, %%rdx; orq %%rdx, %%rax; mulq %2; shrdq %3, %%rdx, %%rax"
			 : "=&a"(ns), "=&d"(hi)
			 : "m"(x86_ns_per_tick), "i"(X86_NS_SHIFT)
			 : "cc");
	return ns;
}

#endif
