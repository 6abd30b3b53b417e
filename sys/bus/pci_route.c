/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci_route.c - which line an interrupt pin is wired to.
 *
 * The board decides that, and ACPI tells it in methods (_PRT) that we do not interpret. So it is
 * known here for the board that we run on, the ICH9 south bridge of QEMU's q35, from its data
 * sheet; elsewhere the interrupt line register is believed, where firmware leaves the ISA
 * interrupt.
 *
 * A pin behind bridges arrives at the root rotated by the slot at each step (PCI-to-PCI Bridge
 * Architecture 1.2, 9.1):
 *
 *	pin at the bridge = (pin + slot) mod 4		bridge's slot next, up to the root
 *
 * ICH9 (Intel 316972, 10.1.19 and following): the routing registers D25IR to D31IR, four bits a
 * pin in the chipset's register block, choose one of PIRQA# to PIRQH# for slots 25 to 31; PIRQA#
 * is input 16 of the I/O APIC. For the slots of the board itself QEMU wires pin p of slot s to
 * PIRQ E + (s + p) mod 4, and those of slot 30 straight to E to H.
 *
 * Contexts: thread; no locks, nothing is written. Not for: message interrupts. Read next:
 * pci_intr.c.
 */
#include "pci.h"

#include "acpi.h"
#include <ithaca/errno.h>
#include <ithaca/print.h>

#define GSI_PIRQA 16u
#define PIRQ_E 4u
#define BRIDGES_MAX 256u

#define INTEL 0x8086
#define ICH9_LPC 0x2918
#define ICH9_RCBA 0xf0 /* where the chipset's register block is */
#define ICH9_RCBA_ENABLE 0x1u
#define ICH9_RCBA_MASK 0xffffc000u

/* Offsets of DxxIR by slot, from 25. Slot 30 is the PCI bridge and has none. */
static const uint16_t ich9_routes[7] = {0x3150, 0x314c, 0x3148, 0x3146, 0x3144, 0, 0x3140};

/* PIRQ A to H as 0 to 7; -1: not known. */
static int ich9_pirq(const struct pci_dev *lpc, unsigned slot, unsigned pin)
{
	const struct pci_access *pa = lpc->pd_access;
	uint32_t rcba;

	if (slot < 25)
		return (int)(PIRQ_E + ((slot + pin) & 3));
	if (slot == 30)
		return (int)(PIRQ_E + pin);
	rcba = pci_read32(lpc, ICH9_RCBA);
	if ((rcba & ICH9_RCBA_ENABLE) == 0 || pa->pa_phys16 == NULL)
		return -1;
	return pa->pa_phys16((rcba & ICH9_RCBA_MASK) + ich9_routes[slot - 25]) >> (4 * pin) & 7;
}

/* The interrupt line register: an ISA interrupt, or a number of the I/O APIC's. */
static int line_register(const struct pci_dev *pd, uint32_t *gsi, enum intr_trigger *trigger,
    bool *active_low)
{
	if (pd->pd_line == 0 || pd->pd_line == 0xff) {
		kprintf("pci %s: nobody knows where its interrupt pin leads\n", pd->pd_name);
		return ENXIO;
	}
	*gsi = pd->pd_line;
	*trigger = INTR_LEVEL;
	*active_low = true;
	if (pd->pd_line >= ACPI_ISA_LINES)
		return 0;
	acpi_isa_line(pd->pd_line, gsi, trigger, active_low);
	if (*trigger != INTR_LEVEL) {
		/* No override says otherwise, so it is as PCI has it. */
		*trigger = INTR_LEVEL;
		*active_low = true;
	}
	return 0;
}

int pci_intx_line(const struct pci_dev *pd, uint32_t *gsi, enum intr_trigger *trigger,
    bool *active_low)
{
	const struct pci_dev *root = pd, *lpc = pci_at(0, 0x1f, 0);
	unsigned pin, steps = 0;
	int pirq;

	if (pd->pd_pin == 0)
		return ENXIO;
	if (lpc == NULL || lpc->pd_vendor != INTEL || lpc->pd_device != ICH9_LPC)
		return line_register(pd, gsi, trigger, active_low);
	for (pin = pd->pd_pin - 1u; root->pd_bridge != NULL; root = root->pd_bridge) {
		KASSERT(++steps < BRIDGES_MAX, "pci %s: bridges without end", pd->pd_name);
		pin = (pin + PCI_SLOT(root)) & 3;
	}
	pirq = ich9_pirq(lpc, PCI_SLOT(root), pin);
	if (pirq < 0)
		return line_register(pd, gsi, trigger, active_low);
	*gsi = GSI_PIRQA + (uint32_t)pirq;
	*trigger = INTR_LEVEL;
	*active_low = true;
	return 0;
}
