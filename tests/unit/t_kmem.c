/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_kmem.c - sys/mem/{page,kmem,vmap}.c over an arena of the host's and a page table that is an
 * array. The RAM straddles 256 MiB, so that there are two segments.
 */
#include "unit.h"

#include "../../sys/mem/kmem.h"
#include "../../sys/mem/page.h"
#include "../../sys/mem/vmap.h"

#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <stdlib.h>
#include <string.h>

#define RAM_BASE ((uint64_t)0x0fe00000) /* 2 MiB below the cut */
#define RAM_SIZE ((uint64_t)16 << 20)
#define RAM_PAGES (RAM_SIZE / PAGE_SIZE)
#define CUT ((uint64_t)256 << 20)
#define MAP_BASE ((uintptr_t)0x7700000000)
#define MAP_PAGES 2048

static _Alignas(4096) unsigned char ram[RAM_SIZE];
static uint64_t ram_base = RAM_BASE;

/* ---- The machine, as sys/mem sees it ---- */

static uint64_t map_phys[MAP_PAGES]; /* 0: not mapped */
static unsigned map_flags[MAP_PAGES];
static unsigned maps_until_failure; /* 0: none fails */
static unsigned flushes[CPU_MAX];   /* how often each CPU forgot */

void *machine_phys_to_virt(uint64_t phys)
{
	CHECK(phys >= ram_base && phys < ram_base + RAM_SIZE);
	return ram + (phys - ram_base);
}

static size_t map_index(uintptr_t va)
{
	CHECK(va % PAGE_SIZE == 0 && va >= MAP_BASE && va < MAP_BASE + MAP_PAGES * PAGE_SIZE);
	return (va - MAP_BASE) / PAGE_SIZE;
}

uint64_t machine_virt_to_phys(const void *virt)
{
	uintptr_t va = (uintptr_t)virt;

	if (va - (uintptr_t)ram < RAM_SIZE)
		return ram_base + (va - (uintptr_t)ram);
	return map_phys[map_index(va & ~(uintptr_t)(PAGE_SIZE - 1))] + va % PAGE_SIZE;
}

int machine_map(uintptr_t virt, uint64_t phys, unsigned flags)
{
	size_t i = map_index(virt);

	CHECK_EQ(map_phys[i], 0);
	if (maps_until_failure > 0 && --maps_until_failure == 0)
		return ENOMEM;
	map_phys[i] = phys;
	map_flags[i] = flags;
	return 0;
}

void machine_unmap(uintptr_t virt)
{
	size_t i = map_index(virt);

	CHECK(map_phys[i] != 0);
	map_phys[i] = 0;
}

void machine_tlb_flush(void *unused)
{
	(void)unused;
	flushes[curcpu()->ci_index]++;
}

static size_t mapped(void)
{
	size_t n = 0;

	for (size_t i = 0; i < MAP_PAGES; i++)
		n += map_phys[i] != 0;
	return n;
}

/* ---- Pages ---- */

static struct page_stats before, after;

static void pages_up(void)
{
	/* Out of order, one of them twice in part: what boot loaders do. */
	const struct mem_range ranges[] = {
	    {ram_base + ((uint64_t)4 << 20), RAM_SIZE - ((uint64_t)4 << 20)},
	    {0, 0},
	    {ram_base, ((uint64_t)4 << 20) + 0x1800},
	};

	page_init(ranges, 3);
	page_stats_get(&before);
	CHECK_EQ(before.ps_total, before.ps_free);
	CHECK(before.ps_total > RAM_PAGES * 9 / 10 && before.ps_total < RAM_PAGES);
}

static void mem_up(void)
{
	pages_up();
	kmem_init();
	vmap_init(MAP_BASE, MAP_PAGES * PAGE_SIZE);
}

static void check_pages_back(void)
{
	page_stats_get(&after);
	CHECK_EQ(after.ps_free, before.ps_free);
	CHECK_EQ(memcmp(after.ps_blocks, before.ps_blocks, sizeof(before.ps_blocks)), 0);
}

static unsigned draw(unsigned n)
{
	return (unsigned)rand() % n;
}

