/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_acpi.c - the ACPI parser (sys/bus/acpi.c) over tables made here, good ones and bad ones.
 *
 * The physical memory is an array. What the parser maps is a copy that ends where an unmapped page
 * begins, so that reading one byte too many is a fault and fails the test. Read next: acpi.c.
 */
#include "unit.h"

#include "../../sys/bus/acpi.h"

#include <ithaca/errno.h>
#include <sim/sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u
#define MEM_SIZE 0x200000u
#define RSDP 0xf5a40u
#define TABLES 0x100000u

static uint8_t mem[MEM_SIZE];
static unsigned mapped; /* windows open */

/* ---- The memory ---- */

static size_t window_size(size_t size)
{
	return (size + PAGE - 1) / PAGE * PAGE + PAGE;
}

static const void *fake_map(uint64_t phys, size_t size)
{
	size_t whole = window_size(size);
	uint8_t *p;

	if (size == 0 || phys >= MEM_SIZE || size > MEM_SIZE - phys)
		return NULL;
	p = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK(mprotect(p + whole - PAGE, PAGE, PROT_NONE) == 0);
	mapped++;
	return memcpy(p + whole - PAGE - size, mem + phys, size);
}

static void fake_unmap(const void *p, size_t size)
{
	size_t whole = window_size(size);
	uintptr_t start = (uintptr_t)p + size + PAGE - whole;

	CHECK(munmap((void *)start, whole) == 0);
	mapped--;
}

static const struct acpi_mem fake = {.am_map = fake_map, .am_unmap = fake_unmap};

static int parse(uint64_t rsdp)
{
	int error = acpi_parse(rsdp, &fake);

	CHECK_EQ(mapped, 0);
	return error;
}

/* ---- Tables ---- */

static void put(uint32_t at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		mem[at + i] = (uint8_t)(value >> (8 * i));
}

static void sum(uint32_t at, uint32_t size, uint32_t where)
{
	uint8_t s = 0;

	mem[at + where] = 0;
	for (uint32_t i = 0; i < size; i++)
		s = (uint8_t)(s + mem[at + i]);
	mem[at + where] = (uint8_t)-s;
}

static void finish(uint32_t at, const char *sig, uint32_t size)
{
	memcpy(mem + at, sig, 4);
	put(at + 4, size, 4);
	sum(at, size, 9);
}

/* Where the tables are put; each has 4 KiB. */
enum {
	T_RSDT = TABLES,
	T_XSDT = TABLES + 0x1000,
	T_MADT = TABLES + 0x2000,
	T_MCFG = TABLES + 0x3000,
	T_HPET = TABLES + 0x4000,
	T_FADT = TABLES + 0x5000,
	T_DSDT = TABLES + 0x6000,
	T_ODD = TABLES + 0x7000
};

static const uint32_t listed[] = {T_ODD, T_MADT, T_MCFG, T_HPET, T_FADT};
#define LISTED (sizeof(listed) / sizeof(listed[0]))

static void make_rsdp(uint32_t at, unsigned revision)
{
	memcpy(mem + at, "RSD PTR ", 8);
	mem[at + 15] = (uint8_t)revision;
	put(at + 16, T_RSDT, 4);
	put(at + 20, 36, 4);
	put(at + 24, T_XSDT, 8);
	sum(at, 20, 8);
	sum(at, 36, 32);
}

static void make_roots(void)
{
	for (unsigned i = 0; i < LISTED; i++) {
		put(T_RSDT + 36 + 4 * i, listed[i], 4);
		put(T_XSDT + 36 + 8 * i, listed[i], 8);
	}
	finish(T_RSDT, "RSDT", 36 + 4 * LISTED);
	finish(T_XSDT, "XSDT", 36 + 8 * LISTED);
}

static uint32_t madt_at;

static void madt_entry(const uint8_t *bytes, unsigned len)
{
	memcpy(mem + madt_at, bytes, len);
	madt_at += len;
}

#define MADT(...) madt_entry((const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

