/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kasan_report.c - what is said of a bad access.
 *
 * In the order in which a reader needs it: what kind of memory it was, read or written, how many
 * bytes, where, and by which function; then whose memory that is (an object: kmem.c says; a frame:
 * the compiler left the names of its variables at the frame's start; a variable of static storage:
 * the compiler told its name when the system started); the shadow about it; then the
 * panic, which adds lwp, level and callers. With debug.kasan at 1 there is no panic: lwp and
 * callers are printed here, and the access happens.
 *
 * Contexts: any. No lock: one report at a time, the first to set `reporting`; accesses that are
 * found meanwhile, by other CPUs or by what prints the report, are counted and nothing else.
 * Not for undefined behaviour (ubsan.c). Read man/sanitizers.9.
 */
#include "kasan_impl.h"
#include "san.h"

#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/spl.h>
#include <ithaca/sysctl.h>
#include <stdatomic.h>

#define WHERE_SIZE 64
#define SHADOW_COLUMNS 16
#define FRAME_MAX 4096          /* how far beneath an address its frame's start is looked for */
#define FRAME_MAGIC 0x41b58ab3u /* the first word of a frame with red zones */
#define FRAME_LEFT 0xf1         /* shadow: the red zone at a frame's start, where the word is */
#define FRAME_TEXT_MAX 160

enum { MODE_COUNT, MODE_PRINT, MODE_PANIC };

/* What the compiler leaves at the start of a frame. */
struct frame {
	uintptr_t magic;
	const char *text; /* "COUNT OFFSET SIZE LENGTH NAME ...", of each variable the last four */
	const void *function;
};

/* Locking key: (a) set once before it is shared; (~) atomic, relaxed: they stand alone. */
static _Atomic bool reporting;
static _Atomic uint64_t mode = MODE_PANIC;
static _Atomic uint64_t reports;
static void (*describe)(uintptr_t addr); /* (a) */

void kasan_describe_with(void (*fn)(uintptr_t addr))
{
	describe = fn;
}

static const char *kind_name(unsigned kind)
{
	switch (kind) {
	case KASAN_HEAP_REDZONE:
		return "past the end of an object";
	case KASAN_HEAP_UNUSED:
		return "object never handed out";
	case KASAN_HEAP_FREED:
		return "object after it was freed";
	case KASAN_STACK_FREED:
		return "stack of an lwp that is gone";
	case KASAN_PAGE_FREE:
		return "free page";
	case 0xf1:
	case 0xf2:
	case 0xf3:
		return "past a variable of a frame";
	case 0xf9:
		return "past a variable";
	case 0xf5:
	case 0xf8:
		return "variable out of scope";
	default:
		return "poisoned memory";
	}
}

/* The kind behind a byte of a granule of which only a part may be used is that of the next. */
static unsigned bad_kind(uintptr_t addr)
{
	unsigned v = *kasan_shadow(addr);

	if (v >= KASAN_GRAIN || !kasan_covered(addr + KASAN_GRAIN))
		return v;
	return *kasan_shadow(addr + KASAN_GRAIN);
}

/* ---- Frames ---- */

/* The start of the frame that the address lies in, as far as its red zones tell; NULL: none. */
static const struct frame *frame_of(uintptr_t addr)
{
	uintptr_t at = addr & ~(uintptr_t)(KASAN_GRAIN - 1);
	uintptr_t least = addr > FRAME_MAX ? addr - FRAME_MAX : 0;
	const struct frame *f;

	while (at > least && kasan_covered(at) && *kasan_shadow(at) != FRAME_LEFT)
		at -= KASAN_GRAIN;
	while (at > least && kasan_covered(at - KASAN_GRAIN) &&
	    *kasan_shadow(at - KASAN_GRAIN) == FRAME_LEFT)
		at -= KASAN_GRAIN;
	if (!kasan_covered(at) || *kasan_shadow(at) != FRAME_LEFT)
		return NULL;
	f = (const struct frame *)at;
	return f != NULL && f->magic == FRAME_MAGIC ? f : NULL;
}

/* The next number of a frame's text. */
static size_t frame_number(const char **text)
{
	size_t n = 0;

	while (**text == ' ')
		(*text)++;
	for (; **text >= '0' && **text <= '9'; (*text)++)
		n = n * 10 + (size_t)(**text - '0');
	return n;
}

static void describe_frame(const struct frame *f, uintptr_t addr)
{
	const char *text = f->text;
	char where[WHERE_SIZE];
	size_t n = frame_number(&text);

	port_symbol((const char *)f->function + 1, where, sizeof(where));
	kprintf("  byte %llu of the frame of %s, whose variables are\n",
	    (unsigned long long)(addr - (uintptr_t)f), where);
	for (size_t i = 0; i < n && i < FRAME_TEXT_MAX / 8; i++) {
		size_t offset = frame_number(&text), size = frame_number(&text);
		size_t len = frame_number(&text);

		if (*text == ' ')
			text++;
		kprintf("    %zu to %zu: %.*s\n", offset, offset + size - 1,
		    (int)(len < FRAME_TEXT_MAX ? len : FRAME_TEXT_MAX), text);
		text += len;
	}
}

