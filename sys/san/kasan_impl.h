/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kasan_impl.h - between kasan.c, which finds a bad access, and kasan_report.c, which tells of it.
 */
#ifndef SAN_KASAN_IMPL_H
#define SAN_KASAN_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KASAN_GRAIN 8 /* bytes that one byte of the shadow stands for */

/* A bad access: `size` bytes from `addr`, of which `bad` is the first that may not be touched. */
struct kasan_access {
	uintptr_t addr;
	size_t size;
	uintptr_t bad;
	const void *from; /* return address in whoever did it */
	bool write;
};

/* A variable of static storage, as the compilers describe it. */
struct kasan_global {
	uintptr_t at;
	size_t size;
	size_t room; /* with the red zone behind it */
	const char *name;
	const char *file;
	uintptr_t unused[3];
};

/* kasan_global_at - the one in whose room the address lies; NULL: none. Any context. */
const struct kasan_global *kasan_global_at(uintptr_t addr);

/* kasan_shadow - where the shadow of an address is. Any context. */
static inline uint8_t *kasan_shadow(uintptr_t addr)
{
	return (uint8_t *)((addr >> 3) + ITHACA_SHADOW_OFFSET);
}

/* kasan_covered - there is shadow for it. Any context. */
bool kasan_covered(uintptr_t addr);

/* kasan_report - tell of an access, as debug.kasan says. Any context; may not return. */
void kasan_report(const struct kasan_access *ka);

#endif
