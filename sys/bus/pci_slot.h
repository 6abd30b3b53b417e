/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci_slot.h - the registers of a PCI Express slot: what is in it, its power, lamps and button.
 *
 * Rules: nothing here waits or locks. Events may be taken in any context; control is written by one
 * at a time, who waits for SLOT_COMMAND after each write where the slot tells (sl_tells).
 */
#ifndef SYS_BUS_PCI_SLOT_H
#define SYS_BUS_PCI_SLOT_H

#include <stdbool.h>
#include <stdint.h>

struct pci_dev;

/* Events, as in the slot status register. */
#define SLOT_BUTTON 0x0001u   /* the attention button was pressed */
#define SLOT_FAULT 0x0002u    /* the power failed */
#define SLOT_LATCH 0x0004u    /* the latch that holds the card moved */
#define SLOT_PRESENCE 0x0008u /* a card came or went */
#define SLOT_COMMAND 0x0010u  /* what was written to control has been done */
#define SLOT_LINK 0x0100u     /* the link came up or went down */
#define SLOT_EVENTS 0x011fu

enum slot_lamp { SLOT_LAMP_ON = 1, SLOT_LAMP_BLINK, SLOT_LAMP_OFF };

struct pci_slot {
	struct pci_dev *sl_port;
	uint16_t sl_at;     /* offset of the port's PCI Express capability */
	uint16_t sl_number; /* that the board's maker gave it */
	uint16_t sl_wanted; /* events that may interrupt */
	uint8_t sl_message; /* which of the port's messages that is */
	bool sl_tells;      /* SLOT_COMMAND after each write of control */
	bool sl_has_button;
	bool sl_has_power;     /* the power can be switched */
	bool sl_has_lamp;      /* of the power */
	bool sl_has_attention; /* a lamp for trouble */
	bool sl_tells_link;    /* the state of the link can be read */
};

/* pci_slot_there - is that function a port with a slot that can be used while the system runs?
 * pci_slot_decode - ENODEV: it is not; EIO: it says so, and the rest makes no sense (said on the
 * console by name). Any context. */
bool pci_slot_there(const struct pci_dev *port);
int pci_slot_decode(struct pci_dev *port, struct pci_slot *out);

/* pci_slot_message - read sl_message anew: it may change when the port's interrupts are set up. */
void pci_slot_message(struct pci_slot *sl);

/* pci_slot_events - what has happened since the last call; it is forgotten. 0 if the port itself
 * does not answer. Any context, one at a time. */
unsigned pci_slot_events(const struct pci_slot *sl);

/* pci_slot_present - is a card in it? pci_slot_linked - and its link up (or it does not tell)?
 * pci_slot_powered. Any context; false if the port does not answer. */
bool pci_slot_present(const struct pci_slot *sl);
bool pci_slot_linked(const struct pci_slot *sl);
bool pci_slot_powered(const struct pci_slot *sl);

/* pci_slot_control - power and both lamps, in one write: what the slot does not have is left alone.
 * pci_slot_listen - interrupts for sl_wanted, or none, in one write. Thread context. */
void pci_slot_control(const struct pci_slot *sl, bool power, enum slot_lamp lamp, bool trouble);
void pci_slot_listen(const struct pci_slot *sl, bool on);

#endif
