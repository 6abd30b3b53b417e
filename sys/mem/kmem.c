/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmem.c - memory by the byte.
 *
 * Purpose: zeroed memory for the core (port_mem_alloc) and the system, quickly, without headers
 * in or around the objects. Sizes up to 2048 come from classes: a page cut into equal objects, a
 * slab, with a bit an object in its struct page. Greater ones are blocks of pages.
 * Since the bits lie outside the objects, a write past an object cannot break the allocator, a
 * second free is seen exactly, and every byte of a free object can carry poison.
 *
 * Contexts: thread, up to IPL_VM; before core_init() too. Nothing blocks: the locks are spin
 * mutexes, and memory is cleared and poisoned outside of them.
 * Locks: a class's kc_lock -> page_lock (page.c).
 *
 * Invariants:
 * - A slab is on its class's list if and only if it has a free object; kc_empty counts those that
 *   have nothing else, and is 0 or 1 between calls: the second goes back to the pages.
 * - Checked builds: a free object is POISON in every byte, and what lies between the size that was
 *   asked and the end of the object is SLACK until it is freed. Either is verified on the way
 *   back, so a late or an overlong write is found at the latest then, with its address.
 *
 * - With ITHACA_KASAN the shadow says the same of every byte, so that the access itself is found:
 *   each object has a red zone of KASAN_REDZONE bytes behind it, which ends in who asked for it and
 *   who freed it; and freed objects are kept back for a while (sys/san/quarantine.c).
 *
 * A free has two halves: retire() checks and poisons, release() makes the memory anybody's.
 *
 * Not for: stacks and windows (vmap.c), whole pages that nobody needs zeroed (page.c).
 * Read next: page.c beneath, mem.c for the doors to the core.
 */
#include "kmem.h"
#include "page.h"

#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <stdatomic.h>

#include "san/san.h"

#define REDZONE (ITHACA_KASAN ? (size_t)KASAN_REDZONE : 0)
#define CALLER __builtin_return_address(0)
#define POISON 0xdb
#define SLACK 0xa7
#define SLAB_OBJECTS_MAX 256 /* bits of pg_used */

/* Locking key: (a) set once before it is shared; (k) kc_lock; (~) atomic. */
struct kmem_class {
	struct mutex kc_lock;
	uint16_t kc_size;     /* (a) */
	uint16_t kc_per_slab; /* (a) */
	uint16_t kc_empty;    /* (k) slabs without an object in use */
	struct list kc_slabs; /* (k) struct page, those with a free object */
	uint64_t kc_nslabs;   /* (k) */
	uint64_t kc_inuse;    /* (k) objects */
	uint64_t kc_allocs;   /* (k) ever */
};

/* From 64 up multiples of 64, which is what makes every object aligned as port.h promises. */
static const uint16_t class_sizes[] = {16, 32, 48, 64, 128, 192, 256, 320, 448, 512, 640, 768, 1024,
    1344, 2048};
#define NCLASSES (sizeof(class_sizes) / sizeof(class_sizes[0]))
#define CLASS_MAX 2048

static struct kmem_class classes[NCLASSES];
static uint8_t class_by_size[CLASS_MAX / 16 + 1]; /* (a) by size / 16, rounded up */

/* (~) counters, relaxed: they stand alone. */
static _Atomic uint64_t large_objects, large_bytes;
static _Atomic uint64_t failures, injected;
static _Atomic uint64_t fail_after;

static void describe(uintptr_t addr);

void kmem_init(void)
{
	unsigned c = 0;

	if (ITHACA_KASAN)
		kasan_describe_with(describe);
	for (unsigned i = 0; i < NCLASSES; i++) {
		struct kmem_class *kc = &classes[i];

		mutex_init(&kc->kc_lock, "kmem", IPL_VM);
		list_init(&kc->kc_slabs);
		kc->kc_size = class_sizes[i];
		kc->kc_per_slab = (uint16_t)(PAGE_SIZE / class_sizes[i]);
		KASSERT(kc->kc_per_slab <= SLAB_OBJECTS_MAX, "class %u", class_sizes[i]);
	}
	for (unsigned i = 0; i <= CLASS_MAX / 16; i++) {
		if (i * 16 > class_sizes[c])
			c++;
		class_by_size[i] = (uint8_t)c;
	}
}

