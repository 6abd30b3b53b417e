/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * smp.c - where other CPUs and new lwps begin.
 *
 * A CPU is started before the core hears of it, so that one that never comes does not count:
 *
 *	CPU that starts it                   the new CPU
 *	trampoline filled in, mapped
 *	INIT, SIPI ------------------------> ap.S, x86_ap_main(): its tables, its controller
 *	START_CALLED -> START_HERE <-------- says so (release), spins on its own spare stack
 *	trampoline unmapped
 *	cpu_attach(): number, idle lwp
 *	START_GO (release) ----------------> vectors
 *	waits for START_RUNS <-------------- says so; ci_idle's stack
 *	and until cpu_count() has it <------ counts itself
 *	                                     flushes its TLB; cpu_main()
 *
 * The flush comes after that because what is unmapped while it is not counted is not told to it
 * (sys/mem/vmap.c): the trampoline, and whatever another lwp gave back meanwhile. And it comes
 * before cpu_main(), which may take an lwp whose stack lies where something else did. What was
 * unmapped by one that did not count it yet is seen unmapped after the flush: both serialize.
 *
 * If it does not come within a second, or cannot be attached, INIT puts it back to waiting for a
 * SIPI, where it cannot wake up later in the middle of the next CPU's trampoline.
 *
 * Contexts: machine_cpu_start() in thread context, one call at a time (checked); x86_ap_main() on
 * the new CPU, interrupts off. No locks. The memory of a CPU that failed after it was seen alive is
 * freed only once INIT has stopped it.
 *
 * Not for: finding out which CPUs there are (sys/bus/acpi.c). Read kern/cpu.c next.
 */
#include "x86.h"

#include <ithaca/entry.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <stdatomic.h>

#define START_CALLED 0 /* xc_start: as allocated */
#define START_HERE 1
#define START_GO 2
#define START_RUNS 3

#define INIT_WAIT_NS 200000u       /* processors of this century need none */
#define SIPI_WAIT_NS 20000000u     /* then it is sent once more */
#define START_WAIT_NS 10000000000u /* a host may have other things to do */
#define STOP_WAIT_NS 1000000u      /* for an INIT to have arrived */

/* The words at the end of ap.S. */
struct ap_params {
	uint64_t root;
	uint64_t stack;
	uint64_t entry;
	uint64_t arg;
};

extern const char x86_ap_begin[], x86_ap_params[], x86_ap_end[];
extern char x86_lwp_start[];
void x86_call_on(uintptr_t stack, void (*fn)(void)) __attribute__((noreturn));

static _Atomic bool starting; /* (~) machine_cpu_start(): acquire to begin, release to end */

void port_lwp_init(struct lwp *l)
{
	/* As port_switch leaves a stack: six registers, then where to return to. */
	uint64_t *sp = (uint64_t *)(l->l_stack_top - 56);

	memset(sp, 0, 48);
	sp[6] = (uintptr_t)x86_lwp_start;
	l->l_sp = (uintptr_t)sp;
}

/* ---- On the new CPU ---- */

static void start_set(struct x86_cpu *xc, unsigned state)
{
	/* Pairs with the acquire load in start_wait(). */
	atomic_store_explicit(&xc->xc_start, state, memory_order_release);
}

/* On the idle lwp's stack, interrupts off. */
static void ap_runs(void)
{
	cpu_counts();
	machine_tlb_flush(NULL);
	cpu_main();
}

void x86_ap_main(struct x86_cpu *xc)
{
	x86_paging_init();
	x86_cpu_load(xc);
	x86_lapic_init_ap(xc);
	start_set(xc, START_HERE);
	/* Pairs with start_set(START_GO) of the CPU that starts this one. */
	while (atomic_load_explicit(&xc->xc_start, memory_order_acquire) != START_GO)
		port_pause();
	x86_vector_cpu_up(&xc->xc_cpu);
	xc->xc_cpu.ci_curlwp = xc->xc_cpu.ci_idle;
	start_set(xc, START_RUNS);
	x86_call_on(xc->xc_cpu.ci_idle->l_stack_top, ap_runs);
}

/* ---- On the CPU that starts it ---- */

