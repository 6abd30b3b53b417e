/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * print.h - formatted output and the end of the road.
 *
 * Formats: %d %i %u %x %X %o %c %s %p %%, flags `-`, `0`, `+`, ` `, `#`, width and precision
 * (also `*`), lengths hh h l ll z j t. No floating point.
 */
#ifndef ITHACA_PRINT_H
#define ITHACA_PRINT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * kvsnprintf, ksnprintf - format into buf, at most size bytes with the final NUL.
 * Any context. Return the length that the whole text would have had.
 */
int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int ksnprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * kprintf - format to the console. Any context, any level; never blocks: the text (at most 511
 * bytes a call, the rest is cut) goes out through port_console_write().
 */
void kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * panic - stop every CPU, print the message, registers, backtrace, current handler and pending
 * queues, and leave through port_die(). Any context; does not return; a panic within a panic
 * prints its message, and what it broke off goes on with the next step.
 */
void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* panicking - true once panic() was called on any CPU: locks are then taken by nobody. */
_Bool panicking(void);

/*
 * panic_register - have `fn` called in a panic, to print what a layer knows. At most 16; more is
 * a programmer's error. Call while the system starts.
 */
void panic_register(void (*fn)(void));

/*
 * KASSERT - what must be true. In a checked build a false one panics with the expression and the
 * message, through kassert_fail(); in a release build nothing is evaluated.
 */
#if ITHACA_CHECKED
#define KASSERT(cond, ...) ((cond) ? (void)0 : kassert_fail(#cond, __FILE__, __LINE__, __VA_ARGS__))
#else
#define KASSERT(cond, ...)                                                                         \
	(1 ? (void)0 : (cond) ? (void)0 : kassert_fail(#cond, __FILE__, __LINE__, __VA_ARGS__))
#endif

void kassert_fail(const char *expr, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5), noreturn, cold));

#endif
