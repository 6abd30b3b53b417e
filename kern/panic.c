/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * panic.c - text to the console, and the end of the road.
 *
 * Purpose: say why the system cannot go on, in the order in which a reader needs it: the message;
 * which CPU, lwp, level and handler; the callers; then what each layer registered (sources and
 * pending queues, the pool, run queues, who waits for whom). Then the machine stops.
 * Context: any at all, also a filter, an NMI, or a time when nothing is set up yet.
 *
 * One CPU wins: it sets panic_owner, once. Others that panic meanwhile wait to be stopped.
 * The work is a row of steps, and panic_step is moved past a step before that step runs. So a
 * panic within the panic (a dump that follows a broken list) prints its message and goes on with
 * the next step, and the depth of such panics is bounded by the number of steps.
 *
 *	CPU 0					CPU 1
 *	panic: owner 0 -> 1			panic: owner is 1, not 2
 *	port_stop_others()			spins, and is stopped
 *	message, callers, dumps
 *	  a dump panics: owner is 1 already,
 *	  message, next step
 *	port_die()
 *
 * Locks: none is taken here, and mutex.c takes none once panicking() is true.
 * Not for errors that a caller can handle. Read next: the dumps, intr_dump() in intr.c first.
 */
#include <ithaca/print.h>

#include <ithaca/cpu.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/spl.h>
#include <stdatomic.h>
#include <stdbool.h>

#define TEXT_MAX 512
#define DUMPS_MAX 16
#define PINNED_MAX 16 /* a level can be nested once, so this is generous; a broken chain ends */

/* The steps before the registered functions, which are followed by the last one. */
#define STEP_STOP 0
#define STEP_MESSAGE 1
#define STEP_CALLERS 2
#define STEP_DUMPS 3

/* Locking key: (a) set while the system starts; (o) the CPU that owns the panic; (~) atomic. */
static void (*panic_dumps[DUMPS_MAX])(void); /* (a) */
static unsigned panic_ndumps;                /* (a) */
static _Atomic unsigned panic_owner;         /* (~) CPU number + 1; pairs within this file */
static unsigned panic_step;                  /* (o) the next one */
static char panic_text[TEXT_MAX];            /* (o) */

static void console_vprintf(const char *fmt, va_list ap)
{
	char text[TEXT_MAX];
	int len = kvsnprintf(text, sizeof(text), fmt, ap);

	port_console_write(text, len < TEXT_MAX ? (size_t)len : TEXT_MAX - 1);
}

void kprintf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	console_vprintf(fmt, ap);
	va_end(ap);
}

_Bool panicking(void)
{
	/* Relaxed: it says that locks do not matter any more, it publishes nothing. */
	return atomic_load_explicit(&panic_owner, memory_order_relaxed) != 0;
}

void panic_register(void (*fn)(void))
{
	KASSERT(panic_ndumps < DUMPS_MAX, "more than %d functions for a panic", DUMPS_MAX);
	if (panic_ndumps < DUMPS_MAX)
		panic_dumps[panic_ndumps++] = fn;
}

static void print_lwp(const char *what, const struct lwp *l, int ipl)
{
	const struct intr_handler *ih = l->l_handler;

	kprintf("%s lwp %u \"%.*s\" at level %s", what, l->l_id, LWP_NAME_MAX, l->l_name,
	    spl_name(ipl));
	if (ih != NULL)
		kprintf(", handler \"%.*s\"", INTR_NAME_MAX, ih->ih_name);
	kprintf("\n");
}

static void print_message(void)
{
	const struct cpu *ci = curcpu();
	const struct lwp *l;
	unsigned n;

	kprintf("\npanic: %s\n", panic_text);
	if (ci == NULL || curlwp == NULL) {
		kprintf("before the core was started\n");
		return;
	}
	kprintf("cpu %u,", ci->ci_index);
	print_lwp("", curlwp, cpu_ipl(ci, curlwp));
	for (l = curlwp->l_pinned, n = 0; l != NULL && n < PINNED_MAX; l = l->l_pinned, n++)
		print_lwp("  pinned beneath:", l, l->l_ipl);
}

static void run_step(unsigned step)
{
	switch (step) {
	case STEP_STOP:
		port_stop_others();
		return;
	case STEP_MESSAGE:
		print_message();
		return;
	case STEP_CALLERS:
		port_backtrace();
		return;
	default:
		if (step < STEP_DUMPS + panic_ndumps)
			panic_dumps[step - STEP_DUMPS]();
		else
			port_die();
	}
}

static void run_steps(void) __attribute__((noreturn));
static void run_steps(void)
{
	unsigned last = STEP_DUMPS + panic_ndumps;

	while (panic_step <= last)
		run_step(panic_step++);
	/* port_die() itself panicked: there is nothing left to try. */
	for (;;)
		port_pause();
}

static void panic_va(const char *fmt, va_list ap) __attribute__((noreturn));
static void panic_va(const char *fmt, va_list ap)
{
	const struct cpu *ci;
	unsigned owner = 0;
	unsigned me;

	port_intr_disable();
	ci = curcpu();
	me = ci != NULL ? ci->ci_index + 1 : 1;
	/* Acquire: panic_text and the step belong to this CPU from here on. */
	if (atomic_compare_exchange_strong_explicit(&panic_owner, &owner, me, memory_order_acquire,
		memory_order_relaxed)) {
		kvsnprintf(panic_text, sizeof(panic_text), fmt, ap);
		run_steps();
	}
	if (owner == me) {
		kprintf("\npanic within the panic: ");
		console_vprintf(fmt, ap);
		kprintf("\n");
		run_steps();
	}
	for (;;)
		port_pause();
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	panic_va(fmt, ap);
}

void kassert_fail(const char *expr, const char *file, int line, const char *fmt, ...)
{
	char text[TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	panic("%s:%d: assertion (%s): %s", file, line, expr, text);
}
