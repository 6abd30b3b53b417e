/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pmap.c - the kernel's page tables.
 *
 * There is one address space, shared by all CPUs (layout.h draws it). What is mapped at the start
 * never changes: the kernel image, each page with the least rights (text may not be written,
 * nothing that may be written is executed), and the direct map of RAM and of the firmware's
 * tables, in which text and read-only data are read-only too. Then machine_map() adds and takes
 * single pages in the area of sys/mem and in the port's own.
 *
 * Contexts: x86_pmap_init() on the first CPU alone; machine_map() and machine_unmap() in thread
 * context or before there are threads; lookups anywhere. Lock: pmap_lock, a leaf but for the page
 * source called under it, held with interrupts off while an entry is written; readers take
 * nothing, since a table once linked is never freed nor moved.
 *
 * Pages for tables: while booting from the top of RAM below 4 GiB (cut out of boot_info); a few are
 * kept for the time until sys/mem names its page source.
 *
 * Not for: deciding what lies where in the area (sys/mem/vmap.c), calling other CPUs to flush.
 * Read trap.c next.
 */
#include "x86.h"

#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/spin.h>
#include <ithaca/string.h>
#include <stdatomic.h>

#define PTE_P 0x001ull
#define PTE_W 0x002ull
#define PTE_UC 0x018ull /* PCD and PWT: entry 3 of the PAT, uncached */
#define PTE_LARGE 0x080ull
#define PTE_G 0x100ull
#define PTE_NX (1ull << 63)
#define PTE_ADDR 0x000ffffffffff000ull
#define PAT_DEFAULT 0x0007040600070406ull /* as after reset: UC, UC-, WT, WB, twice */
#define MSR_PAT 0x277

#define SPARE_PAGES 16 /* for tables between boot and the page source */
#define PAGE_MASK ((uint64_t)PAGE_SIZE - 1)

extern char kernel_start[], kernel_text_end[], kernel_rodata_end[], kernel_end[];
extern char x86_boot_guard[];
extern char boot_shadow[]; /* in a kernel with ITHACA_KASAN only */

const uintptr_t machine_map_base = X86_MAP_BASE;
const size_t machine_map_size = X86_MAP_SIZE;

static _Alignas(4096) uint64_t root[512]; /* (a) its slots; below 4 GiB, where ap.S can load it */
static struct spin pmap_lock;
static uint64_t (*page_source)(void);     /* (a) */
static struct boot_info *boot_ram;        /* (a) non-NULL while booting */
static uint64_t spare_pages[SPARE_PAGES]; /* pmap_lock */
static unsigned nspare;                   /* pmap_lock */
static unsigned phys_bits = 36;           /* (a) */
static bool have_1g;                      /* (a) */

void *machine_phys_to_virt(uint64_t phys)
{
	KASSERT(phys < X86_DIRECT_SIZE, "physical address %#llx", (unsigned long long)phys);
	return (void *)(X86_DIRECT_BASE + phys);
}

static uint64_t kernel_phys(const void *p)
{
	return (uintptr_t)p - X86_KERNEL_BASE;
}

/* ---- Pages for tables ---- */

/* The last page of the highest range below 4 GiB; it is nobody else's from now on. */
static uint64_t boot_page(void)
{
	for (unsigned i = boot_ram->nram; i-- > 0;) {
		struct mem_range *r = &boot_ram->ram[i];
		uint64_t end = r->base + r->size;

		if (end > (uint64_t)1 << 32 || r->size < PAGE_SIZE)
			continue;
		r->size -= PAGE_SIZE;
		memset(machine_phys_to_virt(end - PAGE_SIZE), 0, PAGE_SIZE);
		return end - PAGE_SIZE;
	}
	panic("boot: no RAM left below 4 GiB for page tables");
}

/* A zeroed page, or 0. */
static uint64_t table_page(void)
{
	if (boot_ram != NULL)
		return boot_page();
	if (page_source != NULL)
		return page_source();
	return nspare > 0 ? spare_pages[--nspare] : 0;
}

