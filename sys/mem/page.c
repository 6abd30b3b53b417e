/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page.c - physical pages: a buddy allocator over the ranges that the boot loader left.
 *
 * Purpose: blocks of 1 to 1024 pages, naturally aligned, found and merged in a bounded number of
 * steps (the orders). Each range becomes a segment, which carries the array of its own struct
 * pages in its first pages; blocks never merge across segments. Segments are cut at the limits
 * that devices have (256 MiB and 4 GiB), so "below that address" is a choice of segments. The
 * highest segment that will do is used first, to keep the low ones for those who need them.
 *
 * Contexts: thread, up to IPL_VM; before core_init() too. Nothing here blocks.
 * Locks: page_lock, a spin mutex, the last of sys/mem: kmem class or vmap -> page.
 *
 * Invariants:
 * - A block is free if and only if its first page is PAGE_FREE and on its order's list; all the
 *   others of it are PAGE_TAIL. So a second free, or one with a wrong order, is seen at once.
 * - Of two buddies, not both are free: whoever frees the second one merges them.
 *
 * In checked builds a freed page is filled with PAGE_POISON, so that a late reader notices.
 *
 * Not for single objects (kmem.c), and not for virtual addresses (vmap.c). Read next: kmem.c.
 */
#include "page.h"

#include <ithaca/mutex.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <stdbool.h>

#include "san/san.h"

#define PAGE_SHIFT 12
#define PAGE_POISON 0xd7
#define DMA32_LIMIT ((uint64_t)1 << 32)

_Static_assert(PAGE_SIZE == 1u << PAGE_SHIFT, "two names for one thing");

/* Where ranges are cut. Each cut can make one segment more. */
static const uint64_t seg_cuts[] = {(uint64_t)256 << 20, DMA32_LIMIT};
#define NCUTS (sizeof(seg_cuts) / sizeof(seg_cuts[0]))
#define SEGS_MAX (BOOT_RANGES_MAX + (unsigned)NCUTS)

/* Locking key: (a) set once before it is shared; (p) page_lock. */
struct seg {
	uint64_t sg_first;                       /* (a) page number of its first page */
	uint64_t sg_count;                       /* (a) its pages, those of the array included */
	struct page *sg_pages;                   /* (a) one a page; entries are (p) */
	struct list sg_free[PAGE_ORDER_MAX + 1]; /* (p) */
};

static struct seg segs[SEGS_MAX]; /* (a) by address, upwards */
static unsigned nsegs;            /* (a) */
static struct mutex page_lock;
static struct page_stats stats; /* (p) */

static struct seg *seg_of(uint64_t pfn)
{
	for (unsigned i = 0; i < nsegs; i++) {
		if (pfn - segs[i].sg_first < segs[i].sg_count)
			return &segs[i];
	}
	return NULL;
}

static struct page *seg_page(struct seg *sg, uint64_t pfn)
{
	return &sg->sg_pages[pfn - sg->sg_first];
}

struct page *page_of(uint64_t phys)
{
	struct seg *sg = seg_of(phys >> PAGE_SHIFT);

	return sg != NULL ? seg_page(sg, phys >> PAGE_SHIFT) : NULL;
}

unsigned page_order(size_t size)
{
	unsigned order = 0;

	while (order < 8 * sizeof(size_t) - PAGE_SHIFT - 1 && ((size_t)PAGE_SIZE << order) < size)
		order++;
	return order;
}

/* Put a block on its list; page_lock held, or nobody else here yet. */
static void put_block(struct seg *sg, uint64_t pfn, unsigned order)
{
	struct page *pg = seg_page(sg, pfn);

	pg->pg_state = PAGE_FREE;
	pg->pg_order = (uint8_t)order;
	list_prepend(&sg->sg_free[order], &pg->pg_link);
	stats.ps_blocks[order]++;
	stats.ps_free += (uint64_t)1 << order;
}

static void take_block(struct page *pg)
{
	list_remove(&pg->pg_link);
	pg->pg_state = PAGE_TAIL;
	stats.ps_blocks[pg->pg_order]--;
	stats.ps_free -= (uint64_t)1 << pg->pg_order;
}

