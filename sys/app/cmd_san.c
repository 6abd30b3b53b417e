/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_san.c - san: do on purpose what the sanitizers look for.
 *
 * Each way makes one mistake, of a kind that they find, and nothing that the system would suffer
 * from if it went on (debug.ubsan and debug.kasan at 1): memory that is not one's own is read, not
 * written. In a kernel without the sanitizer that finds it the mistake is not made.
 *
 * The operands go through volatile variables, so that no compiler can see the mistake and leave it
 * out, or refuse it.
 *
 * Contexts: the shell's lwp, and one that it makes. Read next: sys/san/kasan.c, sys/san/ubsan.c.
 */
#include "app/shell.h"
#include "mem/kmem.h"
#include "mem/page.h"
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/string.h>

enum { NEEDS_UBSAN, NEEDS_KASAN };

struct way {
	const char *name;
	unsigned needs;
	int (*make)(void);
};

/* What the mistakes are made with, and where their results go. */
static volatile struct {
	int shift, most, least, minus;
	unsigned index;
	size_t copy;
} with = {
    .shift = 35,
    .most = 0x7fffffff,
    .least = -0x7fffffff - 1,
    .minus = -1,
    .index = 4,
    .copy = 104,
};
static volatile int sink;

/* ---- Undefined ---- */

static int way_shift(void)
{
	sink = 1 << with.shift;
	return 0;
}

static int way_overflow(void)
{
	sink = with.most + 1;
	return 0;
}

static int way_multiply(void)
{
	sink = with.least * with.minus;
	return 0;
}

static int way_index(void)
{
	static int table[4];
	/* Inside the structure, so it reads nothing that is not there. */
	struct {
		int table[4];
		int behind;
	} local = {.behind = table[0]};

	sink = local.table[with.index];
	return 0;
}

static int way_align(void)
{
	static char bytes[8];
	char *volatile p = bytes + 1;

	sink = *(const int *)(const void *)p; /* not volatile: clang does not check such */
	return 0;
}

static int way_null(void)
{
	struct shell_cmd *volatile none = NULL;
	const char *const *p = &none->sh_help; /* not followed */

	sink = p != NULL;
	return 0;
}

static int way_bool(void)
{
	static unsigned char byte = 2;
	const volatile bool *p = (const volatile bool *)&byte;

	sink = *p;
	return 0;
}

/* ---- Memory ---- */

#define OBJECT 100

static int way_heap(void)
{
	volatile unsigned char *p = kmem_alloc(OBJECT);

	if (p == NULL)
		return ENOMEM;
	sink = p[OBJECT];
	kmem_free((void *)(uintptr_t)p, OBJECT);
	return 0;
}

static int way_large(void)
{
	volatile unsigned char *p = kmem_alloc(2 * PAGE_SIZE);

	if (p == NULL)
		return ENOMEM;
	sink = p[2 * PAGE_SIZE];
	kmem_free((void *)(uintptr_t)p, 2 * PAGE_SIZE);
	return 0;
}

static int way_freed(void)
{
	volatile unsigned char *p = kmem_alloc(OBJECT);

	if (p == NULL)
		return ENOMEM;
	kmem_free((void *)(uintptr_t)p, OBJECT);
	sink = p[OBJECT / 2];
	return 0;
}

static int way_twice(void)
{
	void *p = kmem_alloc(OBJECT);

	if (p == NULL)
		return ENOMEM;
	kmem_free(p, OBJECT);
	kmem_free(p, OBJECT);
	return 0;
}

static int way_copy(void)
{
	unsigned char *p = kmem_alloc(OBJECT);
	unsigned char to[OBJECT + 4];

	if (p == NULL)
		return ENOMEM;
	memcpy(to, p, with.copy);
	sink = to[0];
	kmem_free(p, OBJECT);
	return 0;
}

static int way_page(void)
{
	uint64_t phys = page_alloc(0, 0);
	const volatile unsigned char *p;

	if (phys == 0)
		return ENOMEM;
	p = machine_phys_to_virt(phys);
	page_free(phys, 0);
	sink = p[8];
	return 0;
}

static int way_global(void)
{
	static unsigned char table[OBJECT];
	const volatile unsigned char *volatile p = table;

	sink = p[OBJECT];
	return 0;
}

