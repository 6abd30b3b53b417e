/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page.h - physical pages, and the start of the memory system.
 *
 * Blocks of 2^order pages, naturally aligned, orders 0 to PAGE_ORDER_MAX. Physical address 0 is
 * never handed out: it means failure. kmem.h gives out bytes, vmap.h virtual addresses.
 */
#ifndef MEM_PAGE_H
#define MEM_PAGE_H

#include <ithaca/machine.h>
#include <ithaca/queue.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_ORDER_MAX 10 /* 4 MiB */

/* Flags of page_alloc(). */
#define PAGE_ZERO 0x1  /* filled with zeros; else the contents are anything */
#define PAGE_DMA32 0x2 /* wholly below 4 GiB */

/* What a page is. */
enum page_state {
	PAGE_RESERVED, /* carries the page array itself */
	PAGE_TAIL,     /* inside a block that another page heads */
	PAGE_FREE,     /* heads a free block */
	PAGE_USED,     /* heads a block handed out */
	PAGE_SLAB      /* handed out to kmem.c, cut into objects */
};

/* Locking key: (a) set once before it is shared; (p) the page mutex; (k) that of the kmem class. */
struct page {
	struct list pg_link; /* (p) free: its order's list; (k) slab: its class's list */
	uint64_t pg_used[4]; /* (k) slab: a bit an object */
	uint64_t pg_pfn;     /* (a) its number: physical address / PAGE_SIZE */
	uint16_t pg_inuse;   /* (k) slab: bits set in pg_used */
	uint8_t pg_state;    /* (p) enum page_state; (k) slab */
	uint8_t pg_order;    /* (p) of the block that it heads */
	uint8_t pg_class;    /* (k) slab: number of its class */
};

struct page_stats {
	uint64_t ps_total;                      /* pages that can be handed out */
	uint64_t ps_free;                       /* pages free now */
	uint64_t ps_failures;                   /* page_alloc() that found none */
	uint64_t ps_blocks[PAGE_ORDER_MAX + 1]; /* free blocks of each order */
};

/*
 * mem_init - pages, objects, mappings: after it, all of sys/mem works and port_mem_alloc() too.
 * On the first CPU, after core_boot(), before core_init(), interrupts off. Panics if there is no
 * memory.
 * mem_publish - register the sysctls mem.* and debug.alloc_fail. After core_init(); thread context.
 */
void mem_init(const struct boot_info *boot);
void mem_publish(void);

/* mem_dump - what is used of what, a line a class, through `print`. As page_alloc(). */
void mem_dump(void (*print)(const char *fmt, ...));

/* page_init - the allocator over these ranges (page aligned), once. mem_init() calls it. */
void page_init(const struct mem_range *ram, unsigned nram);

/*
 * page_alloc - 2^order pages: the physical address of the first, or 0: none such.
 * page_alloc_below - the same, with every byte below physical address `limit`; for devices that
 * cannot reach further. Thread context, any level up to IPL_VM; never blocks.
 */
uint64_t page_alloc(unsigned order, unsigned flags);
uint64_t page_alloc_below(unsigned order, unsigned flags, uint64_t limit);

/* page_free - give a block back, with the order that it was asked with. As page_alloc(). */
void page_free(uint64_t phys, unsigned order);

/* page_of - the struct of the page at `phys`; NULL if that is no page of ours. Any context. */
struct page *page_of(uint64_t phys);

/* page_phys - the physical address of a page. Any context. */
static inline uint64_t page_phys(const struct page *pg)
{
	return pg->pg_pfn * PAGE_SIZE;
}

/* page_order - the least order whose block holds `size` bytes; may be above PAGE_ORDER_MAX. */
unsigned page_order(size_t size);

/* page_poison_free - with ITHACA_KASAN: mark in the shadow what is free. mem_init() calls it. */
void page_poison_free(void);

/* page_stats_get - the counts at this moment. Contexts as page_alloc(). */
void page_stats_get(struct page_stats *ps);

#endif
