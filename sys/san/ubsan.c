/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ubsan.c - undefined behaviour, told as it happens.
 *
 * With -fsanitize=undefined the compilers put a check before each operation that C leaves undefined
 * for some operands, and a call of one of the functions below behind it, with a description that
 * they lay down in static data. The functions' names and the layout of those data are the
 * compilers' (gcc and clang agree on them). What is said:
 *
 *	undefined: WHAT at FILE:LINE:COLUMN, lwp NAME
 *
 * The sysctl debug.ubsan says what follows: 0 nothing (it is counted), 1 nothing more (each place
 * speaks once: its column is overwritten when it has), 2 a panic, which is the default.
 *
 * Contexts: any; kprintf() and panic() are of any context too. No locks. What is undefined in the
 * midst of a report ends at once: in mode 1 because its place has spoken, in mode 2 by the panic.
 * Not for memory that is not one's own: kasan.c. Read man/sanitizers.9.
 */
#include "san.h"

#include <ithaca/cpu.h>
#include <ithaca/lwp.h>
#include <ithaca/print.h>
#include <ithaca/sysctl.h>
#include <stdatomic.h>

#define TEXT_MAX 200
#define VALUE_MAX 48
#define TOLD UINT32_MAX /* for a column: this place has spoken */

enum { MODE_COUNT, MODE_PRINT, MODE_PANIC };

/* ---- What the compilers lay down ---- */

struct place {
	const char *file;
	uint32_t line;
	uint32_t column; /* (~) exchanged for TOLD */
};

struct type {
	uint16_t kind; /* 0: an integer */
	uint16_t info; /* of an integer: bit 0 signed; above, log2 of its bits */
	char name[];   /* in quotes */
};

struct overflow_data {
	struct place at;
	const struct type *type;
};

struct shift_data {
	struct place at;
	const struct type *left;
	const struct type *right;
};

struct index_data {
	struct place at;
	const struct type *array;
	const struct type *index;
};

struct mismatch_data {
	struct place at;
	const struct type *type;
	uint8_t log_alignment;
	uint8_t kind; /* of access */
};

struct value_data {
	struct place at;
	const struct type *type;
};

struct plain_data {
	struct place at;
};

struct argument_data {
	struct place at;
	struct place attribute;
	int number;
};

struct builtin_data {
	struct place at;
	uint8_t kind; /* 0: count trailing zeros, 1: leading */
};

typedef uintptr_t value_t; /* the value if it fits, else its address */

/* (~) relaxed: they stand alone. */
static _Atomic uint64_t mode = MODE_PANIC;
static _Atomic uint64_t reports;

/* ---- Telling ---- */

/* Count; is this place to be told of? *column is where it stood. */
static bool begin(struct place *at, uint32_t *column)
{
	uint64_t now = atomic_load_explicit(&mode, memory_order_relaxed);

	atomic_fetch_add_explicit(&reports, 1, memory_order_relaxed);
	if (now == MODE_COUNT)
		return false;
	*column = __atomic_exchange_n(&at->column, TOLD, __ATOMIC_RELAXED);
	return *column != TOLD;
}

static void tell(struct place *at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct place *at, const char *fmt, ...)
{
	const char *who = "none";
	char text[TEXT_MAX];
	uint32_t column;
	va_list ap;

	if (!begin(at, &column))
		return;
	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (curcpu() != NULL && curlwp != NULL)
		who = curlwp->l_name;
	if (atomic_load_explicit(&mode, memory_order_relaxed) == MODE_PANIC)
		panic("undefined: %s at %s:%u:%u, lwp %.*s", text, at->file, at->line, column,
		    LWP_NAME_MAX, who);
	kprintf("undefined: %s at %s:%u:%u, lwp %.*s\n", text, at->file, at->line, column,
	    LWP_NAME_MAX, who);
}

static unsigned width_of(const struct type *t)
{
	return 1u << (t->info >> 1);
}

static bool is_negative(const struct type *t, value_t v)
{
	return t->kind == 0 && (t->info & 1) != 0 && width_of(t) <= 64 &&
	    (int64_t)((uint64_t)v << (64 - width_of(t))) < 0;
}

/* The value as text. Those of more than 64 bits are not shown. */
static const char *show(const struct type *t, value_t v, char *buf)
{
	unsigned width = width_of(t);

	if (t->kind != 0 || width > 64)
		ksnprintf(buf, VALUE_MAX, "a value");
	else if ((t->info & 1) != 0)
		ksnprintf(buf, VALUE_MAX, "%lld",
		    (long long)((int64_t)((uint64_t)v << (64 - width)) >> (64 - width)));
	else
		ksnprintf(buf, VALUE_MAX, "%llu",
		    (unsigned long long)((uint64_t)v << (64 - width) >> (64 - width)));
	return buf;
}

/* ---- What the compilers call ---- */

/* Both names of a function: the second is used where the code after it would not go on. */
#define HANDLER(name, params, args)                                                                \
	void __ubsan_handle_##name params;                                                         \
	void __ubsan_handle_##name##_abort params;                                                 \
	void __ubsan_handle_##name##_abort params                                                  \
	{                                                                                          \
		__ubsan_handle_##name args;                                                        \
	}                                                                                          \
	void __ubsan_handle_##name params

