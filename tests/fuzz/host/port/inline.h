/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inline.h - the half of port.h that parsers need, on a host with one CPU and no interrupts but the
 * one flag that says whether they are off. Included by port.h and by nobody else.
 */
#ifndef PORT_INLINE_H
#define PORT_INLINE_H

extern bool host_intr_on;
extern uint64_t host_counter;

static inline struct cpu *curcpu(void)
{
	return NULL;
}

static inline struct lwp *port_curlwp(void)
{
	return NULL;
}

static inline bool port_pending(void)
{
	return false;
}

static inline bool port_intr_disable(void)
{
	bool on = host_intr_on;

	host_intr_on = false;
	return on;
}

static inline void port_intr_off(void)
{
	host_intr_on = false;
}

static inline void port_intr_restore(bool on)
{
	host_intr_on = on;
}

static inline void port_intr_enable(void)
{
	host_intr_on = true;
}

static inline bool port_intr_enabled(void)
{
	return host_intr_on;
}

static inline void port_intr_eoi(void)
{
}

static inline void port_pause(void)
{
}

static inline void port_idle(void)
{
}

static inline void port_stat_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline uint64_t port_counter(void)
{
	return ++host_counter;
}

static inline uint64_t port_counter_ns(void)
{
	return port_counter();
}

#endif
