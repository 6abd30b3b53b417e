/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acpi.c - read the firmware's static tables.
 *
 * There is no interpreter of AML here: what is needed of it, the sleep type of state S5, is found
 * by looking for its name in the DSDT. All the rest stands in tables of fixed shape (ACPI
 * Specification 6.4, chapter 5; MCFG: PCI Firmware Specification 3.0, 4.1.2; HPET: IA-PC HPET
 * Specification 1.0a, 3.2.4).
 *
 * The tables come from firmware, so nothing in them is believed before it is checked: signature,
 * length, checksum, and the length of each entry. A table that fails gets one message and is left
 * out; what was read before stays.
 *
 * Contexts: acpi_parse() once, on the first CPU; all else any context after it, because nothing
 * changes then. No locks. It reads physical memory only through the functions that it is
 * given, so the unit tests give it memory of their own. Not for: hot-plug, power management,
 * anything in AML methods. Read next: acpi_boot.c, which gives it the machine's memory.
 */
#include "acpi.h"

#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/string.h>

#define HEADER_SIZE 36u
#define TABLE_SIZE_MAX (4u << 20)
#define TABLES_MAX 128u
#define LAPIC_DEFAULT 0xfee00000u

#define EBDA_POINTER 0x40eu /* BIOS data area: segment of the EBDA */
#define EBDA_SIZE 1024u
#define BIOS_AREA 0xe0000u
#define BIOS_AREA_SIZE 0x20000u

/* One source of an ISA interrupt that does not arrive where it used to. */
struct override {
	bool ov_set;
	bool ov_low;
	enum intr_trigger ov_trigger;
	uint32_t ov_gsi;
};

/* All that was read; written by acpi_parse() only. */
static struct {
	const struct acpi_mem *mem;
	uint64_t lapic;
	uint64_t hpet;
	uint64_t dsdt;
	uint32_t seen; /* bit a member of table_kinds */
	unsigned ncpus, nioapics, nmcfgs;
	uint16_t pm1a;
	uint8_t s5_type;
	bool s5_known;
	bool has_8259;
	struct acpi_cpu cpus[ACPI_CPUS_MAX];
	struct acpi_ioapic ioapics[ACPI_IOAPICS_MAX];
	struct acpi_mcfg mcfgs[ACPI_MCFG_MAX];
	struct override overrides[ACPI_ISA_LINES];
} acpi;

/* ---- Bytes out of tables: little-endian, of any alignment ---- */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static bool sums_to_zero(const uint8_t *p, size_t size)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + p[i]);
	return sum == 0;
}

static const uint8_t *map(uint64_t phys, size_t size)
{
	return acpi.mem->am_map(phys, size);
}

static void unmap(const void *p, size_t size)
{
	if (p != NULL && acpi.mem->am_unmap != NULL)
		acpi.mem->am_unmap(p, size);
}

/* ---- MADT ---- */

static void madt_cpu(uint32_t hwid, uint32_t uid, uint32_t flags)
{
	bool enabled = (flags & 1) != 0;

	/* Neither enabled nor able to become so: a hole in the firmware's array. */
	if ((flags & 3) == 0)
		return;
	for (unsigned i = 0; i < acpi.ncpus; i++) {
		if (acpi.cpus[i].ac_hwid != hwid)
			continue;
		kprintf("acpi: MADT: CPU with APIC id %u is listed twice, second entry ignored\n",
		    hwid);
		return;
	}
	if (acpi.ncpus == ACPI_CPUS_MAX) {
		kprintf("acpi: MADT: CPU with APIC id %u ignored, limit is %u CPUs\n", hwid,
		    ACPI_CPUS_MAX);
		return;
	}
	acpi.cpus[acpi.ncpus++] =
	    (struct acpi_cpu){.ac_hwid = hwid, .ac_uid = uid, .ac_enabled = enabled};
}

