/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci_map.c - the way to configuration space and BARs on this machine: mapped memory.
 *
 * Configuration space is reached through the enhanced mechanism only (PCI Express Base
 * Specification 3.1, 7.2.2): the MCFG table names where, 1 MiB a bus, 4 KiB a function. A bus is
 * mapped when it is first touched, during the scan, because most of the 256 are empty.
 *
 * Contexts: pci_init() thread context; reads and writes any context once the scan is over, as then
 * every bus that has a function is mapped. No locks: the scan is the only writer of `buses`.
 * Not for: several segments. Read next: pci.c.
 */
#include "pci.h"

#include "acpi.h"
#include "mem/vmap.h"
#include <ithaca/errno.h>
#include <ithaca/print.h>

#define BUS_SIZE (1u << 20)

static struct pci_access access_ecam;
static uint64_t ecam_base;           /* of bus 0 */
static volatile uint8_t *buses[256]; /* mapped, or NULL */

static volatile uint8_t *ecam(unsigned bdf, unsigned reg)
{
	unsigned bus = bdf >> 8;

	if (buses[bus] == NULL)
		buses[bus] = vmap_device(ecam_base + (uint64_t)bus * BUS_SIZE, BUS_SIZE);
	if (buses[bus] == NULL)
		return NULL;
	return buses[bus] + (bdf & 0xff) * PCI_CONFIG_SIZE_EXT + reg;
}

/* A bus that cannot be mapped reads as one with nobody there. */
static uint32_t ecam_read(void *cookie, unsigned bdf, unsigned reg, unsigned width)
{
	volatile uint8_t *p = ecam(bdf, reg);

	(void)cookie;
	if (p == NULL)
		return 0xffffffff;
	if (width == 1)
		return *p;
	if (width == 2)
		return *(volatile uint16_t *)p;
	return *(volatile uint32_t *)p;
}

static void ecam_write(void *cookie, unsigned bdf, unsigned reg, unsigned width, uint32_t value)
{
	volatile uint8_t *p = ecam(bdf, reg);

	(void)cookie;
	if (p == NULL)
		return;
	if (width == 1)
		*p = (uint8_t)value;
	else if (width == 2)
		*(volatile uint16_t *)p = (uint16_t)value;
	else
		*(volatile uint32_t *)p = value;
}

static uint16_t phys_read16(uint64_t phys)
{
	volatile uint16_t *p = vmap_device(phys, sizeof(*p));
	uint16_t value = p != NULL ? *p : 0xffff;

	vunmap(p);
	return value;
}

int pci_init(void)
{
	const struct acpi_mcfg *m;
	unsigned n = acpi_mcfgs(&m);

	for (unsigned i = 0; i < n; i++) {
		if (m[i].am_segment != 0)
			continue;
		ecam_base = m[i].am_base;
		access_ecam = (struct pci_access){.pa_read = ecam_read,
		    .pa_write = ecam_write,
		    .pa_phys16 = phys_read16,
		    .pa_bus_first = m[i].am_bus_first,
		    .pa_bus_last = m[i].am_bus_last,
		    .pa_size = PCI_CONFIG_SIZE_EXT};
		return pci_scan(&access_ecam);
	}
	kprintf("pci: the firmware names no memory-mapped configuration space (MCFG): no PCI\n");
	return ENXIO;
}

int pci_map_bar(struct pci_dev *pd, unsigned bar, size_t min, void **out, size_t *size)
{
	struct pci_bar *pb = &pd->pd_bar[bar];
	void *p;

	KASSERT(bar < PCI_BARS, "pci %s: BAR %u", pd->pd_name, bar);
	if (pb->pb_size < min || pb->pb_size == 0 || pb->pb_io) {
		kprintf("pci %s: BAR %u is %s of %llu bytes, memory of at least %zu is needed\n",
		    pd->pd_name, bar, pb->pb_io ? "an I/O range" : "memory",
		    (unsigned long long)pb->pb_size, min);
		return ENXIO;
	}
	if (pb->pb_base == 0) {
		kprintf("pci %s: the firmware gave BAR %u no address\n", pd->pd_name, bar);
		return ENXIO;
	}
	p = vmap_device(pb->pb_base, pb->pb_size);
	if (p == NULL)
		return ENOMEM;
	pci_command(pd, PCI_COMMAND_MEMORY, 0);
	*out = p;
	if (size != NULL)
		*size = pb->pb_size;
	return 0;
}

void pci_unmap_bar(void *p)
{
	vunmap(p);
}