static int way_text(void)
{
	char *p = kmem_alloc(OBJECT);

	if (p == NULL)
		return ENOMEM;
	memset(p, 'a', OBJECT); /* no end; what follows an object has bytes that are 0 */
	sink = (int)strlen(p);
	kmem_free(p, OBJECT);
	return 0;
}

static int way_stack(void)
{
	volatile unsigned char array[24] = {0};
	volatile unsigned char *volatile p =
	    array; /* UBSan sees an index, this one nobody but the shadow */

	sink = p[24];
	return 0;
}

static int way_scope(void)
{
	volatile int *volatile p = NULL;

	for (int i = 0; i < 1; i++) {
		volatile int inner[4] = {i};

		p = inner;
		sink = p[0];
	}
	sink = p[0];
	return 0;
}

static void leave_address(void *arg)
{
	char local[32] = {0};
	char *volatile p = local;

	*(char **)arg = p;
}

/* A variable of an lwp that is gone. */
static int way_gone(void)
{
	volatile unsigned char *volatile p = NULL;
	struct lwp *l;
	int error = lwp_create("san", PRI_KERNEL, NULL, LWP_JOINABLE, leave_address,
	    (void *)(uintptr_t)&p, &l);

	if (error != 0)
		return error;
	lwp_join(l);
	sink = p[0];
	return 0;
}

/* ---- The command ---- */

static const struct way ways[] = {
    {"shift", NEEDS_UBSAN, way_shift},
    {"overflow", NEEDS_UBSAN, way_overflow},
    {"multiply", NEEDS_UBSAN, way_multiply},
    {"index", NEEDS_UBSAN, way_index},
    {"align", NEEDS_UBSAN, way_align},
    {"null", NEEDS_UBSAN, way_null},
    {"bool", NEEDS_UBSAN, way_bool},
    {"heap", NEEDS_KASAN, way_heap},
    {"large", NEEDS_KASAN, way_large},
    {"freed", NEEDS_KASAN, way_freed},
    {"twice", NEEDS_KASAN, way_twice},
    {"copy", NEEDS_KASAN, way_copy},
    {"page", NEEDS_KASAN, way_page},
    {"text", NEEDS_KASAN, way_text},
    {"global", NEEDS_KASAN, way_global},
    {"stack", NEEDS_KASAN, way_stack},
    {"scope", NEEDS_KASAN, way_scope},
    {"gone", NEEDS_KASAN, way_gone},
};
#define NWAYS (sizeof(ways) / sizeof(ways[0]))

static bool built(unsigned needs)
{
	static const bool have[] = {[NEEDS_UBSAN] = ITHACA_UBSAN, [NEEDS_KASAN] = ITHACA_KASAN};

	return have[needs];
}

static int list(void)
{
	tty_printf("%-10s %-9s %s\n", "way", "finder", "built");
	for (unsigned i = 0; i < NWAYS; i++)
		tty_printf("%-10s %-9s %s\n", ways[i].name,
		    ways[i].needs == NEEDS_UBSAN ? "ubsan" : "kasan",
		    built(ways[i].needs) ? "yes" : "no");
	return 0;
}

static int cmd_san(int argc, char **argv)
{
	const struct way *w = ways;
	int error;

	if (argc == 1)
		return list();
	if (argc > 2)
		return shell_usage();
	while (w < ways + NWAYS && strcmp(w->name, argv[1]) != 0)
		w++;
	if (w == ways + NWAYS)
		return shell_error("'%s': no such way; `san` lists them", argv[1]);
	if (!built(w->needs))
		return shell_error("%s: this kernel is built without the sanitizer for it: "
				   "./ithaca run --san",
		    argv[1]);
	error = w->make();
	if (error != 0)
		return shell_error("%s: %s", argv[1], errno_name(error));
	tty_printf("san: %s was done\n", argv[1]);
	return 0;
}

static void complete(struct line_editor *le, int arg, char **argv)
{
	(void)argv;
	for (unsigned i = 0; i < NWAYS && arg == 1; i++)
		line_offer(le, ways[i].name);
}

const struct shell_cmd shell_san_cmds[] = {
    {"san", "[WAY]", "make a mistake for the sanitizers to find; without WAY, list the mistakes",
	"  What is found ends in a panic, unless debug.ubsan or debug.kasan is 1: it is told;\n"
	"  or 0: it is counted. ./ithaca run --san boots a kernel with sanitizers.\n",
	cmd_san, complete},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
