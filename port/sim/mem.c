/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mem.c - memory and stacks of the simulated machine, and allocations that fail on request.
 *
 * Both come out of areas at fixed addresses, so that a seed replays exactly. A block has a header
 * with its size: whoever frees with another size is told. Freed memory is filled with POISON, and
 * looked at when it is given out again: a write after the free is found then. Blocks are reused
 * last in, first out, which is the worst case for whoever keeps a stale pointer. A stack has a page
 * beneath it that faults (report.c).
 *
 * Contexts: as port.h says, thread context below IPL_VM with no spin mutex held; asserted.
 * Not for sharing between host threads. Next: sim.c.
 */
#include "explore.h"
#include "simint.h"

#include <ithaca/port.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#define MEM_BASE 0x100000000000ull
#define MEM_SIZE (1ull << 30)
#define STACK_BASE 0x110000000000ull
#define STACK_SIZE 0x10000ull
#define GUARD_SIZE 0x1000ull
#define STACK_MAX 8192u
#define MAGIC_USED 0x75736564u
#define MAGIC_FREE 0x66726565u
#define POISON 0xdb
#define CLASS_COUNT 40

/* Sits 64 bytes before the block. */
struct header {
	uint32_t h_magic;
	uint32_t h_class;
	size_t h_size;         /* asked for */
	struct header *h_next; /* free: the next of its class */
};

static uintptr_t mem_next;
static struct header *mem_free[CLASS_COUNT];
static unsigned stack_next;
static unsigned stack_free[STACK_MAX], stack_nfree;
static unsigned opened; /* explored: stacks that stay readable */
static size_t bytes;
static unsigned fail_after;
static bool fail_done;