void machine_set_page_source(uint64_t (*alloc)(void))
{
	page_source = alloc;
}

/* ---- Walking ---- */

/* Levels: 0 is a page of 4 KiB, 1 one of 2 MiB, 2 one of 1 GiB, 3 the root. */
static unsigned slot_of(uintptr_t va, int level)
{
	return va >> (12 + 9 * level) & 511;
}

/* Tables are written beside readers: whole entries, in one store (release) and load (acquire). */
static uint64_t pte_load(const uint64_t *pte)
{
	return __atomic_load_n(pte, __ATOMIC_ACQUIRE);
}

static void pte_store(uint64_t *pte, uint64_t v)
{
	__atomic_store_n(pte, v, __ATOMIC_RELEASE);
}

/* The entry that maps `va`, at *level; *level is then where it was found. NULL: none at all. */
static uint64_t *pte_find(uintptr_t va, int *level)
{
	uint64_t *table = root;

	for (int at = 3;; at--) {
		uint64_t *pte = &table[slot_of(va, at)];
		uint64_t v = pte_load(pte);

		if ((v & PTE_P) == 0)
			return NULL;
		if (at == 0 || (v & PTE_LARGE) != 0) {
			*level = at;
			return pte;
		}
		table = machine_phys_to_virt(v & PTE_ADDR);
	}
}

/* The entry for `va` at `level`, with the tables above it made. NULL: no page for one. *taken: a
 * larger page has it already, and the entry is that one's. */
static uint64_t *pte_make(uintptr_t va, int level, bool *taken)
{
	uint64_t *table = root;

	*taken = false;
	for (int at = 3; at > level; at--) {
		uint64_t *pte = &table[slot_of(va, at)];
		uint64_t v = pte_load(pte), page;

		if ((v & PTE_P) == 0) {
			page = table_page();
			if (page == 0)
				return NULL;
			v = page | PTE_W | PTE_P;
			pte_store(pte, v);
		} else if ((v & PTE_LARGE) != 0) {
			*taken = true;
			return pte;
		}
		table = machine_phys_to_virt(v & PTE_ADDR);
	}
	return &table[slot_of(va, level)];
}

/* Could a page of that level begin at va, cover no more than `size`, and find its slot empty? */
static bool level_fits(uintptr_t va, uint64_t pa, uint64_t size, int level)
{
	uint64_t unit = (uint64_t)PAGE_SIZE << 9 * level;
	bool taken;
	uint64_t *pte;

	if (level == 0)
		return true;
	if (((va | pa) & (unit - 1)) != 0 || size < unit || (level == 2 && !have_1g))
		return false;
	pte = pte_make(va, level, &taken);
	return !taken && (pte_load(pte) & PTE_P) == 0;
}

/* Map a range while booting, with the largest pages that fit. What is mapped already stays so. */
static void range_map(uintptr_t va, uint64_t pa, uint64_t size, uint64_t bits)
{
	while (size > 0) {
		int level = 2;
		uint64_t unit, *pte;
		bool taken;

		while (!level_fits(va, pa, size, level))
			level--;
		unit = (uint64_t)PAGE_SIZE << 9 * level;
		pte = pte_make(va, level, &taken);
		if (!taken && (pte_load(pte) & PTE_P) == 0)
			pte_store(pte, pa | bits | PTE_P | PTE_G | (level > 0 ? PTE_LARGE : 0));
		va += unit;
		pa += unit;
		size -= unit;
	}
}

/* ---- Boot ---- */

static void image_map(const char *from, const char *to, uint64_t bits)
{
	range_map((uintptr_t)from, kernel_phys(from), (uint64_t)(to - from), bits);
}

static void direct_map(uint64_t base, uint64_t end, uint64_t bits)
{
	base &= ~PAGE_MASK;
	end = (end + PAGE_MASK) & ~PAGE_MASK;
	range_map(X86_DIRECT_BASE + base, base, end - base, bits);
}