SIM_TEST(pages_of_every_order_until_there_are_none, 1, 0)
{
	static uint64_t got[RAM_PAGES];

	pages_up();
	for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
		size_t n = 0;

		while ((got[n] = page_alloc(order, 0)) != 0) {
			CHECK_EQ(got[n] % ((uint64_t)PAGE_SIZE << order), 0);
			memset(machine_phys_to_virt(got[n]), (int)n, (size_t)PAGE_SIZE << order);
			n++;
		}
		page_stats_get(&after);
		CHECK_EQ(after.ps_free, before.ps_free - (n << order));
		for (size_t i = 0; i < n; i++) {
			unsigned char *p = machine_phys_to_virt(got[i]);

			CHECK(p[0] == (unsigned char)i &&
			    p[((size_t)PAGE_SIZE << order) - 1] == p[0]);
		}
		CHECK(order > 0 || after.ps_free == 0);
		while (n-- > 0)
			page_free(got[n], order);
		check_pages_back();
	}
	CHECK_EQ(page_alloc(PAGE_ORDER_MAX + 1, 0), 0);
	CHECK_EQ(after.ps_failures, PAGE_ORDER_MAX + 1);
}

SIM_TEST(pages_below_a_limit, 1, 0)
{
	uint64_t phys;
	size_t low = 0;

	pages_up();
	/* High ones first, so that those below are there for who needs them. */
	phys = page_alloc(0, PAGE_DMA32);
	CHECK(phys >= CUT);
	page_free(phys, 0);
	CHECK_EQ(page_alloc_below(0, 0, RAM_BASE), 0);
	for (; (phys = page_alloc_below(0, 0, CUT)) != 0; low++)
		CHECK(phys < CUT);
	CHECK(low > 400 && low < 512);
	/* A limit within a segment. */
	for (; (phys = page_alloc_below(2, 0, CUT + 0x100000)) != 0;)
		CHECK(phys >= CUT && phys + 4 * PAGE_SIZE <= CUT + 0x100000);
	CHECK(page_alloc(0, 0) != 0);
}

SIM_TEST(pages_below_4_gib, 1, 0)
{
	const uint64_t limit = (uint64_t)1 << 32;
	uint64_t phys;
	size_t n = 0;

	ram_base = limit - ((uint64_t)1 << 20);
	pages_up();
	CHECK(page_alloc(0, 0) >= limit);
	CHECK(page_alloc(0, PAGE_DMA32) < limit);
	for (; (phys = page_alloc_below(0, PAGE_DMA32, limit + PAGE_SIZE * 9)) != 0; n++)
		CHECK(phys < limit);
	CHECK(n > 200 && n < 256);
	CHECK(page_alloc(0, 0) >= limit);
}

SIM_TEST(pages_at_random, 1, 0)
{
	static struct {
		uint64_t phys;
		unsigned order;
	} held[300];
	static unsigned char used[RAM_PAGES];

	pages_up();
	srand(4);
	for (int i = 0; i < 40000; i++) {
		unsigned k = draw(300), order = draw(11) * draw(11) / 10;
		uint64_t first = (held[k].phys - RAM_BASE) / PAGE_SIZE;

		if (held[k].phys != 0) {
			memset(used + first, 0, (size_t)1 << held[k].order);
			page_free(held[k].phys, held[k].order);
			held[k].phys = 0;
			continue;
		}
		held[k].phys = page_alloc(order, 0);
		held[k].order = order;
		first = (held[k].phys - RAM_BASE) / PAGE_SIZE;
		for (size_t j = 0; held[k].phys != 0 && j < (size_t)1 << order; j++)
			CHECK_EQ(used[first + j]++, 0);
	}
	for (int k = 0; k < 300; k++) {
		if (held[k].phys != 0)
			page_free(held[k].phys, held[k].order);
	}
	check_pages_back();
}

SIM_TEST(a_page_zeroed_on_request, 1, 0)
{
	unsigned char *p;
	uint64_t phys;

	pages_up();
	memset(ram + RAM_SIZE / 2, 0x55, RAM_SIZE / 2);
	phys = page_alloc(5, PAGE_ZERO);
	p = machine_phys_to_virt(phys);
	for (size_t i = 0; i < (size_t)PAGE_SIZE << 5; i++)
		CHECK_EQ(p[i], 0);
	CHECK(page_of(phys) != NULL && page_phys(page_of(phys)) == phys);
	CHECK(page_of(RAM_BASE + RAM_SIZE) == NULL && page_of(0) == NULL);
}

