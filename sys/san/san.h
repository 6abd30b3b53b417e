/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * san.h - the sanitizers: what the rest of the system asks of them and tells them.
 *
 * ITHACA_UBSAN and ITHACA_KASAN are 1 in a build with that sanitizer, else 0. Nothing here may be
 * called but under one of them: the functions exist in such a build only.
 *
 *	if (ITHACA_KASAN)
 *		kasan_unpoison(p, size);
 *
 * A range that is poisoned must be unpoisoned again by its owner before anybody uses it. Ranges
 * that the shadow does not cover (devices, firmware's tables, what was before kasan_init()) are
 * ignored by every function. Read kasan.c.
 */
#ifndef SAN_SAN_H
#define SAN_SAN_H

#include <ithaca/machine.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a poisoned byte belongs to: the value in the shadow. Compilers use 0xf1 to 0xf8. */
enum kasan_kind {
	KASAN_HEAP_REDZONE = 0xfa, /* behind an object */
	KASAN_HEAP_UNUSED = 0xfb,  /* of a slab, never handed out */
	KASAN_STACK_FREED = 0xfc,  /* the stack of an lwp that is gone */
	KASAN_HEAP_FREED = 0xfd,   /* an object, freed */
	KASAN_PAGE_FREE = 0xff     /* a page that nobody has */
};

/* Objects that kmem.c hands out have this much behind them, of which the end is theirs. */
#define KASAN_REDZONE 16
struct kasan_marks {
	const void *km_alloc; /* who asked for it */
	const void *km_free;  /* who freed it; NULL: nobody yet */
};

/*
 * kasan_init - shadow for these ranges of RAM, out of pages that `page` returns (a zeroed page's
 * physical address, or 0), and checks from now on. An eighth of RAM goes. Once, on the first CPU.
 * Panics if there is no page left.
 */
void kasan_init(const struct mem_range *ram, unsigned nram, uint64_t (*page)(void));

/* kasan_cover - shadow for a range of the machine's mapping area; it stays for good. False: no
 * page. Thread context, up to IPL_VM. */
bool kasan_cover(uintptr_t va, size_t size);

/*
 * kasan_poison - nobody may touch these bytes; p and size are multiples of 8.
 * kasan_unpoison - these may be used; p is a multiple of 8; of the last 8 bytes only those that
 * `size` reaches.
 * kasan_kind_at - the shadow of an address, 0 where there is none. Any context.
 */
void kasan_poison(const void *p, size_t size, enum kasan_kind kind);
void kasan_unpoison(const void *p, size_t size);
unsigned kasan_kind_at(const void *p);

/* kasan_describe_with - `fn` prints, by kprintf() and in any context, what it knows of an address
 * of RAM. Once. */
void kasan_describe_with(void (*fn)(uintptr_t addr));

/* kasan_freed_twice - report it: p is freed by `caller` and was free already. */
void kasan_freed_twice(const void *p, size_t size, const void *caller);

/*
 * kasan_hold - keep a freed object back, so that late uses of it are seen. False: it is too large.
 * kasan_let_go - take the oldest one out again, if there are too many or if `all` is set; false:
 * none. Thread context, up to IPL_VM.
 */
bool kasan_hold(void *p, size_t size);
bool kasan_let_go(bool all, void **p, size_t *size);

/* kasan_publish, ubsan_publish - register debug.kasan, debug.ubsan and their counts. After
 * core_init(); thread context. */
void kasan_publish(void);
void ubsan_publish(void);

static inline void san_publish(void)
{
	if (ITHACA_UBSAN)
		ubsan_publish();
	if (ITHACA_KASAN)
		kasan_publish();
}

#endif
