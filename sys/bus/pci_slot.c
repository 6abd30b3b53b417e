/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci_slot.c - the registers of a PCI Express slot, read with suspicion.
 *
 * A port that leads to a slot has, in its PCI Express capability, three registers more: what the
 * slot can do (capabilities), what it shall do (control), and what happened to it (status). Status
 * bits of events stay until a one is written to them; the port interrupts when the first of those
 * that are enabled comes, and a message is sent no more often than that, so whoever takes them goes
 * on until there are none.
 *
 * Each write of control is a command, whatever it changes, and a slot of the slower kind says by an
 * event when it has done it (6.7.3.2); hence all that changes together is written together, and the
 * bits that interrupts depend on are kept as they are.
 *
 * A port that was itself pulled out reads as ones. That is no event, no card and no link.
 *
 * Source: PCI Express Base Specification 3.1, 6.7 and 7.8. Contexts: as the header says; no locks.
 * Not for: waiting, and what is to be done about it (sys/dev/pcieslot.c), which is to be read next.
 */
#include "pci_slot.h"

#include "pci.h"
#include <ithaca/errno.h>
#include <ithaca/print.h>

/* Within the capability. */
#define EXPRESS_FLAGS 0x02u
#define FLAGS_VERSION(f) ((f)&0xfu)
#define FLAGS_TYPE(f) ((f) >> 4 & 0xfu)
#define FLAGS_SLOT 0x0100u
#define FLAGS_MESSAGE(f) ((uint8_t)((f) >> 9 & 0x1fu))
#define TYPE_ROOT_PORT 4u
#define TYPE_DOWNSTREAM 6u
#define LINK_CAPS 0x0cu
#define LINK_CAPS_TELLS 0x00100000u
#define LINK_STATUS 0x12u
#define LINK_STATUS_ACTIVE 0x2000u
#define SLOT_CAPS 0x14u
#define SLOT_CONTROL 0x18u
#define SLOT_STATUS 0x1au
#define SLOT_END 0x1cu

#define CAPS_BUTTON 0x00000001u
#define CAPS_POWER 0x00000002u
#define CAPS_ATTENTION 0x00000008u
#define CAPS_LAMP 0x00000010u
#define CAPS_HOT_PLUG 0x00000040u
#define CAPS_NO_TELL 0x00040000u
#define CAPS_NUMBER(c) ((uint16_t)((c) >> 19))

/* The enable bits of events are where the events are, but for the link's. */
#define CONTROL_INTERRUPT 0x0020u
#define CONTROL_ATTENTION(lamp) ((uint16_t)(lamp) << 6)
#define CONTROL_LAMP(lamp) ((uint16_t)(lamp) << 8)
#define CONTROL_POWER_OFF 0x0400u
#define CONTROL_LINK 0x1000u
#define CONTROL_EVENTS (0x001fu | CONTROL_INTERRUPT | CONTROL_LINK)

#define STATUS_PRESENT 0x0040u
#define NOBODY 0xffffu

bool pci_slot_there(const struct pci_dev *port)
{
	unsigned at = port->pd_express;
	uint16_t flags;

	if (port->pd_header != 1 || at == 0 || at + SLOT_END > PCI_CONFIG_SIZE)
		return false;
	flags = pci_read16(port, at + EXPRESS_FLAGS);
	return (FLAGS_TYPE(flags) == TYPE_ROOT_PORT || FLAGS_TYPE(flags) == TYPE_DOWNSTREAM) &&
	    (flags & FLAGS_SLOT) != 0 && (pci_read32(port, at + SLOT_CAPS) & CAPS_HOT_PLUG) != 0;
}