static void madt_ioapic(const uint8_t *e)
{
	uint32_t phys = get32(e + 4);

	/* Its registers lie within 256 bytes from a multiple of those (82093AA data sheet, 3.0). */
	if (phys == 0 || (phys & 0xff) != 0) {
		kprintf("acpi: MADT: I/O APIC %u ignored, it cannot be at 0x%x\n", e[2], phys);
		return;
	}
	if (acpi.nioapics == ACPI_IOAPICS_MAX) {
		kprintf("acpi: MADT: I/O APIC %u ignored, limit is %u\n", e[2], ACPI_IOAPICS_MAX);
		return;
	}
	acpi.ioapics[acpi.nioapics++] =
	    (struct acpi_ioapic){.ai_id = e[2], .ai_phys = phys, .ai_gsi_base = get32(e + 8)};
}

/* Polarity and trigger: 0 as the bus has it (ISA: high, edge), 1 high or edge, 3 low or level. */
static void madt_override(const uint8_t *e)
{
	unsigned bus = e[2], irq = e[3];
	uint16_t flags = get16(e + 8);
	unsigned polarity = flags & 3, trigger = flags >> 2 & 3;

	if (bus != 0 || irq >= ACPI_ISA_LINES) {
		kprintf("acpi: MADT: override of bus %u interrupt %u ignored, not ISA\n", bus, irq);
		return;
	}
	if (polarity == 2 || trigger == 2) {
		kprintf("acpi: MADT: override of ISA interrupt %u ignored, flags 0x%x\n", irq,
		    flags);
		return;
	}
	acpi.overrides[irq] = (struct override){.ov_set = true,
	    .ov_gsi = get32(e + 4),
	    .ov_low = polarity == 3,
	    .ov_trigger = trigger == 3 ? INTR_LEVEL : INTR_EDGE};
}

/* The shortest length of the entries that are read; 0: others, passed over. */
static unsigned madt_entry_size(uint8_t type)
{
	switch (type) {
	case 0:
		return 8; /* local APIC */
	case 1:
		return 12; /* I/O APIC */
	case 2:
		return 10; /* interrupt source override */
	case 5:
		return 12; /* local APIC address override */
	case 9:
		return 16; /* local x2APIC */
	default:
		return 0;
	}
}

static void madt_entry(const uint8_t *e)
{
	switch (e[0]) {
	case 0:
		if (e[3] != 0xff)
			madt_cpu(e[3], e[2], get32(e + 4));
		break;
	case 1:
		madt_ioapic(e);
		break;
	case 2:
		madt_override(e);
		break;
	case 5:
		acpi.lapic = get64(e + 4);
		break;
	case 9:
		madt_cpu(get32(e + 4), get32(e + 12), get32(e + 8));
		break;
	}
}

static void parse_madt(const uint8_t *t, size_t size)
{
	size_t at = 44;

	acpi.lapic = get32(t + 36);
	acpi.has_8259 = (get32(t + 40) & 1) != 0;
	while (at + 2 <= size) {
		unsigned type = t[at], len = t[at + 1];

		if (len < 2 || len > size - at || len < madt_entry_size((uint8_t)type)) {
			kprintf("acpi: MADT: entry of type %u at %zu has length %u, rest ignored\n",
			    type, at, len);
			return;
		}
		madt_entry(t + at);
		at += len;
	}
}

/* ---- MCFG, HPET ---- */

static void parse_mcfg(const uint8_t *t, size_t size)
{
	for (size_t at = 44; at + 16 <= size; at += 16) {
		struct acpi_mcfg m = {.am_base = get64(t + at),
		    .am_segment = get16(t + at + 8),
		    .am_bus_first = t[at + 10],
		    .am_bus_last = t[at + 11]};

		/* Up to the end of the last bus no address may wrap. */
		if (m.am_base == 0 || (m.am_base & 0xfffff) != 0 ||
		    m.am_bus_first > m.am_bus_last ||
		    m.am_base > UINT64_MAX - ((uint64_t)m.am_bus_last << 20 | 0xfffff)) {
			kprintf(
			    "acpi: MCFG: range 0x%llx, buses %u to %u, makes no sense, ignored\n",
			    (unsigned long long)m.am_base, m.am_bus_first, m.am_bus_last);
			continue;
		}
		if (acpi.nmcfgs == ACPI_MCFG_MAX) {
			kprintf("acpi: MCFG: more than %u ranges, rest ignored\n", ACPI_MCFG_MAX);
			return;
		}
		acpi.mcfgs[acpi.nmcfgs++] = m;
	}
}

