/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arena.h - memory for what is fuzzed: allocated and freed in a few instructions, watched by
 * AddressSanitizer byte by byte, given back all at once.
 *
 * Rules: one thread. What is allocated is zeroes, at a multiple of 16. A run gives back what it
 * took, or it begins with arena_forget().
 */
#ifndef FUZZ_ARENA_H
#define FUZZ_ARENA_H

#include <stddef.h>

/* arena_alloc - NULL: the nth (arena_fail_after), or no memory. arena_free - NULL is nothing; what
 * is no piece, or no longer, ends the program. arena_size - of a piece, as it was asked for. */
void *arena_alloc(size_t size);
void arena_free(void *p);
size_t arena_size(void *p);

/* arena_fail_after - the nth allocation from now on fails, once; 0: none does. arena_live - how
 * many pieces there are. */
void arena_fail_after(unsigned nth);
unsigned arena_live(void);

/* arena_mark - what there is now is there again, with the bytes that are in it now, after each
 * arena_forget(); all else is gone then. Once, before the first run. */
void arena_mark(void);
void arena_forget(void);

/* arena_exact - from here on all is malloc()'s, so that AddressSanitizer says who allocated and
 * freed a piece. For one single run: arena_forget() does nothing. Before the first allocation. */
void arena_exact(void);

#endif
