/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kasan.c - which bytes of memory may be touched, and a check of every access.
 *
 * Every 8 bytes of the kernel's memory have a byte of shadow, at (address >> 3) + a constant:
 *
 *	0		all 8 may be used
 *	1 to 7		the first so many may
 *	80 and above	none; the value says why (san.h; 0xf1 to 0xf8 are the compilers',
 *			0xf9 is past a variable of static storage)
 *
 * Who writes it: page.c and kmem.c when memory is handed out and taken back, vmap.c for the stacks
 * of lwps, and compiled code itself for the variables of its frame (red zones about arrays, and
 * what is out of scope). Who reads it: the functions below, which the compilers call before each
 * access, and memcpy() and its like, which the linker leads here first (--wrap).
 *
 * What has shadow:
 *	kernel image	from the first instruction of C, in the port's own memory, because the boot
 *			stack lies in it; red zones of variables from kasan_init()
 *	RAM for all	from kasan_init(), in pages of that RAM, an eighth of it
 *	stacks of lwps	from their first use (kasan_cover()); the pages stay when the stack goes
 * Anything else (devices, firmware's tables, the port's page tables, the first MiB) has none, and
 * an access to it is not checked; covered() knows.
 *
 * Stacks that are left without a return (an ithread that divorced and begins anew at its top) have
 * the marks of frames that are no more: they are wiped where a stack begins anew.
 *
 * Contexts: any. Locks: cover_lock, when shadow is added: kasan cover -> pages. Checks take none:
 * who frees memory that another touches at the same time is found or not, as it happens.
 * This file is compiled without checks of its own. Read kasan_report.c next.
 */
#include "kasan_impl.h"
#include "san.h"

#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <stdatomic.h>

#define GLOBAL_REDZONE 0xf9
#define MODULES_MAX 256
#define RANGES_MAX (BOOT_RANGES_MAX + 1)
/* Of the mapping area; stacks further up have shadow, which is needed, but are not checked. */
#define COVER_MAX ((uintptr_t)4 << 30)
#define COVER_UNIT (PAGE_SIZE * KASAN_GRAIN) /* what a page of shadow stands for */

/* Locking key: (a) set once before it is shared; (c) cover_lock; (~) atomic. */
struct covered {
	uintptr_t base;
	size_t size;
};

static struct covered ranges[RANGES_MAX]; /* (a) */
static unsigned nranges;                  /* (a) */
static _Atomic bool checking;             /* (~) release in kasan_init(), relaxed elsewhere */
static struct mutex cover_lock;
static uint64_t (*page_source)(void);                       /* (a) */
static _Atomic uint64_t cover[COVER_MAX / COVER_UNIT / 64]; /* (~) bits; written under (c) */

/* (a) What each file of the kernel has told of its variables. */
static struct module {
	const struct kasan_global *globals;
	size_t n;
} modules[MODULES_MAX];
static unsigned nmodules; /* (a) */

/* What tells of them, a function a file: between two symbols of the port's linker script. */
extern void (*const kernel_ctors[])(void);
extern void (*const kernel_ctors_end[])(void);

/* The string functions proper, by the linker's --wrap. */
void *__real_memcpy(void *to, const void *from, size_t n);
void *__real_memmove(void *to, const void *from, size_t n);
void *__real_memset(void *to, int c, size_t n);
int __real_memcmp(const void *a, const void *b, size_t n);
size_t __real_strlen(const char *s);
int __real_strcmp(const char *a, const char *b);
int __real_strncmp(const char *a, const char *b, size_t n);
char *__real_strchr(const char *s, int c);
void __real_port_handoff(struct lwp *from, struct lwp *it, void (*body)(struct lwp *it));

/* ---- What has shadow ---- */

/* Is there shadow for that part of the mapping area? */
static bool area_covered(size_t offset)
{
	size_t unit = offset / COVER_UNIT;

	/* Relaxed: whoever has the address of a stack was given it after the bit was set. */
	return offset < COVER_MAX &&
	    (atomic_load_explicit(&cover[unit / 64], memory_order_relaxed) >> unit % 64 & 1) != 0;
}

