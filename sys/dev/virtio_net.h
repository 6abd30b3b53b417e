/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_net.h - the driver for virtio network cards; what device.c calls. Everything else goes
 * through nic.h.
 */
#ifndef SYS_DEV_VIRTIO_NET_H
#define SYS_DEV_VIRTIO_NET_H

struct pci_dev;

/* virtio_net_attach - take the function: a card of nic.h from now on. EBUSY: it has a driver;
 * ENXIO, ENODEV: not a network card of virtio 1; ENOSPC: no vector, or too many cards; ENOMEM. On
 * an error nothing is held. Thread context; may block. */
int virtio_net_attach(struct pci_dev *pd);

/* virtio_net_detach - give it back, in the midst of traffic; also when the card is gone already.
 * ENXIO: it is not ours. Thread context; may block. */
int virtio_net_detach(struct pci_dev *pd);

/* virtio_net_init - the sysctls dev.virtio_net.*. Once, before the first attach. */
void virtio_net_init(void);

#endif
