/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmem.h - memory by the byte for the reference system; the core gets the same through
 * port_mem_alloc() and port_mem_free().
 *
 * Rules:
 * - What is freed is freed with the size that it was asked with.
 * - Whoever allocates handles NULL: the sysctl debug.alloc_fail makes any allocation fail.
 * - The address lies in the direct map, so machine_virt_to_phys() of it is good for DMA; up to a
 *   page it does not cross a page's end, and above a page it is contiguous.
 */
#ifndef MEM_KMEM_H
#define MEM_KMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KMEM_SIZE_MAX ((size_t)4 << 20) /* greatest size; more is refused with NULL */

struct kmem_stats {
	uint64_t ks_bytes;    /* handed out, rounded up to what they occupy */
	uint64_t ks_objects;  /* handed out */
	uint64_t ks_failures; /* allocations that returned NULL, those made to fail included */
	uint64_t ks_injected; /* of those, made to fail by kmem_fail_after() */
};

/* kmem_init - once, after page_init(). mem_init() calls it. */
void kmem_init(void);

/*
 * kmem_alloc - zeroed memory, aligned to 64 bytes where size >= 64, else to 16. NULL: none left, or
 * size above KMEM_SIZE_MAX. Size 0 gives a pointer that must be freed like any other.
 * Thread context, any level up to IPL_VM; never blocks.
 */
void *kmem_alloc(size_t size);

/* kmem_free - give it back; p may be NULL. Contexts as kmem_alloc(). In checked builds a wrong
 * size, a second free and a write past the end or after the free are found and panic. */
void kmem_free(void *p, size_t size);

/*
 * kmem_fail_after - the nth allocation from now on fails, once; 0: none. Of kmem_alloc() and
 * port_stack_alloc() together. Any context. kmem_fail_left - how far away that is; 0: not set.
 */
void kmem_fail_after(uint64_t nth);
uint64_t kmem_fail_left(void);

/* kmem_fail_now - ask whether this allocation is the one that shall fail; counts it. For
 * allocators only. kmem_failed - count an allocation that failed for want of memory. */
bool kmem_fail_now(void);
void kmem_failed(void);

/* kmem_drain - with ITHACA_KASAN: free for good all that is kept back to find late uses. */
void kmem_drain(void);

/* kmem_stats_get - the sums at this moment. kmem_dump - a line a class. As kmem_alloc(). */
void kmem_stats_get(struct kmem_stats *ks);
void kmem_dump(void (*print)(const char *fmt, ...));

#endif
