/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim.h - the simulated machine, as tests see it. The essay is in port/sim/sim.c.
 *
 * Contexts: "lwp" is the body of a test and whatever it creates; "event" is a function given to
 * sim_at(), which stands for a device: it runs between two steps of the CPUs, may raise and lower
 * lines and set more events, and calls nothing of the core.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <ithaca/cpu.h>
#include <ithaca/intr.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_config {
	unsigned cpus; /* 1 to CPU_MAX */
	uint64_t seed;
	bool random; /* draw which CPU runs and when interrupts arrive; else turns, at once */
};

/* Why a CPU is at a point where the schedule may turn elsewhere. */
enum sim_kind {
	SIM_DISABLE,
	SIM_ENABLE,
	SIM_EOI,
	SIM_PAUSE,
	SIM_IDLE,
	SIM_IPI,
	SIM_CLOCK,
	SIM_COUNTER,
	SIM_PIC,
	SIM_ACCESS,
	SIM_TEST,
	SIM_REST
};

#define SIM_EXIT_DIED 3   /* the process ends so in port_die() */
#define SIM_EXIT_FAILED 1 /* and so when the simulator found something wrong */

/* ---- The machine. Host context. ---- */

/* sim_run - boot the core on cfg->cpus CPUs and run fn() in its lwp main, interrupts on. Returns
 * when fn does; once a process. A deadlock, a broken invariant or a fault ends the process
 * instead. */
void sim_run(const struct sim_config *cfg, void (*fn)(void));

/* sim_point - the one function through which every decision goes: which CPU runs on from here, and
 * whether it takes an interrupt first. Tests call it with SIM_TEST. Any context; nothing in an
 * event. */
void sim_point(enum sim_kind kind);

/* sim_random - 0 to below - 1, from the seed. sim_now - virtual ns. Any context. */
uint64_t sim_random(uint64_t below);
uint64_t sim_now(void);

/* sim_work - compute for that long (and let time go by for all), in few points. lwp, filter. */
void sim_work(uint64_t ns);

/* sim_limit - fail when virtual time comes to this (at first 100 s): a hang. */
void sim_limit(uint64_t ns);

/* sim_at - call fn(arg), as an event, `ns` from now. Any context. At most SIM_EVENTS_MAX wait. */
#define SIM_EVENTS_MAX 256
void sim_at(uint64_t ns, void (*fn)(void *arg), void *arg);

/* sim_settle - let everything else run until every CPU has nothing left to do and no interrupt is
 * on its way; what waits for a time counts as done. lwp context;
 * sleeps. */
void sim_settle(void);

/* ---- Scripts: who runs. lwp context. ---- */

/* sim_allow - from now on only these CPUs run (all: ~0). The caller's own must be among them. */
void sim_allow(cpuset_t cpus);

/* sim_run_until - CPU `index` runs alone until cond(arg), then the caller goes on. cond is asked at
 * each point. Fails when that CPU falls idle first. Its interrupts arrive at once. */
void sim_run_until(unsigned index, bool (*cond)(void *arg), void *arg);

/* sim_deafen - hold back (or let through) what interrupts CPU `index`; it stays pending. */
void sim_deafen(unsigned index, bool deaf);

/* ---- Lines: an interrupt controller's inputs, with a source for each ---- */

#define SIM_NO_MASK 0x1  /* cannot be masked, as some MSI */
#define SIM_NO_ROUTE 0x2 /* cannot be moved */
#define SIM_LINES_MAX 96

struct sim_line {
	struct intr_source *sl_source;
	enum intr_trigger sl_trigger;
	struct cpu *sl_cpu;  /* where it is delivered */
	bool sl_asserted;    /* level: the device holds it up */
	bool sl_masked;      /* at the controller */
	bool sl_remote;      /* level: sent, no EOI yet: not sent again before it */
	cpuset_t sl_flight;  /* CPUs to which it is on its way */
	cpuset_t sl_service; /* CPUs that have it in service */
	unsigned sl_masks, sl_unmasks, sl_eois, sl_delivered, sl_routes;
	unsigned sl_lost;          /* edges that came while it was masked */
	unsigned sl_merged;        /* edges and messages that found one on its way already */
	unsigned sl_eois_unmasked; /* EOIs at which it was not masked */
	int sl_route_error;        /* what the next move answers, once, if not 0 */
};

/* sim_line_create - a line and its source on CPU `index`. Fails the test when it cannot. lwp. */
struct sim_line *sim_line_create(const char *name, enum intr_trigger trigger, unsigned index,
    unsigned flags);

/* sim_line_destroy - take both away; what intr_source_destroy() says. lwp. */
int sim_line_destroy(struct sim_line *sl);

/* sim_line_raise - level: up it goes, and stays; edge, message: one of them. Any context.
 * sim_line_lower - level: down. What is on its way arrives all the same. */
void sim_line_raise(struct sim_line *sl);
void sim_line_lower(struct sim_line *sl);

/* sim_line_point - what code that runs on a CPU calls first, when it raises or lowers a line by a
 * register of the device: under the explorer, others may come in between. */
void sim_line_point(const struct sim_line *sl);

/* sim_line_inject - deliver it once to CPU `index` whatever its state: late, twice, or for
 * nothing. Any context. */
void sim_line_inject(struct sim_line *sl, unsigned index);

/* ---- Memory ---- */

/* sim_mem_fail - the n-th allocation from now (1: the next), memory or stack, fails; 0: none.
 * sim_mem_failed - has it happened? */
void sim_mem_fail(unsigned n);
bool sim_mem_failed(void);

/* sim_mem_bytes - allocated at this moment, stacks included. */
size_t sim_mem_bytes(void);

/* ---- Looking ---- */

/* sim_console - all that the core has printed so far, NUL-terminated. sim_console_clear. */
const char *sim_console(void);
void sim_console_clear(void);

/* sim_halted - is that CPU waiting for an interrupt, none on its way? */
bool sim_halted(unsigned index);

/* sim_report - print where every CPU is and the last steps; nothing if the machine does not run. */
void sim_report(void);

/* sim_failed - print the message, everything that is known, and end the process. */
void sim_failed(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
