/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * igb.h - Intel 82576 network cards ("igb0"), to be used through nic.h. igb(4) is the manual.
 */
#ifndef SYS_DEV_IGB_H
#define SYS_DEV_IGB_H

struct pci_dev;

/*
 * igb_attach - take the function: from now on it is a card of nic.h's. Thread context; may block.
 * EIO: it does not behave as such a card; ENXIO: no registers, or no interrupt to be had; ENOSPC:
 * 16 cards are there; ENOMEM. On an error nothing is held; the reason is said on the console.
 * igb_detach - give it back, in the midst of traffic, or after it was pulled out of its slot.
 * Thread context; may block. ENXIO: the driver does not have it.
 */
int igb_attach(struct pci_dev *pd);
int igb_detach(struct pci_dev *pd);

#endif
