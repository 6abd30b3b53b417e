/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_pci.c - virtio devices on PCI: finding the registers, agreeing on features, queues.
 *
 * A device of version 1 says by vendor capabilities which part of which BAR holds which kind of
 * registers. The capabilities are the device's word, so each is compared with the BAR before it is
 * used: a window that does not fit is not there. The first that fits of each kind is taken, as
 * 4.1.4.1 has it.
 *
 * The order of a start (3.1.1): reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK and look whether
 * it stayed, vectors and queues, DRIVER_OK. A device keeps nothing over a reset, so the driver
 * above begins anew each time, and a reset in the midst of traffic is the same as the first start.
 *
 * A device that was pulled out, or whose slot has no power, answers no read; that gives ones, in
 * configuration space always, for registers on most machines (virtio_gone()). Status 0xff is no
 * state that there is, so a loop that waits for the device ends at it.
 *
 * Contexts: as the header says; no locks, one caller at a time. Invariants: none of its own. Not
 * for: legacy devices without the capabilities, virtio over MMIO. Read next: virtqueue.c,
 * virtio_net.c.
 */
#include "virtio_pci.h"

#include "bus/pci.h"
#include "mem/kmem.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/machine.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>

/* The capability (4.1.4). */
#define CAP_VENDOR 0x09
#define CAP_LEN 2u
#define CAP_TYPE 3u /* 1 to 4 are our windows */
#define CAP_BAR 4u
#define CAP_OFFSET 8u
#define CAP_SIZE 12u
#define CAP_MULTIPLIER 16u /* of the notify window */
#define CAP_LEN_MIN 16u
#define CAP_LEN_NOTIFY (CAP_MULTIPLIER + 4)

enum { COMMON, NOTIFY, ISR, DEVICE };

/* Common registers (4.1.4.3). */
#define COMMON_DEVICE_SELECT 0x00u
#define COMMON_DEVICE_FEATURE 0x04u
#define COMMON_DRIVER_SELECT 0x08u
#define COMMON_DRIVER_FEATURE 0x0cu
#define COMMON_CONFIG_VECTOR 0x10u
#define COMMON_QUEUES 0x12u
#define COMMON_STATUS 0x14u
#define COMMON_QUEUE_SELECT 0x16u
#define COMMON_QUEUE_SIZE 0x18u
#define COMMON_QUEUE_VECTOR 0x1au
#define COMMON_QUEUE_ENABLE 0x1cu
#define COMMON_QUEUE_NOTIFY 0x1eu
#define COMMON_QUEUE_DESC 0x20u
#define COMMON_QUEUE_AVAIL 0x28u
#define COMMON_QUEUE_USED 0x30u
#define COMMON_SIZE 0x38u

#define RESET_NS NS_PER_S
#define RESET_STEP_NS (100 * NS_PER_US)

static const struct {
	const char *name;
	uint32_t min; /* bytes; 0: the window may be absent */
} windows[VIRTIO_WINDOWS] = {[COMMON] = {"common", COMMON_SIZE},
    [NOTIFY] = {"notify", 2},
    [ISR] = {"isr", 1},
    [DEVICE] = {"device", 0}};

/* ---- Registers ---- */

static uint8_t read8(const struct virtio *vi, unsigned window, unsigned at)
{
	const struct virtio_window *vw = &vi->vi_window[window];

	return at < vw->vw_len ? vw->vw_regs[at] : 0;
}

static uint16_t read16(const struct virtio *vi, unsigned window, unsigned at)
{
	const struct virtio_window *vw = &vi->vi_window[window];

	return at + 2 <= vw->vw_len ? *(volatile uint16_t *)(vw->vw_regs + at) : 0;
}

static uint32_t read32(const struct virtio *vi, unsigned window, unsigned at)
{
	const struct virtio_window *vw = &vi->vi_window[window];

	return at + 4 <= vw->vw_len ? *(volatile uint32_t *)(vw->vw_regs + at) : 0;
}

/* All of them are within COMMON_SIZE, which virtio_map() made sure of. */
static volatile uint8_t *common(const struct virtio *vi, unsigned at)
{
	return vi->vi_window[COMMON].vw_regs + at;
}

static void common8(const struct virtio *vi, unsigned at, uint8_t value)
{
	*common(vi, at) = value;
}

static void common16(const struct virtio *vi, unsigned at, uint16_t value)
{
	*(volatile uint16_t *)common(vi, at) = value;
}

static void common32(const struct virtio *vi, unsigned at, uint32_t value)
{
	*(volatile uint32_t *)common(vi, at) = value;
}

static void common64(const struct virtio *vi, unsigned at, uint64_t value)
{
	common32(vi, at, (uint32_t)value);
	common32(vi, at + 4, (uint32_t)(value >> 32));
}

uint8_t virtio_status(struct virtio *vi)
{
	return read8(vi, COMMON, COMMON_STATUS);
}

bool virtio_gone(struct virtio *vi)
{
	return virtio_status(vi) == VIRTIO_GONE || pci_read16(vi->vi_pci, PCI_ID) == 0xffff;
}

