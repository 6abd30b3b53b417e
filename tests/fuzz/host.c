/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.c - what the parsers ask of a kernel, answered by the host: memory, messages, the end.
 *
 * Memory comes from arena.c. Messages are formatted, as that is part of what is tested, and thrown
 * away. A panic is the end of the run.
 *
 * Contexts: one thread. No locks. Not for: anything that waits or is interrupted; that is what
 * port/sim is for. Read next: fuzz.c.
 */
#include "arena.h"
#include "fuzz.h"

#include <ithaca/port.h>
#include <ithaca/print.h>
#include <stdio.h>

bool host_intr_on = true;
uint64_t host_counter;

static bool verbose;

/* ---- Memory ---- */

void *port_mem_alloc(size_t size)
{
	return arena_alloc(size);
}

void port_mem_free(void *p, size_t size)
{
	if (p != NULL && arena_size(p) != size)
		fuzz_died("%zu bytes freed as %zu", arena_size(p), size);
	arena_free(p);
}

/* ---- Messages ---- */

void host_verbose(bool on)
{
	verbose = on;
}

void kprintf(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (verbose)
		(void)fputs(text, stderr);
}

void panic(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fuzz_died("panic: %s", text);
}

void kassert_fail(const char *expr, const char *file, int line, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fuzz_died("%s:%d: %s: %s", file, line, expr, text);
}

_Bool panicking(void)
{
	return false;
}