TEST(the_order_of_a_size)
{
	CHECK_EQ(page_order(0), 0);
	CHECK_EQ(page_order(1), 0);
	CHECK_EQ(page_order(4096), 0);
	CHECK_EQ(page_order(4097), 1);
	CHECK_EQ(page_order((size_t)4 << 20), 10);
	CHECK(page_order(SIZE_MAX) > PAGE_ORDER_MAX);
}

SIM_PANIC(a_page_freed_twice, 1, "freed twice?")
{
	uint64_t phys;

	pages_up();
	phys = page_alloc(1, 0);
	page_free(phys, 1);
	page_free(phys, 1);
}

SIM_PANIC(a_page_freed_with_another_order, 1, "it was asked with order 1")
{
	pages_up();
	page_free(page_alloc(1, 0), 0);
}

SIM_PANIC(a_page_that_is_not_ours, 1, "no page of ours")
{
	pages_up();
	page_free(0x1000, 0);
}

SIM_PANIC(no_ram_at_all, 1, "no usable RAM")
{
	const struct mem_range small = {RAM_BASE + 0x800, 0x1000};

	page_init(&small, 1);
}

/* ---- Objects ---- */

static void check_object(const unsigned char *p, size_t size)
{
	CHECK_EQ((uintptr_t)p % (size >= 64 ? 64 : 16), 0);
	CHECK(size > PAGE_SIZE || (uintptr_t)p % PAGE_SIZE + size <= PAGE_SIZE);
	for (size_t i = 0; i < size; i++)
		CHECK_EQ(p[i], 0);
}

SIM_TEST(objects_of_every_size, 1, 0)
{
	static unsigned char *got[3000];
	struct kmem_stats ks;

	mem_up();
	for (int round = 0; round < 2; round++) {
		for (size_t size = 0; size < 3000; size++) {
			got[size] = kmem_alloc(size);
			check_object(got[size], size);
			memset(got[size], (int)size, size);
		}
		for (size_t size = 0; size < 3000; size++) {
			for (size_t i = 0; i < size; i++)
				CHECK_EQ(got[size][i], (unsigned char)size);
			kmem_free(got[size], size);
		}
	}
	kmem_stats_get(&ks);
	CHECK_EQ(ks.ks_objects, 0);
	CHECK_EQ(ks.ks_bytes, 0);
	CHECK_EQ(ks.ks_failures, 0);
	/* What stays is an empty slab a class. */
	page_stats_get(&after);
	CHECK(after.ps_free + 16 >= before.ps_free);
}

static void objects_at_random(void)
{
	struct {
		unsigned char *p;
		size_t size;
		unsigned char with;
	} held[60] = {{0}};

	for (int i = 0; i < 1500; i++) {
		unsigned k = draw(60);
		size_t size = draw(4) ? draw(300) : draw(12000);

		if (held[k].p != NULL) {
			for (size_t j = 0; j < held[k].size; j++)
				CHECK_EQ(held[k].p[j], held[k].with);
			kmem_free(held[k].p, held[k].size);
			held[k].p = NULL;
			continue;
		}
		held[k].p = kmem_alloc(size);
		CHECK(held[k].p != NULL);
		check_object(held[k].p, size);
		held[k].size = size;
		held[k].with = (unsigned char)(draw(255) + 1);
		memset(held[k].p, held[k].with, size);
	}
	for (unsigned k = 0; k < 60; k++)
		kmem_free(held[k].p, held[k].size);
}

static void user(void *arg)
{
	(void)arg;
	objects_at_random();
}

SIM_TEST(objects_from_two_cpus, 2, 10)
{
	struct kmem_stats ks;
	struct lwp *l[3];

	mem_up();
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("user", PRI_KERNEL, cpu_lookup(i % 2), LWP_JOINABLE, user, NULL,
			     &l[i]),
		    0);
	for (unsigned i = 0; i < 3; i++)
		lwp_join(l[i]);
	kmem_stats_get(&ks);
	CHECK_EQ(ks.ks_objects, 0);
	page_stats_get(&after);
	CHECK(after.ps_free + 16 >= before.ps_free);
}

