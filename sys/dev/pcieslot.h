/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pcieslot.h - slots of PCI Express ports, whose cards may come and go while the system runs.
 *
 * Thread context; may block.
 */
#ifndef SYS_DEV_PCIESLOT_H
#define SYS_DEV_PCIESLOT_H

#include <stdbool.h>
#include <stdint.h>

struct pci_dev;

/* pcieslot_match - has that function a slot for it? pcieslot_attach - watch it. EIO: it makes no
 * sense; EOPNOTSUPP: behind another slot (both said by name); ENXIO, ENOSPC, ENOMEM. */
bool pcieslot_match(struct pci_dev *pd);
int pcieslot_attach(struct pci_dev *pd);

struct pcieslot_info {
	const char *si_port;  /* "00:06.0" */
	unsigned si_number;   /* the board's */
	const char *si_state; /* one word */
	unsigned si_bus;      /* behind it */
	bool si_present, si_linked, si_powered;
	uint64_t si_came, si_went; /* cards: taken into use, out of it by the button */
	uint64_t si_pulled;        /* ... without being asked */
	uint64_t si_failed;        /* ... that could not be used, or lost their power */
};

/* pcieslot_each - fn for each slot, in order of attaching, until it answers false. */
void pcieslot_each(bool (*fn)(const struct pcieslot_info *si, void *arg), void *arg);

/*
 * pcieslot_button - as if the button of the slot behind that port ("00:06.0") was pressed.
 * pcieslot_cut - take its card's power in the midst of work. Both only begin it. ENXIO: no such
 * slot; EOPNOTSUPP (cut): its power cannot be switched.
 */
int pcieslot_button(const char *port);
int pcieslot_cut(const char *port);

#endif
