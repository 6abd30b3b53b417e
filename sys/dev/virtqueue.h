/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtqueue.h - split virtqueues: the rings through which a virtio device is given buffers.
 *
 * Rules:
 * - One caller at a time a queue; the owner has a lock for it, or one handler.
 * - What was added belongs to the device from vq_publish() until vq_pull() gives its cookie back,
 *   or until the device has been reset and vq_drain() does.
 * - After vq_pull() has answered EIO the queue is broken: nothing but vq_drain() and vq_init().
 *
 * Source: OASIS Virtual I/O Device (VIRTIO) Version 1.2, 2.7.
 */
#ifndef SYS_DEV_VIRTQUEUE_H
#define SYS_DEV_VIRTQUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VQ_SIZE_MAX 32768u /* 2.7 */
#define VQ_ALIGN 16u       /* of the memory given to vq_init() */

/* As the device sees them; all little-endian. */
struct vring_desc {
	uint64_t vd_addr;
	uint32_t vd_len;
	uint16_t vd_flags;
	uint16_t vd_next;
};

struct vring_avail {
	_Atomic uint16_t va_flags;
	_Atomic uint16_t va_idx;
	uint16_t va_ring[];
};

struct vring_used_elem {
	uint32_t ve_id;
	uint32_t ve_len;
};

struct vring_used {
	_Atomic uint16_t vu_flags;
	_Atomic uint16_t vu_idx;
	struct vring_used_elem vu_ring[];
};

/* What is remembered of a chain, at the place of its first descriptor. */
struct vq_slot {
	void *vs_cookie;
	uint32_t vs_room;  /* bytes that the device may write */
	uint16_t vs_count; /* descriptors; 0: no chain begins here */
	uint16_t vs_next;  /* next free descriptor, or next of the chain */
	uint16_t vs_place; /* what vq_head was when it was added */
};

/* A piece of a buffer. */
struct vq_seg {
	uint64_t sg_phys;
	uint32_t sg_len;
};

struct virtqueue {
	struct vring_desc *vq_desc;
	struct vring_avail *vq_avail;
	struct vring_used *vq_used;
	struct vq_slot *vq_slot;
	uint16_t vq_size;
	uint16_t vq_free; /* first free descriptor */
	uint16_t vq_nfree;
	uint16_t vq_head;     /* what va_idx is to be */
	uint16_t vq_shown;    /* what it is: behind vq_head when some is not yet published */
	uint16_t vq_tail;     /* how much of the used ring was pulled */
	const char *vq_wrong; /* why the queue is broken, or NULL */
	volatile uint16_t *vq_notify; /* the device's register; NULL: not started */
	uint16_t vq_index;            /* what is written there */
	uint64_t vq_kicks;            /* how often */
};

/* vq_bytes - memory that a queue of `size` (a power of two, at most VQ_SIZE_MAX) needs for the
 * device and for itself. */
size_t vq_bytes(unsigned size);

/* vq_init - empty. `mem`: vq_bytes(size), zeroed, contiguous for the device. */
void vq_init(struct virtqueue *vq, void *mem, unsigned size);

/*
 * vq_add - a buffer of `nout` pieces that the device reads and then `nin` that it writes, one of
 * them at least. Not seen by the device before vq_publish(). EAGAIN: fewer descriptors are free.
 */
int vq_add(struct virtqueue *vq, const struct vq_seg *seg, unsigned nout, unsigned nin,
    void *cookie);

/* vq_publish - the device may have what was added. True: it wants to be told, by vq_kick(). */
bool vq_publish(struct virtqueue *vq);
void vq_kick(struct virtqueue *vq);

/*
 * vq_pull - the next buffer that the device is done with: its cookie, and how many bytes it wrote.
 * EAGAIN: none. EIO: what the device says cannot be (vq_wrong says what); nothing is given back.
 */
int vq_pull(struct virtqueue *vq, void **cookie, uint32_t *len);

/* vq_more - would vq_pull() answer something else than EAGAIN? */
bool vq_more(const struct virtqueue *vq);

/* vq_quiet - ask for no interrupts; the device may send some still. From a filter too. vq_listen -
 * ask for them again; true: something came meanwhile, for which there may be no interrupt. */
void vq_quiet(struct virtqueue *vq);
bool vq_listen(struct virtqueue *vq);

/* vq_drain - a cookie of what the device still had, when it will not touch it any more; false: no
 * more. */
bool vq_drain(struct virtqueue *vq, void **cookie);

/* vq_used_up - descriptors in the device's hands or on their way to it. */
static inline unsigned vq_used_up(const struct virtqueue *vq)
{
	return (unsigned)(vq->vq_size - vq->vq_nfree);
}

/* vq_unshown - buffers added and not yet published. */
static inline unsigned vq_unshown(const struct virtqueue *vq)
{
	return (uint16_t)(vq->vq_head - vq->vq_shown);
}

#endif