SIM_TEST(memory_used_up_and_given_back, 1, 0)
{
	struct chunk {
		struct chunk *next;
	} *list = NULL, *c;
	struct kmem_stats ks;

	mem_up();
	while ((c = kmem_alloc(1000)) != NULL) {
		c->next = list;
		list = c;
	}
	CHECK(kmem_alloc(100000) == NULL);
	CHECK(kmem_alloc(16) == NULL);
	kmem_stats_get(&ks);
	CHECK_EQ(ks.ks_failures, 3);
	while ((c = list) != NULL) {
		list = c->next;
		kmem_free(c, 1000);
	}
	page_stats_get(&after);
	CHECK(after.ps_free + 1 >= before.ps_free);
	CHECK((c = kmem_alloc(KMEM_SIZE_MAX)) != NULL);
	kmem_free(c, KMEM_SIZE_MAX);
	CHECK(kmem_alloc(KMEM_SIZE_MAX + 1) == NULL);
	CHECK(kmem_alloc(SIZE_MAX) == NULL);
	kmem_free(NULL, 5);
}

SIM_TEST(the_nth_allocation_fails_once, 1, 0)
{
	struct kmem_stats ks;

	mem_up();
	for (unsigned nth = 1; nth < 5; nth++) {
		kmem_fail_after(nth);
		for (unsigned i = 1; i < 8; i++) {
			void *p = kmem_alloc(40);

			CHECK_EQ(p == NULL, i == nth);
			kmem_free(p, 40);
		}
		CHECK_EQ(kmem_fail_left(), 0);
	}
	kmem_stats_get(&ks);
	CHECK_EQ(ks.ks_failures, 4);
	CHECK_EQ(ks.ks_injected, 4);
}

SIM_PANIC(an_object_freed_twice, 1, "freed already")
{
	void *p;

	mem_up();
	p = kmem_alloc(100);
	kmem_free(p, 100);
	kmem_free(p, 100);
}

SIM_PANIC(a_large_object_freed_twice, 1, "freed twice?")
{
	void *p;

	mem_up();
	p = kmem_alloc(10000);
	kmem_free(p, 10000);
	kmem_free(p, 10000);
}

SIM_PANIC(an_object_freed_with_another_size, 1, "no object of that size")
{
	mem_up();
	kmem_free(kmem_alloc(100), 200);
}

SIM_PANIC(an_object_freed_by_its_middle, 1, "not where an object begins")
{
	mem_up();
	kmem_free((char *)kmem_alloc(200) + 64, 200);
}

SIM_PANIC(an_object_overrun, 1, "written past its end")
{
	char *p;

	mem_up();
	p = kmem_alloc(100);
	p[100] = 0;
	kmem_free(p, 100);
}

SIM_PANIC(a_large_object_overrun, 1, "written past its end")
{
	char *p;

	mem_up();
	p = kmem_alloc(5000);
	p[5000] = 0;
	kmem_free(p, 5000);
}

SIM_PANIC(an_object_written_after_the_free, 1, "written after it was freed")
{
	char *p;

	mem_up();
	p = kmem_alloc(100);
	kmem_free(p, 100);
	p[50]++;
	kmem_alloc(100);
}

/* ---- Mappings ---- */

static uint64_t phys_at(uintptr_t va)
{
	return map_phys[map_index(va)];
}

SIM_TEST(stacks_have_guards, 1, 0)
{
	static void *stacks[200];
	size_t size = 0;

	mem_up();
	for (int i = 0; i < 200; i++) {
		uintptr_t va;

		stacks[i] = vmap_stack_alloc(&size);
		va = (uintptr_t)stacks[i];
		CHECK_EQ(size, VMAP_STACK_SIZE);
		CHECK_EQ(phys_at(va - PAGE_SIZE), 0);
		for (size_t at = 0; at < size; at += PAGE_SIZE) {
			CHECK(phys_at(va + at) != 0);
			CHECK_EQ(map_flags[map_index(va + at)], MAP_WRITE);
		}
	}
	CHECK_EQ(mapped(), 200 * VMAP_STACK_SIZE / PAGE_SIZE);
	for (int i = 0; i < 200; i++)
		vmap_stack_free(stacks[i], size);
	CHECK(mapped() <= VMAP_STACK_CACHE * VMAP_STACK_SIZE / PAGE_SIZE);
}

