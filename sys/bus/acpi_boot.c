/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acpi_boot.c - the tables of this machine: acpi.c's parser over its physical memory.
 *
 * Tables may lie in memory that the loader does not call usable, outside the direct map, so each
 * is read through a window of its own that is taken away again. Contexts: the first CPU, after
 * mem_init(); windows are only ever taken away here while no second CPU runs. No locks. Not for:
 * what the tables mean; that is acpi.c.
 */
#include "acpi.h"

#include "mem/vmap.h"
#include <ithaca/errno.h>
#include <ithaca/machine.h>
#include <ithaca/print.h>

static const void *window(uint64_t phys, size_t size)
{
	return vmap_phys(phys, size, 0);
}

static void window_close(const void *p, size_t size)
{
	(void)size;
	vunmap((volatile void *)(uintptr_t)p);
}

static const struct acpi_mem machine_memory = {.am_map = window, .am_unmap = window_close};

int acpi_init(const struct boot_info *boot)
{
	uint16_t port;
	uint8_t slp_typ;
	int error = acpi_parse(boot->rsdp, &machine_memory);

	if (error != 0) {
		kprintf("acpi: no tables: one CPU, no I/O APIC, no PCI\n");
		return error;
	}
	if (acpi_pm1a(&port, &slp_typ))
		machine_set_poweroff(port, slp_typ);
	return 0;
}