static void parse_hpet(const uint8_t *t, size_t size)
{
	uint64_t phys = get64(t + 44);

	(void)size;
	if (t[40] != 0 || phys == 0 || (phys & 7) != 0) {
		kprintf("acpi: HPET: address 0x%llx in space %u is not memory, ignored\n",
		    (unsigned long long)phys, t[40]);
		return;
	}
	acpi.hpet = phys;
}

/* ---- FADT and state S5 ---- */

static void parse_fadt(const uint8_t *t, size_t size)
{
	uint32_t pm1a = get32(t + 64);

	acpi.dsdt = get32(t + 40);
	if (size >= 148 && get64(t + 140) != 0)
		acpi.dsdt = get64(t + 140);
	/* The extended address counts if it is an I/O port (space 1). */
	if (size >= 184 && t[172] == 1 && get64(t + 176) != 0)
		pm1a = (uint32_t)get64(t + 176);
	if (pm1a > 0xffff) {
		kprintf("acpi: FADT: PM1a control port 0x%x is no port, ignored\n", pm1a);
		return;
	}
	acpi.pm1a = (uint16_t)pm1a;
}

/*
 * The AML of `Name (_S5_, Package () {a, b, ...})` behind the name: 0x12, the length in 1 to 4
 * bytes (bits 7-6 of the first say how many follow), the number of elements, then `a`: ZeroOp,
 * OneOp, or BytePrefix and a byte. `p` has `left` bytes.
 */
static bool s5_package(const uint8_t *p, size_t left, uint8_t *type)
{
	size_t at;

	if (left < 2 || p[0] != 0x12)
		return false;
	at = 2 + (p[1] >> 6) + 1;
	if (at + 2 > left)
		return false;
	if (p[at] <= 1)
		*type = p[at];
	else if (p[at] == 0x0a)
		*type = p[at + 1];
	else
		return false;
	return *type <= 7;
}

static void parse_dsdt(const uint8_t *t, size_t size)
{
	for (size_t at = HEADER_SIZE + 1; at + 4 <= size; at++) {
		if (memcmp(t + at, "_S5_", 4) != 0 || (t[at - 1] != 0x08 && t[at - 1] != '\\'))
			continue;
		if (s5_package(t + at + 4, size - at - 4, &acpi.s5_type)) {
			acpi.s5_known = true;
			return;
		}
	}
	kprintf("acpi: DSDT: no state S5 in it, so power-off by ACPI is not known\n");
}

/* ---- Tables ---- */

static const struct table_kind {
	char sig[5];
	unsigned size_min;
	void (*parse)(const uint8_t *t, size_t size);
} table_kinds[] = {
    {"APIC", 44, parse_madt},
    {"MCFG", 44, parse_mcfg},
    {"HPET", 56, parse_hpet},
    {"FACP", 116, parse_fadt},
    {"DSDT", HEADER_SIZE, parse_dsdt},
    {"RSDT", HEADER_SIZE, NULL},
    {"XSDT", HEADER_SIZE, NULL},
};

#define KINDS (sizeof(table_kinds) / sizeof(table_kinds[0]))

static const struct table_kind *kind_find(const uint8_t *sig)
{
	for (unsigned i = 0; i < KINDS; i++) {
		if (memcmp(table_kinds[i].sig, sig, 4) == 0)
			return &table_kinds[i];
	}
	return NULL;
}

