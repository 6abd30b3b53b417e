/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.h - which driver takes which PCI function. Thread context; may block.
 */
#ifndef SYS_DEV_DEVICE_H
#define SYS_DEV_DEVICE_H

struct pci_dev;

/* device_attach_all - offer every PCI function to the drivers, once, after pci_init(). A driver's
 * error is said on the console and does not hold up the others. Returns how many were taken. */
unsigned device_attach_all(void);

/*
 * device_attach, device_detach - give one function to its driver, or take it back, in the midst of
 * its work. The caller holds it (pci.h). ENODEV: no driver takes it, or one that is attached by
 * other ways (edu); EBUSY: attached already; ENXIO: not attached, or on its way out; else what the
 * driver says.
 */
int device_attach(struct pci_dev *pd);
int device_detach(struct pci_dev *pd);

/*
 * device_card_come - a card answers behind `port`: list its functions, give them addresses, offer
 * them to the drivers. *count is how many there are. Drivers' errors are said and are none of it.
 * ENOENT, ENXIO, ENOMEM: as pci_rescan(); then device_card_go() takes back what there is.
 * device_card_go - whatever is behind `port`, there or pulled out, is detached and listed no more;
 * returns how many functions that were.
 */
int device_card_come(struct pci_dev *port, unsigned *count);
unsigned device_card_go(struct pci_dev *port);

#endif