static void make_madt(void)
{
	put(T_MADT + 36, 0xfee00000, 4);
	put(T_MADT + 40, 1, 4);
	madt_at = T_MADT + 44;
	MADT(0, 8, 0, 0, 1, 0, 0, 0);                          /* APIC id 0, enabled */
	MADT(0, 8, 1, 4, 1, 0, 0, 0);                          /* 4, enabled */
	MADT(0, 8, 2, 5, 0, 0, 0, 0);                          /* 5, a hole */
	MADT(0, 8, 3, 6, 2, 0, 0, 0);                          /* 6, could come */
	MADT(9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0); /* x2APIC id 256 */
	MADT(1, 12, 7, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0);       /* I/O APIC 7 */
	MADT(1, 12, 8, 0, 0, 0x10, 0xc0, 0xfe, 24, 0, 0, 0);   /* I/O APIC 8 from 24 */
	MADT(2, 10, 0, 0, 2, 0, 0, 0, 0, 0);                   /* 0 is at 2, as ISA has it */
	MADT(2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0);                /* 9: level, high */
	MADT(2, 10, 0, 11, 20, 0, 0, 0, 0x0f, 0);              /* 11 is at 20: level, low */
	MADT(4, 6, 0xff, 0, 0, 1);                             /* NMI: not read */
	finish(T_MADT, "APIC", madt_at - T_MADT);
}

static void make_others(void)
{
	static const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0, 0};

	put(T_MCFG + 44, 0xb0000000, 8);
	put(T_MCFG + 54, 0xff00, 2);
	finish(T_MCFG, "MCFG", 60);
	put(T_HPET + 44, 0xfed00000, 8);
	finish(T_HPET, "HPET", 56);
	put(T_FADT + 40, T_DSDT, 4);
	put(T_FADT + 64, 0x604, 4);
	finish(T_FADT, "FACP", 116);
	memcpy(mem + T_DSDT + 100, s5, sizeof(s5));
	finish(T_DSDT, "DSDT", 200);
	finish(T_ODD, "ODD!", 40);
}

static void make(void)
{
	memset(mem, 0, sizeof(mem));
	make_rsdp(RSDP, 2);
	make_roots();
	make_madt();
	make_others();
	sim_console_clear();
}

static uint32_t cpu_ids[8];
static bool cpu_on[8];
static unsigned ncpus;

static bool cpu_note(const struct acpi_cpu *ac, void *arg)
{
	(void)arg;
	cpu_ids[ncpus] = ac->ac_hwid;
	cpu_on[ncpus++] = ac->ac_enabled;
	return ncpus < 8;
}

static void check_all(void)
{
	const struct acpi_ioapic *io;
	const struct acpi_mcfg *m;
	uint16_t port;
	uint8_t type;

	ncpus = 0;
	acpi_cpu_each(cpu_note, NULL);
	CHECK_EQ(ncpus, 4);
	CHECK_EQ(acpi_cpu_count(), 3);
	CHECK_EQ(cpu_ids[1], 4);
	CHECK(cpu_ids[2] == 6 && !cpu_on[2]);
	CHECK(cpu_ids[3] == 256 && cpu_on[3]);
	CHECK_EQ(acpi_ioapics(&io), 2);
	CHECK(io[0].ai_phys == 0xfec00000 && io[0].ai_id == 7 && io[0].ai_gsi_base == 0);
	CHECK(io[1].ai_phys == 0xfec01000 && io[1].ai_gsi_base == 24);
	CHECK_EQ(acpi_mcfgs(&m), 1);
	CHECK(m[0].am_base == 0xb0000000 && m[0].am_bus_first == 0 && m[0].am_bus_last == 255);
	CHECK_EQ(acpi_hpet(), 0xfed00000);
	CHECK_EQ(acpi_lapic(), 0xfee00000);
	CHECK(acpi_has_8259());
	CHECK(acpi_pm1a(&port, &type));
	CHECK(port == 0x604 && type == 5);
}

/* ---- Tests ---- */

TEST(acpi_reads_good_tables)
{
	make();
	CHECK_EQ(parse(RSDP), 0);
	check_all();
	CHECK_STR(sim_console(), "");
}