static void describe_stack(uintptr_t addr)
{
	const struct frame *f = frame_of(addr);
	const struct lwp *l = curlwp;
	uintptr_t base = (uintptr_t)l->l_stack;

	if (addr - base < l->l_stack_size)
		kprintf("  %llu bytes beneath the top of the stack of this lwp\n",
		    (unsigned long long)(base + l->l_stack_size - addr));
	else if (addr - machine_map_base < machine_map_size)
		kprintf("  in a stack that is not this lwp's\n");
	if (f != NULL)
		describe_frame(f, addr);
}

static void describe_global(uintptr_t addr)
{
	const struct kasan_global *g = kasan_global_at(addr);

	if (g != NULL)
		kprintf("  byte %llu of the variable %s of %s, which has %zu\n",
		    (unsigned long long)(addr - g->at), g->name, g->file, g->size);
}

/* ---- The report ---- */

static void print_shadow(uintptr_t addr)
{
	uintptr_t line = (addr / KASAN_GRAIN / SHADOW_COLUMNS - 1) * SHADOW_COLUMNS * KASAN_GRAIN;

	kprintf("  shadow, a byte for 8 bytes:\n");
	for (unsigned i = 0; i < 3; i++, line += SHADOW_COLUMNS * KASAN_GRAIN) {
		if (!kasan_covered(line))
			continue;
		kprintf("   %c%016lx:", addr - line < SHADOW_COLUMNS * KASAN_GRAIN ? '>' : ' ',
		    (unsigned long)line);
		for (unsigned j = 0; j < SHADOW_COLUMNS; j++)
			kprintf("%c%02x", addr / KASAN_GRAIN - line / KASAN_GRAIN == j ? '*' : ' ',
			    kasan_shadow(line)[j]);
		kprintf("\n");
	}
}

static void tell(const char *text, uintptr_t addr)
{
	const struct lwp *l = curlwp;

	kprintf("\nkasan: %s\n", text);
	if (describe != NULL)
		describe(addr);
	describe_stack(addr);
	describe_global(addr);
	print_shadow(addr);
	/* The panic of mode 2 prints the same of its own. */
	if (atomic_load_explicit(&mode, memory_order_relaxed) == MODE_PRINT) {
		kprintf("  cpu %u, lwp %u \"%.*s\" at level %s\n", curcpu()->ci_index, l->l_id,
		    LWP_NAME_MAX, l->l_name, spl_name(spl_now()));
		port_backtrace();
		kprintf("kasan: end of report\n");
	}
}

/* Count; may it be told of now? */
static bool begin(void)
{
	atomic_fetch_add_explicit(&reports, 1, memory_order_relaxed);
	return atomic_load_explicit(&mode, memory_order_relaxed) != MODE_COUNT && !panicking() &&
	    !atomic_exchange_explicit(&reporting, true, memory_order_relaxed);
}

static void finish(const char *text, uintptr_t addr)
{
	tell(text, addr);
	if (atomic_load_explicit(&mode, memory_order_relaxed) == MODE_PANIC)
		panic("kasan: %s", text);
	atomic_store_explicit(&reporting, false, memory_order_relaxed);
}

void kasan_report(const struct kasan_access *ka)
{
	char text[256], where[WHERE_SIZE];

	if (!begin())
		return;
	port_symbol(ka->from, where, sizeof(where));
	ksnprintf(text, sizeof(text), "%s: %s of %zu byte%s at %#lx in %s",
	    kind_name(bad_kind(ka->bad)), ka->write ? "write" : "read", ka->size,
	    ka->size == 1 ? "" : "s", (unsigned long)ka->addr, where);
	finish(text, ka->bad);
}

void kasan_freed_twice(const void *p, size_t size, const void *caller)
{
	char text[256], where[WHERE_SIZE];

	if (!begin())
		return;
	port_symbol(caller, where, sizeof(where));
	ksnprintf(text, sizeof(text), "object freed twice: %p of %zu bytes in %s", p, size, where);
	finish(text, (uintptr_t)p);
}

/* ---- Settings ---- */

void kasan_publish(void)
{
	static struct sysctl nodes[] = {
	    {.sy_name = "debug.kasan",
		.sy_doc = "bad accesses are 0: counted, 1: reported, 2: the end",
		.sy_value = &mode,
		.sy_max = MODE_PANIC},
	    {.sy_name = "debug.kasan_reports",
		.sy_doc = "bad accesses found",
		.sy_value = &reports},
	};

	sysctl_publish(nodes, sizeof(nodes) / sizeof(nodes[0]));
}