/* RAM is writable, firmware's tables and what is reserved below 4 GiB (the BIOS keeps its tables
 * in such) can be read. RAM goes first: where two areas share a page it wins. */
static void direct_map_all(const struct boot_area *map, unsigned nmap)
{
	direct_map(kernel_phys(kernel_start), kernel_phys(kernel_rodata_end), PTE_NX);
	direct_map(0, 0x100000, PTE_NX | PTE_W);
	for (unsigned i = 0; i < nmap; i++) {
		if (map[i].type == 1)
			direct_map(map[i].base, map[i].base + map[i].size, PTE_NX | PTE_W);
	}
	for (unsigned i = 0; i < nmap; i++) {
		if (map[i].type == 3 || map[i].type == 4 ||
		    (map[i].type != 1 && map[i].base + map[i].size <= (uint64_t)1 << 32))
			direct_map(map[i].base, map[i].base + map[i].size, PTE_NX);
	}
}

void x86_paging_init(void)
{
	uint32_t id[4];
	uint64_t cr4 = read_cr4() | CR4_PGE;

	cpuid(0, 0, id);
	if (id[0] >= 7) {
		cpuid(7, 0, id);
		cr4 |= (id[1] & 1u << 7) != 0 ? CR4_SMEP : 0;
		cr4 |= (id[1] & 1u << 20) != 0 ? CR4_SMAP : 0;
		cr4 |= (id[2] & 1u << 2) != 0 ? CR4_UMIP : 0;
	}
	write_cr4(cr4);
	cpuid(1, 0, id);
	if ((id[3] & 1u << 16) != 0)
		wrmsr(MSR_PAT, PAT_DEFAULT);
}

void x86_pmap_init(struct boot_info *boot, const struct boot_area *map, unsigned nmap)
{
	uint32_t id[4];
	bool taken;

	cpuid(0x80000001, 0, id);
	have_1g = (id[3] & 1u << 26) != 0;
	cpuid(0x80000000, 0, id);
	if (id[0] >= 0x80000008) {
		cpuid(0x80000008, 0, id);
		phys_bits = id[0] & 0xff;
	}
	boot_ram = boot;
	image_map(kernel_start, kernel_text_end, 0);
	image_map(kernel_text_end, kernel_rodata_end, PTE_NX);
	image_map(kernel_rodata_end, x86_boot_guard, PTE_NX | PTE_W);
	image_map(x86_boot_guard + PAGE_SIZE, kernel_end, PTE_NX | PTE_W);
	if (ITHACA_KASAN)
		range_map(X86_SHADOW_IMAGE, kernel_phys(boot_shadow), X86_SHADOW_IMAGE_SIZE,
		    PTE_NX | PTE_W);
	direct_map_all(map, nmap);
	for (nspare = 0; nspare < SPARE_PAGES; nspare++)
		spare_pages[nspare] = boot_page();
	/* So that no lookup ever sees the roots of these areas change. */
	if (pte_make(X86_MAP_BASE, 0, &taken) == NULL || pte_make(X86_LAPIC_VA, 0, &taken) == NULL)
		panic("boot: no page for page tables");
	boot_ram = NULL;
	write_cr3(kernel_phys(root));
}

uint64_t x86_pmap_root(void)
{
	return kernel_phys(root);
}

/* ---- While the system runs ---- */

static int page_map(uintptr_t va, uint64_t pte_bits)
{
	bool on = port_intr_disable(), taken;
	int error = ENOMEM;
	uint64_t *pte;

	spin_lock(&pmap_lock);
	pte = pte_make(va, 0, &taken);
	KASSERT(!taken, "page %#lx lies in a large one", (unsigned long)va);
	if (pte != NULL) {
		KASSERT((pte_load(pte) & PTE_P) == 0, "page %#lx is mapped already",
		    (unsigned long)va);
		pte_store(pte, pte_bits | PTE_P);
		error = 0;
	}
	spin_unlock(&pmap_lock);
	port_intr_restore(on);
	return error;
}

