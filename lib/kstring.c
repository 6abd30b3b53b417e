/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kstring.c - the string functions of our own, in the kernel and on the host alike.
 *
 * Purpose: copying a name into a field, and reading a number that a person or a boot loader
 * wrote, both without a way to overrun or to accept nonsense silently.
 * Context: any; nothing here has state, blocks, or keeps what it is given.
 * Not for: locale, signs, octal. A number is decimal, or hexadecimal behind 0x.
 * Read next: printf.c, for the other direction.
 */
#include <ithaca/errno.h>
#include <ithaca/string.h>
#include <stdbool.h>

size_t kstrlcpy(char *to, const char *from, size_t size)
{
	size_t len = strlen(from);

	if (size > 0) {
		size_t n = len < size ? len : size - 1;

		memcpy(to, from, n);
		to[n] = '\0';
	}
	return len;
}

/* The value of a digit, or 16 for what is none. */
static unsigned digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A') + 10;
	return 16;
}

int kstrtou64(const char *s, uint64_t *out)
{
	unsigned base = 10;
	uint64_t value = 0;
	bool over = false;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	if (*s == '\0')
		return EINVAL;
	for (; *s != '\0'; s++) {
		unsigned d = digit(*s);

		if (d >= base)
			return EINVAL;
		if (value > (UINT64_MAX - d) / base)
			over = true;
		value = value * base + d;
	}
	if (over)
		return ERANGE;
	*out = value;
	return 0;
}