int pci_slot_decode(struct pci_dev *port, struct pci_slot *out)
{
	unsigned at = port->pd_express;
	uint16_t flags;
	uint32_t caps;

	if (!pci_slot_there(port))
		return ENODEV;
	flags = pci_read16(port, at + EXPRESS_FLAGS);
	caps = pci_read32(port, at + SLOT_CAPS);
	*out = (struct pci_slot){.sl_port = port,
	    .sl_at = (uint16_t)at,
	    .sl_number = CAPS_NUMBER(caps),
	    .sl_message = FLAGS_MESSAGE(flags),
	    .sl_tells = (caps & CAPS_NO_TELL) == 0,
	    .sl_has_button = (caps & CAPS_BUTTON) != 0,
	    .sl_has_power = (caps & CAPS_POWER) != 0,
	    .sl_has_lamp = (caps & CAPS_LAMP) != 0,
	    .sl_has_attention = (caps & CAPS_ATTENTION) != 0};
	out->sl_tells_link = (pci_read32(port, at + LINK_CAPS) & LINK_CAPS_TELLS) != 0;
	out->sl_wanted = SLOT_PRESENCE;
	out->sl_wanted |= out->sl_has_button ? SLOT_BUTTON : 0;
	out->sl_wanted |= out->sl_has_power ? SLOT_FAULT : 0;
	out->sl_wanted |= out->sl_tells ? SLOT_COMMAND : 0;
	out->sl_wanted |= out->sl_tells_link ? SLOT_LINK : 0;
	if (FLAGS_VERSION(flags) != 0 && caps != 0xffffffff &&
	    pci_read8(port, PCI_SECONDARY) > PCI_BUS(port))
		return 0;
	kprintf("pci %s: its slot makes no sense (flags 0x%x, capabilities 0x%x, bus %u), not "
		"used\n",
	    port->pd_name, flags, caps, pci_read8(port, PCI_SECONDARY));
	return EIO;
}

void pci_slot_message(struct pci_slot *sl)
{
	sl->sl_message = FLAGS_MESSAGE(pci_read16(sl->sl_port, sl->sl_at + EXPRESS_FLAGS));
}

static uint16_t status_of(const struct pci_slot *sl)
{
	uint16_t status = pci_read16(sl->sl_port, sl->sl_at + SLOT_STATUS);

	return status == NOBODY ? 0 : status;
}

unsigned pci_slot_events(const struct pci_slot *sl)
{
	uint16_t events = status_of(sl) & SLOT_EVENTS;

	if (events != 0)
		pci_write16(sl->sl_port, sl->sl_at + SLOT_STATUS, events);
	return events;
}

bool pci_slot_present(const struct pci_slot *sl)
{
	return (status_of(sl) & STATUS_PRESENT) != 0;
}

bool pci_slot_linked(const struct pci_slot *sl)
{
	uint16_t status = pci_read16(sl->sl_port, sl->sl_at + LINK_STATUS);

	return status != NOBODY && (!sl->sl_tells_link || (status & LINK_STATUS_ACTIVE) != 0);
}

bool pci_slot_powered(const struct pci_slot *sl)
{
	uint16_t control = pci_read16(sl->sl_port, sl->sl_at + SLOT_CONTROL);

	return control != NOBODY && (!sl->sl_has_power || (control & CONTROL_POWER_OFF) == 0);
}

void pci_slot_control(const struct pci_slot *sl, bool power, enum slot_lamp lamp, bool trouble)
{
	uint16_t control = pci_read16(sl->sl_port, sl->sl_at + SLOT_CONTROL);

	control &= CONTROL_EVENTS;
	if (sl->sl_has_lamp)
		control |= CONTROL_LAMP(lamp);
	if (sl->sl_has_attention)
		control |= CONTROL_ATTENTION(trouble ? SLOT_LAMP_ON : SLOT_LAMP_OFF);
	if (sl->sl_has_power && !power)
		control |= CONTROL_POWER_OFF;
	pci_write16(sl->sl_port, sl->sl_at + SLOT_CONTROL, control);
}

void pci_slot_listen(const struct pci_slot *sl, bool on)
{
	uint16_t control = pci_read16(sl->sl_port, sl->sl_at + SLOT_CONTROL);

	control &= (uint16_t)~CONTROL_EVENTS;
	if (on) {
		control |= CONTROL_INTERRUPT | (sl->sl_wanted & 0x001fu);
		control |= (sl->sl_wanted & SLOT_LINK) != 0 ? CONTROL_LINK : 0;
	}
	pci_write16(sl->sl_port, sl->sl_at + SLOT_CONTROL, control);
}