uint8_t virtio_isr(struct virtio *vi)
{
	return read8(vi, ISR, 0);
}

uint8_t virtio_config8(struct virtio *vi, unsigned at)
{
	return read8(vi, DEVICE, at);
}

uint16_t virtio_config16(struct virtio *vi, unsigned at)
{
	return read16(vi, DEVICE, at);
}

uint32_t virtio_config32(struct virtio *vi, unsigned at)
{
	return read32(vi, DEVICE, at);
}

/* ---- Finding them ---- */

/* One capability, if it is of a kind wanted and not had yet. ENOMEM; a lie is said and passed. */
static int window_take(struct virtio *vi, unsigned cap)
{
	struct pci_dev *pd = vi->vi_pci;
	unsigned type = pci_read8(pd, cap + CAP_TYPE), bar;
	unsigned cap_len = type == NOTIFY + 1 ? CAP_LEN_NOTIFY : CAP_LEN_MIN;
	uint32_t offset, len;
	struct virtio_window *vw;
	int error;

	/* Type 5 and above are not for us; nor is a BAR above 5 (4.1.4.1: ignore it). */
	if (type < 1 || type > VIRTIO_WINDOWS || cap + cap_len > PCI_CONFIG_SIZE)
		return 0;
	bar = pci_read8(pd, cap + CAP_BAR);
	if (bar >= PCI_BARS)
		return 0;
	vw = &vi->vi_window[type - 1];
	offset = pci_read32(pd, cap + CAP_OFFSET);
	len = pci_read32(pd, cap + CAP_SIZE);
	if (vw->vw_regs != NULL || pd->pd_bar[bar].pb_io)
		return 0;
	if (pci_read8(pd, cap + CAP_LEN) < cap_len || len < windows[type - 1].min || len == 0 ||
	    (offset & 3) != 0 || (uint64_t)offset + len > pd->pd_bar[bar].pb_size) {
		kprintf("virtio at %s: %s registers, 0x%x bytes at 0x%x of BAR %u: not to be "
			"believed\n",
		    pd->pd_name, windows[type - 1].name, len, offset, bar);
		return 0;
	}
	if (vi->vi_bar[bar] == NULL) {
		error = pci_map_bar(pd, bar, 1, &vi->vi_bar[bar], NULL);
		if (error != 0)
			return error;
	}
	vw->vw_regs = (volatile uint8_t *)vi->vi_bar[bar] + offset;
	vw->vw_len = len;
	if (type - 1 == NOTIFY)
		vi->vi_notify_multiplier = pci_read32(pd, cap + CAP_MULTIPLIER);
	return 0;
}

int virtio_map(struct virtio *vi, struct pci_dev *pd)
{
	unsigned cap = 0;
	int error = 0;

	*vi = (struct virtio){.vi_pci = pd};
	while (error == 0 && (cap = pci_cap_next(pd, CAP_VENDOR, cap, true)) != 0)
		error = window_take(vi, cap);
	for (unsigned i = 0; i < VIRTIO_WINDOWS && error == 0; i++) {
		if (windows[i].min == 0 || vi->vi_window[i].vw_regs != NULL)
			continue;
		kprintf("virtio at %s: no %s registers: not a device of version 1\n", pd->pd_name,
		    windows[i].name);
		error = ENXIO;
	}
	if (error != 0)
		virtio_unmap(vi);
	return error;
}

void virtio_unmap(struct virtio *vi)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		if (vi->vi_bar[i] != NULL)
			pci_unmap_bar(vi->vi_bar[i]);
		vi->vi_bar[i] = NULL;
	}
	for (unsigned i = 0; i < VIRTIO_WINDOWS; i++)
		vi->vi_window[i] = (struct virtio_window){0};
}

/* ---- Status and features ---- */

int virtio_reset(struct virtio *vi)
{
	uint64_t until = clock_ns() + RESET_NS;
	uint8_t status;

	if (virtio_gone(vi))
		return ENXIO;
	common8(vi, COMMON_STATUS, 0);
	/* 4.1.4.3.2: the reset is over when 0 is read back. */
	while ((status = virtio_status(vi)) != 0) {
		if (status == VIRTIO_GONE)
			return ENXIO;
		if (clock_ns() > until) {
			kprintf("virtio at %s: status 0x%x a second after it was reset\n",
			    vi->vi_pci->pd_name, status);
			return ETIMEDOUT;
		}
		lwp_sleep_ns(RESET_STEP_NS);
	}
	return 0;
}

static void status_add(struct virtio *vi, uint8_t bit)
{
	common8(vi, COMMON_STATUS, virtio_status(vi) | bit);
}

static uint64_t features_of(struct virtio *vi)
{
	uint64_t low;

	common32(vi, COMMON_DEVICE_SELECT, 0);
	low = read32(vi, COMMON, COMMON_DEVICE_FEATURE);
	common32(vi, COMMON_DEVICE_SELECT, 1);
	return (uint64_t)read32(vi, COMMON, COMMON_DEVICE_FEATURE) << 32 | low;
}