/* Free what is left of a segment behind its own array, in the greatest blocks that fit. */
static void seg_fill(struct seg *sg, uint64_t pfn)
{
	uint64_t end = sg->sg_first + sg->sg_count;

	while (pfn < end) {
		unsigned order = PAGE_ORDER_MAX;

		while (
		    (pfn & (((uint64_t)1 << order) - 1)) != 0 || pfn + ((uint64_t)1 << order) > end)
			order--;
		put_block(sg, pfn, order);
		pfn += (uint64_t)1 << order;
	}
}

static void seg_add(uint64_t first, uint64_t count)
{
	uint64_t meta = (count * sizeof(struct page) + PAGE_SIZE - 1) >> PAGE_SHIFT;
	struct seg *sg = &segs[nsegs];

	/* A page that could carry nothing but its own description. */
	if (count <= meta)
		return;
	if (nsegs == SEGS_MAX) {
		kprintf("memory: more than %u segments: %llu pages at %#llx left unused\n",
		    SEGS_MAX, (unsigned long long)count, (unsigned long long)(first << PAGE_SHIFT));
		return;
	}
	sg->sg_first = first;
	sg->sg_count = count;
	sg->sg_pages = machine_phys_to_virt(first << PAGE_SHIFT);
	memset(sg->sg_pages, 0, count * sizeof(struct page));
	for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++)
		list_init(&sg->sg_free[order]);
	for (uint64_t i = 0; i < count; i++) {
		list_init(&sg->sg_pages[i].pg_link);
		sg->sg_pages[i].pg_pfn = first + i;
		sg->sg_pages[i].pg_state = i < meta ? PAGE_RESERVED : PAGE_TAIL;
	}
	nsegs++;
	stats.ps_total += count - meta;
	seg_fill(sg, first + meta);
}

/* A range, cut where seg_cuts says, without the page at 0. */
static void range_add(uint64_t first, uint64_t end)
{
	if (first == 0)
		first = 1;
	for (unsigned i = 0; i < NCUTS && first < end; i++) {
		uint64_t cut = seg_cuts[i] >> PAGE_SHIFT;

		if (first < cut && cut < end) {
			seg_add(first, cut - first);
			first = cut;
		}
	}
	if (first < end)
		seg_add(first, end - first);
}

/* Give every range to range_add(), lowest first, whatever order the loader listed them in. */
void page_init(const struct mem_range *ram, unsigned nram)
{
	uint64_t done = 0; /* everything below is taken */

	mutex_init(&page_lock, "pages", IPL_VM);
	for (;;) {
		const struct mem_range *next = NULL;
		uint64_t first, end;

		for (unsigned i = 0; i < nram; i++) {
			if (ram[i].size > 0 && ram[i].base + ram[i].size > done &&
			    (next == NULL || ram[i].base < next->base))
				next = &ram[i];
		}
		if (next == NULL)
			break;
		first = next->base > done ? next->base : done;
		end = next->base + next->size;
		range_add((first + PAGE_SIZE - 1) >> PAGE_SHIFT, end >> PAGE_SHIFT);
		done = end;
	}
	if (stats.ps_total == 0)
		panic("memory: the boot loader named no usable RAM");
}

/* A free block of that order or above, wholly below page number `limit`; NULL: none. */
static struct page *seg_find(struct seg *sg, unsigned order, uint64_t limit)
{
	bool all = sg->sg_first + sg->sg_count <= limit;
	struct list *e;

	for (; order <= PAGE_ORDER_MAX; order++) {
		LIST_EACH(e, &sg->sg_free[order]) {
			struct page *pg = container_of(e, struct page, pg_link);

			if (all || pg->pg_pfn + ((uint64_t)1 << order) <= limit)
				return pg;
		}
	}
	return NULL;
}

/* Take `pg` off its list, give back what is above `order`; returns its page number. */
static uint64_t seg_take(struct seg *sg, struct page *pg, unsigned order)
{
	uint64_t pfn = pg->pg_pfn;
	unsigned have = pg->pg_order;

	take_block(pg);
	while (have > order) {
		have--;
		put_block(sg, pfn + ((uint64_t)1 << have), have);
	}
	pg->pg_state = PAGE_USED;
	pg->pg_order = (uint8_t)order;
	return pfn;
}

