/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * access.c - a decision before every access of the core to memory.
 *
 * The core's objects are compiled with -fsanitize=thread (rules.mk), and the functions that the
 * compiler has them call, for plain accesses and for C11 atomics, are these here instead of the
 * compiler's own runtime. Each is a point of the schedule; a seeded run decides anew at one in
 * ACCESS_ONE_IN of them, a run without seeds at none. As there is one host thread, the access
 * itself needs no atomic instruction: memory is sequentially consistent here whatever the order
 * asked for.
 *
 * The names and types are those of the compilers' interface: gcc and clang differ in some
 * (compare_exchange). 128-bit atomics are not used by the core and not here.
 *
 * Contexts: any of the core's. Not instrumented: lib/, port/sim/, the tests. Next: sim.c.
 */
#include "simint.h"

#include <string.h>

#define ACCESS_ONE_IN 6

static inline void access_point(void)
{
	if (sim_drawn && sim_random(ACCESS_ONE_IN) == 0)
		sim_point(SIM_ACCESS);
}

/* ---- Plain accesses ---- */

#define PLAIN(name)                                                                                \
	void __tsan_##name(void *addr);                                                            \
	void __tsan_##name(void *addr)                                                             \
	{                                                                                          \
		(void)addr;                                                                        \
		access_point();                                                                    \
	}

#define PLAIN_SIZES(name)                                                                          \
	PLAIN(name##1) PLAIN(name##2) PLAIN(name##4) PLAIN(name##8) PLAIN(name##16)

PLAIN_SIZES(read)
PLAIN_SIZES(write)
PLAIN_SIZES(unaligned_read)
PLAIN_SIZES(unaligned_write)
PLAIN_SIZES(read_write)
PLAIN_SIZES(unaligned_read_write)
PLAIN_SIZES(volatile_read)
PLAIN_SIZES(volatile_write)
PLAIN(func_entry)

void __tsan_init(void);
void __tsan_func_exit(void);
void __tsan_read_range(void *addr, unsigned long size);
void __tsan_write_range(void *addr, unsigned long size);
void *__tsan_memcpy(void *to, const void *from, unsigned long size);
void *__tsan_memmove(void *to, const void *from, unsigned long size);
void *__tsan_memset(void *to, int c, unsigned long size);
void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_signal_fence(int order);

void __tsan_init(void)
{
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *addr, unsigned long size)
{
	(void)addr;
	(void)size;
	access_point();
}

void __tsan_write_range(void *addr, unsigned long size)
{
	(void)addr;
	(void)size;
	access_point();
}

void *__tsan_memcpy(void *to, const void *from, unsigned long size)
{
	access_point();
	return memcpy(to, from, size);
}

void *__tsan_memmove(void *to, const void *from, unsigned long size)
{
	access_point();
	return memmove(to, from, size);
}

void *__tsan_memset(void *to, int c, unsigned long size)
{
	access_point();
	return memset(to, c, size);
}

void __tsan_atomic_thread_fence(int order)
{
	(void)order;
	access_point();
}

void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}

/* ---- Atomics ---- */

#define FETCH(bits, op, expr)                                                                      \
	uint##bits##_t __tsan_atomic##bits##_##op(uint##bits##_t *a, uint##bits##_t v, int order); \
	uint##bits##_t __tsan_atomic##bits##_##op(uint##bits##_t *a, uint##bits##_t v, int order)  \
	{                                                                                          \
		uint##bits##_t old;                                                                \
                                                                                                   \
		(void)order;                                                                       \
		access_point();                                                                    \
		old = *a;                                                                          \
		*a = (uint##bits##_t)(expr);                                                       \
		return old;                                                                        \
	}

#define EXCHANGE_IF(bits, op)                                                                      \
	int __tsan_atomic##bits##_##op(uint##bits##_t *a, uint##bits##_t *want, uint##bits##_t v,  \
	    int order, int fail_order);                                                            \
	int __tsan_atomic##bits##_##op(uint##bits##_t *a, uint##bits##_t *want, uint##bits##_t v,  \
	    int order, int fail_order)                                                             \
	{                                                                                          \
		(void)order;                                                                       \
		(void)fail_order;                                                                  \
		access_point();                                                                    \
		if (*a == *want) {                                                                 \
			*a = v;                                                                    \
			return 1;                                                                  \
		}                                                                                  \
		*want = *a;                                                                        \
		return 0;                                                                          \
	}

#define ATOMICS(bits)                                                                              \
	FETCH(bits, exchange, v)                                                                   \
	FETCH(bits, fetch_add, old + v)                                                            \
	FETCH(bits, fetch_sub, old - v)                                                            \
	FETCH(bits, fetch_and, old &v)                                                             \
	FETCH(bits, fetch_or, old | v)                                                             \
	FETCH(bits, fetch_xor, old ^ v)                                                            \
	FETCH(bits, fetch_nand, ~(old & v))                                                        \
	EXCHANGE_IF(bits, compare_exchange_strong)                                                 \
	EXCHANGE_IF(bits, compare_exchange_weak)                                                   \
	uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *a, int order);             \
	uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *a, int order)              \
	{                                                                                          \
		(void)order;                                                                       \
		access_point();                                                                    \
		return *a;                                                                         \
	}                                                                                          \
	void __tsan_atomic##bits##_store(uint##bits##_t *a, uint##bits##_t v, int order);          \
	void __tsan_atomic##bits##_store(uint##bits##_t *a, uint##bits##_t v, int order)           \
	{                                                                                          \
		(void)order;                                                                       \
		access_point();                                                                    \
		*a = v;                                                                            \
	}                                                                                          \
	uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(uint##bits##_t *a,               \
	    uint##bits##_t want, uint##bits##_t v, int order, int fail_order);                     \
	uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(uint##bits##_t *a,               \
	    uint##bits##_t want, uint##bits##_t v, int order, int fail_order)                      \
	{                                                                                          \
		(void)__tsan_atomic##bits##_compare_exchange_strong(a, &want, v, order,            \
		    fail_order);                                                                   \
		return want;                                                                       \
	}

ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)