/* ---- failing on purpose ---- */

void kmem_fail_after(uint64_t nth)
{
	atomic_store_explicit(&fail_after, nth, memory_order_relaxed);
}

uint64_t kmem_fail_left(void)
{
	return atomic_load_explicit(&fail_after, memory_order_relaxed);
}

void kmem_failed(void)
{
	atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
}

bool kmem_fail_now(void)
{
	uint64_t left = atomic_load_explicit(&fail_after, memory_order_relaxed);

	/* Relaxed throughout: the count orders nothing. */
	while (left != 0) {
		if (!atomic_compare_exchange_weak_explicit(&fail_after, &left, left - 1,
			memory_order_relaxed, memory_order_relaxed))
			continue;
		if (left > 1)
			return false;
		atomic_fetch_add_explicit(&injected, 1, memory_order_relaxed);
		kmem_failed();
		return true;
	}
	return false;
}

/* ---- checks, in checked builds ---- */

static void check_fill(const void *obj, const unsigned char *from, const unsigned char *end,
    unsigned char with, const char *what)
{
	const unsigned char *first = obj;

	for (const unsigned char *p = from; ITHACA_CHECKED && p < end; p++)
		KASSERT(*p == with, "kmem: object %p: %s (byte %td is %#x)", obj, what, p - first,
		    *p);
}

/* Who asked for an object and who freed it, at the end of its red zone; `room` as dress(). */
static struct kasan_marks *marks_of(void *obj, size_t room)
{
	return (struct kasan_marks *)(void *)((unsigned char *)obj + room);
}

/* Zero `size` bytes of an object that occupies `room` (without the marks), and mark the rest. */
static void *dress(void *obj, size_t size, size_t room, const void *caller)
{
	memset(obj, 0, size);
	if (ITHACA_CHECKED)
		memset((unsigned char *)obj + size, SLACK, room - size);
	if (ITHACA_KASAN) {
		*marks_of(obj, room) = (struct kasan_marks){.km_alloc = caller};
		kasan_poison(obj, room + REDZONE, KASAN_HEAP_REDZONE);
		kasan_unpoison(obj, size);
	}
	return obj;
}

/* The opposite: nobody may use the object any more. */
static void strip(void *obj, size_t room, const void *caller)
{
	if (ITHACA_CHECKED)
		memset(obj, POISON, room);
	if (ITHACA_KASAN) {
		marks_of(obj, room)->km_free = caller;
		kasan_poison(obj, room + REDZONE, KASAN_HEAP_FREED);
	}
}

/* Verify the rest behind `size`. */
static void check_slack(const void *obj, size_t size, size_t room)
{
	const unsigned char *p = obj;

	check_fill(obj, p + size, p + room, SLACK,
	    "written past its end, or freed with another size");
}

/* ---- slabs ---- */

/* One more slab for the class; kc_lock held. */
static struct page *slab_new(struct kmem_class *kc)
{
	uint64_t phys = page_alloc(0, 0);
	struct page *pg;

	if (phys == 0)
		return NULL;
	pg = page_of(phys);
	pg->pg_state = PAGE_SLAB;
	pg->pg_class = (uint8_t)(kc - classes);
	pg->pg_inuse = 0;
	memset(pg->pg_used, 0, sizeof(pg->pg_used));
	if (ITHACA_CHECKED)
		memset(machine_phys_to_virt(phys), POISON, PAGE_SIZE);
	if (ITHACA_KASAN)
		kasan_poison(machine_phys_to_virt(phys), PAGE_SIZE, KASAN_HEAP_UNUSED);
	list_append(&kc->kc_slabs, &pg->pg_link);
	kc->kc_nslabs++;
	kc->kc_empty++;
	return pg;
}

