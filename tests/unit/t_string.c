/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_string.c - lib/string.c, which a host program leaves out, under other names and against the
 * host's own; and lib/kstring.c and lib/errno.c.
 */
#include "unit.h"

#define memcpy our_memcpy
#define memmove our_memmove
#define memset our_memset
#define memcmp our_memcmp
#define strlen our_strlen
#define strcmp our_strcmp
#define strncmp our_strncmp
#define strchr our_strchr
#include "../../lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strcmp
#undef strncmp
#undef strchr

#include <ithaca/errno.h>
#include <stdlib.h>

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

#define SIZE 400

static unsigned draw(unsigned n)
{
	return (unsigned)rand() % n;
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

static void fill_alike(unsigned char *a, unsigned char *b)
{
	for (int k = 0; k < SIZE; k++)
		a[k] = b[k] = (unsigned char)draw(256);
}

TEST(copies_and_fills_as_the_hosts)
{
	static unsigned char a[SIZE], b[SIZE];

	srand(2);
	for (int i = 0; i < 50000; i++) {
		size_t to = draw(64), from = draw(64), n = draw(120);
		int c = (int)draw(512);

		fill_alike(a, b);
		CHECK(our_memmove(b + to, b + from, n) == b + to);
		memmove(a + to, a + from, n);
		CHECK(our_memcpy(b + 200 + to, b + from, n) == b + 200 + to);
		memcpy(a + 200 + to, a + from, n);
		CHECK(memcmp(a, b, SIZE) == 0);
		CHECK(our_memset(b + to, c, n) == b + to);
		memset(a + to, c, n);
		CHECK(memcmp(a, b, SIZE) == 0);
		if (draw(2))
			b[draw(SIZE)] ^= 0x80;
		CHECK_EQ(sign(our_memcmp(a + to, b + to, n)), sign(memcmp(a + to, b + to, n)));
	}
}

TEST(compares_strings_as_the_hosts)
{
	char a[12], b[12];

	srand(3);
	for (int i = 0; i < 100000; i++) {
		size_t n = draw(14);

		for (int k = 0; k < 12; k++) {
			a[k] = "\0a\xff"[draw(3)];
			b[k] = draw(4) ? a[k] : "\0a\xff"[draw(3)];
		}
		a[11] = b[11] = '\0';
		CHECK_EQ(our_strlen(a), strlen(a));
		CHECK_EQ(sign(our_strcmp(a, b)), sign(strcmp(a, b)));
		CHECK_EQ(sign(our_strncmp(a, b, n)), sign(strncmp(a, b, n)));
	}
	CHECK_STR(our_strchr("a.b.c", '.'), ".b.c");
	CHECK(our_strchr("abc", 'x') == NULL);
	CHECK_STR(our_strchr("abc", '\0'), "");
}

TEST(kstrlcpy_always_ends_with_a_nul)
{
	char buf[6] = "#####";

	CHECK_EQ(kstrlcpy(buf, "abcdefg", 4), 7);
	CHECK_STR(buf, "abc");
	CHECK_EQ(buf[4], '#');
	CHECK_EQ(kstrlcpy(buf, "ab", 4), 2);
	CHECK_STR(buf, "ab");
	CHECK_EQ(kstrlcpy(buf, "xyz", 0), 3);
	CHECK_STR(buf, "ab");
	CHECK_EQ(kstrlcpy(buf, "abc", 4), 3);
	CHECK_STR(buf, "abc");
}

TEST(kstrtou64_reads_whole_numbers_and_nothing_else)
{
	static const struct {
		const char *text;
		int error;
		uint64_t value;
	} cases[] = {
	    {"0", 0, 0},
	    {"007", 0, 7},
	    {"18446744073709551615", 0, UINT64_MAX},
	    {"18446744073709551616", ERANGE, 77},
	    {"99999999999999999999999", ERANGE, 77},
	    {"0xffffffffffffffff", 0, UINT64_MAX},
	    {"0x10000000000000000", ERANGE, 77},
	    {"0XaBc", 0, 0xabc},
	    {"", EINVAL, 77},
	    {"0x", EINVAL, 77},
	    {"12a", EINVAL, 77},
	    {"99999999999999999999999z", EINVAL, 77},
	    {" 1", EINVAL, 77},
	    {"1 ", EINVAL, 77},
	    {"-1", EINVAL, 77},
	    {"+1", EINVAL, 77},
	    {"0x-1", EINVAL, 77},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value = 77;

		CHECK_EQ(kstrtou64(cases[i].text, &value), cases[i].error);
		CHECK_EQ(value, cases[i].value);
	}
}

TEST(errors_have_names)
{
	CHECK_STR(errno_name(EINVAL), "EINVAL");
	CHECK_STR(errno_name(ETIMEDOUT), "ETIMEDOUT");
	CHECK_STR(errno_name(0), "OK");
	CHECK_STR(errno_name(-1), "E?");
	CHECK_STR(errno_name(4711), "E?");
}
