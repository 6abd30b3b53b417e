/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * printf.c - text from a format, into a buffer of a given size.
 *
 * Purpose: the formats that print.h lists and no others, without floating point, without memory
 * of its own, and without a way to write past the buffer or to forget the NUL.
 * Context: any, also in a panic: the only state is on the caller's stack (less than 200 bytes).
 *
 * The way of a conversion: parse() reads flags, width, precision and length into a struct spec;
 * convert() fetches the argument; field() puts sign, prefix, zeros, digits and blanks in their
 * places. Everything that is output goes through put(), which counts always and stores while
 * there is room.
 *
 * Bounds: width and precision are cut at FIELD_MAX, so a mad argument costs a bounded time; a
 * conversion that is not known is put out as it stands, so the mistake can be seen.
 * Not for output: kern/panic.c has kprintf().
 */
#include <ithaca/print.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define FIELD_MAX 4096
#define DIGITS_MAX 22 /* 2^64 in octal */

struct out {
	char *buf;
	size_t size;
	size_t len; /* of the whole text, stored or not */
};

struct spec {
	bool left, zero, plus, space, alt;
	int width;
	int prec;   /* -1: none given */
	int length; /* 2 ll, 1 l, 0, -1 h, -2 hh; 'z', 'j' and 't' become one of them */
	char conv;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void pad(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

static void text(struct out *o, const char *s, int n)
{
	while (n-- > 0)
		put(o, *s++);
}

/*
 * One converted argument: `prefix` (sign or 0x), then `zeros`, then `len` characters of `body`,
 * blanks before or behind up to the width; with flag 0 the blanks before are zeros behind the
 * prefix.
 */
static void field(struct out *o, const struct spec *sp, const char *prefix, int zeros,
    const char *body, int len)
{
	int plen = 0;
	int blanks;

	while (prefix[plen] != '\0')
		plen++;
	blanks = sp->width - plen - zeros - len;
	if (sp->zero && !sp->left && blanks > 0) {
		zeros += blanks;
		blanks = 0;
	}
	if (!sp->left)
		pad(o, ' ', blanks);
	text(o, prefix, plen);
	pad(o, '0', zeros);
	text(o, body, len);
	if (sp->left)
		pad(o, ' ', blanks);
}

/* The digits of v, in the last bytes of buf[DIGITS_MAX]; returns how many. None for 0. */
static int digits(char *buf, uint64_t v, unsigned base, bool upper)
{
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	int n = 0;

	for (; v != 0; v /= base)
		buf[DIGITS_MAX - ++n] = set[v % base];
	return n;
}

static void number(struct out *o, struct spec *sp, uint64_t v, unsigned base, const char *sign)
{
	char buf[DIGITS_MAX];
	int n = digits(buf, v, base, sp->conv == 'X');
	int zeros = 0;

	if (sp->prec >= 0)
		sp->zero = false;
	if (n < (sp->prec >= 0 ? sp->prec : 1))
		zeros = (sp->prec >= 0 ? sp->prec : 1) - n;
	if (sp->alt && base == 16 && v != 0)
		sign = sp->conv == 'X' ? "0X" : "0x";
	if (sp->alt && base == 8 && zeros == 0)
		zeros = 1;
	field(o, sp, sign, zeros, buf + DIGITS_MAX - n, n);
}

static void string(struct out *o, struct spec *sp, const char *s)
{
	int n = 0;

	if (s == NULL)
		s = "(null)";
	while ((sp->prec < 0 || n < sp->prec) && n < INT_MAX && s[n] != '\0')
		n++;
	sp->zero = false;
	field(o, sp, "", 0, s, n);
}

static int length_of(size_t size)
{
	return size == sizeof(int) ? 0 : size == sizeof(long) ? 1 : 2;
}

static int bounded(int n)
{
	return n > FIELD_MAX ? FIELD_MAX : n;
}

/* A number in the format, or `*`. */
static const char *parse_number(const char *f, int *out, va_list *ap)
{
	int n = 0;

	if (*f == '*') {
		n = va_arg(*ap, int);
		*out = n < -FIELD_MAX ? -FIELD_MAX : bounded(n);
		return f + 1;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		n = bounded(n * 10 + (*f - '0'));
	*out = n;
	return f;
}

static const char *parse_flags(const char *f, struct spec *sp)
{
	for (;; f++) {
		switch (*f) {
		case '-':
			sp->left = true;
			break;
		case '0':
			sp->zero = true;
			break;
		case '+':
			sp->plus = true;
			break;
		case ' ':
			sp->space = true;
			break;
		case '#':
			sp->alt = true;
			break;
		default:
			return f;
		}
	}
}

static const char *parse_length(const char *f, struct spec *sp)
{
	switch (*f) {
	case 'h':
		sp->length = f[1] == 'h' ? -2 : -1;
		return f + (f[1] == 'h' ? 2 : 1);
	case 'l':
		sp->length = f[1] == 'l' ? 2 : 1;
		return f + (f[1] == 'l' ? 2 : 1);
	case 'z':
		sp->length = length_of(sizeof(size_t));
		return f + 1;
	case 't':
		sp->length = length_of(sizeof(ptrdiff_t));
		return f + 1;
	case 'j':
		sp->length = length_of(sizeof(intmax_t));
		return f + 1;
	default:
		return f;
	}
}

/* Everything between `%` and the conversion; returns what is behind that. */
static const char *parse(const char *f, struct spec *sp, va_list *ap)
{
	*sp = (struct spec){.prec = -1};
	f = parse_flags(f, sp);
	f = parse_number(f, &sp->width, ap);
	if (sp->width < 0) {
		sp->left = true;
		sp->width = -sp->width;
	}
	if (*f == '.') {
		f = parse_number(f + 1, &sp->prec, ap);
		if (sp->prec < 0)
			sp->prec = -1;
	}
	f = parse_length(f, sp);
	sp->conv = *f;
	return *f != '\0' ? f + 1 : f;
}

static int64_t get_signed(const struct spec *sp, va_list *ap)
{
	switch (sp->length) {
	case 2:
		return va_arg(*ap, long long);
	case 1:
		return va_arg(*ap, long);
	case -1:
		return (short)va_arg(*ap, int);
	case -2:
		return (signed char)va_arg(*ap, int);
	default:
		return va_arg(*ap, int);
	}
}

static uint64_t get_unsigned(const struct spec *sp, va_list *ap)
{
	switch (sp->length) {
	case 2:
		return va_arg(*ap, unsigned long long);
	case 1:
		return va_arg(*ap, unsigned long);
	case -1:
		return (unsigned short)va_arg(*ap, int);
	case -2:
		return (unsigned char)va_arg(*ap, int);
	default:
		return va_arg(*ap, unsigned);
	}
}

static void number_signed(struct out *o, struct spec *sp, int64_t v)
{
	const char *sign = v < 0 ? "-" : sp->plus ? "+" : sp->space ? " " : "";

	number(o, sp, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, sign);
}

/* False: no conversion that we know; nothing was put out or taken. */
static bool convert(struct out *o, struct spec *sp, va_list *ap)
{
	char c;

	switch (sp->conv) {
	case 'd':
	case 'i':
		number_signed(o, sp, get_signed(sp, ap));
		return true;
	case 'u':
		number(o, sp, get_unsigned(sp, ap), 10, "");
		return true;
	case 'x':
	case 'X':
		number(o, sp, get_unsigned(sp, ap), 16, "");
		return true;
	case 'o':
		number(o, sp, get_unsigned(sp, ap), 8, "");
		return true;
	case 'p':
		sp->alt = true;
		number(o, sp, (uintptr_t)va_arg(*ap, void *), 16, "0x");
		return true;
	case 'c':
		c = (char)va_arg(*ap, int);
		sp->zero = false;
		field(o, sp, "", 0, &c, 1);
		return true;
	case 's':
		string(o, sp, va_arg(*ap, const char *));
		return true;
	case '%':
		put(o, '%');
		return true;
	default:
		return false;
	}
}

int kvsnprintf(char *buf, size_t size, const char *fmt, va_list arguments)
{
	struct out o = {.buf = buf, .size = size};
	va_list ap;

	va_copy(ap, arguments);
	while (*fmt != '\0') {
		const char *from = fmt;
		struct spec sp;

		if (*fmt != '%') {
			put(&o, *fmt++);
			continue;
		}
		fmt = parse(fmt + 1, &sp, &ap);
		if (!convert(&o, &sp, &ap))
			text(&o, from, (int)(fmt - from));
	}
	va_end(ap);
	if (size > 0)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return o.len > INT_MAX ? INT_MAX : (int)o.len;
}

int ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = kvsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return len;
}