TEST(acpi_finds_the_rsdp_by_itself)
{
	make();
	CHECK_EQ(parse(0), 0);
	check_all();
	/* In the EBDA, which the BIOS data area points to. */
	make();
	memset(mem + RSDP, 0, 36);
	make_rsdp(0x9fc00 + 0x30, 2);
	put(0x40e, 0x9fc0, 2);
	CHECK_EQ(parse(0), 0);
	check_all();
	/* The loader's word is wrong. */
	make();
	CHECK_EQ(parse(0x1234), 0);
	check_all();
	CHECK_HAS(sim_console(), "none at 0x1234");
}

TEST(acpi_nothing_there)
{
	uint16_t port;
	uint8_t type;

	memset(mem, 0, sizeof(mem));
	CHECK_EQ(parse(0), ENXIO);
	CHECK_EQ(acpi_cpu_count(), 0);
	CHECK_EQ(acpi_lapic(), 0xfee00000);
	CHECK_EQ(acpi_hpet(), 0);
	CHECK(!acpi_pm1a(&port, &type));
	make();
	mem[RSDP + 9] ^= 1;
	CHECK_EQ(parse(RSDP), ENXIO);
}

TEST(acpi_rsdt_when_there_is_no_good_xsdt)
{
	make();
	make_rsdp(RSDP, 0);
	memset(mem + T_XSDT, 0xff, 64);
	CHECK_EQ(parse(RSDP), 0);
	check_all();
	make();
	mem[T_XSDT + 20] ^= 0x80;
	CHECK_EQ(parse(RSDP), 0);
	check_all();
	CHECK_HAS(sim_console(), "XSDT: checksum is wrong");
	make();
	mem[RSDP + 33] ^= 0x80;
	CHECK_EQ(parse(RSDP), 0);
	check_all();
	CHECK_HAS(sim_console(), "second part is malformed");
}

/* A bad table is named and left out; the others stay. */
TEST(acpi_bad_table_is_skipped)
{
	const struct acpi_mcfg *m;

	make();
	mem[T_HPET + 50] ^= 1;
	CHECK_EQ(parse(RSDP), 0);
	CHECK_HAS(sim_console(), "HPET: checksum is wrong");
	CHECK_EQ(acpi_hpet(), 0);
	CHECK_EQ(acpi_cpu_count(), 3);
	make();
	finish(T_MADT, "APIC", 43);
	CHECK_EQ(parse(RSDP), 0);
	CHECK_HAS(sim_console(), "APIC: length 43, must be 44");
	CHECK_EQ(acpi_cpu_count(), 0);
	CHECK_EQ(acpi_mcfgs(&m), 1);
	make();
	put(T_MCFG + 4, 0xffffffff, 4);
	CHECK_EQ(parse(RSDP), 0);
	CHECK_HAS(sim_console(), "MCFG: length 4294967295");
	make();
	put(T_MCFG + 4, MEM_SIZE, 4);
	CHECK_EQ(parse(RSDP), 0);
	CHECK_HAS(sim_console(), "MCFG: cannot be mapped");
}

TEST(acpi_root_that_points_nowhere)
{
	make();
	put(T_XSDT + 36, 0xfffffffffffffff0ull, 8);
	put(T_XSDT + 44, 0, 8);
	finish(T_XSDT, "XSDT", 36 + 8 * LISTED);
	CHECK_EQ(parse(RSDP), 0);
	CHECK_HAS(sim_console(), "table at 0xfffffffffffffff0 cannot be mapped");
	CHECK_EQ(acpi_cpu_count(), 0);
	CHECK_EQ(acpi_hpet(), 0xfed00000);
}

TEST(acpi_root_that_lists_itself)
{
	make();
	put(T_XSDT + 36, T_XSDT, 8);
	finish(T_XSDT, "XSDT", 36 + 8 * LISTED);
	CHECK_EQ(parse(RSDP), 0);
	check_all();
}

TEST(acpi_second_table_of_a_kind)
{
	make();
	put(T_XSDT + 36, T_HPET, 8);
	finish(T_XSDT, "XSDT", 36 + 8 * LISTED);
	CHECK_EQ(parse(RSDP), 0);
	CHECK_HAS(sim_console(), "HPET: a second one");
	check_all();
}

