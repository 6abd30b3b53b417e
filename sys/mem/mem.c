/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mem.c - the memory system's start, what it shows, and the core's doors to it.
 *
 * Purpose: puts page.c, kmem.c and vmap.c together in the order in which they need each other,
 * gives the port its source of pages for tables, and is what stands behind the core's
 * port_mem_alloc() and port_stack_alloc(). The three themselves know nothing of the core's
 * names for them, so they can be tested on the host beside a port that has its own.
 *
 * Contexts: mem_init() on the first CPU before core_init(); the doors as port.h says.
 * Locks: none of its own.
 * Not for drivers: they include kmem.h and vmap.h. Read next: kmem.c.
 */
#include "kmem.h"
#include "page.h"
#include "vmap.h"

#include "san/san.h"
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sysctl.h>

void *port_mem_alloc(size_t size)
{
	return kmem_alloc(size);
}

void port_mem_free(void *p, size_t size)
{
	kmem_free(p, size);
}

void *port_stack_alloc(size_t *size)
{
	return vmap_stack_alloc(size);
}

void port_stack_free(void *base, size_t size)
{
	vmap_stack_free(base, size);
}

static uint64_t table_page(void)
{
	return page_alloc(0, PAGE_ZERO);
}

void mem_init(const struct boot_info *boot)
{
	page_init(boot->ram, boot->nram);
	machine_set_page_source(table_page);
	if (ITHACA_KASAN) {
		kasan_init(boot->ram, boot->nram, table_page);
		page_poison_free();
	}
	kmem_init();
	vmap_init(machine_map_base, machine_map_size);
}

/* ---- What it shows ---- */

enum {
	MEM_TOTAL,
	MEM_FREE,
	MEM_PAGE_FAILURES,
	MEM_OBJECTS,
	MEM_OBJECT_BYTES,
	MEM_ALLOC_FAILURES,
	MEM_MAPPED,
	MEM_STACKS,
	MEM_STACKS_CACHED,
	MEM_SHOOTDOWNS,
	MEM_FAIL,
	MEM_NODES
};

static uint64_t mem_get(struct sysctl *sy);
static int mem_set_fail(struct sysctl *sy, uint64_t value);

static struct sysctl nodes[MEM_NODES] = {
    [MEM_TOTAL] = {.sy_name = "mem.total", .sy_doc = "bytes of RAM that can be handed out"},
    [MEM_FREE] = {.sy_name = "mem.free", .sy_doc = "bytes of RAM that are free"},
    [MEM_PAGE_FAILURES] = {.sy_name = "mem.page_failures",
	.sy_doc = "requests for pages that found none"},
    [MEM_OBJECTS] = {.sy_name = "mem.objects", .sy_doc = "objects in use"},
    [MEM_OBJECT_BYTES] = {.sy_name = "mem.object_bytes", .sy_doc = "bytes that they occupy"},
    [MEM_ALLOC_FAILURES] = {.sy_name = "mem.alloc_failures",
	.sy_doc = "allocations that failed, those made to fail included"},
    [MEM_MAPPED] = {.sy_name = "mem.mapped", .sy_doc = "bytes mapped for stacks and devices"},
    [MEM_STACKS] = {.sy_name = "mem.stacks", .sy_doc = "stacks in use"},
    [MEM_STACKS_CACHED] = {.sy_name = "mem.stacks_cached",
	.sy_doc = "freed stacks kept for the next lwp"},
    [MEM_SHOOTDOWNS] = {.sy_name = "mem.shootdowns",
	.sy_doc = "times that all CPUs were made to forget mappings"},
    [MEM_FAIL] = {.sy_name = "debug.alloc_fail",
	.sy_doc = "this many allocations from now, one fails; 0: none",
	.sy_set = mem_set_fail},
};

static uint64_t mem_get(struct sysctl *sy)
{
	struct page_stats ps;
	struct kmem_stats ks;
	struct vmap_stats vs;

	kmem_drain();
	page_stats_get(&ps);
	kmem_stats_get(&ks);
	vmap_stats_get(&vs);
	switch (sy - nodes) {
	case MEM_TOTAL:
		return ps.ps_total * PAGE_SIZE;
	case MEM_FREE:
		return ps.ps_free * PAGE_SIZE;
	case MEM_PAGE_FAILURES:
		return ps.ps_failures;
	case MEM_OBJECTS:
		return ks.ks_objects;
	case MEM_OBJECT_BYTES:
		return ks.ks_bytes;
	case MEM_ALLOC_FAILURES:
		return ks.ks_failures;
	case MEM_MAPPED:
		return vs.vs_pages * PAGE_SIZE;
	case MEM_STACKS:
		return vs.vs_stacks;
	case MEM_STACKS_CACHED:
		return vs.vs_stacks_cached;
	case MEM_SHOOTDOWNS:
		return vs.vs_shootdowns;
	default:
		return kmem_fail_left();
	}
}

static int mem_set_fail(struct sysctl *sy, uint64_t value)
{
	(void)sy;
	kmem_fail_after(value);
	return 0;
}

void mem_publish(void)
{
	for (unsigned i = 0; i < MEM_NODES; i++)
		nodes[i].sy_get = mem_get;
	sysctl_publish(nodes, MEM_NODES);
}

void mem_dump(void (*print)(const char *fmt, ...))
{
	struct page_stats ps;
	struct vmap_stats vs;

	page_stats_get(&ps);
	vmap_stats_get(&vs);
	print("pages: %llu of %llu free (%llu of %llu MiB), %llu requests failed\n",
	    (unsigned long long)ps.ps_free, (unsigned long long)ps.ps_total,
	    (unsigned long long)(ps.ps_free * PAGE_SIZE >> 20),
	    (unsigned long long)(ps.ps_total * PAGE_SIZE >> 20),
	    (unsigned long long)ps.ps_failures);
	print("free blocks:");
	for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++)
		print(" %llux%u", (unsigned long long)ps.ps_blocks[order], 1u << order);
	print(
	    "\nmappings: %llu ranges, %llu KiB; stacks: %llu in use, %llu kept; %llu shootdowns\n",
	    (unsigned long long)vs.vs_ranges, (unsigned long long)(vs.vs_pages * PAGE_SIZE >> 10),
	    (unsigned long long)vs.vs_stacks, (unsigned long long)vs.vs_stacks_cached,
	    (unsigned long long)vs.vs_shootdowns);
	kmem_dump(print);
}
