/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.h - which driver takes which PCI function. Thread context; may block.
 */
#ifndef SYS_DEV_DEVICE_H
#define SYS_DEV_DEVICE_H

/* device_attach_all - offer every PCI function to the drivers, once, after pci_init(). A driver's
 * error is said on the console and does not hold up the others. Returns how many were taken. */
unsigned device_attach_all(void);

#endif
