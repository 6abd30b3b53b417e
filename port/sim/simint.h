/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * simint.h - what the files of port/sim share among themselves.
 */
#ifndef SIM_SIMINT_H
#define SIM_SIMINT_H

#include "points.h"

#include <sim/sim.h>

#define SIM_PINS_MAX (IPL_COUNT + 1)

/* An lwp pinned beneath an ithread, and at what level: it must come back here and so (I7). */
struct sim_pin {
	struct lwp *p_lwp;
	uint8_t p_ipl;
};

struct sim_vcpu {
	struct cpu v_ci; /* first: sim_cpu points at it */
	uintptr_t v_sp;  /* where it left off when another CPU's turn came */
	bool v_started;
	bool v_halted;              /* in port_idle() */
	bool v_idled;               /* has been there once: booted */
	bool v_intr;                /* interrupts on */
	bool v_deaf;                /* sim_deafen() */
	uint64_t v_stalled;         /* drawn: does not run before this step, if others can */
	bool v_ipi, v_clock;        /* pending */
	uint64_t v_deadline;        /* of the clock; UINT64_MAX: none */
	struct sim_line *v_service; /* delivered, no EOI yet */
	unsigned v_nflight;
	struct sim_line *v_flight[SIM_LINES_MAX]; /* pending, in order of arrival */
	unsigned v_npins;
	struct sim_pin v_pins[SIM_PINS_MAX];
};

extern struct sim_vcpu sim_vcpus[CPU_MAX];
extern unsigned sim_ncpus;
extern bool sim_up;    /* the core runs */
extern bool sim_drawn; /* and its accesses are points too */

static inline struct sim_vcpu *sim_me(void)
{
	return (struct sim_vcpu *)(void *)sim_cpu;
}

void *sim_stack_switch(uintptr_t *save, uintptr_t to, _Atomic uint8_t *running, void *value);
void *sim_stack_start(uintptr_t *save, uintptr_t top, void (*fn)(void *), void *arg);

/* line.c: put a line into service on this CPU; it is taken from v_flight. After an EOI. After each
 * step, that every line is as I3 has it. */
void sim_line_serve(struct sim_line *sl);
void sim_line_eoi(struct sim_line *sl);
void sim_line_check(void);

/* mem.c, report.c. */
void sim_mem_init(void);
void sim_mem_open(unsigned stacks); /* the first so many need no mprotect() */
uint64_t sim_mem_base(void);
unsigned sim_stack_slot(uint64_t addr, uint64_t *top); /* which stack that is; UINT_MAX: none */
void sim_report_init(const struct sim_config *cfg);
void sim_trace(const char *what, const char *detail);
void sim_dump_all(void);

extern uint64_t sim_steps;
extern uintptr_t sim_host_sp; /* where sim_run() waits */

/* sim.c, for explore.c: deliver that interrupt (0: IPI, 1: clock, 2 + n: line n). Does anything
 * wait for a time? On to the first such time. line.c: which line it is. */
void sim_take(struct sim_vcpu *v, unsigned which);
bool sim_time_waits(void);
void sim_time_jump(void);
unsigned sim_line_number(const struct sim_line *sl);

#endif
