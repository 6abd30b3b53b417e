/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmap.c - virtual addresses out of the machine's mapping area.
 *
 * Purpose: stacks with a guard page, windows onto devices and firmware's tables. The area is cut
 * into ranges; each has a struct vrange, whether it is free or in use, so that giving a range
 * back never needs memory. The first page of every range in use stays unmapped: it is the guard.
 *
 * Contexts: thread, below IPL_VM; before core_init() too. Nothing blocks. Taking a mapping away
 * spins while other CPUs answer (cpu_call), so: interrupts on, no spin mutex held, as soon as
 * there is a second CPU.
 * Locks: vmap_lock covers the ranges and the stack cache; map_lock is held over the machine's
 * page tables, so that the level stays up while those take pages. Either -> page_lock.
 *
 * Invariants:
 * - Ranges lie on all_ranges by address, without gaps, and no two free ones are neighbours.
 * - Pages and addresses go back only after every CPU has forgotten the mapping:
 *
 *	CPU 0					CPU 1
 *	machine_unmap()				may still use its copy of the entry
 *	cpu_call(1, machine_tlb_flush)		forgets it
 *	page_free(), range_free()		cannot see whoever gets them next
 *
 * Calling every CPU for each lwp that ends would be dear, so up to VMAP_STACK_CACHE freed stacks
 * stay mapped for the next lwp, and when there are more, half of them go at the price of one.
 *
 * Not for RAM that is in the direct map already (kmem.c). Read next: mem.c.
 */
#include "vmap.h"
#include "kmem.h"
#include "page.h"

#include <ithaca/cpu.h>
#include <ithaca/mutex.h>
#include <ithaca/print.h>
#include <stdbool.h>

#include "san/san.h"

#define STACK_PAGES (VMAP_STACK_SIZE / PAGE_SIZE)
#define HASH_SIZE 256
#define GUARD_PAGES 1

/* Locking key: (a) set before it is shared; (m) vmap_lock; (o) whoever owns the range. */
struct vrange {
	struct list vr_all;  /* (m) entry of all_ranges */
	struct list vr_link; /* (m) entry of free_ranges or of stack_cache; (o) of a batch */
	struct list vr_hash; /* (m) entry of its hash chain, while in use */
	uintptr_t vr_base;   /* (m) while free; else (a): the guard page */
	size_t vr_pages;     /* (m) while free; else (a): guard included */
	bool vr_free;        /* (m) */
	bool vr_cached;      /* (m) a freed stack that is kept mapped */
	bool vr_stack;       /* (o) */
	uint64_t vr_phys[STACK_PAGES]; /* (o) stack: its pages */
};

static struct mutex vmap_lock, map_lock;
static struct list all_ranges, free_ranges, stack_cache; /* (m) */
static struct list hash[HASH_SIZE];                      /* (m) */
/* The last range of the area. Of two that merge the later survives, so this one always does. */
static struct vrange last_range;
static struct vmap_stats stats; /* (m) */

void vmap_init(uintptr_t base, size_t size)
{
	KASSERT(base % PAGE_SIZE == 0 && size >= PAGE_SIZE, "mapping area %#lx, size %#zx",
	    (unsigned long)base, size);
	mutex_init(&vmap_lock, "vmap", IPL_VM);
	mutex_init(&map_lock, "vmap tables", IPL_VM);
	list_init(&all_ranges);
	list_init(&free_ranges);
	list_init(&stack_cache);
	for (unsigned i = 0; i < HASH_SIZE; i++)
		list_init(&hash[i]);
	list_init(&last_range.vr_hash);
	last_range.vr_base = base;
	last_range.vr_pages = size / PAGE_SIZE;
	last_range.vr_free = true;
	list_append(&all_ranges, &last_range.vr_all);
	list_append(&free_ranges, &last_range.vr_link);
}

/* ---- Ranges ---- */

static struct list *chain_of(uintptr_t base)
{
	return &hash[base / PAGE_SIZE % HASH_SIZE];
}

/* The range in use whose first page behind the guard is `va`; vmap_lock held. */
static struct vrange *range_find(uintptr_t va)
{
	uintptr_t base = va - GUARD_PAGES * PAGE_SIZE;
	struct list *e;

	LIST_EACH(e, chain_of(base)) {
		struct vrange *vr = container_of(e, struct vrange, vr_hash);

		if (vr->vr_base == base)
			return vr;
	}
	return NULL;
}

/* First fit; vmap_lock held. What is freed goes to the front of the list and so is used first. */
static struct vrange *range_fit(size_t pages)
{
	struct list *e;

	LIST_EACH(e, &free_ranges) {
		struct vrange *vr = container_of(e, struct vrange, vr_link);

		if (vr->vr_pages >= pages)
			return vr;
	}
	return NULL;
}

