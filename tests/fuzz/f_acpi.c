/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * f_acpi.c - the firmware's tables (sys/bus/acpi.c).
 *
 * An input is the machine's memory from BASE on; the RSDP is at its beginning. Its first byte says
 * which sums are put right before it is read, as chance alone does not find them: that of the RSDP,
 * and those of all that looks like a table, where its length leaves it within. What the parser maps
 * is a copy of exactly that size. Read next: tests/unit/t_acpi.c.
 */
#include "arena.h"
#include "fuzz.h"

#include "../../sys/bus/acpi.h"

#include <string.h>

#define BASE 0x1000u
#define RSDP_SUM 8u
#define RSDP_SUM_LONG 32u
#define TABLE_SUM 9u
#define TABLES 7u /* of the words, that are signatures */

static uint8_t mem[1024];
static size_t mem_len;
static unsigned mapped;

static const void *fake_map(uint64_t phys, size_t size)
{
	void *p;

	if (size == 0 || phys < BASE || phys - BASE > mem_len || size > mem_len - (phys - BASE))
		return NULL;
	p = arena_alloc(size);
	if (p == NULL)
		return NULL;
	mapped++;
	return memcpy(p, mem + (phys - BASE), size);
}

static void fake_unmap(const void *p, size_t size)
{
	(void)size;
	mapped--;
	arena_free((void *)(uintptr_t)p);
}

static const struct acpi_mem fake = {.am_map = fake_map, .am_unmap = fake_unmap};

static void sum(size_t at, size_t size, size_t where)
{
	uint8_t s = 0;

	if (size > mem_len || at > mem_len - size || where >= size)
		return;
	mem[at + where] = 0;
	for (size_t i = 0; i < size; i++)
		s = (uint8_t)(s + mem[at + i]);
	mem[at + where] = (uint8_t)-s;
}

static const char *const words[] = {"APIC", "MCFG", "HPET", "FACP", "DSDT", "RSDT", "XSDT", "_S5_",
    "RSD PTR ", "\x08_S5_\x12", NULL};

static void sums_right(unsigned how)
{
	uint32_t size;

	/* The last ones first, as one may lie within another. */
	for (size_t at = mem_len; (how & 1) != 0 && at-- > 0;) {
		if (at % 4 != 0 || at + 36 > mem_len || mem[at] < 'A' || mem[at] > 'X')
			continue;
		for (unsigned i = 0; i < TABLES; i++) {
			if (mem[at] != words[i][0] || memcmp(mem + at, words[i], 4) != 0)
				continue;
			memcpy(&size, mem + at + 4, 4);
			sum(at, size, TABLE_SUM);
		}
	}
	if ((how & 2) != 0)
		sum(0, 20, RSDP_SUM);
	if ((how & 4) != 0)
		sum(0, 36, RSDP_SUM_LONG);
}

static bool each_cpu(const struct acpi_cpu *ac, void *arg)
{
	unsigned *n = arg;

	return ++*n < ACPI_CPUS_MAX + 1 && (ac->ac_enabled || ac->ac_hwid != 0x12345678);
}

static void look(void)
{
	const struct acpi_ioapic *io = NULL;
	const struct acpi_mcfg *m = NULL;
	enum intr_trigger trigger;
	unsigned n = 0, count;
	uint16_t port;
	uint8_t type;
	uint32_t gsi;
	bool low;

	acpi_cpu_each(each_cpu, &n);
	FUZZ_CHECK(n <= ACPI_CPUS_MAX && acpi_cpu_count() <= n);
	FUZZ_CHECK(acpi_ioapics(&io) <= ACPI_IOAPICS_MAX);
	count = acpi_mcfgs(&m);
	FUZZ_CHECK(count <= ACPI_MCFG_MAX);
	for (unsigned i = 0; i < count; i++) {
		FUZZ_CHECK(m[i].am_bus_first <= m[i].am_bus_last && m[i].am_base != 0);
		FUZZ_CHECK(
		    m[i].am_base + (((uint64_t)m[i].am_bus_last + 1) << 20) - 1 > m[i].am_base);
	}
	for (unsigned irq = 0; irq <= ACPI_ISA_LINES; irq++)
		FUZZ_CHECK(
		    (acpi_isa_line(irq, &gsi, &trigger, &low) == 0) == (irq < ACPI_ISA_LINES));
	FUZZ_CHECK((acpi_hpet() & 7) == 0);
	FUZZ_CHECK(!acpi_pm1a(&port, &type) || type <= 7);
	(void)acpi_lapic();
	(void)acpi_has_8259();
}

static void run(const uint8_t *in, size_t len)
{
	if (len < 2)
		return;
	mem_len = len - 2;
	memcpy(mem, in + 2, mem_len);
	sums_right(in[0]);
	arena_fail_after(in[1]);
	(void)acpi_parse(BASE, &fake);
	arena_fail_after(0);
	FUZZ_CHECK(mapped == 0 && arena_live() == 0);
	look();
}

/* ---- A machine to begin with ---- */

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static uint8_t *table(uint8_t *to, const char *sig, uint32_t size)
{
	memcpy(to, sig, 4);
	put(to + 4, size, 4);
	return to;
}

static void seed_make(uint8_t *in, bool wide)
{
	static const uint8_t entries[] = {0, 8, 0, 0, 1, 0, 0, 0, 0, 8, 1, 4, 1, 0, 0, 0, 9, 16, 0,
	    0, 0, 1, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 12, 7, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0, 2, 10,
	    0, 9, 9, 0, 0, 0, 0x0d, 0, 5, 12, 0, 0, 0, 0, 0xe0, 0xfe, 0, 0, 0, 0};
	static const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05};
	static const uint16_t at[] = {0x80, 0x100, 0x140, 0x180};
	uint8_t *m = in + 2, *root;

	in[0] = 7;
	in[1] = 0;
	memcpy(m, "RSD PTR ", 8);
	m[15] = wide ? 2 : 0;
	put(m + 16, BASE + 0x28, 4);
	put(m + 20, 36, 4);
	put(m + 24, wide ? BASE + 0x28 : 0, 8);
	root = table(m + 0x28, wide ? "XSDT" : "RSDT", 36 + 4 * (wide ? 8 : 4));
	for (unsigned i = 0; i < 4; i++)
		put(root + 36 + i * (wide ? 8 : 4), BASE + at[i], wide ? 8 : 4);
	memcpy(table(m + 0x80, "APIC", 44 + sizeof(entries)) + 44, entries, sizeof(entries));
	put(table(m + 0x100, "MCFG", 60) + 44, 0xb0000000, 8);
	m[0x100 + 55] = 0xff;
	put(table(m + 0x140, "HPET", 56) + 44, 0xfed00000, 8);
	put(table(m + 0x180, "FACP", 116) + 40, BASE + 0x200, 4);
	put(m + 0x180 + 64, 0x604, 4);
	memcpy(table(m + 0x200, "DSDT", 64) + 40, s5, sizeof(s5));
}

static void seeds(void)
{
	uint8_t in[2 + 0x240] = {0};

	seed_make(in, true);
	fuzz_seed(in, sizeof(in));
	memset(in, 0, sizeof(in));
	seed_make(in, false);
	fuzz_seed(in, sizeof(in));
}

FUZZ_TARGET(acpi) = {.ft_run = run,
    .ft_seeds = seeds,
    .ft_words = words,
    .ft_max = 2 + sizeof(mem),
    .ft_runs = 200000};
