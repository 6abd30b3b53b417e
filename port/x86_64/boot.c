/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * boot.c - from start.S to sys_main(): the first CPU's tables, and what the boot loader said.
 *
 * Contexts: the first CPU alone, interrupts off, on the boot stack, which becomes the stack of the
 * lwp "main". No locks. The order is: processor tables (so that a mistake below ends in a readable
 * panic), core_boot(), loader's tables, pmap.c's page tables, sys_main().
 *
 * The loader's tables are not trusted: every address, size and count is checked before it is
 * followed, and what makes no sense is named and left out. They are copied before any memory is
 * given away, so nothing but the kernel image has to be kept.
 *
 * Invariants of the memory handed on: ranges are page aligned, ascending, do not overlap each other
 * nor anything that the loader called other than RAM, and hold neither the first MiB, nor the
 * kernel image, nor its page tables.
 *
 * Not for: finding devices (sys/bus). Read pmap.c next.
 */
#include "x86.h"

#include <ithaca/entry.h>
#include <ithaca/lwp.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <stdatomic.h>

#define AREAS_MAX 128
#define LOW_END 0x100000u              /* of what is kept for the firmware and the trampoline */
#define LOADER_END ((uint64_t)1 << 32) /* boot page tables map this much */
#define PHYS_END (X86_DIRECT_SIZE)

#define PVH_MAGIC 0x336ec578
#define MB2_MAGIC 0x36d76289
#define MB2_TAGS_MAX 256

struct pvh_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist;
	uint64_t cmdline;
	uint64_t rsdp;
	uint64_t memmap; /* version 1 and later */
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct pvh_memmap {
	uint64_t base;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

struct mb2_tag {
	uint32_t type;
	uint32_t size; /* with this head, without padding to 8 */
};

struct mb2_mmap {
	struct mb2_tag tag;
	uint32_t entry_size;
	uint32_t entry_version;
	/* entries: struct pvh_memmap's first three fields, entry_size apart */
};

extern char x86_boot_stack[], kernel_start[], kernel_end[];

static struct x86_cpu boot_cpu;
static struct boot_info boot_info;
static struct boot_area areas[AREAS_MAX];
static unsigned nareas;
static _Alignas(8) uint8_t rsdp_copy[64];

uint64_t x86_trampoline;
char x86_cmdline[256];

/* ---- Tables of the processor ---- */

void x86_cpu_load(struct x86_cpu *xc)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdtr;
	uint64_t tss = (uintptr_t)&xc->xc_tss;

	for (unsigned i = 0; i < X86_IST_COUNT; i++) {
		uint64_t top = (uintptr_t)xc->xc_ist[i] + X86_IST_SIZE;

		xc->xc_tss.ist[2 * i] = (uint32_t)top;
		xc->xc_tss.ist[2 * i + 1] = (uint32_t)(top >> 32);
	}
	xc->xc_tss.iomap = sizeof(xc->xc_tss);
	xc->xc_gdt[1] = 0x00af9b000000ffff;
	xc->xc_gdt[2] = 0x00cf93000000ffff;
	xc->xc_gdt[3] = (sizeof(xc->xc_tss) - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 |
	    (tss >> 24 & 0xff) << 56;
	xc->xc_gdt[4] = tss >> 32;

	gdtr.limit = sizeof(xc->xc_gdt) - 1;
	gdtr.base = (uintptr_t)xc->xc_gdt;
	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovl %2, %%eax\n\t"
			 "movl %%eax, %%ds\n\t"
			 "movl %%eax, %%es\n\t"
			 "movl %%eax, %%ss\n\t"
			 "xorl %%eax, %%eax\n\t"
			 "movl %%eax, %%fs\n\t"
			 "movl %%eax, %%gs\n\t"
			 "movl %3, %%eax\n\t"
			 "ltr %%ax"
			 :
			 : "m"(gdtr), "i"(X86_CODE_SEL), "i"(X86_DATA_SEL), "i"(X86_TSS_SEL)
			 : "rax", "memory");
	wrmsr(MSR_GSBASE, (uintptr_t)xc);
	x86_idt_load();
}

/* ---- The loader's tables ---- */

/* A loader's table at `phys`, if all of it lies where the boot page tables map; else NULL. */
static const void *loader_table(uint64_t phys, uint64_t size)
{
	if (phys == 0 || phys >= LOADER_END || size > LOADER_END - phys)
		return NULL;
	return machine_phys_to_virt(phys);
}