TEST(acpi_madt_entries_that_do_not_fit)
{
	static const uint8_t lengths[] = {0, 1, 7, 200};

	for (unsigned i = 0; i < sizeof(lengths); i++) {
		make();
		mem[T_MADT + 44 + 8 + 1] = lengths[i]; /* of the second CPU */
		finish(T_MADT, "APIC", madt_at - T_MADT);
		CHECK_EQ(parse(RSDP), 0);
		CHECK_HAS(sim_console(), "MADT: entry of type 0 at 52 has length");
		CHECK_EQ(acpi_cpu_count(), 1);
	}
}

TEST(acpi_madt_same_cpu_twice)
{
	make();
	mem[T_MADT + 44 + 8 + 3] = 0;
	finish(T_MADT, "APIC", madt_at - T_MADT);
	CHECK_EQ(parse(RSDP), 0);
	CHECK_HAS(sim_console(), "APIC id 0 is listed twice");
	CHECK_EQ(acpi_cpu_count(), 2);
}

TEST(acpi_madt_address_override)
{
	make();
	MADT(5, 12, 0, 0, 0, 0, 0xd0, 0xfe, 1, 0, 0, 0);
	finish(T_MADT, "APIC", madt_at - T_MADT);
	CHECK_EQ(parse(RSDP), 0);
	CHECK_EQ(acpi_lapic(), 0x1fed00000ull);
}

TEST(acpi_isa_lines)
{
	enum intr_trigger trigger;
	uint32_t gsi;
	bool low;

	make();
	MADT(2, 10, 0, 3, 3, 0, 0, 0, 0x02, 0); /* polarity 2 is reserved */
	MADT(2, 10, 1, 4, 30, 0, 0, 0, 0, 0);   /* bus 1 is not ISA */
	MADT(2, 10, 0, 200, 30, 0, 0, 0, 0, 0); /* nor is interrupt 200 */
	finish(T_MADT, "APIC", madt_at - T_MADT);
	CHECK_EQ(parse(RSDP), 0);
	CHECK_EQ(acpi_isa_line(0, &gsi, &trigger, &low), 0);
	CHECK(gsi == 2 && trigger == INTR_EDGE && !low);
	CHECK_EQ(acpi_isa_line(9, &gsi, &trigger, &low), 0);
	CHECK(gsi == 9 && trigger == INTR_LEVEL && !low);
	CHECK_EQ(acpi_isa_line(11, &gsi, &trigger, &low), 0);
	CHECK(gsi == 20 && trigger == INTR_LEVEL && low);
	for (unsigned irq = 3; irq <= 4; irq++) {
		CHECK_EQ(acpi_isa_line(irq, &gsi, &trigger, &low), 0);
		CHECK(gsi == irq && trigger == INTR_EDGE && !low);
	}
	CHECK_EQ(acpi_isa_line(16, &gsi, &trigger, &low), EINVAL);
}

TEST(acpi_ioapic_addresses)
{
	const struct acpi_ioapic *io;

	make();
	MADT(1, 12, 9, 0, 0xf8, 0x1f, 0xc0, 0xfe, 48, 0, 0, 0); /* over the end of a page */
	MADT(1, 12, 10, 0, 0, 0, 0, 0, 72, 0, 0, 0);
	finish(T_MADT, "APIC", madt_at - T_MADT);
	CHECK_EQ(parse(RSDP), 0);
	CHECK_EQ(acpi_ioapics(&io), 2);
	CHECK_HAS(sim_console(), "I/O APIC 9 ignored, it cannot be at 0xfec01ff8");
	CHECK_HAS(sim_console(), "I/O APIC 10 ignored, it cannot be at 0x0");
}

