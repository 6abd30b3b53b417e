/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snapshot.c - back to the beginning, without a fork: what a run has written is written back.
 *
 * Three kinds of memory change in a run:
 *
 *	data and heap	of the core and the scenario. Both are instrumented: every write of theirs
 *			comes by xp_dirty(), which notes words of 8 bytes, each once a run.
 *			(Larger ones would take the neighbours' data with them.)
 *	stacks		not instrumented as a whole. A stack that was switched to, or written to
 *			from another, is put back from its saved pointer to its top
 *	the simulator's	own state, which its files name (sim_state() and its like)
 *
 * What is written by neither, such as the explorer's own data, stays. A write by a function that
 * is not instrumented (lib/, the host's) to memory that was there before must be told by hand, as
 * mem.c does.
 *
 * Contexts: taken and restored by the host, when every CPU has left its stack pointer. One host
 * thread. Not for memory of other processes. Next: explore.c.
 */
#include "explore.h"

#include "invariant.h"
#include "simint.h"

#include <ithaca/lwp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BLOCK 8u
#define PIECE 4096u
#define STACKS_MAX 256u
#define PARTS_MAX 64u

extern char __data_start[], _end[];

struct stack {
	uint64_t s_sp, s_top; /* in use from here to there; 0: not in use */
	char *s_image;
	uint32_t s_stamp;
};

struct part {
	void *p_at;
	size_t p_size;
	char *p_image;
};

struct xp_area xp_data, xp_heap;
static struct stack stacks[STACKS_MAX];
static struct part parts[PARTS_MAX];
static unsigned nparts;
uint16_t xp_dirty_stacks[STACKS_MAX];
unsigned xp_ndirty_stacks;
static uint32_t stack_run = 1;

static void *need(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		sim_failed("no memory for the snapshot (%zu bytes)", size);
	return p;
}

static bool blank(const uint64_t *p, size_t size)
{
	for (size_t i = 0; i < size / sizeof(*p); i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* Most of the data are tables of the explorer's that are still empty, as the image is. */
static void image_take(char *image, const char *from, size_t size)
{
	for (size_t at = 0; at < size; at += PIECE) {
		size_t n = size - at < PIECE ? size - at : PIECE;

		if (!blank((const uint64_t *)(const void *)(from + at), n))
			memcpy(image + at, from + at, n);
	}
}

/* The linker puts it with the data; or it would not be undone. */
static void check_kept(void)
{
	if ((uintptr_t)__start_inv_kept < (uintptr_t)__data_start ||
	    (uintptr_t)__stop_inv_kept > (uintptr_t)_end)
		sim_failed("what the invariants keep is not among the data");
}

static void area_take(struct xp_area *a, uint64_t base, uint64_t end)
{
	uint64_t first = base & ~(uint64_t)(BLOCK - 1);
	size_t size = ((end + BLOCK - 1) & ~(uint64_t)(BLOCK - 1)) - first;

	a->a_image = need(size);
	a->a_stamp = need(size / BLOCK * sizeof(uint32_t));
	/* One more: the place after the last is written to, and not counted. */
	a->a_words = need((size / BLOCK + 1) * sizeof(uint32_t));
	a->a_run = 1;
	a->a_base = first;
	image_take(a->a_image, (const char *)first, size);
	a->a_size = size;
}

static void part_take(void *p, size_t size)
{
	if (size == 0)
		return;
	if (nparts == PARTS_MAX)
		sim_failed("snapshot: more than %u parts", PARTS_MAX);
	parts[nparts] = (struct part){p, size, need(size)};
	memcpy(parts[nparts].p_image, p, size);
	nparts++;
}

static void stack_take(uint64_t sp)
{
	uint64_t top;
	unsigned i = sim_stack_slot(sp, &top);
	struct stack *s;

	if (i >= STACKS_MAX)
		sim_failed("snapshot: more than %u stacks", STACKS_MAX);
	s = &stacks[i];
	s->s_sp = sp;
	s->s_top = top;
	s->s_image = need(top - sp);
	memcpy(s->s_image, (void *)sp, top - sp);
}

static void known(struct lwp *l, void *arg)
{
	(void)arg;
	xp_stack_is(l);
}

static void stack_of(struct lwp *l, void *arg)
{
	(void)arg;
	if (l->l_sp != 0)
		stack_take(l->l_sp);
}

void xp_snapshot_take(void)
{
	check_kept();
	sim_mem_open(STACKS_MAX);
	sim_in_event = true; /* no points meanwhile */
	lwp_each(known, NULL);
	sim_in_event = false;
	area_take(&xp_data, (uintptr_t)__data_start, (uintptr_t)_end);
	area_take(&xp_heap, sim_mem_base(), sim_mem_top());
	sim_state(part_take);
	sim_line_state(part_take);
	sim_mem_state(part_take);
	for (unsigned i = 0; i < sim_ncpus; i++)
		stack_take(sim_vcpus[i].v_sp);
	sim_in_event = true; /* no points meanwhile */
	lwp_each(stack_of, NULL);
	sim_in_event = false;
}

static void area_dirty(struct xp_area *a, uint64_t at, size_t size)
{
	uint64_t end = at + size < a->a_size ? at + size : a->a_size;

	if (__builtin_expect((at & (BLOCK - 1)) + size <= BLOCK, 1)) {
		xp_dirty_word(a, at);
		return;
	}
	for (at &= ~(uint64_t)(BLOCK - 1); at < end; at += BLOCK)
		xp_dirty_word(a, at);
}

void xp_dirty_many(uint64_t addr, size_t size)
{
	if (addr - xp_heap.a_base < xp_heap.a_size)
		area_dirty(&xp_heap, addr - xp_heap.a_base, size);
	else if (addr - xp_data.a_base < xp_data.a_size)
		area_dirty(&xp_data, addr - xp_data.a_base, size);
	else
		xp_dirty_stack(addr);
}

void xp_dirty_stack(uint64_t addr)
{
	uint64_t top;
	unsigned i = sim_stack_slot(addr, &top);

	if (i >= STACKS_MAX || stacks[i].s_stamp == stack_run)
		return;
	stacks[i].s_stamp = stack_run;
	xp_dirty_stacks[xp_ndirty_stacks++] = (uint16_t)i;
}

static void area_restore(struct xp_area *a)
{
	uint64_t *words = (uint64_t *)a->a_base;
	const uint64_t *image = (const uint64_t *)(const void *)a->a_image;

	for (uint32_t i = 0; i < a->a_n; i++)
		words[a->a_words[i]] = image[a->a_words[i]];
	a->a_n = 0;
	if (++a->a_run != 0)
		return;
	memset(a->a_stamp, 0, a->a_size / BLOCK * sizeof(uint32_t));
	a->a_run = 1;
}

void xp_snapshot_restore(void)
{
	area_restore(&xp_data);
	area_restore(&xp_heap);
	for (unsigned i = 0; i < xp_ndirty_stacks; i++) {
		const struct stack *s = &stacks[xp_dirty_stacks[i]];

		if (s->s_sp != 0)
			memcpy((void *)s->s_sp, s->s_image, s->s_top - s->s_sp);
	}
	for (unsigned i = 0; i < nparts; i++)
		memcpy(parts[i].p_at, parts[i].p_image, parts[i].p_size);
	xp_ndirty_stacks = 0;
	if (++stack_run == 0) {
		for (unsigned i = 0; i < STACKS_MAX; i++)
			stacks[i].s_stamp = 0;
		stack_run = 1;
	}
}