bool kasan_covered(uintptr_t addr)
{
	if (addr - machine_map_base < machine_map_size)
		return area_covered(addr - machine_map_base);
	for (unsigned i = 0; i < nranges; i++) {
		if (addr - ranges[i].base < ranges[i].size)
			return true;
	}
	return false;
}

/* Map a page for the shadow at `shadow`, unless there is one. */
static bool shadow_map(uintptr_t shadow)
{
	uint64_t phys;

	shadow &= ~(uintptr_t)(PAGE_SIZE - 1);
	if (machine_virt_to_phys((const void *)shadow) != 0)
		return true;
	phys = page_source();
	return phys != 0 && machine_map(shadow, phys, MAP_WRITE) == 0;
}

static void range_add(uintptr_t base, size_t size)
{
	KASSERT(nranges < RANGES_MAX, "more than %u ranges of RAM", RANGES_MAX);
	ranges[nranges++] = (struct covered){.base = base, .size = size};
}

void kasan_init(const struct mem_range *ram, unsigned nram, uint64_t (*page)(void))
{
	struct covered image;
	uint64_t pages = 0;

	mutex_init(&cover_lock, "kasan cover", IPL_VM);
	page_source = page;
	machine_shadow_early(&image.base, &image.size);
	range_add(image.base, image.size);
	for (void (*const *ctor)(void) = kernel_ctors; ctor < kernel_ctors_end; ctor++)
		(*ctor)();
	for (unsigned i = 0; i < nram; i++) {
		uintptr_t base = (uintptr_t)machine_phys_to_virt(ram[i].base);
		uintptr_t end = (uintptr_t)kasan_shadow(base + ram[i].size);

		for (uintptr_t s = (uintptr_t)kasan_shadow(base) & ~(uintptr_t)(PAGE_SIZE - 1);
		     s < end; s += PAGE_SIZE, pages++) {
			if (!shadow_map(s))
				panic("kasan: no page for the shadow of %#llx + %#llx",
				    (unsigned long long)ram[i].base,
				    (unsigned long long)ram[i].size);
		}
		range_add(base, ram[i].size);
	}
	kprintf("kasan: %llu KiB of shadow\n", (unsigned long long)pages * (PAGE_SIZE / 1024));
	atomic_store_explicit(&checking, true, memory_order_release);
}

bool kasan_cover(uintptr_t va, size_t size)
{
	bool done = true;

	mutex_spin_enter(&cover_lock);
	for (uintptr_t at = va & ~(uintptr_t)(COVER_UNIT - 1); done && at < va + size;
	     at += COVER_UNIT) {
		size_t unit = (at - machine_map_base) / COVER_UNIT;

		done = shadow_map((uintptr_t)kasan_shadow(at));
		if (done && unit < COVER_MAX / COVER_UNIT)
			atomic_fetch_or_explicit(&cover[unit / 64], (uint64_t)1 << unit % 64,
			    memory_order_relaxed);
	}
	mutex_spin_exit(&cover_lock);
	return done;
}

/* ---- Writing it ---- */

static bool active(uintptr_t addr)
{
	return atomic_load_explicit(&checking, memory_order_relaxed) && kasan_covered(addr);
}

void kasan_poison(const void *p, size_t size, enum kasan_kind kind)
{
	uintptr_t addr = (uintptr_t)p;

	if (active(addr))
		__real_memset(kasan_shadow(addr), kind, size / KASAN_GRAIN);
}

void kasan_unpoison(const void *p, size_t size)
{
	uintptr_t addr = (uintptr_t)p;
	uint8_t *shadow = kasan_shadow(addr);

	if (!active(addr))
		return;
	__real_memset(shadow, 0, size / KASAN_GRAIN);
	if (size % KASAN_GRAIN != 0)
		shadow[size / KASAN_GRAIN] = size % KASAN_GRAIN;
}

unsigned kasan_kind_at(const void *p)
{
	return active((uintptr_t)p) ? *kasan_shadow((uintptr_t)p) : 0;
}

/* ---- Checking ---- */