uint64_t page_alloc_below(unsigned order, unsigned flags, uint64_t limit)
{
	uint64_t phys = 0;

	if ((flags & PAGE_DMA32) != 0 && limit > DMA32_LIMIT)
		limit = DMA32_LIMIT;
	mutex_spin_enter(&page_lock);
	for (unsigned i = nsegs; i-- > 0 && order <= PAGE_ORDER_MAX;) {
		struct seg *sg = &segs[i];
		struct page *pg;

		if (sg->sg_first >= limit >> PAGE_SHIFT)
			continue;
		pg = seg_find(sg, order, limit >> PAGE_SHIFT);
		if (pg != NULL) {
			phys = seg_take(sg, pg, order) << PAGE_SHIFT;
			break;
		}
	}
	if (phys == 0)
		stats.ps_failures++;
	mutex_spin_exit(&page_lock);
	if (ITHACA_KASAN && phys != 0)
		kasan_unpoison(machine_phys_to_virt(phys), (size_t)PAGE_SIZE << order);
	if (phys != 0 && (flags & PAGE_ZERO) != 0)
		memset(machine_phys_to_virt(phys), 0, (size_t)PAGE_SIZE << order);
	return phys;
}

uint64_t page_alloc(unsigned order, unsigned flags)
{
	return page_alloc_below(order, flags, UINT64_MAX);
}

/* Merge with the buddy while that is free and whole; page_lock held. */
static void free_merged(struct seg *sg, uint64_t pfn, unsigned order)
{
	for (; order < PAGE_ORDER_MAX; order++) {
		uint64_t buddy = pfn ^ ((uint64_t)1 << order);
		struct page *pg;

		if (buddy - sg->sg_first >= sg->sg_count)
			break;
		pg = seg_page(sg, buddy);
		if (pg->pg_state != PAGE_FREE || pg->pg_order != order)
			break;
		take_block(pg);
		pfn &= ~((uint64_t)1 << order);
	}
	put_block(sg, pfn, order);
}

void page_free(uint64_t phys, unsigned order)
{
	uint64_t pfn = phys >> PAGE_SHIFT;
	struct seg *sg = seg_of(pfn);
	struct page *pg;

	KASSERT(sg != NULL, "page_free(%#llx): no page of ours", (unsigned long long)phys);
	KASSERT((phys & (((uint64_t)PAGE_SIZE << order) - 1)) == 0,
	    "page_free(%#llx, %u): alignment", (unsigned long long)phys, order);
	pg = seg_page(sg, pfn);
	KASSERT(pg->pg_state == PAGE_USED,
	    "page_free(%#llx): not handed out (state %u): freed twice?", (unsigned long long)phys,
	    pg->pg_state);
	KASSERT(pg->pg_order == order, "page_free(%#llx, %u): it was asked with order %u",
	    (unsigned long long)phys, order, pg->pg_order);
	if (ITHACA_KASAN)
		kasan_unpoison(machine_phys_to_virt(phys), (size_t)PAGE_SIZE << order);
	if (ITHACA_CHECKED)
		memset(machine_phys_to_virt(phys), PAGE_POISON, (size_t)PAGE_SIZE << order);
	if (ITHACA_KASAN)
		kasan_poison(machine_phys_to_virt(phys), (size_t)PAGE_SIZE << order,
		    KASAN_PAGE_FREE);
	mutex_spin_enter(&page_lock);
	pg->pg_state = PAGE_TAIL;
	free_merged(sg, pfn, order);
	mutex_spin_exit(&page_lock);
}

void page_poison_free(void)
{
	struct list *e;

	for (unsigned n = 0; ITHACA_KASAN && n < nsegs * (PAGE_ORDER_MAX + 1); n++) {
		unsigned order = n % (PAGE_ORDER_MAX + 1);

		LIST_EACH(e, &segs[n / (PAGE_ORDER_MAX + 1)].sg_free[order])
			kasan_poison(machine_phys_to_virt(
					 page_phys(container_of(e, struct page, pg_link))),
			    (size_t)PAGE_SIZE << order, KASAN_PAGE_FREE);
	}
}

void page_stats_get(struct page_stats *ps)
{
	mutex_spin_enter(&page_lock);
	*ps = stats;
	mutex_spin_exit(&page_lock);
}