static bool start_reached(struct x86_cpu *xc, unsigned state)
{
	/* It counts from the moment that cpu_counts() has counted it: then the next may attach. */
	if (state == START_RUNS && cpu_count() <= xc->xc_cpu.ci_index)
		return false;
	/* Pairs with the release store in start_set(). */
	return atomic_load_explicit(&xc->xc_start, memory_order_acquire) == state;
}

static bool start_wait(struct x86_cpu *xc, unsigned state, uint64_t ns)
{
	uint64_t begin = port_counter();

	while (!start_reached(xc, state)) {
		x86_clock_publish(); /* for x86_clock_init_ap() there */
		if (port_counter_to_ns(port_counter() - begin) > ns)
			return false;
		port_pause();
	}
	return true;
}

static void trampoline_fill(struct x86_cpu *xc)
{
	char *page = machine_phys_to_virt(x86_trampoline);
	struct ap_params params = {
	    .root = x86_pmap_root(),
	    .stack = (uintptr_t)xc->xc_ist[X86_IST_MC], /* top of the stack below: not in use yet */
	    .entry = (uintptr_t)x86_ap_main,
	    .arg = (uintptr_t)xc,
	};
	uintptr_t begin = (uintptr_t)x86_ap_begin;

	memcpy(page, x86_ap_begin, (uintptr_t)x86_ap_end - begin);
	memcpy(page + ((uintptr_t)x86_ap_params - begin), &params, sizeof(params));
}

/* Have it come as far as START_HERE, or stop it for good. */
static int cpu_summon(struct x86_cpu *xc)
{
	uint8_t page = (uint8_t)(x86_trampoline >> 12);
	uint32_t hwid = xc->xc_apicid;
	int error = x86_pmap_identity(x86_trampoline, true);
	bool here;

	if (error != 0)
		return error;
	trampoline_fill(xc);
	x86_lapic_init_ipi(hwid);
	x86_delay_ns(INIT_WAIT_NS);
	x86_lapic_startup_ipi(hwid, page);
	here = start_wait(xc, START_HERE, SIPI_WAIT_NS);
	if (!here) {
		x86_lapic_startup_ipi(hwid, page); /* ignored by a CPU that is on its way */
		here = start_wait(xc, START_HERE, START_WAIT_NS);
	}
	if (!here) {
		x86_lapic_init_ipi(hwid);
		x86_delay_ns(STOP_WAIT_NS);
		kprintf("cpu with local controller %u: no answer to its start within %llu ms\n",
		    hwid, (unsigned long long)((SIPI_WAIT_NS + START_WAIT_NS) / 1000000));
		error = ETIMEDOUT;
	}
	x86_pmap_identity(x86_trampoline, false);
	return error;
}

static int cpu_start(uint32_t hwid)
{
	struct x86_cpu *xc = port_mem_alloc(sizeof(*xc));
	int error;

	if (xc == NULL)
		return ENOMEM;
	xc->xc_cpu.ci_self = &xc->xc_cpu;
	xc->xc_cpu.ci_hwid = hwid;
	xc->xc_apicid = hwid;
	error = cpu_summon(xc);
	if (error == 0) {
		error = cpu_attach(&xc->xc_cpu);
		if (error != 0) {
			x86_lapic_init_ipi(hwid);
			x86_delay_ns(STOP_WAIT_NS);
		}
	}
	if (error != 0) {
		port_mem_free(xc, sizeof(*xc));
		return error;
	}
	start_set(xc, START_GO);
	if (!start_wait(xc, START_RUNS, START_WAIT_NS))
		panic("cpu %u was here and is not any more", xc->xc_cpu.ci_index);
	return 0;
}

int machine_cpu_start(uint32_t hwid)
{
	int error;

	for (unsigned i = 0; i < cpu_count(); i++) {
		if (cpu_lookup(i)->ci_hwid == hwid)
			return EINVAL; /* it runs */
	}
	if (x86_lapic_eoi != NULL && hwid >= 0xff) {
		kprintf("cpu with local controller %u: xAPIC reaches no higher than 254\n", hwid);
		return EINVAL;
	}
	if (x86_trampoline == 0) {
		kprintf("cpu with local controller %u: no RAM below 640 KiB to start it from\n",
		    hwid);
		return ENOMEM;
	}
	if (atomic_exchange_explicit(&starting, true, memory_order_acquire))
		return EBUSY;
	error = cpu_start(hwid);
	atomic_store_explicit(&starting, false, memory_order_release);
	return error;
}