static void area_add(uint64_t base, uint64_t size, uint32_t type)
{
	if (size == 0)
		return;
	if (base >= PHYS_END || size > PHYS_END - base) {
		kprintf(
		    "boot: memory map: area %#llx + %#llx of type %u is out of reach: left out\n",
		    (unsigned long long)base, (unsigned long long)size, type);
		return;
	}
	if (nareas == AREAS_MAX) {
		kprintf("boot: memory map: more than %u areas: area %#llx + %#llx left out\n",
		    AREAS_MAX, (unsigned long long)base, (unsigned long long)size);
		/* One that is not known to be reserved would be taken for RAM. */
		if (type != 1)
			panic("boot: memory map: too many areas to tell RAM from the rest");
		return;
	}
	areas[nareas++] = (struct boot_area){.base = base, .size = size, .type = type};
}

static void cmdline_set(const char *text, size_t max)
{
	size_t n = 0;

	while (n < max && text[n] != '\0') {
		if (n == sizeof(x86_cmdline) - 1) {
			kprintf("boot: command line is longer than %zu characters: cut\n", n);
			break;
		}
		x86_cmdline[n] = text[n];
		n++;
	}
	x86_cmdline[n] = '\0';
}

static bool pvh_parse(const struct pvh_start_info *si)
{
	const struct pvh_memmap *map;
	const char *text;

	if (si == NULL || si->magic != PVH_MAGIC)
		return false;
	boot_info.loader = "PVH";
	if (si->version < 1)
		panic("boot: PVH start info version %u has no memory map; 1 is needed",
		    si->version);
	map = loader_table(si->memmap, (uint64_t)si->memmap_entries * sizeof(*map));
	if (map == NULL)
		panic("boot: PVH memory map at %#llx, %u entries, is out of reach",
		    (unsigned long long)si->memmap, si->memmap_entries);
	for (uint32_t i = 0; i < si->memmap_entries; i++)
		area_add(map[i].base, map[i].size, map[i].type);
	if (si->cmdline != 0) {
		text = loader_table(si->cmdline, 1);
		if (text != NULL)
			cmdline_set(text, LOADER_END - si->cmdline);
		else
			kprintf("boot: PVH command line at %#llx is out of reach: ignored\n",
			    (unsigned long long)si->cmdline);
	}
	boot_info.rsdp = si->rsdp;
	return true;
}

static void mb2_mmap(const struct mb2_mmap *mm)
{
	const struct pvh_memmap *e;
	const char *p = (const char *)(mm + 1);
	uint32_t left;

	if (mm->tag.size < sizeof(*mm) || mm->entry_size < 20 || mm->entry_size % 4 != 0)
		panic("boot: Multiboot2 memory map of %u bytes, entries of %u: malformed",
		    mm->tag.size, mm->entry_size);
	left = mm->tag.size - sizeof(*mm);
	for (; left >= mm->entry_size; left -= mm->entry_size, p += mm->entry_size) {
		e = (const struct pvh_memmap *)(const void *)p;
		area_add(e->base, e->size, e->type);
	}
}

/* The loader gives a copy of the RSDP, not its address; ours is in the kernel image. */
static void mb2_rsdp(const struct mb2_tag *tag)
{
	uint32_t size = tag->size - sizeof(*tag);

	if (size < 20 || size > sizeof(rsdp_copy)) {
		kprintf("boot: Multiboot2 RSDP of %u bytes: ignored\n", size);
		return;
	}
	memcpy(rsdp_copy, tag + 1, size);
	boot_info.rsdp = (uintptr_t)rsdp_copy - X86_KERNEL_BASE;
}

static bool mb2_parse(uint32_t magic, uint32_t info)
{
	const uint32_t *head = loader_table(info, 8);
	const struct mb2_tag *tag;
	uint32_t at = 8, total;
	bool new_rsdp = false;

	if (magic != MB2_MAGIC || head == NULL)
		return false;
	boot_info.loader = "Multiboot2";
	total = head[0];
	if (info % 8 != 0 || total < 16 || loader_table(info, total) == NULL)
		panic("boot: Multiboot2 tables at %#x, %u bytes: malformed", info, total);
	for (unsigned n = 0; at <= total - sizeof(*tag); n++) {
		tag = (const struct mb2_tag *)(const void *)((const char *)head + at);
		if (tag->type == 0)
			return true;
		if (tag->size < sizeof(*tag) || tag->size > total - at || n == MB2_TAGS_MAX)
			panic("boot: Multiboot2 tag %u of type %u has %u bytes: malformed", n,
			    tag->type, tag->size);
		if (tag->type == 1) {
			cmdline_set((const char *)(tag + 1), tag->size - sizeof(*tag));
		} else if (tag->type == 6) {
			mb2_mmap((const struct mb2_mmap *)tag);
		} else if (tag->type == 15 || (tag->type == 14 && !new_rsdp)) {
			new_rsdp = tag->type == 15;
			mb2_rsdp(tag);
		}
		at += (tag->size + 7) & ~7u;
		if (at > total - sizeof(*tag))
			break;
	}
	kprintf("boot: Multiboot2 tables have no end tag\n");
	return true;
}