/* The first byte of the range that may not be touched; its end: all of them may. */
static uintptr_t first_bad(uintptr_t addr, size_t size)
{
	uintptr_t end = addr + size, at = addr;

	while (at < end) {
		const uint8_t *shadow = kasan_shadow(at);
		uintptr_t next = (at | (KASAN_GRAIN - 1)) + 1;
		unsigned v = *shadow;

		if (v != 0) {
			uintptr_t ok = v < KASAN_GRAIN ? next - KASAN_GRAIN + v : 0;

			if ((next < end ? next : end) > ok)
				return at > ok ? at : ok;
		}
		at = next;
	}
	return end;
}

static void found(uintptr_t addr, size_t size, uintptr_t bad, bool write, const void *from)
{
	struct kasan_access ka = {.addr = addr,
	    .size = size,
	    .bad = bad,
	    .write = write,
	    .from = from};

	kasan_report(&ka);
}

static inline void check(uintptr_t addr, size_t size, bool write, const void *from)
{
	uintptr_t bad;

	if (size == 0 || !active(addr) || !kasan_covered(addr + size - 1))
		return;
	bad = first_bad(addr, size);
	if (bad != addr + size)
		found(addr, size, bad, write, from);
}

/* ---- What the compilers call ---- */

#define FROM __builtin_return_address(0)

/* One function for each size and direction; the names are the compilers'. */
#define ACCESS(size)                                                                               \
	void __asan_load##size##_noabort(uintptr_t addr);                                          \
	void __asan_load##size##_noabort(uintptr_t addr)                                           \
	{                                                                                          \
		check(addr, size, false, FROM);                                                    \
	}                                                                                          \
	void __asan_store##size##_noabort(uintptr_t addr);                                         \
	void __asan_store##size##_noabort(uintptr_t addr)                                          \
	{                                                                                          \
		check(addr, size, true, FROM);                                                     \
	}

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __asan_loadN_noabort(uintptr_t addr, size_t size);
void __asan_storeN_noabort(uintptr_t addr, size_t size);
void __asan_handle_no_return(void);
void __asan_poison_stack_memory(uintptr_t addr, size_t size);
void __asan_unpoison_stack_memory(uintptr_t addr, size_t size);

void __asan_loadN_noabort(uintptr_t addr, size_t size)
{
	check(addr, size, false, FROM);
}

void __asan_storeN_noabort(uintptr_t addr, size_t size)
{
	check(addr, size, true, FROM);
}

/* Before a call that does not return. Stacks are wiped where they begin anew instead. */
void __asan_handle_no_return(void)
{
}

#define OUT_OF_SCOPE 0xf8

/* Variables that come into scope and go, where that is too much to be done in place. */
void __asan_poison_stack_memory(uintptr_t addr, size_t size)
{
	__real_memset(kasan_shadow(addr), OUT_OF_SCOPE, (size + KASAN_GRAIN - 1) / KASAN_GRAIN);
}

void __asan_unpoison_stack_memory(uintptr_t addr, size_t size)
{
	uint8_t *shadow = kasan_shadow(addr);

	__real_memset(shadow, 0, size / KASAN_GRAIN);
	if (size % KASAN_GRAIN != 0)
		shadow[size / KASAN_GRAIN] = size % KASAN_GRAIN;
}

