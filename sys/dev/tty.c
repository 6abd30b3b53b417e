/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tty.c - the console's upper half: what happens to characters, in threads.
 *
 *	chip -> uart.c's filter -> ring -> softint (here) -> queue -> tty_read()
 *	tty_write() -> ring -> uart.c's filter -> chip
 *
 * The filter schedules a softint at IPL_SOFTSERIAL; its lwp takes the mutexes below, which may
 * block, moves what has arrived into the queue, acts on Ctrl-C, echoes if asked, and wakes readers
 * and writers. When the queue is full it leaves the rest in the ring, whose filter stops the chip
 * when that is full too; tty_read() schedules the softint again when it has made room. So no
 * character is dropped anywhere above the chip.
 *
 * Contexts: lwps, and the softint. Lock order: t_in -> t_out -> (uart.c's lock).
 *
 * What it keeps true:
 * - t_full is set when the softint stopped for want of room in the queue: whoever makes room
 *   schedules it;
 * - a writer that got less than all of its text queued sleeps on t_out_cv, and uart_send() has
 *   promised a call of notify(), whose softint broadcasts under t_out: no wakeup is lost, as the
 *   writer holds t_out from the one to the other;
 * - a line goes out when it ends, whole, so that the kernel's messages come between lines; what is
 *   begun and not ended goes out before anybody reads, sleeps, flushes or puts characters as they
 *   are, so that a question is seen before its answer is waited for;
 * - what was echoed only in part (the kernel's messages take room as well) stays in t_echo, and
 *   nothing more is taken from the ring until it is out.
 *
 * It is not for: more than one console, line editing (app/line.c). Read next: app/shell.c.
 */
#include "tty.h"

#include "dev/uart.h"
#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/errno.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>
#include <stdatomic.h>

#define COM1_PORT 0x3f8
#define COM1_IRQ 4
#define CHUNK 256
#define CTRL_C 0x03

/* Locking key: (a) set once before it is shared; (n) t_in; (o) t_out; (~) atomic. */
struct tty {
	struct uart *_Atomic t_uart; /* (~) set last in tty_attach(); NULL: nothing attached */
	struct softint *t_softint;   /* (a) */

	struct mutex t_in;
	struct condvar t_in_cv;       /* (n) something in the queue, or Ctrl-C */
	char t_queue[TTY_QUEUE];      /* (n) a ring */
	size_t t_first, t_count;      /* (n) */
	unsigned t_mode;              /* (n) TTY_* */
	bool t_full;                  /* (n) the softint stopped: no room */
	char t_echo[CHUNK];           /* (n) what is still to be echoed */
	size_t t_echo_at, t_echo_len; /* (n) */
	_Atomic bool t_interrupted;   /* (~) a flag of its own: nothing is published by it */

	struct mutex t_out;
	struct condvar t_out_cv; /* (o) there is room again */
	char t_line[CHUNK];      /* (o) a line begun and not ended */
	size_t t_line_len;       /* (o) */
};

static struct tty tty;

/* uart - the line, if there is one. Acquire: pairs with the release at the end of tty_attach(). */
static struct uart *uart(void)
{
	return atomic_load_explicit(&tty.t_uart, memory_order_acquire);
}

/* ---- The softint ---- */

static void queue_char(struct tty *t, char c)
{
	KASSERT(t->t_count < TTY_QUEUE, "tty queue overfilled");
	t->t_queue[(t->t_first + t->t_count) % TTY_QUEUE] = c;
	t->t_count++;
}

/* arrived - the line discipline: what one character does. (n) held. */
static void arrived(struct tty *t, char c)
{
	if (c == CTRL_C && (t->t_mode & TTY_SIGNAL) != 0) {
		t->t_count = 0;
		atomic_store_explicit(&t->t_interrupted, true, memory_order_relaxed);
		return;
	}
	queue_char(t, c);
}

/* echo - send back what is due; true when all of it is out. (n) held. */
static bool echo(struct tty *t, struct uart *u)
{
	if (t->t_echo_at < t->t_echo_len) {
		mutex_enter(&t->t_out);
		t->t_echo_at +=
		    uart_send(u, t->t_echo + t->t_echo_at, t->t_echo_len - t->t_echo_at);
		mutex_exit(&t->t_out);
	}
	return t->t_echo_at == t->t_echo_len;
}

/* take - move what has arrived from the ring to the queue. (n) held. */
static void take(struct tty *t, struct uart *u)
{
	char buf[CHUNK];
	size_t n, i;

	for (;;) {
		if (!echo(t, u))
			return;
		n = TTY_QUEUE - t->t_count;
		t->t_full = n == 0;
		if (n == 0)
			return;
		n = uart_recv(u, buf, n < CHUNK ? n : CHUNK);
		if (n == 0)
			return;
		for (i = 0; i < n; i++)
			arrived(t, buf[i]);
		if ((t->t_mode & TTY_ECHO) != 0) {
			memcpy(t->t_echo, buf, n);
			t->t_echo_at = 0;
			t->t_echo_len = n;
		}
		cv_broadcast(&t->t_in_cv);
	}
}

static void tty_softint(void *arg)
{
	struct tty *t = arg;
	struct uart *u = uart();

	if (u == NULL)
		return;
	mutex_enter(&t->t_in);
	take(t, u);
	mutex_exit(&t->t_in);
	mutex_enter(&t->t_out);
	cv_broadcast(&t->t_out_cv);
	mutex_exit(&t->t_out);
}

/* notify - from uart.c's filter. */
static void notify(void *arg)
{
	softint_schedule(((struct tty *)arg)->t_softint);
}

/* ---- Writing ---- */

/* send - all of it, waiting for room. (o) held; dropped while it waits. */
static void send(struct tty *t, struct uart *u, const char *text, size_t len)
{
	size_t n;

	while (len > 0) {
		n = uart_send(u, text, len);
		text += n;
		len -= n;
		if (len > 0)
			cv_wait(&t->t_out_cv, &t->t_out);
	}
}

/* line_out - what there is of a line. (o) held; dropped while it waits, so a copy is sent. */
static void line_out(struct tty *t, struct uart *u)
{
	char line[CHUNK];
	size_t len = t->t_line_len;

	memcpy(line, t->t_line, len);
	t->t_line_len = 0;
	send(t, u, line, len);
}

static void line_flush(struct tty *t, struct uart *u)
{
	if (u == NULL)
		return;
	mutex_enter(&t->t_out);
	line_out(t, u);
	mutex_exit(&t->t_out);
}

static void line_char(struct tty *t, struct uart *u, char c)
{
	while (t->t_line_len == CHUNK) /* others write while it waits */
		line_out(t, u);
	t->t_line[t->t_line_len++] = c;
}

/* ---- Reading ---- */

/* signalled - (n) held: the last Ctrl-C of the queue, and what was typed before it, are taken out;
 * false: there is none. */
static bool signalled(struct tty *t)
{
	size_t n = t->t_count;

	while (n > 0 && t->t_queue[(t->t_first + n - 1) % TTY_QUEUE] != CTRL_C)
		n--;
	t->t_first = (t->t_first + n) % TTY_QUEUE;
	t->t_count -= n;
	return n > 0;
}

unsigned tty_mode(unsigned mode)
{
	struct tty *t = &tty;
	bool again = false;
	unsigned before;

	mutex_enter(&t->t_in);
	before = t->t_mode;
	t->t_mode = mode;
	if ((mode & TTY_SIGNAL) != 0 && signalled(t)) {
		atomic_store_explicit(&t->t_interrupted, true, memory_order_relaxed);
		again = t->t_full;
	}
	mutex_exit(&t->t_in);
	if (again)
		softint_schedule(t->t_softint);
	return before;
}

/* wait_input - (n) held: until there is input, or `until` (clock_ns() time): false. */
static bool wait_input(struct tty *t, uint64_t until)
{
	uint64_t now;

	while (t->t_count == 0) {
		if (until == SLEEP_FOREVER) {
			cv_wait(&t->t_in_cv, &t->t_in);
			continue;
		}
		now = clock_ns();
		if (now >= until)
			return false;
		(void)cv_timedwait(&t->t_in_cv, &t->t_in, until - now);
	}
	return true;
}

static uint64_t deadline(uint64_t ns)
{
	uint64_t now = clock_ns();

	return ns > SLEEP_FOREVER - now ? SLEEP_FOREVER : now + ns;
}

size_t tty_read(char *buf, size_t n, uint64_t ns)
{
	struct tty *t = &tty;
	bool again = false;
	size_t got = 0;

	if (uart() == NULL)
		return 0;
	line_flush(t, uart());
	mutex_enter(&t->t_in);
	if (wait_input(t, deadline(ns))) {
		for (; got < n && t->t_count > 0; got++) {
			buf[got] = t->t_queue[t->t_first];
			t->t_first = (t->t_first + 1) % TTY_QUEUE;
			t->t_count--;
		}
		again = t->t_full && t->t_count <= TTY_QUEUE / 2;
	}
	mutex_exit(&t->t_in);
	if (again)
		softint_schedule(t->t_softint);
	return got;
}

bool tty_interrupted(void)
{
	return atomic_load_explicit(&tty.t_interrupted, memory_order_relaxed);
}

void tty_clear(void)
{
	atomic_store_explicit(&tty.t_interrupted, false, memory_order_relaxed);
}

bool tty_sleep(uint64_t ns)
{
	struct tty *t = &tty;
	uint64_t until = deadline(ns), now;

	if (uart() == NULL) {
		lwp_sleep_ns(ns);
		return false;
	}
	line_flush(t, uart());
	mutex_enter(&t->t_in);
	for (now = clock_ns(); !tty_interrupted() && now < until; now = clock_ns())
		(void)cv_timedwait(&t->t_in_cv, &t->t_in, until - now);
	mutex_exit(&t->t_in);
	return tty_interrupted();
}

/* ---- Text ---- */

void tty_put(const char *text, size_t len)
{
	struct uart *u = uart();

	if (u == NULL) {
		port_console_write(text, len);
		return;
	}
	mutex_enter(&tty.t_out);
	line_out(&tty, u);
	send(&tty, u, text, len);
	mutex_exit(&tty.t_out);
}

void tty_write(const char *text, size_t len)
{
	struct uart *u = uart();
	size_t i;

	if (u == NULL) {
		port_console_write(text, len);
		return;
	}
	mutex_enter(&tty.t_out);
	for (i = 0; i < len; i++) {
		if (text[i] == '\n')
			line_char(&tty, u, '\r');
		line_char(&tty, u, text[i]);
		if (text[i] == '\n')
			line_out(&tty, u);
	}
	mutex_exit(&tty.t_out);
}

void tty_printf(const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	tty_write(buf, (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf) - 1);
}

int tty_flush(uint64_t ns)
{
	struct uart *u = uart();
	uint64_t until = deadline(ns);

	line_flush(&tty, u);
	while (u != NULL && !uart_idle(u)) {
		if (clock_ns() >= until)
			return ETIMEDOUT;
		lwp_sleep_ns(NS_PER_MS);
	}
	return 0;
}

/* ---- Counts ---- */

/* count_get - sy_arg says where in struct uart_counts the value is. */
static uint64_t count_get(struct sysctl *sy)
{
	struct uart *u = uart();
	struct uart_counts uc;

	if (u == NULL)
		return 0;
	uart_counts(u, &uc);
	return *(uint64_t *)(void *)((char *)&uc + sy->sy_arg);
}

static uint64_t pace_get(struct sysctl *sy)
{
	struct uart *u = uart();

	(void)sy;
	return u != NULL ? uart_pace(u) : 0;
}

static int pace_set(struct sysctl *sy, uint64_t value)
{
	struct uart *u = uart();

	(void)sy;
	if (u == NULL)
		return ENXIO;
	uart_set_pace(u, (unsigned)value);
	return 0;
}

#define COUNT(name, field, doc)                                                                    \
	{                                                                                          \
		.sy_name = "tty." name, .sy_doc = doc, .sy_get = count_get,                        \
		.sy_arg = offsetof(struct uart_counts, field)                                      \
	}

static struct sysctl counts[] = {
    COUNT("interrupts", uc_interrupts, "interrupts of the console's chip"),
    COUNT("stray", uc_stray, "interrupts that it had not asked for"),
    COUNT("rx", uc_rx, "characters received"),
    COUNT("tx", uc_tx, "characters sent"),
    COUNT("polled", uc_polled, "characters sent by polling"),
    COUNT("overruns", uc_overruns, "times that the chip lost characters"),
    COUNT("errors", uc_errors, "characters dropped: parity, framing, break"),
    COUNT("pauses", uc_pauses, "times that the sender was held up, being faster than a line"),
    {.sy_name = "tty.pace",
	.sy_doc = "characters in 10 ms above which the sender is held up (0: none)",
	.sy_get = pace_get,
	.sy_set = pace_set,
	.sy_max = UART_PACE_MAX},
    COUNT("ring_full", uc_ring_full, "times that the sender was held up, the ring being full"),
};

/* ---- Attach ---- */

bool tty_attached(void)
{
	return uart() != NULL;
}

int tty_attach(void)
{
	struct tty *t = &tty;
	struct uart *u;
	int error;

	mutex_init(&t->t_in, "tty input", IPL_SOFTSERIAL);
	mutex_init(&t->t_out, "tty output", IPL_SOFTSERIAL);
	cv_init(&t->t_in_cv, "ttyin");
	cv_init(&t->t_out_cv, "ttyout");
	error = softint_establish("tty0", IPL_SOFTSERIAL, tty_softint, t, &t->t_softint);
	if (error != 0)
		return error;
	error = uart_attach(COM1_PORT, COM1_IRQ, notify, t, &u);
	if (error != 0) {
		(void)softint_disestablish(t->t_softint);
		return error;
	}
	sysctl_publish(counts, sizeof(counts) / sizeof(counts[0]));
	atomic_store_explicit(&t->t_uart, u, memory_order_release);
	/* What arrived before the store found nobody. */
	softint_schedule(t->t_softint);
	return 0;
}