/* Map the whole of a table of that kind and check it; NULL (said why) if it is not to be used. */
static const uint8_t *table_map(uint64_t phys, const struct table_kind *kind, size_t *size)
{
	const uint8_t *t = map(phys, HEADER_SIZE);
	uint32_t len;

	if (t == NULL || memcmp(t, kind->sig, 4) != 0) {
		kprintf("acpi: %s: not at 0x%llx\n", kind->sig, (unsigned long long)phys);
		unmap(t, HEADER_SIZE);
		return NULL;
	}
	len = get32(t + 4);
	unmap(t, HEADER_SIZE);
	if (len < kind->size_min || len > TABLE_SIZE_MAX) {
		kprintf("acpi: %s: length %u, must be %u to %u: ignored\n", kind->sig, len,
		    kind->size_min, TABLE_SIZE_MAX);
		return NULL;
	}
	t = map(phys, len);
	if (t == NULL || !sums_to_zero(t, len)) {
		kprintf("acpi: %s: %s: ignored\n", kind->sig,
		    t == NULL ? "cannot be mapped" : "checksum is wrong");
		unmap(t, len);
		return NULL;
	}
	*size = len;
	return t;
}

/* A table that the root lists: read it if it is of a kind that is known, the first of its kind. */
static void table_visit(uint64_t phys)
{
	const struct table_kind *kind;
	const uint8_t *t = map(phys, HEADER_SIZE);
	size_t size;

	if (t == NULL) {
		kprintf("acpi: table at 0x%llx cannot be mapped, ignored\n",
		    (unsigned long long)phys);
		return;
	}
	kind = kind_find(t);
	unmap(t, HEADER_SIZE);
	if (kind == NULL || kind->parse == NULL)
		return;
	if ((acpi.seen & 1u << (kind - table_kinds)) != 0) {
		kprintf("acpi: %s: a second one at 0x%llx, ignored\n", kind->sig,
		    (unsigned long long)phys);
		return;
	}
	t = table_map(phys, kind, &size);
	if (t == NULL)
		return;
	acpi.seen |= 1u << (kind - table_kinds);
	kind->parse(t, size);
	unmap(t, size);
}

/* The root table: 32-bit addresses in the RSDT, 64-bit ones in the XSDT. */
static bool root_visit(uint64_t phys, const char *sig, unsigned width)
{
	const struct table_kind *kind = kind_find((const uint8_t *)sig);
	const uint8_t *t;
	size_t size;
	unsigned n;

	t = table_map(phys, kind, &size);
	if (t == NULL)
		return false;
	n = (unsigned)((size - HEADER_SIZE) / width);
	if (n > TABLES_MAX) {
		kprintf("acpi: %s: lists %u tables, only the first %u are read\n", sig, n,
		    TABLES_MAX);
		n = TABLES_MAX;
	}
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *entry = t + HEADER_SIZE + (size_t)i * width;

		table_visit(width == 8 ? get64(entry) : get32(entry));
	}
	unmap(t, size);
	if (acpi.dsdt != 0)
		table_visit(acpi.dsdt);
	return true;
}

/* ---- RSDP ---- */

static bool rsdp_valid(const uint8_t *p)
{
	return memcmp(p, "RSD PTR ", 8) == 0 && sums_to_zero(p, 20);
}

/* Look for the RSDP at the 16-byte steps of an area; 0: it is not there. */
static uint64_t rsdp_scan(uint64_t phys, size_t size)
{
	const uint8_t *p = map(phys, size);
	uint64_t found = 0;

	if (p == NULL)
		return 0;
	for (size_t at = 0; at + 20 <= size && found == 0; at += 16) {
		if (rsdp_valid(p + at))
			found = phys + at;
	}
	unmap(p, size);
	return found;
}

