/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * string.h - the few string functions that a freestanding core needs, as in ISO C.
 * kstrlcpy copies at most size - 1 characters and always ends with a NUL; returns strlen(from).
 * kstrtou64 reads a whole decimal or 0x number: 0, EINVAL (no number, or more behind it), ERANGE.
 */
#ifndef ITHACA_STRING_H
#define ITHACA_STRING_H

#include <stddef.h>
#include <stdint.h>

/* memcpy, memmove, memset, memcmp, strlen, strcmp, strncmp, strchr - as ISO C has them;
 * the compiler calls the first four by itself. Any context. */
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
size_t kstrlcpy(char *to, const char *from, size_t size);
int kstrtou64(const char *s, uint64_t *out);

#endif
