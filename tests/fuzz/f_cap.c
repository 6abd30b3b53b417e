/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * f_cap.c - the capabilities of one function (sys/bus/pci_cap.c, pci_slot.c), whose configuration
 * space is the input: the first byte is read at register 0, behind the last one there are zeros.
 *
 * What comes out of it must lie within the space and the BARs, whatever stands there. f_pci.c does
 * the rest, slower: it puts together a machine each time. Read next: f_pci.c.
 */
#include "fuzz.h"

#include "../../sys/bus/pci.h"
#include "../../sys/bus/pci_slot.h"

#include <string.h>

#define BAR_SIZE 0x4000u

static uint8_t space[PCI_CONFIG_SIZE_EXT];
static unsigned reads;

static uint32_t cap_read(void *cookie, unsigned bdf, unsigned reg, unsigned width)
{
	uint32_t value = 0;

	(void)cookie, (void)bdf;
	FUZZ_CHECK(reg % width == 0 && reg + width <= PCI_CONFIG_SIZE_EXT);
	FUZZ_CHECK(++reads < 10000);
	memcpy(&value, space + reg, width);
	return value;
}

static void cap_write(void *cookie, unsigned bdf, unsigned reg, unsigned width, uint32_t value)
{
	(void)cookie, (void)bdf;
	FUZZ_CHECK(reg % width == 0 && reg + width <= PCI_CONFIG_SIZE_EXT);
	memcpy(space + reg, &value, width);
}

static const struct pci_access access_cap = {.pa_read = cap_read,
    .pa_write = cap_write,
    .pa_size = PCI_CONFIG_SIZE_EXT};

static void messages(const struct pci_dev *pd)
{
	struct pci_msi_info mi;
	struct pci_msix_info mx;

	if (pci_msi_decode(pd, &mi) == 0)
		FUZZ_CHECK(mi.mi_data + 2u <= PCI_CONFIG_SIZE &&
		    mi.mi_mask + 4u <= PCI_CONFIG_SIZE && (mi.mi_mask != 0) == mi.mi_maskable);
	if (pci_msix_decode(pd, &mx) == 0)
		FUZZ_CHECK(mx.mx_bar < PCI_BARS && mx.mx_entries >= 1 &&
		    mx.mx_offset + mx.mx_entries * 16 <= pd->pd_bar[mx.mx_bar].pb_size);
}

static void slot(struct pci_dev *pd)
{
	struct pci_slot sl;

	if (pci_slot_decode(pd, &sl) != 0)
		return;
	pci_slot_control(&sl, false, SLOT_LAMP_OFF, true);
	pci_slot_listen(&sl, true);
	FUZZ_CHECK((pci_slot_events(&sl) & ~SLOT_EVENTS) == 0);
	(void)(pci_slot_present(&sl) + pci_slot_linked(&sl) + pci_slot_powered(&sl));
}

static void run(const uint8_t *in, size_t len)
{
	struct pci_dev pd = {.pd_access = &access_cap, .pd_name = "00:02.0"};
	unsigned at, steps = 0;

	memcpy(space, in, len);
	memset(space + len, 0, sizeof(space) - len);
	reads = 0;
	pd.pd_header = space[PCI_HEADER] & 1;
	pd.pd_bar[0].pb_size = BAR_SIZE;
	pd.pd_bar[2].pb_size = BAR_SIZE / 4;
	pd.pd_msi = (uint16_t)pci_cap_find(&pd, PCI_CAP_MSI, true);
	pd.pd_msix = (uint16_t)pci_cap_find(&pd, PCI_CAP_MSIX, false);
	pd.pd_express = (uint16_t)pci_cap_find(&pd, PCI_CAP_EXPRESS, false);
	for (at = 0; (at = pci_cap_next(&pd, 0x09, at, false)) != 0; steps++)
		FUZZ_CHECK(at >= 0x40 && at % 4 == 0 && at < PCI_CONFIG_SIZE && steps < 64);
	at = pci_ecap_find(&pd, 3, true);
	FUZZ_CHECK(at == 0 || (at >= 0x100 && at <= PCI_CONFIG_SIZE_EXT - 4));
	messages(&pd);
	slot(&pd);
}

static void seeds(void)
{
	uint8_t in[0x108] = {[PCI_STATUS] = PCI_STATUS_CAPS, [PCI_CAPS] = 0x40};

	memcpy(in + 0x40, (const uint8_t[]){PCI_CAP_MSIX, 0x50, 4, 0, 0, 0, 0, 0, 0, 8, 0, 0}, 12);
	memcpy(in + 0x50, (const uint8_t[]){PCI_CAP_MSI, 0x70, 0x80, 1}, 4);
	memcpy(in + 0x70, (const uint8_t[]){PCI_CAP_EXPRESS, 0xb0, 0x42, 1}, 4);
	memcpy(in + 0x84, (const uint8_t[]){0x5b, 0, 8, 0}, 4);
	memcpy(in + 0xb0, (const uint8_t[]){9, 0xc0}, 2);
	memcpy(in + 0xc0, (const uint8_t[]){9, 0}, 2);
	memcpy(in + 0x100, (const uint8_t[]){1, 0, 0x41, 0x10, 3, 0, 1, 0}, 8);
	fuzz_seed(in, sizeof(in));
	in[PCI_HEADER] = 1;
	in[PCI_SECONDARY] = 1;
	fuzz_seed(in, sizeof(in));
}

FUZZ_TARGET(cap) = {.ft_run = run, .ft_seeds = seeds, .ft_max = 1024, .ft_runs = 300000};
