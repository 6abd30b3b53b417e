/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tty.h - the console as lwps see it: characters in, text out.
 *
 * Rules: all functions are for lwps (they may block) unless said otherwise. Text written in one
 * call is not mixed with another lwp's; it may be mixed with the kernel's own messages, by lines.
 */
#ifndef SYS_DEV_TTY_H
#define SYS_DEV_TTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TTY_QUEUE 4096 /* characters that have arrived and were not read */

/* Modes; bits. */
#define TTY_SIGNAL 0x1 /* Ctrl-C is not read: it empties the queue and sets tty_interrupted() */
#define TTY_ECHO 0x2   /* what arrives is sent back, as it is */

/*
 * tty_attach - the console's 16550. Once. ENXIO: there is none: then writes go to the kernel's
 * console, and reads fail at once. Others as uart_attach(), softint_establish().
 */
int tty_attach(void);

/* tty_attached - there is somebody to read from. Any context. */
bool tty_attached(void);

/* tty_mode - TTY_*; returns those before. What has arrived is read under the new mode: a Ctrl-C
 * that came a moment before TTY_SIGNAL is one that came a moment after it. */
unsigned tty_mode(unsigned mode);

/* tty_read - at least one character and at most n, waiting up to `ns` nanoseconds for the first
 * (SLEEP_FOREVER: without end). Returns how many; 0: time ran out, or nothing is attached. */
size_t tty_read(char *buf, size_t n, uint64_t ns);

/* tty_write - text, with a return before each newline. What follows the last newline is kept until
 * its line ends, or until anybody reads, sleeps, flushes or puts. tty_put - as it is, at once. Both
 * return when all of it is queued or kept. */
void tty_write(const char *text, size_t len);
void tty_put(const char *text, size_t len);

/* tty_printf - formatted; at most 512 characters a call, the rest is cut. */
void tty_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* tty_flush - wait until all that was written has left the chip, at most `ns` nanoseconds:
 * ETIMEDOUT. */
int tty_flush(uint64_t ns);

/* tty_interrupted - Ctrl-C was typed, with TTY_SIGNAL set, since tty_clear(). Any context. */
bool tty_interrupted(void);
void tty_clear(void);

/* tty_sleep - let `ns` nanoseconds go by, or less: true if tty_interrupted(). */
bool tty_sleep(uint64_t ns);

#endif