/* Take `pages` from the front of the free range, as `fresh`, or all of it, if it has no more. */
static struct vrange *range_cut(struct vrange *from, size_t pages, struct vrange *fresh)
{
	if (from->vr_pages == pages) {
		list_remove(&from->vr_link);
		fresh = from;
	} else {
		fresh->vr_base = from->vr_base;
		fresh->vr_pages = pages;
		list_init(&fresh->vr_link);
		list_insert_before(&from->vr_all, &fresh->vr_all);
		from->vr_base += pages * PAGE_SIZE;
		from->vr_pages -= pages;
	}
	/* A range that was freed as it is comes with what it was. */
	fresh->vr_free = false;
	fresh->vr_stack = false;
	fresh->vr_cached = false;
	list_prepend(chain_of(fresh->vr_base), &fresh->vr_hash);
	stats.vs_ranges++;
	stats.vs_pages += pages - GUARD_PAGES;
	return fresh;
}

/* A range of `pages` and its guard, nothing mapped. NULL: no memory or no addresses. */
static struct vrange *range_alloc(size_t pages)
{
	struct vrange *fresh = kmem_alloc(sizeof(*fresh));
	struct vrange *vr;

	if (fresh == NULL)
		return NULL;
	mutex_spin_enter(&vmap_lock);
	vr = range_fit(pages + GUARD_PAGES);
	if (vr != NULL)
		vr = range_cut(vr, pages + GUARD_PAGES, fresh);
	mutex_spin_exit(&vmap_lock);
	if (vr != fresh)
		kmem_free(fresh, sizeof(*fresh));
	return vr;
}

/* Merge `vr` into the range behind it, if both are free; returns the one to be freed, or NULL. */
static struct vrange *range_merge(struct vrange *vr)
{
	struct vrange *next;

	if (vr->vr_all.next == &all_ranges)
		return NULL;
	next = container_of(vr->vr_all.next, struct vrange, vr_all);
	if (!vr->vr_free || !next->vr_free)
		return NULL;
	next->vr_base = vr->vr_base;
	next->vr_pages += vr->vr_pages;
	list_remove(&vr->vr_all);
	list_remove(&vr->vr_link);
	return vr;
}

/* Give a range back whose pages are mapped nowhere any more. */
static void range_free(struct vrange *vr)
{
	struct vrange *gone[2] = {NULL, NULL};

	mutex_spin_enter(&vmap_lock);
	stats.vs_ranges--;
	stats.vs_pages -= vr->vr_pages - GUARD_PAGES;
	list_remove(&vr->vr_hash);
	vr->vr_free = true;
	/* The end of the area stays at the end of the list. */
	if (vr == &last_range)
		list_append(&free_ranges, &vr->vr_link);
	else
		list_prepend(&free_ranges, &vr->vr_link);
	if (vr->vr_all.prev != &all_ranges)
		gone[0] = range_merge(container_of(vr->vr_all.prev, struct vrange, vr_all));
	gone[1] = range_merge(vr);
	mutex_spin_exit(&vmap_lock);
	kmem_free(gone[0], sizeof(*gone[0]));
	kmem_free(gone[1], sizeof(*gone[1]));
}

/* ---- Mappings ---- */

static uintptr_t range_va(const struct vrange *vr)
{
	return vr->vr_base + GUARD_PAGES * PAGE_SIZE;
}

static int map_one(uintptr_t va, uint64_t phys, unsigned flags)
{
	int error;

	mutex_spin_enter(&map_lock);
	error = machine_map(va, phys, flags);
	mutex_spin_exit(&map_lock);
	return error;
}

/* Take the first `pages` of a range away, on this CPU; the others follow with forget(). */
static void unmap(const struct vrange *vr, size_t pages)
{
	for (size_t i = 0; i < pages; i++) {
		mutex_spin_enter(&map_lock);
		machine_unmap(range_va(vr) + i * PAGE_SIZE);
		mutex_spin_exit(&map_lock);
	}
}

/* Every CPU forgets what was unmapped. This one too: the lwp may have moved since. */
static void forget(void)
{
	unsigned n = cpu_count();

	mutex_spin_enter(&vmap_lock);
	stats.vs_shootdowns++;
	mutex_spin_exit(&vmap_lock);
	if (n < 2)
		return;
	for (unsigned i = 0; i < n; i++)
		cpu_call(cpu_lookup(i), machine_tlb_flush, NULL);
}

void *vmap_phys(uint64_t phys, size_t size, unsigned flags)
{
	size_t offset = phys % PAGE_SIZE;
	struct vrange *vr;
	size_t pages, done;

	if (size == 0 || phys + size - 1 < phys || size > SIZE_MAX - 2 * PAGE_SIZE)
		return NULL;
	pages = (offset + size + PAGE_SIZE - 1) / PAGE_SIZE;
	vr = range_alloc(pages);
	if (vr == NULL)
		return NULL;
	for (done = 0; done < pages; done++) {
		if (map_one(range_va(vr) + done * PAGE_SIZE, phys - offset + done * PAGE_SIZE,
			flags) != 0)
			break;
	}
	if (done < pages) {
		unmap(vr, done);
		forget();
		range_free(vr);
		return NULL;
	}
	return (void *)(range_va(vr) + offset);
}

