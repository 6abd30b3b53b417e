/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arena.c - the memory of what is fuzzed: every byte that was not asked for, or was given back, is
 * one that AddressSanitizer stops at; and all of it is forgotten at once.
 *
 * malloc() under AddressSanitizer notes who allocated what, and keeps what was freed for a while in
 * a queue. That took most of the time of an input. So a piece is cut from the front of an arena
 * that is poisoned as a whole, and only its own bytes are made readable, exactly. In one run no
 * place is used twice: whoever reads what was freed is always seen, however much was allocated
 * since. Between two pieces lies a gap that grows with the piece, with the piece's header in it,
 * which nobody but this file can read.
 *
 *	arena | gap with header | piece | gap with header | piece | ... | all poisoned
 *	                                ^ mark                      ^ next
 *
 * What is there at arena_mark() is a beginning that each run shares: arena_forget() goes back to
 * it, with the bytes that the pieces had then. What does not fit into the arena, and all when
 * arena_exact() was called, comes from malloc(): AddressSanitizer then can say who allocated it.
 *
 * This file is compiled without AddressSanitizer, as it has to read its headers. Contexts: one
 * thread. No locks. Not for: telling what was lost; targets ask arena_live(). Read next: host.c.
 */
#include "arena.h"

#include "fuzz.h"

#include <sanitizer/asan_interface.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_SIZE (1u << 20)
#define ALIGN 16u
#define GAP_MAX 1024u /* beside the header */
#define MAGIC_LIVE 0x9d1ce5a11fe50000ull
#define MAGIC_FREE 0x9d1ce5a11f4ee000ull

/* In front of each piece. */
struct head {
	uint64_t he_magic;
	size_t he_size;
	struct head *he_before, *he_next; /* of malloc(): the others */
};

_Static_assert(sizeof(struct head) % ALIGN == 0, "pieces keep their alignment");

/* A piece that was there at the mark, and what stood in it. */
struct kept {
	uint8_t *ke_at;
	size_t ke_size;
	uint8_t *ke_bytes;
};

#define KEPT_MAX 256u

static alignas(64) uint8_t arena[ARENA_SIZE];
static uint8_t *next = arena, *mark = arena;
static struct head outside = {.he_before = &outside, .he_next = &outside};
static struct kept kept[KEPT_MAX];
static unsigned nkept, live, live_at_mark, fail_after;
static bool exact, begun;

static struct head *head_of(void *p)
{
	return (struct head *)p - 1;
}

static size_t round_up(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* Behind a piece, until the next one's header: the larger it is, the farther a wrong index goes. */
static size_t gap_of(size_t size)
{
	return size / 8 < GAP_MAX ? round_up(size / 8 + 1) : GAP_MAX;
}

void arena_fail_after(unsigned nth)
{
	fail_after = nth;
}

unsigned arena_live(void)
{
	return live;
}

void arena_exact(void)
{
	exact = true;
}

static void *outside_alloc(size_t size)
{
	struct head *he = calloc(1, sizeof(*he) + size);

	if (he == NULL)
		return NULL;
	*he = (struct head){MAGIC_LIVE, size, &outside, outside.he_next};
	outside.he_next->he_before = he;
	outside.he_next = he;
	return he + 1;
}

static void outside_free(struct head *he)
{
	he->he_before->he_next = he->he_next;
	he->he_next->he_before = he->he_before;
	free(he);
}

static bool inside(const void *p)
{
	return (const uint8_t *)p >= arena && (const uint8_t *)p < arena + ARENA_SIZE;
}

void *arena_alloc(size_t size)
{
	size_t room = round_up(size) + sizeof(struct head) + gap_of(size);
	struct head *he = (struct head *)(void *)next;
	void *p = he + 1;

	if (fail_after != 0 && --fail_after == 0)
		return NULL;
	if (!begun)
		__asan_poison_memory_region(arena, ARENA_SIZE);
	begun = true;
	if (exact || size > ARENA_SIZE || room > (size_t)(arena + ARENA_SIZE - next)) {
		p = outside_alloc(size);
		live += p != NULL;
		return p;
	}
	he->he_magic = MAGIC_LIVE;
	he->he_size = size;
	next += room;
	live++;
	__asan_unpoison_memory_region(p, size);
	memset(p, 0, size);
	return p;
}

size_t arena_size(void *p)
{
	/* Who frees what is no piece gets no further than this: what stands there is read as it is,
	 * or is a bad access. */
	if (head_of(p)->he_magic != MAGIC_LIVE)
		fuzz_died(head_of(p)->he_magic == MAGIC_FREE
			? "%p: freed twice"
			: "%p: freed, but nobody ever allocated it",
		    p);
	return head_of(p)->he_size;
}

void arena_free(void *p)
{
	size_t size;

	if (p == NULL)
		return;
	size = arena_size(p);
	live--;
	if (!inside(p)) {
		outside_free(head_of(p));
		return;
	}
	head_of(p)->he_magic = MAGIC_FREE;
	__asan_poison_memory_region(p, size);
}

/* The pieces in the arena, in order: the first; the one behind. */
static struct head *head_next(struct head *he)
{
	return (struct head *)(void *)((uint8_t *)(he + 1) + round_up(he->he_size) +
	    gap_of(he->he_size));
}

void arena_mark(void)
{
	for (uint8_t *at = arena; at < next; at = (uint8_t *)head_next((void *)at)) {
		struct head *he = (void *)at;
		struct kept *ke = &kept[nkept];

		if (he->he_magic != MAGIC_LIVE)
			continue;
		if (nkept == KEPT_MAX)
			fuzz_died("more than %u pieces at the beginning of a run", KEPT_MAX);
		*ke = (struct kept){(uint8_t *)(he + 1), he->he_size, malloc(he->he_size + 1)};
		if (ke->ke_bytes == NULL)
			fuzz_died("out of memory");
		memcpy(ke->ke_bytes, ke->ke_at, ke->ke_size);
		nkept++;
	}
	mark = next;
	live_at_mark = live;
}

void arena_forget(void)
{
	if (exact)
		return; /* there is one run */
	while (outside.he_next != &outside)
		outside_free(outside.he_next);
	if (next != mark)
		__asan_poison_memory_region(mark, (size_t)(next - mark));
	next = mark;
	for (unsigned i = 0; i < nkept; i++) {
		struct kept *ke = &kept[i];

		if (head_of(ke->ke_at)->he_magic != MAGIC_LIVE) {
			head_of(ke->ke_at)->he_magic = MAGIC_LIVE;
			__asan_unpoison_memory_region(ke->ke_at, ke->ke_size);
		}
		memcpy(ke->ke_at, ke->ke_bytes, ke->ke_size);
	}
	live = live_at_mark;
}
