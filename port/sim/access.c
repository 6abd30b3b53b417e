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
 * While the explorer has the machine (xp_on), all goes to race.c and memory.c instead, with
 * address, size and order; and the caller's address, to name the source line.
 *
 * The names and types are those of the compilers' interface: gcc and clang differ in some
 * (compare_exchange). 128-bit atomics are not used by the core and not here.
 *
 * Contexts: any of the core's. Not instrumented: lib/, port/sim/, the tests. Next: sim.c.
 */
#include "explore.h"
#include "quick.h"
#include "simint.h"

#include <string.h>

#define BLANKED 512u
#define ACCESS_ONE_IN 6

#define CALLER ((uint32_t)(uintptr_t)__builtin_return_address(0))

static inline void access_point(void)
{
	if (sim_drawn && sim_random(ACCESS_ONE_IN) == 0)
		sim_point(SIM_ACCESS);
}

/* What functions that have returned left on the stack would get into the frames of the next, and
 * make like states differ (state.c). */
static __attribute__((noinline)) void blank(void)
{
	uint64_t below[BLANKED / 8];

	memset(below, 0, sizeof(below));
	__asm__ volatile("" : : "r"(below) : "memory");
}

/* ---- Plain accesses ---- */

/* Somebody may be asked, or it is no run that xp_quick. */
static __attribute__((noinline)) void plain_asked(const void *addr, unsigned long size, bool write,
    uint32_t pc)
{
	if (!xp_on) {
		access_point();
		return;
	}
	if (!sim_in_event)
		xp_local(SIM_ACCESS, (uintptr_t)addr);
	xp_plain((uintptr_t)addr, (unsigned)size, write, pc);
	if (xp_merges)
		blank();
}

static inline __attribute__((always_inline)) void plain(const void *addr, unsigned long size,
    bool write, uint32_t pc)
{
	if (size <= 8 && xp_passes_local())
		xp_plain_quick((uintptr_t)addr, (unsigned)size, write, pc);
	else
		plain_asked(addr, size, write, pc);
}

#define PLAIN(name, size, write)                                                                   \
	void __tsan_##name(void *addr);                                                            \
	void __tsan_##name(void *addr)                                                             \
	{                                                                                          \
		plain(addr, size, write, CALLER);                                                  \
	}

