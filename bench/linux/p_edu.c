/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * p_edu.c - the device that interrupts: QEMU's edu, with a message (MSI) of its own.
 *
 * The counterpart of bench/bench_edu.c. The device is taken without a driver registered for it:
 * nothing else in this machine knows it, and the module is what came to use it.
 *
 * Contexts: process context. No locks.
 */
#include "peer.h"

#include <linux/pci.h>

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8

void __iomem *peer_regs;
int peer_irq;

static struct pci_dev *device;

int peer_device_get(void)
{
	int error;

	device = pci_get_device(EDU_VENDOR, EDU_DEVICE, NULL);
	if (device == NULL) {
		pr_err("ithaca_peer: no edu device\n");
		return -ENODEV;
	}
	error = pci_enable_device(device);
	if (error != 0)
		goto put;
	pci_set_master(device);
	peer_regs = pci_ioremap_bar(device, 0);
	if (peer_regs == NULL) {
		error = -ENOMEM;
		goto disable;
	}
	error = pci_alloc_irq_vectors(device, 1, 1, PCI_IRQ_MSI);
	if (error < 0)
		goto unmap;
	peer_irq = pci_irq_vector(device, 0);
	return 0;
unmap:
	iounmap(peer_regs);
disable:
	pci_disable_device(device);
put:
	pci_dev_put(device);
	pr_err("ithaca_peer: the edu device cannot be used: error %d\n", error);
	return error;
}

void peer_device_put(void)
{
	pci_free_irq_vectors(device);
	iounmap(peer_regs);
	pci_disable_device(device);
	pci_dev_put(device);
}