void *vmap_device(uint64_t phys, size_t size)
{
	return vmap_phys(phys, size, MAP_WRITE | MAP_DEVICE);
}

void vunmap(volatile void *va)
{
	struct vrange *vr;

	if (va == NULL)
		return;
	mutex_spin_enter(&vmap_lock);
	vr = range_find((uintptr_t)va & ~(uintptr_t)(PAGE_SIZE - 1));
	mutex_spin_exit(&vmap_lock);
	KASSERT(vr != NULL && !vr->vr_stack, "vunmap(%#lx): no window", (unsigned long)va);
	if (vr == NULL)
		return;
	unmap(vr, vr->vr_pages - GUARD_PAGES);
	forget();
	range_free(vr);
}

/* ---- Stacks ---- */

/* Unmap what is left of each stack on the list, and give back pages and addresses. */
static void stacks_release(struct list *batch, size_t pages)
{
	struct list *e;

	LIST_EACH(e, batch)
		unmap(container_of(e, struct vrange, vr_link), pages);
	/* What the shadow says of these addresses is for nobody who maps them next. */
	LIST_EACH(e, batch) {
		if (ITHACA_KASAN)
			kasan_unpoison((void *)range_va(container_of(e, struct vrange, vr_link)),
			    VMAP_STACK_SIZE);
	}
	forget();
	while ((e = list_take(batch)) != NULL) {
		struct vrange *vr = container_of(e, struct vrange, vr_link);

		for (size_t i = 0; i < pages; i++)
			page_free(vr->vr_phys[i], 0);
		range_free(vr);
	}
}

/* Pages for a stack's range; false: none left, and the range is gone too. */
static bool stack_fill(struct vrange *vr)
{
	struct list batch = LIST_INIT(batch);
	size_t done;

	vr->vr_stack = true;
	for (done = 0; done < STACK_PAGES; done++) {
		uint64_t phys = page_alloc(0, 0);

		if (phys == 0)
			break;
		vr->vr_phys[done] = phys;
		if (map_one(range_va(vr) + done * PAGE_SIZE, phys, MAP_WRITE) != 0) {
			page_free(phys, 0);
			break;
		}
	}
	if (done == STACK_PAGES && (!ITHACA_KASAN || kasan_cover(range_va(vr), VMAP_STACK_SIZE)))
		return true;
	list_append(&batch, &vr->vr_link);
	stacks_release(&batch, done);
	return false;
}

void *vmap_stack_alloc(size_t *size)
{
	struct vrange *vr = NULL;
	struct list *e;

	if (kmem_fail_now())
		return NULL;
	mutex_spin_enter(&vmap_lock);
	e = list_take(&stack_cache);
	if (e != NULL) {
		vr = container_of(e, struct vrange, vr_link);
		vr->vr_cached = false;
		stats.vs_stacks_cached--;
		stats.vs_stacks++;
	}
	mutex_spin_exit(&vmap_lock);
	if (vr == NULL) {
		vr = range_alloc(STACK_PAGES);
		if (vr == NULL || !stack_fill(vr)) {
			kmem_failed();
			return NULL;
		}
		mutex_spin_enter(&vmap_lock);
		stats.vs_stacks++;
		mutex_spin_exit(&vmap_lock);
	}
	if (ITHACA_KASAN)
		kasan_unpoison((void *)range_va(vr), VMAP_STACK_SIZE);
	*size = VMAP_STACK_SIZE;
	return (void *)range_va(vr);
}

void vmap_stack_free(void *base, size_t size)
{
	struct list batch = LIST_INIT(batch);
	struct vrange *vr;

	mutex_spin_enter(&vmap_lock);
	vr = range_find((uintptr_t)base);
	KASSERT(vr != NULL && vr->vr_stack && !vr->vr_cached, "stack %p: not one, or freed already",
	    base);
	KASSERT(size == VMAP_STACK_SIZE, "stack %p freed with size %#zx", base, size);
	if (ITHACA_KASAN)
		kasan_poison(base, VMAP_STACK_SIZE, KASAN_STACK_FREED);
	vr->vr_cached = true;
	list_prepend(&stack_cache, &vr->vr_link);
	stats.vs_stacks--;
	stats.vs_stacks_cached++;
	/* Too many: the half that was used longest ago goes. */
	if (stats.vs_stacks_cached > VMAP_STACK_CACHE) {
		while (stats.vs_stacks_cached > VMAP_STACK_CACHE / 2) {
			struct list *e = stack_cache.prev;

			list_remove(e);
			list_append(&batch, e);
			stats.vs_stacks_cached--;
		}
	}
	mutex_spin_exit(&vmap_lock);
	if (!list_empty(&batch))
		stacks_release(&batch, STACK_PAGES);
}

void vmap_stats_get(struct vmap_stats *vs)
{
	mutex_spin_enter(&vmap_lock);
	*vs = stats;
	mutex_spin_exit(&vmap_lock);
}
