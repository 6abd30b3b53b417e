/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_pci.h - virtio devices on PCI, version 1 and later: registers, features, queues.
 *
 * Rules:
 * - A struct virtio belongs to one driver, which calls one function of it at a time, from a
 *   thread; virtio_status(), virtio_isr() and the config reads from anywhere.
 * - After virtio_reset() the device does nothing until virtio_begin(), queues and
 *   virtio_driver_ok().
 *
 * Source: OASIS Virtual I/O Device (VIRTIO) Version 1.2, 2.1 to 2.6, 3.1, 4.1.
 */
#ifndef SYS_DEV_VIRTIO_PCI_H
#define SYS_DEV_VIRTIO_PCI_H

#include "virtqueue.h"

#include <stdbool.h>
#include <stdint.h>

struct pci_dev;

/* Device status (2.1). A device that is gone answers with all ones. */
#define VIRTIO_ACKNOWLEDGE 0x01u
#define VIRTIO_DRIVER 0x02u
#define VIRTIO_DRIVER_OK 0x04u
#define VIRTIO_FEATURES_OK 0x08u
#define VIRTIO_NEEDS_RESET 0x40u
#define VIRTIO_FAILED 0x80u
#define VIRTIO_GONE 0xffu

/* Features of every device (6). */
#define VIRTIO_F_VERSION_1 ((uint64_t)1 << 32)

/* Bits of the interrupt status (4.1.4.5). */
#define VIRTIO_ISR_QUEUE 0x1u
#define VIRTIO_ISR_CONFIG 0x2u

#define VIRTIO_NO_VECTOR 0xffffu

#define VIRTIO_WINDOWS 4 /* kinds of registers: common, notify, isr, device */

struct virtio_window {
	volatile uint8_t *vw_regs; /* (a) NULL: the device has none such */
	uint32_t vw_len;           /* (a) bytes */
};

struct virtio {
	struct pci_dev *vi_pci;                         /* (a) */
	void *vi_bar[6];                                /* (a) mapped, or NULL */
	struct virtio_window vi_window[VIRTIO_WINDOWS]; /* (a) */
	uint32_t vi_notify_multiplier;                  /* (a) */
	uint64_t vi_features;                           /* agreed upon */
};

/*
 * virtio_map - find and map the registers of `pd`, which the driver owns. ENXIO: it is no device of
 * version 1, or its capabilities lie (said on the console by name); ENOMEM. On an error nothing is
 * held. Thread context. virtio_unmap - undo it; the device was reset.
 */
int virtio_map(struct virtio *vi, struct pci_dev *pd);
void virtio_unmap(struct virtio *vi);

/* virtio_reset - stop the device; it has stopped when this returns. ENXIO: it is gone; ETIMEDOUT:
 * it did not obey within a second, and may use its queues still. Thread context; may block. */
int virtio_reset(struct virtio *vi);

/*
 * virtio_begin - reset, then agree on those of the features `wanted` that it has; VERSION_1 must be
 * among both. ENXIO, ETIMEDOUT: as virtio_reset(). ENODEV: it refused, or has no VERSION_1.
 * virtio_driver_ok - the device may begin. virtio_fail - say that the driver gives up. Thread
 * context; may block.
 */
int virtio_begin(struct virtio *vi, uint64_t wanted);
void virtio_driver_ok(struct virtio *vi);
void virtio_fail(struct virtio *vi);

/* virtio_status - VIRTIO_ACKNOWLEDGE and so on. virtio_isr - VIRTIO_ISR_*; reading it clears it and
 * drops the pin. virtio_gone - nobody is there any more. Any context. */
uint8_t virtio_status(struct virtio *vi);
bool virtio_gone(struct virtio *vi);
uint8_t virtio_isr(struct virtio *vi);

/* virtio_config8, virtio_config16, virtio_config32 - of the device's own configuration, aligned; 0
 * where it has none. Any context. virtio_config_mac - six bytes of it. */
uint8_t virtio_config8(struct virtio *vi, unsigned at);
uint16_t virtio_config16(struct virtio *vi, unsigned at);
uint32_t virtio_config32(struct virtio *vi, unsigned at);

/* virtio_config_vector - the MSI-X vector of configuration changes. ENOSPC: the device has not the
 * resources. Between virtio_begin() and virtio_driver_ok(). */
int virtio_config_vector(struct virtio *vi, uint16_t vector);

/* virtio_queue_count - how many the device has. */
unsigned virtio_queue_count(struct virtio *vi);

/*
 * virtio_queue_start - make queue number `index`, of at most `limit` descriptors, and give it to
 * the device. ENXIO: it has no such queue, or its registers lie (said by name); ENOSPC: no vector;
 * ENOMEM. Between virtio_begin() and virtio_driver_ok(); thread context.
 * virtio_queue_free - its memory; the device has been reset. One that was not started is ignored.
 */
int virtio_queue_start(struct virtio *vi, struct virtqueue *vq, unsigned index, unsigned limit,
    uint16_t vector);
void virtio_queue_free(struct virtqueue *vq);

#endif