int virtio_begin(struct virtio *vi, uint64_t wanted)
{
	int error = virtio_reset(vi);
	uint64_t has;

	if (error != 0)
		return error;
	status_add(vi, VIRTIO_ACKNOWLEDGE);
	status_add(vi, VIRTIO_DRIVER);
	has = features_of(vi);
	vi->vi_features = has & wanted;
	common32(vi, COMMON_DRIVER_SELECT, 0);
	common32(vi, COMMON_DRIVER_FEATURE, (uint32_t)vi->vi_features);
	common32(vi, COMMON_DRIVER_SELECT, 1);
	common32(vi, COMMON_DRIVER_FEATURE, (uint32_t)(vi->vi_features >> 32));
	status_add(vi, VIRTIO_FEATURES_OK);
	if ((vi->vi_features & VIRTIO_F_VERSION_1) != 0 &&
	    (virtio_status(vi) & VIRTIO_FEATURES_OK) != 0)
		return 0;
	kprintf("virtio at %s: features 0x%llx of 0x%llx refused\n", vi->vi_pci->pd_name,
	    (unsigned long long)vi->vi_features, (unsigned long long)has);
	virtio_fail(vi);
	return ENODEV;
}

void virtio_driver_ok(struct virtio *vi)
{
	status_add(vi, VIRTIO_DRIVER_OK);
}

void virtio_fail(struct virtio *vi)
{
	status_add(vi, VIRTIO_FAILED);
}

/* ---- Vectors and queues ---- */

int virtio_config_vector(struct virtio *vi, uint16_t vector)
{
	common16(vi, COMMON_CONFIG_VECTOR, vector);
	return read16(vi, COMMON, COMMON_CONFIG_VECTOR) == vector ? 0 : ENOSPC;
}

unsigned virtio_queue_count(struct virtio *vi)
{
	return read16(vi, COMMON, COMMON_QUEUES);
}

/* The register that is written to tell of queue `index`, which is selected. */
static volatile uint16_t *notify_of(struct virtio *vi, unsigned index)
{
	const struct virtio_window *vw = &vi->vi_window[NOTIFY];
	uint64_t at = (uint64_t)read16(vi, COMMON, COMMON_QUEUE_NOTIFY) * vi->vi_notify_multiplier;

	if (at + 2 <= vw->vw_len && (at & 1) == 0)
		return (volatile uint16_t *)(vw->vw_regs + at);
	kprintf("virtio at %s: queue %u is notified at 0x%llx, and only 0x%x bytes are there\n",
	    vi->vi_pci->pd_name, index, (unsigned long long)at, vw->vw_len);
	return NULL;
}

/* The queue is selected, its memory is there. */
static int queue_give(struct virtio *vi, struct virtqueue *vq, unsigned index, uint16_t vector)
{
	vq->vq_index = (uint16_t)index;
	vq->vq_notify = notify_of(vi, index);
	if (vq->vq_notify == NULL)
		return ENXIO;
	common16(vi, COMMON_QUEUE_SIZE, vq->vq_size);
	common64(vi, COMMON_QUEUE_DESC, machine_virt_to_phys(vq->vq_desc));
	common64(vi, COMMON_QUEUE_AVAIL, machine_virt_to_phys(vq->vq_avail));
	common64(vi, COMMON_QUEUE_USED, machine_virt_to_phys(vq->vq_used));
	common16(vi, COMMON_QUEUE_VECTOR, vector);
	if (read16(vi, COMMON, COMMON_QUEUE_VECTOR) != vector)
		return ENOSPC;
	common16(vi, COMMON_QUEUE_ENABLE, 1);
	return 0;
}

int virtio_queue_start(struct virtio *vi, struct virtqueue *vq, unsigned index, unsigned limit,
    uint16_t vector)
{
	unsigned size;
	void *mem;
	int error;

	common16(vi, COMMON_QUEUE_SELECT, (uint16_t)index);
	size = read16(vi, COMMON, COMMON_QUEUE_SIZE);
	if (size == 0 || size > VQ_SIZE_MAX || (size & (size - 1)) != 0) {
		kprintf("virtio at %s: queue %u of %u descriptors\n", vi->vi_pci->pd_name, index,
		    size);
		return ENXIO;
	}
	while (size > limit)
		size /= 2;
	mem = kmem_alloc(vq_bytes(size));
	if (mem == NULL)
		return ENOMEM;
	vq_init(vq, mem, size);
	error = queue_give(vi, vq, index, vector);
	if (error != 0)
		virtio_queue_free(vq);
	return error;
}

void virtio_queue_free(struct virtqueue *vq)
{
	if (vq->vq_desc == NULL)
		return;
	KASSERT(vq->vq_nfree == vq->vq_size, "virtqueue %u: freed with %u descriptors in use",
	    vq->vq_index, vq_used_up(vq));
	kmem_free(vq->vq_desc, vq_bytes(vq->vq_size));
	*vq = (struct virtqueue){0};
}
