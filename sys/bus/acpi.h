/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acpi.h - what the firmware's tables say of CPUs, controllers, PCI and the power switch.
 *
 * Rules:
 * - acpi_init() is called once, early, on the first CPU; after it all that is told here is constant
 *   and may be read in any context.
 * - A malformed table gets one message that names it and what is wrong, and is as if it were not
 *   there.
 */
#ifndef SYS_BUS_ACPI_H
#define SYS_BUS_ACPI_H

#include <ithaca/intr.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_info;

#define ACPI_CPUS_MAX 256
#define ACPI_IOAPICS_MAX 16
#define ACPI_MCFG_MAX 16
#define ACPI_ISA_LINES 16

struct acpi_cpu {
	uint32_t ac_hwid; /* local APIC id, or x2APIC id */
	uint32_t ac_uid;  /* the firmware's own number */
	bool ac_enabled;  /* may be started now; false: could be plugged in later */
};

struct acpi_ioapic {
	uint64_t ai_phys;
	uint32_t ai_gsi_base;
	uint8_t ai_id;
};

/* One range of PCI configuration space (PCI Firmware Specification 3.0, 4.1.2). */
struct acpi_mcfg {
	uint64_t am_base; /* of bus 0, even if am_bus_first is greater */
	uint16_t am_segment;
	uint8_t am_bus_first;
	uint8_t am_bus_last;
};

/* How the parser reads physical memory. NULL: that range cannot be read. What was answered stays
 * readable until am_unmap (which may be NULL). */
struct acpi_mem {
	const void *(*am_map)(uint64_t phys, size_t size);
	void (*am_unmap)(const void *p, size_t size);
};

/*
 * acpi_init - find and read the tables, tell the machine how to power off. Thread context or the
 * start of the first CPU (memory is up, core_init() may come later); does not block.
 * ENXIO: no tables; then there is one CPU, no I/O APIC and no PCI, and the caller says so.
 */
int acpi_init(const struct boot_info *boot);

/* acpi_parse - the machine-independent part of acpi_init(): forgets everything and reads the tables
 * through `mem`, from `rsdp` (physical; 0: look in the BIOS area). Errors as acpi_init(). */
int acpi_parse(uint64_t rsdp, const struct acpi_mem *mem);

/* acpi_lapic - physical address of the local APICs; 0xfee00000 if no table says otherwise. */
uint64_t acpi_lapic(void);

/* acpi_has_8259 - the machine has a pair of 8259s as well, to be masked. */
bool acpi_has_8259(void);

/* acpi_cpu_each - fn for every CPU of the MADT, in its order, until it answers false.
 * acpi_cpu_count - how many of them are enabled. */
void acpi_cpu_each(bool (*fn)(const struct acpi_cpu *ac, void *arg), void *arg);
unsigned acpi_cpu_count(void);

/* acpi_ioapics, acpi_mcfgs - the array, and how many it has (0: *out is not set). */
unsigned acpi_ioapics(const struct acpi_ioapic **out);
unsigned acpi_mcfgs(const struct acpi_mcfg **out);

/*
 * acpi_isa_line - where ISA interrupt `irq` (0 to 15) arrives: global number, trigger, polarity.
 * Without an override: the same number, edge, active high. EINVAL: no such interrupt.
 */
int acpi_isa_line(unsigned irq, uint32_t *gsi, enum intr_trigger *trigger, bool *active_low);

/* acpi_hpet - physical address of the HPET's registers; 0: there is none. */
uint64_t acpi_hpet(void);

/* acpi_pm1a - the PM1a control port and the SLP_TYP value of state S5. False: not known. */
bool acpi_pm1a(uint16_t *port, uint8_t *slp_typ);

#endif