SIM_TEST(a_freed_stack_is_used_again, 1, 0)
{
	struct vmap_stats vs;
	size_t size;
	void *s;

	mem_up();
	s = vmap_stack_alloc(&size);
	for (int i = 0; i < 1000; i++) {
		vmap_stack_free(s, size);
		CHECK(vmap_stack_alloc(&size) == s);
	}
	vmap_stats_get(&vs);
	CHECK_EQ(vs.vs_stacks, 1);
	CHECK_EQ(vs.vs_stacks_cached, 0);
	CHECK_EQ(vs.vs_shootdowns, 0);
}

SIM_TEST(stacks_come_and_go_in_any_order, 1, 0)
{
	static void *stacks[150];
	struct vmap_stats vs;
	size_t size = 0;

	mem_up();
	srand(6);
	for (int i = 0; i < 20000; i++) {
		/* Now mostly more, now mostly less, so that the cache overflows again and again. */
		unsigned k = draw(150), grow = i / 500 % 2;

		if (stacks[k] != NULL && (!grow || draw(8) == 0)) {
			vmap_stack_free(stacks[k], size);
			stacks[k] = NULL;
		} else if (stacks[k] == NULL && (grow || draw(8) == 0)) {
			stacks[k] = vmap_stack_alloc(&size);
			CHECK(stacks[k] != NULL);
		}
	}
	for (int k = 0; k < 150; k++) {
		if (stacks[k] != NULL)
			vmap_stack_free(stacks[k], size);
	}
	vmap_stats_get(&vs);
	CHECK_EQ(vs.vs_stacks, 0);
	CHECK_EQ(vs.vs_ranges, vs.vs_stacks_cached);
	CHECK_EQ(mapped(), vs.vs_stacks_cached * VMAP_STACK_SIZE / PAGE_SIZE);
	CHECK(vs.vs_shootdowns > 20);
}

SIM_TEST(every_cpu_forgets_a_mapping, 4, 20)
{
	void *w;

	mem_up();
	w = vmap_device(0xfee00000, PAGE_SIZE);
	CHECK(w != NULL);
	CHECK_EQ(flushes[0] + flushes[1] + flushes[2] + flushes[3], 0);
	vunmap(w);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(flushes[i], 1);
	CHECK_EQ(mapped(), 0);
}

SIM_TEST(windows_need_not_be_aligned, 1, 0)
{
	uintptr_t w;

	mem_up();
	w = (uintptr_t)vmap_phys(0xfed00ffe, 4, MAP_WRITE);
	CHECK_EQ(w % PAGE_SIZE, 0xffe);
	CHECK_EQ(phys_at(w - 0xffe), 0xfed00000);
	CHECK_EQ(phys_at(w - 0xffe + PAGE_SIZE), 0xfed01000);
	CHECK_EQ(mapped(), 2);
	vunmap((void *)w);
	CHECK_EQ(mapped(), 0);
	w = (uintptr_t)vmap_device(0x4000000000, 3 * PAGE_SIZE);
	CHECK_EQ(mapped(), 3);
	CHECK_EQ(map_flags[map_index(w)], MAP_WRITE | MAP_DEVICE);
	CHECK_EQ(phys_at(w - PAGE_SIZE), 0);
	vunmap((void *)w);
	vunmap(NULL);
	CHECK(vmap_device(0x1000, 0) == NULL);
	CHECK(vmap_device(UINT64_MAX, 2) == NULL);
	CHECK(vmap_device(0x1000, SIZE_MAX) == NULL);
	CHECK(vmap_device(0x1000, SIZE_MAX - 2 * PAGE_SIZE) == NULL);
	CHECK(vmap_device(0x1000, MAP_PAGES * PAGE_SIZE) == NULL);
}