/* ---- Which memory is ours ---- */

static void ram_add(uint64_t base, uint64_t end)
{
	unsigned i, n = boot_info.nram;
	struct mem_range *r = boot_info.ram;

	if (base >= end)
		return;
	if (n == BOOT_RANGES_MAX) {
		kprintf("boot: more than %u ranges of RAM: %#llx + %#llx left out\n",
		    BOOT_RANGES_MAX, (unsigned long long)base, (unsigned long long)(end - base));
		return;
	}
	for (i = n; i > 0 && r[i - 1].base > base; i--)
		r[i] = r[i - 1];
	r[i] = (struct mem_range){.base = base, .size = end - base};
	boot_info.nram++;
}

/* Nothing between base and end is usable. */
static void ram_cut(uint64_t base, uint64_t end)
{
	struct mem_range *r = boot_info.ram;
	unsigned i = 0;

	base &= ~(uint64_t)(PAGE_SIZE - 1);
	end = (end + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
	while (i < boot_info.nram) {
		uint64_t rbase = r[i].base, rend = r[i].base + r[i].size;

		if (end <= rbase || base >= rend) {
			i++;
			continue;
		}
		boot_info.nram--;
		memmove(&r[i], &r[i + 1], (boot_info.nram - i) * sizeof(*r));
		if (rbase < base)
			ram_add(rbase, base);
		if (end < rend)
			ram_add(end, rend);
		i = 0; /* the pieces lie outside the cut: this ends */
	}
}

/* The highest whole page of RAM below 640 KiB and off page 0, for ap.S. */
static void trampoline_find(void)
{
	for (unsigned i = 0; i < boot_info.nram; i++) {
		uint64_t end = boot_info.ram[i].base + boot_info.ram[i].size;

		if (end > 0xa0000)
			end = 0xa0000;
		if (end >= 2 * PAGE_SIZE && end - PAGE_SIZE >= boot_info.ram[i].base)
			x86_trampoline = end - PAGE_SIZE;
	}
}

static void ram_find(void)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < nareas; i++) {
		uint64_t base = (areas[i].base + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
		uint64_t end = (areas[i].base + areas[i].size) & ~(uint64_t)(PAGE_SIZE - 1);

		if (areas[i].type != 1 || base >= end)
			continue;
		ram_cut(base, end); /* named twice: once is enough */
		ram_add(base, end);
	}
	for (unsigned i = 0; i < nareas; i++) {
		if (areas[i].type != 1)
			ram_cut(areas[i].base, areas[i].base + areas[i].size);
	}
	trampoline_find();
	ram_cut(0, LOW_END);
	ram_cut((uintptr_t)kernel_start - X86_KERNEL_BASE, (uintptr_t)kernel_end - X86_KERNEL_BASE);
	for (unsigned i = 0; i < boot_info.nram; i++)
		total += boot_info.ram[i].size;
	if (total == 0)
		panic("boot: the %s memory map of %u areas has no usable RAM", boot_info.loader,
		    nareas);
}

bool x86_option(const char *name, char *buf, size_t size)
{
	const char *p = x86_cmdline;
	size_t n = strlen(name), len;

	while (*p != '\0') {
		while (*p == ' ')
			p++;
		for (len = 0; p[len] != '\0' && p[len] != ' '; len++)
			;
		if (len > n && strncmp(p, name, n) == 0 && p[n] == '=') {
			len -= n + 1;
			kstrlcpy(buf, p + n + 1, len + 1 < size ? len + 1 : size);
			return true;
		}
		p += len;
	}
	return false;
}

void x86_boot(uint32_t magic, uint32_t info)
{
	/* Until core_boot() has made it so, for a panic that happens there. */
	boot_cpu.xc_cpu.ci_self = &boot_cpu.xc_cpu;
	x86_trap_init();
	x86_cpu_load(&boot_cpu);
	core_boot(&boot_cpu.xc_cpu, x86_boot_stack, X86_BOOT_STACK_SIZE);

	if (!pvh_parse(loader_table(info, sizeof(struct pvh_start_info))) &&
	    !mb2_parse(magic, info))
		panic("boot: neither a PVH nor a Multiboot2 loader (magic %#x, tables at %#x)",
		    magic, info);
	ram_find();
	kstrlcpy(boot_info.cmdline, x86_cmdline, sizeof(boot_info.cmdline));
	x86_paging_init();
	x86_pmap_init(&boot_info, areas, nareas);
	sys_main(&boot_info);
}
