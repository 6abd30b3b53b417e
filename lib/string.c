/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * string.c - the string functions that ISO C names, for a kernel that has no C library.
 *
 * Purpose: correct on every machine first, then few steps for the sizes that matter (a page
 * cleared, a page copied): a machine word a step. Words are read and written through a packed
 * type, so the compiler itself chooses instructions that the machine allows at any address.
 * Context: any; nothing here has state. The compiler emits calls of memcpy, memmove, memset and
 * memcmp by itself, so these four are needed even where nobody names them.
 *
 * Compilers like to recognise such a loop and turn it into a call of the function that it stands
 * in. keep() in each loop hides that from them and costs no instruction.
 *
 * Not for the host: there the C library has them, and this file is left out (rules.mk).
 * Read next: kstring.c, for those of our own.
 */
#include <ithaca/string.h>

typedef unsigned long word_t;

struct any_word {
	word_t w;
} __attribute__((packed, may_alias));

#define WORD sizeof(word_t)

/* A loop that the optimiser may not see through. */
static inline void keep(void)
{
	__asm__ volatile("");
}

static inline word_t load(const void *p)
{
	return ((const struct any_word *)p)->w;
}

static inline void store(void *p, word_t w)
{
	((struct any_word *)p)->w = w;
}

/* From the first byte upwards: also right for what overlaps, if `d` is the lower one. */
static inline void copy_up(unsigned char *d, const unsigned char *s, size_t n)
{
	for (; n >= WORD; n -= WORD, d += WORD, s += WORD) {
		store(d, load(s));
		keep();
	}
	for (; n > 0; n--) {
		*d++ = *s++;
		keep();
	}
}

void *memcpy(void *to, const void *from, size_t n)
{
	copy_up(to, from, n);
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	unsigned char *d = to;
	const unsigned char *s = from;

	/* Upwards unless `to` lies inside what is still to be read. */
	if ((uintptr_t)d - (uintptr_t)s >= n) {
		copy_up(d, s, n);
		return to;
	}
	d += n;
	s += n;
	for (; n >= WORD; n -= WORD) {
		d -= WORD;
		s -= WORD;
		store(d, load(s));
		keep();
	}
	for (; n > 0; n--) {
		*--d = *--s;
		keep();
	}
	return to;
}

void *memset(void *to, int c, size_t n)
{
	unsigned char *d = to;
	word_t w = (unsigned char)c * (~(word_t)0 / 0xff);

	for (; n >= 4 * WORD; n -= 4 * WORD, d += 4 * WORD) {
		store(d, w);
		store(d + WORD, w);
		store(d + 2 * WORD, w);
		store(d + 3 * WORD, w);
		keep();
	}
	for (; n > 0; n--) {
		*d++ = (unsigned char)c;
		keep();
	}
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a;
	const unsigned char *q = b;

	for (; n >= WORD && load(p) == load(q); n -= WORD, p += WORD, q += WORD)
		keep();
	for (; n > 0; n--, p++, q++) {
		if (*p != *q)
			return *p - *q;
		keep();
	}
	return 0;
}

size_t strlen(const char *s)
{
	const char *p = s;

	while (*p != '\0') {
		p++;
		keep();
	}
	return (size_t)(p - s);
}

int strcmp(const char *a, const char *b)
{
	for (; *a != '\0' && *a == *b; a++, b++)
		keep();
	return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n > 0; n--, a++, b++) {
		if (*a != *b || *a == '\0')
			return (unsigned char)*a - (unsigned char)*b;
		keep();
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++) {
		if (*s == '\0')
			return NULL;
		keep();
	}
	/* ISO C's own bargain: the caller knows whether what it gave may be written. */
	return (char *)(uintptr_t)s;
}