/* A stretch of shadow, for frames with much of one kind; `at` is in the shadow. */
#define SET_SHADOW(value)                                                                          \
	void __asan_set_shadow_##value(void *at, size_t size);                                     \
	void __asan_set_shadow_##value(void *at, size_t size)                                      \
	{                                                                                          \
		__real_memset(at, 0x##value, size);                                                \
	}

SET_SHADOW(00)
SET_SHADOW(f1)
SET_SHADOW(f2)
SET_SHADOW(f3)
SET_SHADOW(f5)
SET_SHADOW(f8)

/* ---- Variables of static storage ---- */

void __asan_register_globals(const struct kasan_global *globals, size_t n);
void __asan_unregister_globals(const struct kasan_global *globals, size_t n);

/* Called by a function in each file, which kasan_init() calls. */
void __asan_register_globals(const struct kasan_global *globals, size_t n)
{
	KASSERT(nmodules < MODULES_MAX, "kasan: more than %u files", MODULES_MAX);
	modules[nmodules++] = (struct module){.globals = globals, .n = n};
	for (const struct kasan_global *g = globals; g < globals + n; g++) {
		size_t whole = (g->size + KASAN_GRAIN - 1) / KASAN_GRAIN * KASAN_GRAIN;

		__real_memset(kasan_shadow(g->at + whole), GLOBAL_REDZONE,
		    (g->room - whole) / KASAN_GRAIN);
		if (g->size % KASAN_GRAIN != 0)
			*kasan_shadow(g->at + g->size) = g->size % KASAN_GRAIN;
	}
}

/* In the functions that a program would run at its end. */
void __asan_unregister_globals(const struct kasan_global *globals, size_t n)
{
	(void)globals;
	(void)n;
}

const struct kasan_global *kasan_global_at(uintptr_t addr)
{
	for (unsigned i = 0; i < nmodules; i++) {
		for (size_t j = 0; j < modules[i].n; j++) {
			const struct kasan_global *g = &modules[i].globals[j];

			if (addr - g->at < g->room)
				return g;
		}
	}
	return NULL;
}

/* ---- What the linker leads here ---- */

void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__wrap_memmove(void *to, const void *from, size_t n);
void *__wrap_memset(void *to, int c, size_t n);
int __wrap_memcmp(const void *a, const void *b, size_t n);
size_t __wrap_strlen(const char *s);
int __wrap_strcmp(const char *a, const char *b);
int __wrap_strncmp(const char *a, const char *b, size_t n);
char *__wrap_strchr(const char *s, int c);
void __wrap_port_handoff(struct lwp *from, struct lwp *it, void (*body)(struct lwp *it));

void *__wrap_memcpy(void *to, const void *from, size_t n)
{
	check((uintptr_t)from, n, false, FROM);
	check((uintptr_t)to, n, true, FROM);
	return __real_memcpy(to, from, n);
}

void *__wrap_memmove(void *to, const void *from, size_t n)
{
	check((uintptr_t)from, n, false, FROM);
	check((uintptr_t)to, n, true, FROM);
	return __real_memmove(to, from, n);
}

void *__wrap_memset(void *to, int c, size_t n)
{
	check((uintptr_t)to, n, true, FROM);
	return __real_memset(to, c, n);
}

int __wrap_memcmp(const void *a, const void *b, size_t n)
{
	check((uintptr_t)a, n, false, FROM);
	check((uintptr_t)b, n, false, FROM);
	return __real_memcmp(a, b, n);
}

/* Text is checked once it is known how far it was read. */
size_t __wrap_strlen(const char *s)
{
	size_t n = __real_strlen(s);

	check((uintptr_t)s, n + 1, false, FROM);
	return n;
}

/* How many characters of each a comparison reads, of at most `most`. */
static size_t compared(const char *a, const char *b, size_t most)
{
	size_t n = 0;

	while (n < most && a[n] == b[n] && a[n] != '\0')
		n++;
	return n < most ? n + 1 : n;
}

int __wrap_strcmp(const char *a, const char *b)
{
	size_t n = compared(a, b, SIZE_MAX);

	check((uintptr_t)a, n, false, FROM);
	check((uintptr_t)b, n, false, FROM);
	return __real_strcmp(a, b);
}

int __wrap_strncmp(const char *a, const char *b, size_t n)
{
	size_t read = compared(a, b, n);

	check((uintptr_t)a, read, false, FROM);
	check((uintptr_t)b, read, false, FROM);
	return __real_strncmp(a, b, n);
}

char *__wrap_strchr(const char *s, int c)
{
	char *found_at = __real_strchr(s, c);

	check((uintptr_t)s, found_at != NULL ? (size_t)(found_at - s) + 1 : __real_strlen(s) + 1,
	    false, FROM);
	return found_at;
}

/* The stack of `it` begins anew at its top, whatever frames it was left in. */
void __wrap_port_handoff(struct lwp *from, struct lwp *it, void (*body)(struct lwp *it))
{
	kasan_unpoison(it->l_stack, it->l_stack_size);
	__real_port_handoff(from, it, body);
}