static void overflow(struct overflow_data *d, value_t l, value_t r, const char *sign)
{
	char left[VALUE_MAX], right[VALUE_MAX];

	tell(&d->at, "overflow: %s %s %s in %s", show(d->type, l, left), sign,
	    show(d->type, r, right), d->type->name);
}

HANDLER(add_overflow, (struct overflow_data * d, value_t l, value_t r), (d, l, r))
{
	overflow(d, l, r, "+");
}

HANDLER(sub_overflow, (struct overflow_data * d, value_t l, value_t r), (d, l, r))
{
	overflow(d, l, r, "-");
}

HANDLER(mul_overflow, (struct overflow_data * d, value_t l, value_t r), (d, l, r))
{
	overflow(d, l, r, "*");
}

HANDLER(divrem_overflow, (struct overflow_data * d, value_t l, value_t r), (d, l, r))
{
	overflow(d, l, r, "/");
}

HANDLER(negate_overflow, (struct overflow_data * d, value_t v), (d, v))
{
	char text[VALUE_MAX];

	tell(&d->at, "overflow: -(%s) in %s", show(d->type, v, text), d->type->name);
}

HANDLER(shift_out_of_bounds, (struct shift_data * d, value_t l, value_t r), (d, l, r))
{
	char left[VALUE_MAX], right[VALUE_MAX];
	const char *why = "the result does not fit";

	show(d->left, l, left);
	show(d->right, r, right);
	if (is_negative(d->right, r))
		why = "a negative shift";
	else if (r >= width_of(d->left))
		why = "the shift is too wide";
	else if (is_negative(d->left, l))
		why = "a negative value";
	tell(&d->at, "shift: %s by %s in %s: %s", left, right, d->left->name, why);
}

HANDLER(out_of_bounds, (struct index_data * d, value_t index), (d, index))
{
	char text[VALUE_MAX];

	tell(&d->at, "index: %s of an array of type %s", show(d->index, index, text),
	    d->array->name);
}

HANDLER(type_mismatch_v1, (struct mismatch_data * d, value_t p), (d, p))
{
	static const char *const what[] = {"read", "write", "reference", "member access",
	    "member call", "constructor call", "cast", "cast", "cast", "virtual base", "binding"};
	uintptr_t unit = (uintptr_t)1 << d->log_alignment;
	const char *does = d->kind < sizeof(what) / sizeof(what[0]) ? what[d->kind] : "access";

	if (p == 0)
		tell(&d->at, "null: %s through a null pointer to %s", does, d->type->name);
	else if ((p & (unit - 1)) != 0)
		tell(&d->at, "alignment: %s at %#lx of type %s, which needs %lu", does,
		    (unsigned long)p, d->type->name, (unsigned long)unit);
	else
		tell(&d->at, "size: %s at %#lx where no whole %s is", does, (unsigned long)p,
		    d->type->name);
}

HANDLER(pointer_overflow, (struct plain_data * d, value_t base, value_t result), (d, base, result))
{
	tell(&d->at, "pointer: %#lx goes to %#lx", (unsigned long)base, (unsigned long)result);
}

HANDLER(vla_bound_not_positive, (struct value_data * d, value_t bound), (d, bound))
{
	char text[VALUE_MAX];

	tell(&d->at, "array: %s elements", show(d->type, bound, text));
}

HANDLER(load_invalid_value, (struct value_data * d, value_t v), (d, v))
{
	char text[VALUE_MAX];

	tell(&d->at, "value: %s is none of type %s", show(d->type, v, text), d->type->name);
}

HANDLER(nonnull_arg, (struct argument_data * d), (d))
{
	tell(&d->at, "null: argument %d may not be null", d->number);
}

HANDLER(nonnull_return_v1, (struct plain_data * d, struct place *at), (d, at))
{
	(void)d;
	tell(at, "null: returned where that may not be");
}

HANDLER(invalid_builtin, (struct builtin_data * d), (d))
{
	tell(&d->at, "builtin: %s zeros of 0 counted", d->kind == 0 ? "trailing" : "leading");
}

/* These two do not go on, whatever the mode is: there is nothing that they could go on with. */
void __ubsan_handle_builtin_unreachable(struct plain_data *d) __attribute__((noreturn));
void __ubsan_handle_missing_return(struct plain_data *d) __attribute__((noreturn));

void __ubsan_handle_builtin_unreachable(struct plain_data *d)
{
	tell(&d->at, "unreachable: reached");
	panic("code that cannot be reached at %s:%u was", d->at.file, d->at.line);
}

void __ubsan_handle_missing_return(struct plain_data *d)
{
	tell(&d->at, "return: a function's end without a value");
	panic("a function that must return a value at %s:%u did not", d->at.file, d->at.line);
}

/* ---- Settings ---- */

void ubsan_publish(void)
{
	static struct sysctl nodes[] = {
	    {.sy_name = "debug.ubsan",
		.sy_doc = "undefined behaviour is 0: counted, 1: reported, 2: the end",
		.sy_value = &mode,
		.sy_max = MODE_PANIC},
	    {.sy_name = "debug.ubsan_reports",
		.sy_doc = "times that behaviour was undefined",
		.sy_value = &reports},
	};

	sysctl_publish(nodes, sizeof(nodes) / sizeof(nodes[0]));
}
