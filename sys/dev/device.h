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
 * its work. The start and the shell, one at a time. ENODEV: no driver takes it, or one that is
 * attached by other ways (edu); EBUSY: attached already; ENXIO: not attached; else what the driver
 * says.
 */
int device_attach(struct pci_dev *pd);
int device_detach(struct pci_dev *pd);

#endif
