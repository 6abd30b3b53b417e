/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inline.h - the simulated machine's half of port.h. Every one of these that an interrupt or
 * another CPU could slip in before goes through sim_point(): see port/sim/sim.c.
 */
#ifndef PORT_INLINE_H
#define PORT_INLINE_H

/* Calls, so that the two loads of curlwp are one step: the core's own accesses are instrumented. */
struct cpu *sim_curcpu(void);
struct lwp *sim_curlwp(void);
bool sim_pending(void);
bool sim_intr_disable(void);
void sim_intr_enable(void);
bool sim_intr_enabled(void);
void sim_intr_eoi(void);
void sim_pause(void);
void sim_idle(void);
uint64_t sim_counter(void);

static inline struct cpu *curcpu(void)
{
	return sim_curcpu();
}

static inline struct lwp *port_curlwp(void)
{
	return sim_curlwp();
}

static inline bool port_pending(void)
{
	return sim_pending();
}

static inline bool port_intr_disable(void)
{
	return sim_intr_disable();
}

static inline void port_intr_off(void)
{
	(void)sim_intr_disable();
}

static inline void port_stat_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

static inline void port_intr_restore(bool on)
{
	if (on)
		sim_intr_enable();
}

static inline void port_intr_enable(void)
{
	sim_intr_enable();
}

static inline bool port_intr_enabled(void)
{
	return sim_intr_enabled();
}

static inline void port_intr_eoi(void)
{
	sim_intr_eoi();
}

static inline void port_pause(void)
{
	sim_pause();
}

static inline void port_idle(void)
{
	sim_idle();
}

static inline uint64_t port_counter(void)
{
	return sim_counter();
}

static inline uint64_t port_counter_ns(void)
{
	return sim_counter();
}

#endif
