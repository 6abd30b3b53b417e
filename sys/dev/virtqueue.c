/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtqueue.c - split virtqueues: descriptors, the ring of what is available, the ring of what was
 * used.
 *
 * The driver writes descriptors and the available ring, the device the used ring; each side only
 * reads the other's. A buffer is a chain of descriptors, named by the number of its first. What
 * the driver must know of a chain to take it back (its cookie, its length, its next) is kept in
 * vq_slot and not read back from the descriptors: the device shares that memory, and a device that
 * lies must not lead us anywhere.
 *
 * What the device may say wrongly, and what is checked before anything is believed (vq_pull()):
 *
 *	vu_idx more than the chains that it has ahead of what was pulled
 *	an id that is no descriptor
 *	an id at which no chain begins, or which was given back before; or whose chain it was not
 *	shown yet, which is how an id looks that comes twice and was used anew between
 *	more bytes written than the chain has room for
 *
 * Interrupts are asked for and refused by a flag in the available ring, which is a hint: the
 * device may have decided before it saw the flag. Asking again races with the device finishing:
 *
 *	driver (vq_listen)			device
 *	va_flags = 0				vu_ring[n] = ..., vu_idx = n + 1
 *	fence					fence
 *	vu_idx: more? then pull			va_flags: 0? then interrupt
 *
 * One of the two sees the other's store, so nothing is left lying without an interrupt. Telling the
 * device of new buffers is the same with the parts exchanged (vq_publish()).
 *
 * The fields that both sides touch are C11 atomics: the device is another thread of the host, or
 * hardware that keeps to the CPU's order of stores.
 *
 * Contexts: any that the owner of the queue allows; nothing blocks, nothing is locked; vq_quiet()
 * may be called beside all others. Not for: packed rings, indirect descriptors, event indices.
 * Read next: virtio_pci.c, which makes queues known to a device; virtio_net.c, which uses them.
 */
#include "virtqueue.h"

#include <ithaca/errno.h>
#include <ithaca/print.h>

#define DESC_NEXT 0x1u
#define DESC_WRITE 0x2u
#define AVAIL_NO_INTERRUPT 0x1u
#define USED_NO_NOTIFY 0x1u

#define NONE 0xffffu

/* Where the parts lie, from the start of the memory (2.7: 16, 2 and 4 byte boundaries). The words
 * behind the rings are for event indices, which a device may write though nobody asked. */
static size_t avail_at(unsigned size)
{
	return size * sizeof(struct vring_desc);
}

static size_t used_at(unsigned size)
{
	size_t end = avail_at(size) + sizeof(struct vring_avail) + (size + 1u) * sizeof(uint16_t);

	return (end + 3) & ~(size_t)3;
}

static size_t slots_at(unsigned size)
{
	size_t end = used_at(size) + sizeof(struct vring_used) +
	    size * sizeof(struct vring_used_elem) + sizeof(uint16_t);

	return (end + 15) & ~(size_t)15;
}

size_t vq_bytes(unsigned size)
{
	return slots_at(size) + size * sizeof(struct vq_slot);
}

void vq_init(struct virtqueue *vq, void *mem, unsigned size)
{
	char *p = mem;

	KASSERT(size > 0 && size <= VQ_SIZE_MAX && (size & (size - 1)) == 0, "virtqueue of %u",
	    size);
	KASSERT((uintptr_t)mem % VQ_ALIGN == 0, "virtqueue at %p: not aligned", mem);
	*vq = (struct virtqueue){.vq_desc = mem,
	    .vq_avail = (struct vring_avail *)(void *)(p + avail_at(size)),
	    .vq_used = (struct vring_used *)(void *)(p + used_at(size)),
	    .vq_slot = (struct vq_slot *)(void *)(p + slots_at(size)),
	    .vq_size = (uint16_t)size,
	    .vq_nfree = (uint16_t)size};
	for (unsigned i = 0; i < size; i++) {
		vq->vq_slot[i] =
		    (struct vq_slot){.vs_next = (uint16_t)(i + 1 < size ? i + 1 : NONE)};
		vq->vq_desc[i] = (struct vring_desc){0};
	}
	atomic_init(&vq->vq_avail->va_flags, 0);
	atomic_init(&vq->vq_avail->va_idx, 0);
	atomic_init(&vq->vq_used->vu_flags, 0);
	atomic_init(&vq->vq_used->vu_idx, 0);
}

/* ---- Towards the device ---- */

int vq_add(struct virtqueue *vq, const struct vq_seg *seg, unsigned nout, unsigned nin,
    void *cookie)
{
	unsigned n = nout + nin, head = vq->vq_free, at = head, last = head;
	uint32_t room = 0;

	KASSERT(n > 0 && vq->vq_wrong == NULL, "virtqueue: %u pieces, %s", n,
	    vq->vq_wrong != NULL ? vq->vq_wrong : "not broken");
	if (n > vq->vq_nfree)
		return EAGAIN;
	for (unsigned i = 0; i < n; i++) {
		struct vring_desc *vd = &vq->vq_desc[at];

		vd->vd_addr = seg[i].sg_phys;
		vd->vd_len = seg[i].sg_len;
		vd->vd_flags =
		    (uint16_t)((i >= nout ? DESC_WRITE : 0) | (i + 1 < n ? DESC_NEXT : 0));
		vd->vd_next = vq->vq_slot[at].vs_next;
		room += i >= nout ? seg[i].sg_len : 0;
		last = at;
		at = vq->vq_slot[at].vs_next;
	}
	vq->vq_free = (uint16_t)at;
	vq->vq_nfree = (uint16_t)(vq->vq_nfree - n);
	vq->vq_slot[last].vs_next = NONE;
	vq->vq_slot[head].vs_cookie = cookie;
	vq->vq_slot[head].vs_room = room;
	vq->vq_slot[head].vs_count = (uint16_t)n;
	vq->vq_slot[head].vs_place = vq->vq_head;
	vq->vq_avail->va_ring[vq->vq_head & (vq->vq_size - 1u)] = (uint16_t)head;
	vq->vq_head++;
	return 0;
}