static void page_unmap(uintptr_t va)
{
	bool on = port_intr_disable();
	int level = 0;
	uint64_t *pte;

	spin_lock(&pmap_lock);
	pte = pte_find(va, &level);
	KASSERT(pte != NULL && level == 0, "page %#lx is not mapped", (unsigned long)va);
	if (pte != NULL && level == 0)
		pte_store(pte, 0);
	spin_unlock(&pmap_lock);
	invlpg(va);
	port_intr_restore(on);
}

static bool mappable(uintptr_t va)
{
	return (va & PAGE_MASK) == 0 &&
	    ((va >= X86_MAP_BASE && va - X86_MAP_BASE < X86_MAP_SIZE) ||
		(va >= X86_LAPIC_VA && va < X86_PORT_END) ||
		(ITHACA_KASAN && va >= X86_SHADOW_BASE && va - X86_SHADOW_BASE < X86_SHADOW_SIZE));
}

int machine_map(uintptr_t virt, uint64_t phys, unsigned flags)
{
	uint64_t bits = PTE_G;

	KASSERT(mappable(virt), "address %#lx is not in the mapping area", (unsigned long)virt);
	KASSERT((flags & (MAP_WRITE | MAP_EXEC)) != (MAP_WRITE | MAP_EXEC),
	    "page %#lx would be writable and executable", (unsigned long)virt);
	if ((phys & PAGE_MASK) != 0 || phys >> phys_bits != 0)
		return EINVAL;
	bits |= (flags & MAP_WRITE) != 0 ? PTE_W : 0;
	bits |= (flags & MAP_EXEC) != 0 ? 0 : PTE_NX;
	bits |= (flags & MAP_DEVICE) != 0 ? PTE_UC : 0;
	return page_map(virt, phys | bits);
}

void machine_unmap(uintptr_t virt)
{
	KASSERT(mappable(virt), "address %#lx is not in the mapping area", (unsigned long)virt);
	page_unmap(virt);
}

void machine_shadow_early(uintptr_t *base, size_t *size)
{
	*base = (uintptr_t)kernel_start;
	*size = (size_t)(kernel_end - kernel_start);
}

/* Global pages too: they go when CR4.PGE does. */
void machine_tlb_flush(void *unused)
{
	bool on = port_intr_disable();
	uint64_t cr4 = read_cr4();

	(void)unused;
	write_cr4(cr4 & ~(uint64_t)CR4_PGE);
	write_cr4(cr4);
	port_intr_restore(on);
}

int x86_pmap_identity(uint64_t page, bool on)
{
	if (on)
		return page_map(page, page);
	page_unmap(page);
	return 0;
}

uint64_t machine_virt_to_phys(const void *virt)
{
	uintptr_t va = (uintptr_t)virt;
	int level = 0;
	const uint64_t *pte;
	uint64_t v, mask;

	if ((uint64_t)((int64_t)(va << 16) >> 16) != va)
		return 0;
	pte = pte_find(va, &level);
	v = pte != NULL ? pte_load(pte) : 0;
	if ((v & PTE_P) == 0)
		return 0;
	mask = ((uint64_t)PAGE_SIZE << 9 * level) - 1;
	return (v & PTE_ADDR & ~mask) | (va & mask);
}

bool x86_pmap_valid(uintptr_t va, size_t len)
{
	uintptr_t last = va + len - 1;
	int level;

	if (len == 0 || last < va)
		return false;
	for (uintptr_t at = va & ~PAGE_MASK;; at += PAGE_SIZE) {
		if ((uint64_t)((int64_t)(at << 16) >> 16) != at || pte_find(at, &level) == NULL)
			return false;
		if (last - at < PAGE_SIZE)
			return true;
	}
}