TEST(acpi_mcfg_ranges)
{
	const struct acpi_mcfg *m;

	make();
	put(T_MCFG + 60, 0xc0000000, 8);
	put(T_MCFG + 68, 1, 2);
	put(T_MCFG + 70, 0x0f10, 2); /* first 16, last 15 */
	put(T_MCFG + 76, 0xd0000001, 8);
	put(T_MCFG + 92, 0xe0000000, 8);
	put(T_MCFG + 102, 0x1f10, 2);
	put(T_MCFG + 108, 0xffffffffffe00000, 8); /* its third bus would be at address 0 */
	put(T_MCFG + 118, 0x0200, 2);
	finish(T_MCFG, "MCFG", 44 + 5 * 16);
	CHECK_EQ(parse(RSDP), 0);
	CHECK_EQ(acpi_mcfgs(&m), 2);
	CHECK(m[1].am_base == 0xe0000000 && m[1].am_bus_first == 16 && m[1].am_bus_last == 31);
	CHECK_HAS(sim_console(), "range 0xc0000000, buses 16 to 15, makes no sense");
	CHECK_HAS(sim_console(), "range 0xffffffffffe00000, buses 0 to 2, makes no sense");
	put(T_MCFG + 118, 0x0100, 2);
	finish(T_MCFG, "MCFG", 44 + 5 * 16);
	CHECK_EQ(parse(RSDP), 0);
	CHECK_EQ(acpi_mcfgs(&m), 3);
}

/* S5 in its forms; and cut off by the end of the table, where a fault would tell. */
TEST(acpi_sleep_type)
{
	static const struct {
		const char *aml;
		unsigned len;
		int type; /* -1: must not be found */
	} forms[] = {
	    {"\x08_S5_\x12\x06\x04\x0a\x05", 10, 5},
	    {"\x08_S5_\x12\x06\x04\x01", 9, 1},
	    {"\x08_S5_\x12\x46\x00\x04\x0a\x07", 11, 7},
	    {"\x08\\_S5_\x12\x06\x04\x00", 10, 0},
	    {"\x08_S5_\x12\x06\x04\x0a\x08", 10, -1},
	    {"\x08_S5_\x12\x06\x04\x0c\x05", 10, -1},
	    {"\x08_S5_\x13\x06\x04\x0a\x05", 10, -1},
	    {"x_S5_\x12\x06\x04\x0a\x05", 10, -1},
	    {"\x08_S5_", 5, -1},
	    {"\x08_S5_\x12", 6, -1},
	    {"\x08_S5_\x12\xc6", 7, -1},
	    {"\x08_S5_\x12\x06\x04", 8, -1},
	};
	uint16_t port;
	uint8_t type;

	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		/* One byte may follow: the parser wants to see two from the element on. */
		unsigned spare = forms[i].type == 1 || forms[i].type == 0;

		make();
		memset(mem + T_DSDT, 0, 200);
		memcpy(mem + T_DSDT + 40, forms[i].aml, forms[i].len);
		finish(T_DSDT, "DSDT", 40 + forms[i].len + spare);
		CHECK_EQ(parse(RSDP), 0);
		CHECK_EQ(acpi_pm1a(&port, &type), forms[i].type >= 0);
		if (forms[i].type >= 0)
			CHECK_EQ(type, forms[i].type);
	}
}

/* Random bytes in the tables, with the right checksums: no fault, no endless loop, limits kept. */
TEST(acpi_random_tables)
{
	static const uint32_t at[] = {T_RSDT, T_XSDT, T_MADT, T_MCFG, T_HPET, T_FADT, T_DSDT};
	const struct acpi_ioapic *io;
	const struct acpi_mcfg *m;

	srand(1);
	for (unsigned round = 0; round < 3000; round++) {
		make();
		for (unsigned n = (unsigned)rand() % 16 + 1; n > 0; n--) {
			uint32_t t = at[(unsigned)rand() % (sizeof(at) / sizeof(at[0]))];
			uint32_t size;

			mem[t + (unsigned)rand() % 160 + 4] = (uint8_t)rand();
			memcpy(&size, mem + t + 4, 4);
			if (size >= 10 && size < 0x1000)
				sum(t, size, 9);
		}
		(void)parse(RSDP);
		CHECK(acpi_cpu_count() <= ACPI_CPUS_MAX);
		CHECK(acpi_ioapics(&io) <= ACPI_IOAPICS_MAX);
		CHECK(acpi_mcfgs(&m) <= ACPI_MCFG_MAX);
	}
}