/* The lowest free object of a slab that has one. */
static unsigned slab_take(struct page *pg)
{
	unsigned word = 0;
	unsigned bit;

	while (pg->pg_used[word] == UINT64_MAX)
		word++;
	bit = (unsigned)__builtin_ctzll(~pg->pg_used[word]);
	pg->pg_used[word] |= (uint64_t)1 << bit;
	pg->pg_inuse++;
	return word * 64 + bit;
}

static void *class_alloc(struct kmem_class *kc)
{
	unsigned char *obj = NULL;
	struct page *pg;

	mutex_spin_enter(&kc->kc_lock);
	pg = list_empty(&kc->kc_slabs) ? slab_new(kc)
				       : container_of(kc->kc_slabs.next, struct page, pg_link);
	if (pg != NULL) {
		if (pg->pg_inuse == 0)
			kc->kc_empty--;
		obj = machine_phys_to_virt(page_phys(pg));
		obj += slab_take(pg) * (size_t)kc->kc_size;
		if (pg->pg_inuse == kc->kc_per_slab)
			list_remove(&pg->pg_link);
		kc->kc_inuse++;
		kc->kc_allocs++;
	}
	mutex_spin_exit(&kc->kc_lock);
	if (ITHACA_KASAN && obj != NULL)
		kasan_unpoison(obj, kc->kc_size);
	if (obj != NULL)
		check_fill(obj, obj, obj + kc->kc_size - REDZONE, POISON,
		    "written after it was freed");
	return obj;
}

/* Clear the object's bit; returns the slab if it is to go back to the pages. kc_lock held. */
static struct page *slab_put(struct kmem_class *kc, struct page *pg, unsigned index)
{
	if (pg->pg_inuse == kc->kc_per_slab)
		list_prepend(&kc->kc_slabs, &pg->pg_link);
	pg->pg_used[index / 64] &= ~((uint64_t)1 << index % 64);
	pg->pg_inuse--;
	kc->kc_inuse--;
	if (pg->pg_inuse > 0)
		return NULL;
	list_remove(&pg->pg_link);
	if (kc->kc_empty == 0) {
		kc->kc_empty = 1;
		/* Last, so that slabs in use fill up first. */
		list_append(&kc->kc_slabs, &pg->pg_link);
		return NULL;
	}
	kc->kc_nslabs--;
	pg->pg_state = PAGE_USED;
	return pg;
}

/* The object's number in its slab; asserts that it is an object in use. */
static unsigned class_index(struct kmem_class *kc, const void *obj, size_t size)
{
	struct page *pg = page_of(machine_virt_to_phys(obj));
	unsigned offset = (unsigned)((uintptr_t)obj & (PAGE_SIZE - 1));
	unsigned index = offset / kc->kc_size;

	KASSERT(pg != NULL && pg->pg_state == PAGE_SLAB && pg->pg_class == kc - classes,
	    "kmem_free(%p, %zu): no object of that size", obj, size);
	KASSERT(offset % kc->kc_size == 0, "kmem_free(%p, %zu): not where an object begins", obj,
	    size);
	KASSERT((pg->pg_used[index / 64] >> index % 64 & 1) != 0,
	    "kmem_free(%p, %zu): freed already", obj, size);
	return index;
}

static void class_retire(struct kmem_class *kc, void *obj, size_t size, const void *caller)
{
	if (ITHACA_CHECKED)
		(void)class_index(kc, obj, size);
	if (ITHACA_KASAN)
		kasan_unpoison(obj, kc->kc_size);
	check_slack(obj, size, kc->kc_size - REDZONE);
	strip(obj, kc->kc_size - REDZONE, caller);
}

static void class_release(struct kmem_class *kc, void *obj, size_t size)
{
	struct page *pg = page_of(machine_virt_to_phys(obj));
	unsigned index = class_index(kc, obj, size);
	struct page *empty;

	mutex_spin_enter(&kc->kc_lock);
	empty = slab_put(kc, pg, index);
	mutex_spin_exit(&kc->kc_lock);
	if (empty != NULL)
		page_free(page_phys(empty), 0);
}