void sim_mem_init(void)
{
	void *m = mmap((void *)MEM_BASE, MEM_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	void *s = mmap((void *)STACK_BASE, STACK_MAX * (STACK_SIZE + GUARD_SIZE), PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (m == MAP_FAILED || s == MAP_FAILED)
		sim_failed("the host has no room for the simulated memory");
	mem_next = (uintptr_t)m;
}

void sim_mem_fail(unsigned n)
{
	fail_after = n;
	fail_done = false;
}

bool sim_mem_failed(void)
{
	return fail_done;
}

size_t sim_mem_bytes(void)
{
	return bytes;
}

void sim_mem_state(void (*fn)(void *p, size_t size))
{
	fn(&mem_next, sizeof(mem_next));
	fn(mem_free, sizeof(mem_free));
	fn(&stack_next, sizeof(stack_next));
	fn(stack_free, 64 * sizeof(stack_free[0]));
	fn(&stack_nfree, sizeof(stack_nfree));
	fn(&bytes, sizeof(bytes));
}

uint64_t sim_mem_top(void)
{
	return mem_next;
}

uint64_t sim_mem_base(void)
{
	return MEM_BASE;
}

void sim_mem_open(unsigned n)
{
	for (opened = 0; opened < n; opened++)
		mprotect((char *)STACK_BASE + opened * (STACK_SIZE + GUARD_SIZE) + GUARD_SIZE,
		    STACK_SIZE, PROT_READ | PROT_WRITE);
}

unsigned sim_stack_slot(uint64_t addr, uint64_t *top)
{
	uint64_t n = (addr - STACK_BASE) / (STACK_SIZE + GUARD_SIZE);

	if (addr < STACK_BASE || n >= STACK_MAX)
		return UINT_MAX;
	*top = STACK_BASE + (n + 1) * (STACK_SIZE + GUARD_SIZE);
	return (unsigned)n;
}

/* Who comes first gets the block that was freed last. */
static void point(void)
{
	if (!xp_on || sim_in_event)
		return;
	xp_point(SIM_ACCESS, XA_MEMORY, true, 0);
	xp_touch(XA_MEMORY, true);
}

/* Count one allocation: must it fail? */
static bool due_to_fail(void)
{
	if (xp_alloc_fails())
		return true;
	if (fail_after == 0 || --fail_after > 0)
		return false;
	fail_done = true;
	return true;
}

static void check_context(const char *what)
{
	const struct lwp *l = sim_cpu != NULL ? curlwp : NULL;

	if (l == NULL)
		return;
	if (sim_me()->v_service != NULL || IPL_IS_HARD(spl_now()))
		sim_failed("%s in hard context or with a spin mutex held (lwp %s, level %s)", what,
		    l->l_name, spl_name(spl_now()));
}

static unsigned class_of(size_t size)
{
	unsigned c = 6;

	while (((size_t)1 << c) < size)
		c++;
	return c;
}

static void check_poison(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != POISON)
			sim_failed("memory written after it was freed: %p, byte %zu of %zu",
			    (const void *)p, i, n);
}

void *port_mem_alloc(size_t size)
{
	unsigned c = class_of(size);
	struct header *h;

	check_context("port_mem_alloc");
	point();
	if (size == 0)
		sim_failed("port_mem_alloc(0)");
	if (due_to_fail())
		return NULL;
	h = mem_free[c];
	if (h != NULL) {
		mem_free[c] = h->h_next;
		check_poison((unsigned char *)h + 64, h->h_size);
	} else {
		if (mem_next + 64 + ((size_t)1 << c) > MEM_BASE + MEM_SIZE)
			return NULL;
		h = (struct header *)mem_next;
		mem_next += 64 + ((size_t)1 << c);
	}
	xp_dirty((uintptr_t)h, 64 + size);
	h->h_magic = MAGIC_USED;
	h->h_class = c;
	h->h_size = size;
	bytes += size;
	memset((char *)h + 64, 0, size);
	return (char *)h + 64;
}

void port_mem_free(void *p, size_t size)
{
	struct header *h = (struct header *)(void *)((char *)p - 64);

	check_context("port_mem_free");
	point();
	if ((uintptr_t)p < MEM_BASE + 64 || (uintptr_t)p >= mem_next)
		sim_failed("port_mem_free of %p, which was never allocated", p);
	if (h->h_magic != MAGIC_USED)
		sim_failed("port_mem_free of %p, which is %s", p,
		    h->h_magic == MAGIC_FREE ? "free already" : "no block");
	if (h->h_size != size)
		sim_failed("port_mem_free of %p with size %zu, allocated with %zu", p, size,
		    h->h_size);
	if (xp_on) {
		/* What this CPU wrote there comes before whoever is given it next: an allocator
		 * has a lock. */
		xp_drain(curcpu()->ci_index);
		xp_dirty((uintptr_t)h, 64 + size);
		xp_race_freed((uintptr_t)p, size);
	}
	bytes -= size;
	memset(p, POISON, size);
	h->h_magic = MAGIC_FREE;
	h->h_next = mem_free[h->h_class];
	mem_free[h->h_class] = h;
}

void *port_stack_alloc(size_t *size)
{
	unsigned i;
	char *base;

	check_context("port_stack_alloc");
	point();
	if (due_to_fail() || (stack_nfree == 0 && stack_next == STACK_MAX))
		return NULL;
	i = stack_nfree > 0 ? stack_free[--stack_nfree] : stack_next++;
	base = (char *)STACK_BASE + i * (STACK_SIZE + GUARD_SIZE) + GUARD_SIZE;
	if (i >= opened && mprotect(base, STACK_SIZE, PROT_READ | PROT_WRITE) != 0)
		return NULL;
	bytes += STACK_SIZE;
	*size = STACK_SIZE;
	return base;
}

void port_stack_free(void *base, size_t size)
{
	uintptr_t off = (uintptr_t)base - STACK_BASE - GUARD_SIZE;

	check_context("port_stack_free");
	point();
	if (off % (STACK_SIZE + GUARD_SIZE) != 0 || off / (STACK_SIZE + GUARD_SIZE) >= stack_next ||
	    size != STACK_SIZE)
		sim_failed("port_stack_free of %p, size %zu: no stack", base, size);
	/* Whoever still runs there faults. */
	if (off / (STACK_SIZE + GUARD_SIZE) >= opened)
		mprotect(base, STACK_SIZE, PROT_NONE);
	bytes -= STACK_SIZE;
	stack_free[stack_nfree++] = (unsigned)(off / (STACK_SIZE + GUARD_SIZE));
}
