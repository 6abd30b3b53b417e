/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_printf.c - lib/printf.c: a table by hand, and the host's own printf as an oracle for
 * conversions drawn at random.
 */
#include "unit.h"

#include <ithaca/print.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Without the attribute that lets compilers judge formats: some of these are wrong on purpose. */
static int print(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = kvsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return len;
}

#define IS(want, ...)                                                                              \
	do {                                                                                       \
		char buf[128];                                                                     \
		CHECK_EQ(print(buf, sizeof(buf), __VA_ARGS__), strlen(want));                      \
		CHECK_STR(buf, want);                                                              \
	} while (0)

TEST(numbers)
{
	IS("0", "%d", 0);
	IS("-2147483648", "%d", -2147483647 - 1);
	IS("4294967295", "%u", 0xffffffffu);
	IS("-9223372036854775808", "%lld", -9223372036854775807ll - 1);
	IS("1777777777777777777777", "%llo", ~0ull);
	IS("0xffffffffffffffff", "%#llx", ~0ull);
	IS("0XAB", "%#X", 0xab);
	IS("0", "%#x", 0);
	IS("0", "%#o", 0);
	IS("010", "%#o", 8);
	IS("00010", "%#.5o", 8);
	IS("", "%.0d", 0);
	IS("0", "%#.0o", 0);
	IS("+5| 5|-5", "%+d|% d|%+d", 5, 5, -5);
	IS("   42|42   |00042", "%5d|%-5d|%05d", 42, 42, 42);
	IS("  007", "%5.3d", 7);
	IS("-0042", "%05d", -42);
	IS("0x0042", "%#06x", 0x42);
	IS("-1 255 -1 65535", "%hhd %hhu %hd %hu", -1, -1, -1, -1);
	IS("18446744073709551615", "%zu", SIZE_MAX);
	IS("-7 9", "%td %jd", (ptrdiff_t)-7, (intmax_t)9);
}

TEST(text)
{
	IS("abc|  abc|abc  |ab", "%s|%5s|%-5s|%.2s", "abc", "abc", "abc", "abc");
	IS("(null)", "%s", (char *)NULL);
	IS("x|    x|x    |", "%c|%5c|%-5c|", 'x', 'x', 'x');
	IS("100%", "%d%%", 100);
	IS("  ab|cd  |", "%*s|%*s|", 4, "ab", -4, "cd");
	IS("abc", "%.*s", -1, "abc");
	IS("0x1f 0x0", "%p %p", (void *)0x1f, (void *)NULL);
}

TEST(bounded_by_the_precision_not_by_a_nul)
{
	static const char raw[3] = {'x', 'y', 'z'};

	IS("xyz", "%.3s", raw);
}

TEST(what_is_no_conversion_is_put_out_as_it_stands)
{
	IS("%q", "%q");
	IS("%-5y.", "%-5y.");
	IS("50%", "50%");
	IS("%l", "%l");
}

TEST(cuts_and_counts)
{
	char buf[8] = "#######";

	CHECK_EQ(print(buf, 4, "%s", "abcdef"), 6);
	CHECK_STR(buf, "abc");
	CHECK_EQ(buf[4], '#');
	CHECK_EQ(print(buf, 1, "%d", 123), 3);
	CHECK_STR(buf, "");
	CHECK_EQ(print(NULL, 0, "%08x", 1), 8);
	/* A mad width costs a bounded time. */
	CHECK_EQ(print(buf, sizeof(buf), "%*d", 2000000000, 1), 4096);
	CHECK_EQ(print(buf, sizeof(buf), "%*d", -2147483647 - 1, 1), 4096);
}

static unsigned draw(unsigned n)
{
	return (unsigned)rand() % n;
}

/* "%", flags, width, precision: all that may stand before a length. Returns whether signs may. */
static int draw_front(char *f, bool is_signed, bool may_alt)
{
	int n = 0;

	f[n++] = '%';
	if (draw(3) == 0)
		f[n++] = '-';
	if (draw(3) == 0)
		f[n++] = '0';
	if (is_signed && draw(3) == 0)
		f[n++] = '+';
	if (is_signed && draw(3) == 0)
		f[n++] = ' ';
	if (may_alt && draw(3) == 0)
		f[n++] = '#';
	if (draw(2) == 0)
		n += sprintf(f + n, "%u", draw(24) + 1);
	if (draw(3) == 0)
		n += sprintf(f + n, draw(4) ? ".%u" : ".", draw(25));
	return n;
}

TEST(agrees_with_the_hosts_printf)
{
	static const char *const lengths[] = {"", "h", "hh", "l", "ll", "z", "j", "t"};

	srand(1);
	for (int i = 0; i < 200000; i++) {
		char conv = "diuxXo"[draw(6)], f[64], want[160], have[160];
		bool is_signed = conv == 'd' || conv == 'i';
		unsigned length = draw(8);
		size_t size = draw(4) ? sizeof(want) : draw(20);
		unsigned long long v = ((unsigned long long)draw(1u << 31) << 33) ^ draw(1u << 31);
		int n = draw_front(f, is_signed, strchr("xXo", conv) != NULL), a, b;

		sprintf(f + n, "%s%c", lengths[length], conv);
		v >>= draw(64);
		v = draw(8) == 0 ? 0 : draw(4) == 0 ? -v : v;
		memset(want, '?', sizeof(want));
		memset(have, '?', sizeof(have));
		if (length < 3) {
			a = snprintf(want, size, f, (int)v);
			b = print(have, size, f, (int)v);
		} else {
			a = snprintf(want, size, f, v);
			b = print(have, size, f, v);
		}
		if (a != b || memcmp(want, have, sizeof(want)) != 0)
			FAIL("\"%s\" of %#llx, size %zu: host %d, ours %d", f, v, size, a, b);
	}
}
