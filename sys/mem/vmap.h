/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmap.h - virtual addresses: stacks with a guard page, windows onto devices and tables.
 *
 * Every range has an unmapped page beneath it, so running off either end of one faults.
 * The core's port_stack_alloc() and port_stack_free() are vmap_stack_alloc() and
 * vmap_stack_free().
 */
#ifndef MEM_VMAP_H
#define MEM_VMAP_H

#include <stddef.h>
#include <stdint.h>

#define VMAP_STACK_SIZE ((size_t)16 << (10 + ITHACA_KASAN)) /* checked frames are larger */
#define VMAP_STACK_CACHE 64 /* freed stacks that stay mapped, at most */

struct vmap_stats {
	uint64_t vs_ranges;        /* handed out, stacks included */
	uint64_t vs_pages;         /* their pages, without guards */
	uint64_t vs_stacks;        /* stacks in use */
	uint64_t vs_stacks_cached; /* freed stacks kept mapped */
	uint64_t vs_shootdowns;    /* times that all CPUs were made to forget mappings */
};

/* vmap_init - hand out the `size` bytes from `base` (page aligned), once. mem_init() calls it. */
void vmap_init(uintptr_t base, size_t size);

/*
 * vmap_phys - a window onto `size` bytes at physical address `phys`, neither need be aligned;
 * flags are MAP_* of machine.h. vmap_device is the same, writable and uncached.
 * NULL: no memory for it, size 0, or the range wraps. Thread context below IPL_VM; never blocks.
 */
void *vmap_phys(uint64_t phys, size_t size, unsigned flags);
void *vmap_device(uint64_t phys, size_t size);

/* vunmap - take a window away, by the address that vmap_phys() gave; NULL is ignored. Thread
 * context, interrupts on (once there is a second CPU), no spin mutex held: all CPUs are called. */
void vunmap(volatile void *va);

/* vmap_stack_alloc, vmap_stack_free - as port_stack_alloc() and port_stack_free() in port.h; the
 * second in the context of vunmap(). */
void *vmap_stack_alloc(size_t *size);
void vmap_stack_free(void *base, size_t size);

/* vmap_stats_get - the counts at this moment. Thread context, any level up to IPL_VM. */
void vmap_stats_get(struct vmap_stats *vs);

#endif
