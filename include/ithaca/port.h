/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port.h - all that the core asks of a machine.
 *
 * A port declares nothing new to the core: it gives these functions, the hot ones inline from
 * its own <port/inline.h>, which is included at the end. A port holds no policy. What a machine
 * may call in the core is the other direction and stands in entry.h.
 *
 * "Interrupts off" means that this CPU takes no maskable interrupt; every function that says so
 * asserts nothing and trusts its caller.
 */
#ifndef ITHACA_PORT_H
#define ITHACA_PORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpu;
struct lwp;

/* ---- Who am I ---- */

/* curcpu - this CPU. Stable only while the caller cannot move: interrupts off, bound, or raised. */
static inline struct cpu *curcpu(void);

/* curlwp - the running lwp, by port_curlwp(). Stable always: whoever asks is it. In a filter: the
 * lwp interrupted. */
#define curlwp port_curlwp()
static inline struct lwp *port_curlwp(void);

/* port_pending - curcpu()->ci_pending != 0, in as few instructions as can be. Interrupts off. A
 * compiler barrier. */
static inline bool port_pending(void);

/* ---- Interrupts of this CPU ---- */

/* port_intr_disable - interrupts off; returns whether they were on. A compiler barrier. */
static inline bool port_intr_disable(void);

/* port_intr_off - the same for who knows that they are on. */
static inline void port_intr_off(void);

/* port_intr_restore - back on if `on`. Compiler barrier. */
static inline void port_intr_restore(bool on);

/* port_intr_enable - interrupts on, whatever they were. Compiler barrier. */
static inline void port_intr_enable(void);

/* port_intr_enabled - are they on? */
static inline bool port_intr_enabled(void);

/* port_intr_eoi - tell this CPU's controller that the interrupt in service is done with. Interrupts
 * off, in intr_dispatch() only, once an interrupt, after the source was masked if it has to be. */
static inline void port_intr_eoi(void);

/* port_pause - a spinning CPU breathes (and, simulated, gives others a turn). Any context. */
static inline void port_pause(void);

/* port_idle - wait for an interrupt. Called with interrupts off, by the idle lwp only; lets
 * interrupts in and waits without a gap between the two; returns with interrupts off. */
static inline void port_idle(void);

/* port_stat_add - *counter += n, where this CPU alone writes and others may read: relaxed, no
 * locked instruction, not torn by an interrupt. Any context. */
static inline void port_stat_add(_Atomic uint64_t *counter, uint64_t n);

/* port_counter - this CPU's cycle counter; monotonic, and the same rate and origin on every CPU. */
static inline uint64_t port_counter(void);

/* port_counter_ns - port_counter_to_ns(port_counter()), in as few instructions as can be. */
static inline uint64_t port_counter_ns(void);

/* ---- Stacks: the three ways to change them. All with interrupts off. ---- */

/*
 * port_switch - leave `from` (== curlwp), continue `to` where it left through port_switch or
 * port_handoff, or at its beginning after port_lwp_init. Saves what a call must preserve, sets
 * curlwp, and, once `from` can be resumed, stores 0 to from->l_running with release order
 * (whoever acquires 0 may run it elsewhere). Returns NULL, in `from`'s next life.
 */
struct lwp *port_switch(struct lwp *from, struct lwp *to);

/*
 * port_handoff - start `it` at the top of its stack in body(it), pinning `from` (== curlwp)
 * beneath. When body() returns, comes back to `from` and returns. If `it` was divorced or put away
 * meanwhile, `from` was resumed by port_switch, and body() does not return. Sets curlwp both ways.
 * The one hot path: saves only what port_switch would need to resume `from`. body() is called and
 * returns with interrupts off.
 */
void port_handoff(struct lwp *from, struct lwp *it, void (*body)(struct lwp *it));

/* port_lwp_init - make the first port_switch to `l` call lwp_main() on l's own stack. */
void port_lwp_init(struct lwp *l);

/* ---- Other CPUs, clock ---- */

/* port_ipi - have intr_ipi() called on `ci` soon. Any context; repeated calls may merge. What was
 * written before the call is visible there. May be this CPU. */
void port_ipi(struct cpu *ci);

/* port_clock_arm - have clock_intr() called on this CPU at `deadline_ns` (clock_ns() time; in the
 * past: at once; UINT64_MAX: never). Replaces the deadline before it. Interrupts off. */
void port_clock_arm(uint64_t deadline_ns);

/* port_counter_to_ns - counter ticks to nanoseconds; exact to 1 in 2^20, no overflow in 100
 * years. */
uint64_t port_counter_to_ns(uint64_t ticks);

/* ---- Memory. Thread context (any level below IPL_VM). ---- */

/* port_mem_alloc - zeroed memory, aligned to 64 bytes where size >= 64, else 16. NULL: none
 * left. port_mem_free - give it back; `size` is what was asked for. */
void *port_mem_alloc(size_t size);
void port_mem_free(void *p, size_t size);

/* port_stack_alloc - a stack with a guard page beneath; *size is set. NULL: no memory. Returns the
 * lowest usable address. port_stack_free - give it back; nobody stands on it. */
void *port_stack_alloc(size_t *size);
void port_stack_free(void *base, size_t size);

/* ---- The end ---- */

/* port_console_write - put text out at once, polled if need be. Any context. */
void port_console_write(const char *text, size_t len);

/* port_stop_others - stop every other CPU for good, even one with interrupts off. For panic(). */
void port_stop_others(void);

/* port_backtrace - print the callers, symbolised where possible. For panic(). */
void port_backtrace(void);

/* port_probe - ask `ci`, by an interrupt that cannot be shut out, to show that it executes
 * instructions, and return how often it has answered so far, this time not counted; UINT64_MAX
 * always: there is no such interrupt. It answers by counting and goes on where it was. For
 * heartbeat.c; interrupts off. */
uint64_t port_probe(struct cpu *ci);

/* port_backtrace_cpu - print the callers on another CPU, which port_stop_others() has stopped. For
 * panic(). */
void port_backtrace_cpu(struct cpu *ci);

/* port_symbol - where in the program `addr` is, as text in buf: "function+0x12", or the address
 * where there are no names. A return address is looked up less one. Any context. */
void port_symbol(const void *addr, char *buf, size_t size);

/* port_die - the machine stops, with a failing status where it has one. */
void port_die(void) __attribute__((noreturn));

#include <port/inline.h>

#endif