/* ---- blocks of pages ---- */

static void *large_alloc(unsigned order)
{
	uint64_t phys = page_alloc(order, 0);

	if (phys == 0)
		return NULL;
	atomic_fetch_add_explicit(&large_objects, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&large_bytes, (uint64_t)PAGE_SIZE << order, memory_order_relaxed);
	return machine_phys_to_virt(phys);
}

static void large_retire(void *p, size_t size, unsigned order, const void *caller)
{
	uint64_t phys = machine_virt_to_phys(p);
	struct page *pg = page_of(phys);
	size_t room = ((size_t)PAGE_SIZE << order) - REDZONE;

	KASSERT(phys % PAGE_SIZE == 0 && pg != NULL && order <= PAGE_ORDER_MAX,
	    "kmem_free(%p, %zu): no such object", p, size);
	/* What is wrong with its state, page_free() tells better. */
	if (pg->pg_state != PAGE_USED || pg->pg_order != order)
		return;
	if (ITHACA_KASAN)
		kasan_unpoison(p, room + REDZONE);
	check_slack(p, size, room);
	if (ITHACA_KASAN)
		strip(p, room, caller);
}

static void large_release(const void *p, unsigned order)
{
	page_free(machine_virt_to_phys(p), order);
	atomic_fetch_sub_explicit(&large_objects, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&large_bytes, (uint64_t)PAGE_SIZE << order, memory_order_relaxed);
}

static unsigned large_order(size_t size)
{
	return page_order(size + REDZONE);
}

/* ---- the door ---- */

/* An object that may be used by nobody yet, and of how many bytes it is, *room. */
static void *object_take(size_t size, size_t *room)
{
	if (size + REDZONE <= CLASS_MAX) {
		struct kmem_class *kc = &classes[class_by_size[(size + REDZONE + 15) / 16]];

		*room = kc->kc_size - REDZONE;
		return class_alloc(kc);
	}
	*room = ((size_t)PAGE_SIZE << large_order(size)) - REDZONE;
	return large_alloc(large_order(size));
}

void *kmem_alloc(size_t size)
{
	const void *caller = CALLER;
	void *p = NULL;
	size_t room;

	if (kmem_fail_now())
		return NULL;
	if (size <= KMEM_SIZE_MAX - REDZONE) {
		p = object_take(size, &room);
		if (ITHACA_KASAN && p == NULL) {
			kmem_drain();
			p = object_take(size, &room);
		}
	}
	if (p == NULL) {
		kmem_failed();
		return NULL;
	}
	return dress(p, size, room, caller);
}

static void release(void *p, size_t size)
{
	if (size + REDZONE <= CLASS_MAX)
		class_release(&classes[class_by_size[(size + REDZONE + 15) / 16]], p, size);
	else
		large_release(p, large_order(size));
}

/* Free for good what was kept back: all, or what is too much. */
static void let_go(bool all)
{
	size_t size;
	void *p;

	while (kasan_let_go(all, &p, &size))
		release(p, size);
}

void kmem_drain(void)
{
	if (ITHACA_KASAN)
		let_go(true);
}

void kmem_free(void *p, size_t size)
{
	const void *caller = CALLER;

	if (p == NULL)
		return;
	if (ITHACA_KASAN && kasan_kind_at(p) == KASAN_HEAP_FREED) {
		kasan_freed_twice(p, size, caller);
		return;
	}
	if (size + REDZONE <= CLASS_MAX)
		class_retire(&classes[class_by_size[(size + REDZONE + 15) / 16]], p, size, caller);
	else
		large_retire(p, size, large_order(size), caller);
	if (ITHACA_KASAN && kasan_hold(p, size))
		let_go(false);
	else
		release(p, size);
}

/* ---- for the sanitizer's reports ---- */

/* It reads what it has poisoned itself, so it goes unchecked. */
static void describe_object(const char *what, unsigned char *obj, size_t room, uintptr_t addr)
    __attribute__((no_sanitize_address));
