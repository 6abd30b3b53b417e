/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci_cap.c - capabilities of PCI functions, read with suspicion.
 *
 * A function's capabilities are linked lists inside its own configuration space, and the function
 * writes them: a device model (or a broken card) may make one loop, point outside the space, point
 * into the header, or claim a table larger than the BAR that holds it. So: a list is followed over
 * a map of the places already seen, which bounds it; a capability that does not fit is not used;
 * and all that a message capability claims is compared with what is known otherwise.
 *
 * Sources: PCI Local Bus Specification 3.0, 6.7 (list), 6.8.1 (MSI), 6.8.2 (MSI-X); PCI Express
 * Base Specification 3.1, 7.9.1 (extended list).
 *
 * Contexts: any; nothing is written and nothing is locked. Not for: using what was found, see
 * pci_intr.c, which is to be read next.
 */
#include "pci.h"

#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/string.h>

#define CAPS_FIRST 0x40u /* behind the header */
#define ECAPS_FIRST 0x100u

#define MSI_CONTROL 2u
#define MSI_CONTROL_64 0x0080u
#define MSI_CONTROL_MASKABLE 0x0100u

#define MSIX_SIZE 12u
#define MSIX_CONTROL 2u
#define MSIX_TABLE 4u
#define MSIX_PBA 8u
#define MSIX_ENTRY_SIZE 16u

/* A place seen a second time means a loop. */
static bool seen_before(uint32_t *map, unsigned place)
{
	uint32_t bit = 1u << (place & 31);
	bool seen = (map[place / 32] & bit) != 0;

	map[place / 32] |= bit;
	return seen;
}

unsigned pci_cap_find(const struct pci_dev *pd, uint8_t id, bool tell)
{
	return pci_cap_next(pd, id, 0, tell);
}

unsigned pci_cap_next(const struct pci_dev *pd, uint8_t id, unsigned after, bool tell)
{
	uint32_t seen[PCI_CONFIG_SIZE / 4 / 32] = {0};
	bool passed = after == 0;
	unsigned at, next;

	if ((pci_read16(pd, PCI_STATUS) & PCI_STATUS_CAPS) == 0)
		return 0;
	/* The two lowest bits of a pointer are reserved. Each turn marks a place: 64 at most. */
	for (at = pci_read8(pd, PCI_CAPS) & 0xfcu; at != 0; at = next) {
		const char *wrong = at < CAPS_FIRST ? "leads into the header"
		    : seen_before(seen, at / 4)     ? "loops"
						    : NULL;

		if (wrong != NULL) {
			if (tell)
				kprintf("pci %s: capability list %s at 0x%x, rest ignored\n",
				    pd->pd_name, wrong, at);
			return 0;
		}
		if (passed && pci_read8(pd, at) == id)
			return at;
		passed |= at == after;
		next = pci_read8(pd, at + 1) & 0xfcu;
	}
	return 0;
}

unsigned pci_ecap_find(const struct pci_dev *pd, uint16_t id, bool tell)
{
	uint32_t seen[PCI_CONFIG_SIZE_EXT / 4 / 32] = {0};
	unsigned at = ECAPS_FIRST;
	uint32_t header;

	if (pd->pd_express == 0 || pd->pd_access->pa_size < PCI_CONFIG_SIZE_EXT)
		return 0;
	while (at != 0) {
		const char *wrong = at < ECAPS_FIRST ? "leads into the header"
		    : seen_before(seen, at / 4)      ? "loops"
						     : NULL;

		if (wrong != NULL) {
			if (tell)
				kprintf(
				    "pci %s: extended capability list %s at 0x%x, rest ignored\n",
				    pd->pd_name, wrong, at);
			return 0;
		}
		header = pci_read32(pd, at);
		if (header == 0 || header == 0xffffffff)
			return 0;
		if ((header & 0xffff) == id)
			return at;
		at = header >> 20 & 0xffcu;
	}
	return 0;
}

int pci_msi_decode(const struct pci_dev *pd, struct pci_msi_info *out)
{
	unsigned at = pd->pd_msi, size;
	uint16_t control;

	if (at == 0)
		return ENODEV;
	control = pci_read16(pd, at + MSI_CONTROL);
	out->mi_64 = (control & MSI_CONTROL_64) != 0;
	out->mi_maskable = (control & MSI_CONTROL_MASKABLE) != 0;
	out->mi_data = (uint16_t)(at + (out->mi_64 ? 12 : 8));
	out->mi_mask = out->mi_maskable ? (uint16_t)(out->mi_data + 4) : 0;
	/* With mask bits: two reserved bytes, the mask, the pending bits. */
	size = out->mi_data + (out->mi_maskable ? 12u : 2u) - at;
	if (at + size > PCI_CONFIG_SIZE) {
		kprintf("pci %s: MSI capability at 0x%x does not fit, ignored\n", pd->pd_name, at);
		return EIO;
	}
	return 0;
}

/* Does [offset, offset + size) lie in that memory BAR? */
static bool in_bar(const struct pci_dev *pd, unsigned bar, uint64_t offset, uint64_t size)
{
	const struct pci_bar *pb;

	if (bar >= PCI_BARS)
		return false;
	pb = &pd->pd_bar[bar];
	return !pb->pb_io && offset <= pb->pb_size && size <= pb->pb_size - offset;
}

int pci_msix_decode(const struct pci_dev *pd, struct pci_msix_info *out)
{
	unsigned at = pd->pd_msix, pending;
	uint32_t table, pba;

	if (at == 0)
		return ENODEV;
	if (at + MSIX_SIZE > PCI_CONFIG_SIZE) {
		kprintf("pci %s: MSI-X capability at 0x%x does not fit, ignored\n", pd->pd_name,
		    at);
		return EIO;
	}
	out->mx_entries = (pci_read16(pd, at + MSIX_CONTROL) & 0x7ffu) + 1;
	table = pci_read32(pd, at + MSIX_TABLE);
	pba = pci_read32(pd, at + MSIX_PBA);
	out->mx_bar = table & 7;
	out->mx_offset = table & ~7u;
	pending = (out->mx_entries + 63) / 64 * 8;
	if (!in_bar(pd, out->mx_bar, out->mx_offset, out->mx_entries * MSIX_ENTRY_SIZE)) {
		kprintf("pci %s: MSI-X table of %u entries at 0x%x is not within BAR %u, ignored\n",
		    pd->pd_name, out->mx_entries, out->mx_offset, out->mx_bar);
		return EIO;
	}
	if (!in_bar(pd, pba & 7, pba & ~7u, pending)) {
		kprintf("pci %s: MSI-X pending bits at 0x%x are not within BAR %u, ignored\n",
		    pd->pd_name, pba & ~7u, pba & 7);
		return EIO;
	}
	return 0;
}