static uint64_t rsdp_find(void)
{
	const uint8_t *p = map(EBDA_POINTER, 2);
	uint64_t ebda = p != NULL ? (uint64_t)get16(p) << 4 : 0;
	uint64_t found = 0;

	unmap(p, 2);
	if (ebda >= 0x400 && ebda + EBDA_SIZE <= 0xa0000)
		found = rsdp_scan(ebda, EBDA_SIZE);
	if (found == 0)
		found = rsdp_scan(BIOS_AREA, BIOS_AREA_SIZE);
	return found;
}

/* Revision 2 adds the XSDT and a checksum over the longer whole. */
static uint64_t rsdp_xsdt(uint64_t phys)
{
	const uint8_t *p = map(phys, 36);
	uint64_t xsdt = 0;

	if (p == NULL)
		return 0;
	if (get32(p + 20) == 36 && sums_to_zero(p, 36))
		xsdt = get64(p + 24);
	else
		kprintf("acpi: RSDP: its second part is malformed, the RSDT is used\n");
	unmap(p, 36);
	return xsdt;
}

int acpi_parse(uint64_t rsdp, const struct acpi_mem *mem)
{
	const uint8_t *p;
	uint64_t rsdt, xsdt = 0;

	memset(&acpi, 0, sizeof(acpi));
	acpi.mem = mem;
	acpi.lapic = LAPIC_DEFAULT;
	p = rsdp != 0 ? map(rsdp, 20) : NULL;
	if (p == NULL || !rsdp_valid(p)) {
		if (rsdp != 0)
			kprintf("acpi: RSDP: none at 0x%llx, where the loader said\n",
			    (unsigned long long)rsdp);
		unmap(p, 20);
		rsdp = rsdp_find();
		p = rsdp != 0 ? map(rsdp, 20) : NULL;
	}
	if (p == NULL)
		return ENXIO;
	rsdt = get32(p + 16);
	if (p[15] >= 2)
		xsdt = rsdp_xsdt(rsdp);
	unmap(p, 20);
	if (xsdt != 0 && root_visit(xsdt, "XSDT", 8))
		return 0;
	if (rsdt != 0 && root_visit(rsdt, "RSDT", 4))
		return 0;
	return ENXIO;
}

/* ---- What was read ---- */

uint64_t acpi_lapic(void)
{
	return acpi.lapic;
}

bool acpi_has_8259(void)
{
	return acpi.has_8259;
}

void acpi_cpu_each(bool (*fn)(const struct acpi_cpu *ac, void *arg), void *arg)
{
	for (unsigned i = 0; i < acpi.ncpus; i++) {
		if (!fn(&acpi.cpus[i], arg))
			return;
	}
}

unsigned acpi_cpu_count(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < acpi.ncpus; i++)
		n += acpi.cpus[i].ac_enabled;
	return n;
}

unsigned acpi_ioapics(const struct acpi_ioapic **out)
{
	if (acpi.nioapics != 0)
		*out = acpi.ioapics;
	return acpi.nioapics;
}

unsigned acpi_mcfgs(const struct acpi_mcfg **out)
{
	if (acpi.nmcfgs != 0)
		*out = acpi.mcfgs;
	return acpi.nmcfgs;
}

int acpi_isa_line(unsigned irq, uint32_t *gsi, enum intr_trigger *trigger, bool *active_low)
{
	const struct override *ov;

	if (irq >= ACPI_ISA_LINES)
		return EINVAL;
	ov = &acpi.overrides[irq];
	*gsi = ov->ov_set ? ov->ov_gsi : irq;
	*trigger = ov->ov_set ? ov->ov_trigger : INTR_EDGE;
	*active_low = ov->ov_set && ov->ov_low;
	return 0;
}

uint64_t acpi_hpet(void)
{
	return acpi.hpet;
}

bool acpi_pm1a(uint16_t *port, uint8_t *slp_typ)
{
	if (acpi.pm1a == 0 || !acpi.s5_known)
		return false;
	*port = acpi.pm1a;
	*slp_typ = acpi.s5_type;
	return true;
}