#define PLAIN_SIZES(name, write)                                                                   \
	PLAIN(name##1, 1, write)                                                                   \
	PLAIN(name##2, 2, write)                                                                   \
	PLAIN(name##4, 4, write)                                                                   \
	PLAIN(name##8, 8, write)                                                                   \
	PLAIN(name##16, 16, write)

PLAIN_SIZES(read, false)
PLAIN_SIZES(write, true)
PLAIN_SIZES(unaligned_read, false)
PLAIN_SIZES(unaligned_write, true)
PLAIN_SIZES(read_write, true)
PLAIN_SIZES(unaligned_read_write, true)
PLAIN_SIZES(volatile_read, false)
PLAIN_SIZES(volatile_write, true)

void __tsan_func_entry(void *addr);
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

static __attribute__((noinline)) void entered(void)
{
	if (!xp_on)
		access_point();
	else
		blank();
}

void __tsan_func_entry(void *addr)
{
	(void)addr;
	if (xp_entries)
		entered();
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *addr, unsigned long size)
{
	plain(addr, size, false, CALLER);
}

void __tsan_write_range(void *addr, unsigned long size)
{
	plain(addr, size, true, CALLER);
}

void *__tsan_memcpy(void *to, const void *from, unsigned long size)
{
	plain(from, size, false, CALLER);
	plain(to, size, true, CALLER);
	return memcpy(to, from, size);
}

void *__tsan_memmove(void *to, const void *from, unsigned long size)
{
	plain(from, size, false, CALLER);
	plain(to, size, true, CALLER);
	return memmove(to, from, size);
}

void *__tsan_memset(void *to, int c, unsigned long size)
{
	plain(to, size, true, CALLER);
	return memset(to, c, size);
}

void __tsan_atomic_thread_fence(int order)
{
	if (xp_on)
		xp_fence(order, CALLER);
	else
		access_point();
}

void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}

/* ---- Atomics ---- */

/* Each has a way for when nobody is asked (quick.h), one for the explorer, and one for without. */
static inline bool passes_sc(void)
{
	return xp_passes_before(xp_pass_to_sc);
}

#define SLOW static __attribute__((noinline))

#define FETCH(bits, op, expr)                                                                      \
	SLOW uint##bits##_t op##bits##_slow(uint##bits##_t *a, uint##bits##_t v, int order,        \
	    uint32_t pc)                                                                           \
	{                                                                                          \
		uint##bits##_t old;                                                                \
                                                                                                   \
		if (xp_on) {                                                                       \
			old = (uint##bits##_t)xp_rmw_begin(a, bits / 8, order, pc);                \
			xp_rmw_end(a, bits / 8, (uint##bits##_t)(expr), order, pc);                \
			return old;                                                                \
		}                                                                                  \
		access_point();                                                                    \
		old = *a;                                                                          \
		*a = (uint##bits##_t)(expr);                                                       \
		return old;                                                                        \
	}                                                                                          \
	uint##bits##_t __tsan_atomic##bits##_##op(uint##bits##_t *a, uint##bits##_t v, int order); \
	uint##bits##_t __tsan_atomic##bits##_##op(uint##bits##_t *a, uint##bits##_t v, int order)  \
	{                                                                                          \
		uint##bits##_t old;                                                                \
                                                                                                   \
		if (!passes_sc())                                                                  \
			return op##bits##_slow(a, v, order, CALLER);                               \
		xp_rmw_quick(a, bits / 8, order, CALLER);                                          \
		old = *a;                                                                          \
		*a = (uint##bits##_t)(expr);                                                       \
		return old;                                                                        \
	}

#define EXCHANGE_IF(bits, op)                                                                      \
	SLOW int op##bits##_slow(uint##bits##_t *a, uint##bits##_t *want, uint##bits##_t v,        \
	    int order, int fail_order, uint32_t pc)                                                \
	{                                                                                          \
		if (xp_on) {                                                                       \
			uint64_t old = xp_rmw_begin(a, bits / 8, order, pc);                       \
                                                                                                   \
			if (old == *want) {                                                        \
				xp_rmw_end(a, bits / 8, v, order, pc);                             \
				return 1;                                                          \
			}                                                                          \
			xp_rmw_none(a, bits / 8, fail_order, pc);                                  \
			*want = (uint##bits##_t)old;                                               \
			return 0;                                                                  \
		}                                                                                  \
		access_point();                                                                    \
		if (*a == *want) {                                                                 \
			*a = v;                                                                    \
			return 1;                                                                  \
		}                                                                                  \
		*want = *a;                                                                        \
		return 0;                                                                          \
	}                                                                                          \
	int __tsan_atomic##bits##_##op(uint##bits##_t *a, uint##bits##_t *want, uint##bits##_t v,  \
	    int order, int fail_order);                                                            \
	int __tsan_atomic##bits##_##op(uint##bits##_t *a, uint##bits##_t *want, uint##bits##_t v,  \
	    int order, int fail_order)                                                             \
	{                                                                                          \
		if (!passes_sc())                                                                  \
			return op##bits##_slow(a, want, v, order, fail_order, CALLER);             \
		if (*a != *want) {                                                                 \
			xp_load_quick(a, bits / 8, fail_order, CALLER);                            \
			*want = *a;                                                                \
			return 0;                                                                  \
		}                                                                                  \
		xp_rmw_quick(a, bits / 8, order, CALLER);                                          \
		*a = v;                                                                            \
		return 1;                                                                          \
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
	SLOW uint##bits##_t load##bits##_slow(const uint##bits##_t *a, int order, uint32_t pc)     \
	{                                                                                          \
		if (xp_on)                                                                         \
			return (uint##bits##_t)xp_load((void *)(uintptr_t)a, bits / 8, order, pc); \
		access_point();                                                                    \
		return *a;                                                                         \
	}                                                                                          \
	uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *a, int order);             \
	uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *a, int order)              \
	{                                                                                          \
		if (!passes_sc())                                                                  \
			return load##bits##_slow(a, order, CALLER);                                \
		xp_load_quick(a, bits / 8, order, CALLER);                                         \
		return *a;                                                                         \
	}                                                                                          \
	SLOW void store##bits##_slow(uint##bits##_t *a, uint##bits##_t v, int order, uint32_t pc)  \
	{                                                                                          \
		if (xp_on) {                                                                       \
			xp_store(a, bits / 8, v, order, pc);                                       \
			return;                                                                    \
		}                                                                                  \
		access_point();                                                                    \
		*a = v;                                                                            \
	}                                                                                          \
	void __tsan_atomic##bits##_store(uint##bits##_t *a, uint##bits##_t v, int order);          \
	void __tsan_atomic##bits##_store(uint##bits##_t *a, uint##bits##_t v, int order)           \
	{                                                                                          \
		if (!passes_sc()) {                                                                \
			store##bits##_slow(a, v, order, CALLER);                                   \
			return;                                                                    \
		}                                                                                  \
		xp_store_quick(a, bits / 8, order, CALLER);                                        \
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