bool vq_publish(struct virtqueue *vq)
{
	vq->vq_shown = vq->vq_head;
	/* Release: descriptors and ring before the index that the device acquires. */
	atomic_store_explicit(&vq->vq_avail->va_idx, vq->vq_head, memory_order_release);
	/* With the device's fence between its vu_flags and its look at va_idx: see the essay. */
	atomic_thread_fence(memory_order_seq_cst);
	return (atomic_load_explicit(&vq->vq_used->vu_flags, memory_order_relaxed) &
		   USED_NO_NOTIFY) == 0;
}

void vq_kick(struct virtqueue *vq)
{
	vq->vq_kicks++;
	*vq->vq_notify = vq->vq_index;
}

/* ---- From the device ---- */

static int wrong(struct virtqueue *vq, const char *what)
{
	vq->vq_wrong = what;
	return EIO;
}

/* Was the chain published? No more than vq_size of them are between vq_tail and vq_head. */
static bool was_shown(const struct virtqueue *vq, const struct vq_slot *s)
{
	return (uint16_t)(vq->vq_head - s->vs_place) > (uint16_t)(vq->vq_head - vq->vq_shown);
}

/* The descriptors of the chain at `head` are free again. */
static void *chain_free(struct virtqueue *vq, unsigned head)
{
	struct vq_slot *first = &vq->vq_slot[head], *s = first;

	for (unsigned i = 1; i < first->vs_count; i++)
		s = &vq->vq_slot[s->vs_next];
	KASSERT(s->vs_next == NONE, "virtqueue: the chain at %u has no end", head);
	s->vs_next = vq->vq_free;
	vq->vq_free = (uint16_t)head;
	vq->vq_nfree = (uint16_t)(vq->vq_nfree + first->vs_count);
	first->vs_count = 0;
	return first->vs_cookie;
}

bool vq_more(const struct virtqueue *vq)
{
	/* Acquire: the entries before the index. With the device's release. */
	return atomic_load_explicit(&vq->vq_used->vu_idx, memory_order_acquire) != vq->vq_tail;
}

int vq_pull(struct virtqueue *vq, void **cookie, uint32_t *len)
{
	/* Acquire: as in vq_more(). */
	uint16_t idx = atomic_load_explicit(&vq->vq_used->vu_idx, memory_order_acquire);
	uint16_t ready = (uint16_t)(idx - vq->vq_tail);
	struct vring_used_elem *ve = &vq->vq_used->vu_ring[vq->vq_tail & (vq->vq_size - 1u)];
	uint32_t id, wrote;

	if (vq->vq_wrong != NULL)
		return EIO;
	if (ready == 0)
		return EAGAIN;
	/* A chain has a descriptor at least. */
	if (ready > vq_used_up(vq))
		return wrong(vq, "used index jumped");
	/* Read once: the device may change its mind between a check and a use. */
	id = *(volatile uint32_t *)&ve->ve_id;
	wrote = *(volatile uint32_t *)&ve->ve_len;
	if (id >= vq->vq_size)
		return wrong(vq, "used id out of range");
	if (vq->vq_slot[id].vs_count == 0 || !was_shown(vq, &vq->vq_slot[id]))
		return wrong(vq, "used id not given, or given back twice");
	if (wrote > vq->vq_slot[id].vs_room)
		return wrong(vq, "wrote more than there was room");
	vq->vq_tail++;
	*cookie = chain_free(vq, id);
	*len = wrote;
	return 0;
}

void vq_quiet(struct virtqueue *vq)
{
	/* Relaxed: a hint to the device. */
	atomic_store_explicit(&vq->vq_avail->va_flags, AVAIL_NO_INTERRUPT, memory_order_relaxed);
}

bool vq_listen(struct virtqueue *vq)
{
	atomic_store_explicit(&vq->vq_avail->va_flags, 0, memory_order_relaxed);
	/* With the device's fence between vu_idx and va_flags: see the essay. */
	atomic_thread_fence(memory_order_seq_cst);
	return vq_more(vq);
}

bool vq_drain(struct virtqueue *vq, void **cookie)
{
	for (unsigned i = 0; i < vq->vq_size && vq->vq_nfree < vq->vq_size; i++) {
		if (vq->vq_slot[i].vs_count == 0)
			continue;
		*cookie = chain_free(vq, i);
		return true;
	}
	KASSERT(vq->vq_nfree == vq->vq_size, "virtqueue: %u descriptors lost", vq_used_up(vq));
	return false;
}