static void describe_object(const char *what, unsigned char *obj, size_t room, uintptr_t addr)
{
	const struct kasan_marks *km = marks_of(obj, room - REDZONE);
	unsigned kind = kasan_kind_at(obj);
	char where[64];

	kprintf("  byte %llu of the object %p, %s of %zu bytes, %s\n",
	    (unsigned long long)(addr - (uintptr_t)obj), (void *)obj, what, room,
	    kind == KASAN_HEAP_FREED        ? "freed"
		: kind == KASAN_HEAP_UNUSED ? "never handed out"
					    : "in use");
	if (kind == KASAN_HEAP_UNUSED)
		return;
	port_symbol(km->km_alloc, where, sizeof(where));
	kprintf("  asked for in %s\n", where);
	if (kind != KASAN_HEAP_FREED)
		return;
	port_symbol(km->km_free, where, sizeof(where));
	kprintf("  freed in %s\n", where);
}

/* Which object is that? Takes no lock: what changes meanwhile is told wrong, at worst. */
static void describe(uintptr_t addr)
{
	uint64_t phys = machine_virt_to_phys((const void *)addr);
	struct page *pg = page_of(phys);

	if (pg == NULL || addr != (uintptr_t)machine_phys_to_virt(phys))
		return;
	if (pg->pg_state == PAGE_SLAB) {
		unsigned size = classes[pg->pg_class].kc_size;
		unsigned index = (unsigned)(phys % PAGE_SIZE / size);
		unsigned char *slab = machine_phys_to_virt(page_phys(pg));

		if (index < classes[pg->pg_class].kc_per_slab)
			describe_object("class", slab + (size_t)index * size, size, addr);
		return;
	}
	for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
		uint64_t size = (uint64_t)PAGE_SIZE << order;

		pg = page_of(phys & ~(size - 1));
		if (pg == NULL || pg->pg_order < order)
			continue;
		if (pg->pg_state == PAGE_USED)
			describe_object("pages", machine_phys_to_virt(page_phys(pg)),
			    (size_t)PAGE_SIZE << pg->pg_order, addr);
		if (pg->pg_state == PAGE_USED || pg->pg_state == PAGE_FREE)
			return;
	}
}

void kmem_stats_get(struct kmem_stats *ks)
{
	*ks = (struct kmem_stats){
	    .ks_bytes = atomic_load_explicit(&large_bytes, memory_order_relaxed),
	    .ks_objects = atomic_load_explicit(&large_objects, memory_order_relaxed),
	    .ks_failures = atomic_load_explicit(&failures, memory_order_relaxed),
	    .ks_injected = atomic_load_explicit(&injected, memory_order_relaxed),
	};
	for (unsigned i = 0; i < NCLASSES; i++) {
		struct kmem_class *kc = &classes[i];

		mutex_spin_enter(&kc->kc_lock);
		ks->ks_objects += kc->kc_inuse;
		ks->ks_bytes += kc->kc_inuse * kc->kc_size;
		mutex_spin_exit(&kc->kc_lock);
	}
}

void kmem_dump(void (*print)(const char *fmt, ...))
{
	print("%10s %10s %10s %12s\n", "object", "in use", "slabs", "allocated");
	for (unsigned i = 0; i < NCLASSES; i++) {
		struct kmem_class *kc = &classes[i];
		uint64_t inuse, nslabs, allocs;

		mutex_spin_enter(&kc->kc_lock);
		inuse = kc->kc_inuse;
		nslabs = kc->kc_nslabs;
		allocs = kc->kc_allocs;
		mutex_spin_exit(&kc->kc_lock);
		print("%10u %10llu %10llu %12llu\n", kc->kc_size, (unsigned long long)inuse,
		    (unsigned long long)nslabs, (unsigned long long)allocs);
	}
	print("%10s %10llu\n", "pages",
	    (unsigned long long)atomic_load_explicit(&large_objects, memory_order_relaxed));
}