SIM_TEST(addresses_merge_again, 1, 0)
{
	static struct {
		uintptr_t va;
		size_t pages;
	} held[100];
	struct kmem_stats ks;
	struct vmap_stats vs;
	void *all;

	mem_up();
	srand(5);
	for (int i = 0; i < 20000; i++) {
		unsigned k = draw(100);

		if (held[k].va != 0) {
			vunmap((void *)held[k].va);
			held[k].va = 0;
			continue;
		}
		held[k].pages = draw(40) + 1;
		/* NULL when there is no room; two mappings of one page fail in machine_map(). */
		held[k].va = (uintptr_t)vmap_device(0xd0000000, held[k].pages * PAGE_SIZE);
		CHECK(held[k].va == 0 || phys_at(held[k].va - PAGE_SIZE) == 0);
	}
	for (unsigned k = 0; k < 100; k++)
		vunmap((void *)held[k].va);
	CHECK_EQ(mapped(), 0);
	vmap_stats_get(&vs);
	CHECK_EQ(vs.vs_ranges, 0);
	CHECK_EQ(vs.vs_pages, 0);
	kmem_stats_get(&ks);
	CHECK_EQ(ks.ks_objects, 0);
	for (int i = 0; i < 2; i++) {
		all = vmap_device(0xd0000000, (MAP_PAGES - 1) * PAGE_SIZE);
		CHECK_EQ((uintptr_t)all, MAP_BASE + PAGE_SIZE);
		CHECK(vmap_device(0xd0000000, 1) == NULL);
		vunmap(all);
	}
}

/* Fail each allocation and each mapping of a stack and a window in turn: nothing may leak. */
SIM_TEST(what_fails_leaks_nothing, 2, 0)
{
	struct kmem_stats ks;
	size_t size;
	void *p;

	mem_up();
	/* Leave the slab that range descriptors come from, so that page counts compare. */
	vunmap(vmap_device(0xd0000000, 1));
	page_stats_get(&before);
	for (unsigned nth = 1; nth <= 2; nth++) {
		kmem_fail_after(nth);
		CHECK(vmap_stack_alloc(&size) == NULL);
		CHECK_EQ(kmem_fail_left(), 0);
		check_pages_back();
	}
	kmem_fail_after(1);
	CHECK(vmap_device(0xd0000000, 5 * PAGE_SIZE) == NULL);
	for (unsigned nth = 1; nth <= 4; nth++) {
		maps_until_failure = nth;
		CHECK(vmap_stack_alloc(&size) == NULL);
		CHECK_EQ(mapped(), 0);
		check_pages_back();
		maps_until_failure = nth;
		CHECK(vmap_device(0xd0000000, 4 * PAGE_SIZE) == NULL);
		CHECK_EQ(mapped(), 0);
		check_pages_back();
	}
	kmem_stats_get(&ks);
	CHECK_EQ(ks.ks_objects, 0);
	CHECK((p = vmap_stack_alloc(&size)) != NULL);
	vmap_stack_free(p, size);
}

SIM_TEST(a_stack_that_runs_out_of_pages_leaks_nothing, 1, 0)
{
	uint64_t last[4];
	size_t size;
	unsigned n;

	mem_up();
	vunmap(vmap_device(0xd0000000, 1));
	for (n = 0; n < 4; n++)
		last[n] = page_alloc(0, 0);
	while (page_alloc(0, 0) != 0)
		continue;
	for (n = 0; n < 4; n++) {
		page_stats_get(&before);
		CHECK_EQ(before.ps_free, n);
		CHECK(vmap_stack_alloc(&size) == NULL);
		page_stats_get(&after);
		CHECK_EQ(after.ps_free, n);
		CHECK_EQ(mapped(), 0);
		page_free(last[n], 0);
	}
	CHECK(vmap_stack_alloc(&size) != NULL);
	page_stats_get(&after);
	CHECK_EQ(after.ps_free, 0);
}

SIM_PANIC(a_stack_freed_twice, 1, "freed already")
{
	size_t size;
	void *s;

	mem_up();
	s = vmap_stack_alloc(&size);
	vmap_stack_free(s, size);
	vmap_stack_free(s, size);
}

SIM_PANIC(a_window_taken_away_twice, 1, "no window")
{
	void *w;

	mem_up();
	w = vmap_device(0xd0000000, 1);
	vunmap(w);
	vunmap(w);
}
