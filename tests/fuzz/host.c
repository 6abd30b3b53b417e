/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.c - what the parsers ask of a kernel, answered by the host: memory, messages, the end.
 *
 * Memory comes from malloc(), so that AddressSanitizer knows each piece and its end. It is kept on
 * a list: a target finds out whether it has lost any, and the nth may be made to fail. Messages are
 * formatted, as that is part of what is tested, and thrown away. A panic is the end of the run.
 *
 * Contexts: one thread. No locks. Not for: anything that waits or is interrupted; that is what
 * port/sim is for. Read next: fuzz.c.
 */
#include "fuzz.h"

#include <ithaca/port.h>
#include <ithaca/print.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct piece {
	struct piece *pi_next, **pi_at;
	size_t pi_size;
	uint64_t pi_fill; /* keeps the alignment of 16 */
};

bool host_intr_on = true;
uint64_t host_counter;

static struct piece *pieces;
static unsigned live, fail_after;
static bool verbose;

/* ---- Memory ---- */

void host_fail_after(unsigned nth)
{
	fail_after = nth;
}

unsigned host_live(void)
{
	return live;
}

void *host_alloc(size_t size)
{
	struct piece *pi;

	if (fail_after != 0 && --fail_after == 0)
		return NULL;
	pi = calloc(1, sizeof(*pi) + size);
	if (pi == NULL)
		return NULL;
	pi->pi_size = size;
	pi->pi_next = pieces;
	pi->pi_at = &pieces;
	if (pieces != NULL)
		pieces->pi_at = &pi->pi_next;
	pieces = pi;
	live++;
	return pi + 1;
}

void host_free(void *p)
{
	struct piece *pi;

	if (p == NULL)
		return;
	pi = (struct piece *)p - 1;
	*pi->pi_at = pi->pi_next;
	if (pi->pi_next != NULL)
		pi->pi_next->pi_at = pi->pi_at;
	live--;
	free(pi);
}

void host_free_all(void)
{
	while (pieces != NULL)
		host_free(pieces + 1);
}

void *port_mem_alloc(size_t size)
{
	return host_alloc(size);
}

void port_mem_free(void *p, size_t size)
{
	if (p != NULL && ((struct piece *)p - 1)->pi_size != size)
		fuzz_died("%zu bytes freed as %zu", ((struct piece *)p - 1)->pi_size, size);
	host_free(p);
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
