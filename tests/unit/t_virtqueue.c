/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_virtqueue.c - split virtqueues (sys/dev/virtqueue.c) against a device made here, an honest one
 * and lying ones.
 *
 * The device does what a real one does with the shared memory: it follows chains from the
 * available ring and puts entries into the used ring. `held` is what it has taken and not given
 * back. Read next: virtqueue.c.
 */
#include "unit.h"

#include "../../sys/dev/virtqueue.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <sim/sim.h>
#include <stdlib.h>
#include <string.h>

#define DESC_NEXT 1u
#define DESC_WRITE 2u
#define SIZE_MAX_HERE 256u

struct device {
	struct virtqueue *vq;
	uint16_t avail, used;
	unsigned nheld;
	uint16_t held[SIZE_MAX_HERE];
};

static struct virtqueue vq;
static struct device dev;

static void fresh(unsigned size)
{
	void *mem = aligned_alloc(64, (vq_bytes(size) + 63) & ~(size_t)63);

	memset(mem, 0, vq_bytes(size));
	vq_init(&vq, mem, size);
	dev = (struct device){.vq = &vq};
}

/* The device takes what is there. */
static void dev_take(void)
{
	uint16_t idx = atomic_load_explicit(&vq.vq_avail->va_idx, memory_order_acquire);

	for (; dev.avail != idx; dev.avail++) {
		CHECK(dev.nheld < vq.vq_size);
		dev.held[dev.nheld++] = vq.vq_avail->va_ring[dev.avail & (vq.vq_size - 1u)];
	}
}

static void dev_say(uint32_t id, uint32_t len)
{
	vq.vq_used->vu_ring[dev.used & (vq.vq_size - 1u)] = (struct vring_used_elem){id, len};
	atomic_store_explicit(&vq.vq_used->vu_idx, ++dev.used, memory_order_release);
}

/* It gives back the nth of what it holds, having written all of it. */
static void dev_give(unsigned n)
{
	uint16_t head = dev.held[n], at = head;
	uint32_t len = 0;

	for (unsigned i = 0;; i++) {
		struct vring_desc *vd = &vq.vq_desc[at];

		CHECK(i < vq.vq_size && at < vq.vq_size);
		len += (vd->vd_flags & DESC_WRITE) != 0 ? vd->vd_len : 0;
		if ((vd->vd_flags & DESC_NEXT) == 0)
			break;
		at = vd->vd_next;
	}
	dev.held[n] = dev.held[--dev.nheld];
	dev_say(head, len);
}

/* A buffer of nout + nin pieces whose cookie is `n`; n is also its room, and the address. */
static int give(unsigned nout, unsigned nin, uintptr_t n)
{
	struct vq_seg seg[16];

	for (unsigned i = 0; i < nout + nin; i++)
		seg[i] = (struct vq_seg){.sg_phys = n + i, .sg_len = 1};
	return vq_add(&vq, seg, nout, nin, (void *)n);
}

/* ---- Honest ---- */

TEST(virtqueue_memory)
{
	for (unsigned size = 1; size <= VQ_SIZE_MAX; size *= 2) {
		fresh(size > SIZE_MAX_HERE ? 1 : size);
		CHECK_EQ((uintptr_t)vq.vq_avail % 2, 0);
		CHECK_EQ((uintptr_t)vq.vq_used % 4, 0);
		CHECK_EQ((uintptr_t)vq.vq_slot % 16, 0);
		/* 2.7: 16, 6 + 2 and 6 + 8 bytes a descriptor, what the driver keeps besides. */
		CHECK(vq_bytes(size) >= size * 26u + 12u + size * sizeof(struct vq_slot));
		CHECK(vq_bytes(size) <= size * 26u + 44u + size * sizeof(struct vq_slot));
		free(vq.vq_desc);
	}
}

TEST(virtqueue_chain_as_the_device_sees_it)
{
	struct vq_seg seg[3] = {{0x1000, 12}, {0x2000, 60}, {0x3000, 7}};
	uint16_t head, second, third;
	void *cookie;
	uint32_t len;

	fresh(4);
	CHECK_EQ(vq_add(&vq, seg, 2, 1, &seg), 0);
	CHECK_EQ(atomic_load(&vq.vq_avail->va_idx), 0);
	CHECK(vq_publish(&vq));
	dev_take();
	CHECK_EQ(dev.nheld, 1);
	head = dev.held[0];
	second = vq.vq_desc[head].vd_next;
	third = vq.vq_desc[second].vd_next;
	CHECK(vq.vq_desc[head].vd_addr == 0x1000 && vq.vq_desc[head].vd_len == 12);
	CHECK(vq.vq_desc[second].vd_addr == 0x2000 && vq.vq_desc[second].vd_len == 60);
	CHECK(vq.vq_desc[third].vd_addr == 0x3000 && vq.vq_desc[third].vd_len == 7);
	CHECK_EQ(vq.vq_desc[head].vd_flags, DESC_NEXT);
	CHECK_EQ(vq.vq_desc[second].vd_flags, DESC_NEXT);
	CHECK_EQ(vq.vq_desc[third].vd_flags, DESC_WRITE);
	CHECK_EQ(vq_pull(&vq, &cookie, &len), EAGAIN);
	CHECK_EQ(vq_used_up(&vq), 3);
	dev_give(0);
	CHECK(vq_more(&vq));
	CHECK_EQ(vq_pull(&vq, &cookie, &len), 0);
	CHECK(cookie == &seg && len == 7);
	CHECK_EQ(vq_used_up(&vq), 0);
}

/* Chains of all lengths, given back in any order, until both indices have wrapped twice. */
TEST(virtqueue_there_and_back)
{
	static bool out[200000];
	unsigned added = 0, pulled = 0;
	uint32_t len;
	void *cookie;

	fresh(16);
	srand(1);
	while (pulled < 140000) {
		unsigned nout = (unsigned)rand() % 3, nin = (unsigned)rand() % 3 + (nout == 0);

		if (added - pulled < 16 && give(nout, nin, added + 1) == 0) {
			out[++added] = true;
			(void)vq_publish(&vq);
			dev_take();
		} else {
			CHECK(vq_used_up(&vq) + nout + nin > 16);
		}
		if (rand() % 2 == 0 || vq.vq_nfree < 4) {
			if (dev.nheld > 0)
				dev_give((unsigned)rand() % dev.nheld);
		}
		while (vq_pull(&vq, &cookie, &len) == 0) {
			CHECK(len <= 3 && out[(uintptr_t)cookie]);
			out[(uintptr_t)cookie] = false;
			pulled++;
		}
		CHECK_EQ(vq.vq_wrong != NULL, 0);
	}
}

TEST(virtqueue_full)
{
	void *cookie;

	fresh(4);
	CHECK_EQ(give(1, 2, 1), 0);
	CHECK_EQ(give(2, 0, 2), EAGAIN);
	CHECK_EQ(give(0, 1, 3), 0);
	CHECK_EQ(give(0, 1, 4), EAGAIN);
	CHECK(vq_drain(&vq, &cookie));
	CHECK(vq_drain(&vq, &cookie));
	CHECK(!vq_drain(&vq, &cookie));
	CHECK_EQ(vq_used_up(&vq), 0);
	CHECK_EQ(give(2, 2, 5), 0);
}

TEST(virtqueue_says_what_it_wants)
{
	fresh(4);
	CHECK_EQ(give(1, 0, 1), 0);
	CHECK(vq_publish(&vq));
	atomic_store(&vq.vq_used->vu_flags, 1);
	CHECK_EQ(give(1, 0, 2), 0);
	CHECK(!vq_publish(&vq));
	vq_quiet(&vq);
	CHECK_EQ(atomic_load(&vq.vq_avail->va_flags), 1);
	CHECK(!vq_listen(&vq));
	CHECK_EQ(atomic_load(&vq.vq_avail->va_flags), 0);
	dev_take();
	dev_give(0);
	CHECK(vq_listen(&vq));
}

/* ---- Lies ---- */

/* Two buffers of 3 and 1 bytes are with the device, numbers 1 and 2. */
static void two_given(void)
{
	fresh(8);
	CHECK_EQ(give(1, 3, 1), 0);
	CHECK_EQ(give(0, 1, 2), 0);
	(void)vq_publish(&vq);
	dev_take();
}

/* Found, named, and nothing is given back any more but by vq_drain(), which gives `left`. */
static void found(const char *what, unsigned left)
{
	bool seen[3] = {false};
	uint32_t len;
	void *cookie;

	CHECK_EQ(vq_pull(&vq, &cookie, &len), EIO);
	CHECK_HAS(vq.vq_wrong, what);
	CHECK_EQ(vq_pull(&vq, &cookie, &len), EIO);
	while (left-- > 0) {
		CHECK(vq_drain(&vq, &cookie));
		CHECK((uintptr_t)cookie <= 2 && !seen[(uintptr_t)cookie]);
		seen[(uintptr_t)cookie] = true;
	}
	CHECK(!vq_drain(&vq, &cookie));
}

TEST(virtqueue_id_out_of_range)
{
	two_given();
	dev_say(8, 1);
	found("out of range", 2);
}

TEST(virtqueue_id_that_is_no_head)
{
	two_given();
	dev_say(vq.vq_desc[dev.held[0]].vd_next, 1);
	found("not given", 2);
}

TEST(virtqueue_id_twice)
{
	uint32_t len;
	void *cookie;
	uint16_t head;

	two_given();
	head = dev.held[0];
	dev_say(head, 3);
	dev_say(head, 3);
	CHECK_EQ(vq_pull(&vq, &cookie, &len), 0);
	CHECK_EQ((uintptr_t)cookie, 1);
	found("twice", 1);
}

/* The same when the first was followed by a new buffer at the same place. */
TEST(virtqueue_id_twice_and_used_anew)
{
	uint32_t len;
	void *cookie;
	uint16_t head;

	two_given();
	head = dev.held[0];
	dev_say(head, 3);
	dev_say(head, 3);
	CHECK_EQ(vq_pull(&vq, &cookie, &len), 0);
	CHECK_EQ(give(1, 3, 1), 0);
	CHECK_EQ(vq.vq_avail->va_ring[2], head);
	found("twice", 2);
}

TEST(virtqueue_length_too_large)
{
	two_given();
	dev_say(dev.held[0], 4);
	found("more than there was room", 2);
}

TEST(virtqueue_index_jumps)
{
	two_given();
	atomic_store(&vq.vq_used->vu_idx, 6);
	found("jumped", 2);
}

TEST(virtqueue_index_goes_back)
{
	two_given();
	atomic_store(&vq.vq_used->vu_idx, 0xffff);
	found("jumped", 2);
}

/* The device scribbles over all that it can reach: chains are still known. */
TEST(virtqueue_descriptors_scribbled)
{
	uint16_t head;
	uint32_t len;
	void *cookie;

	two_given();
	head = dev.held[0];
	memset(vq.vq_desc, 0xff, 8 * sizeof(*vq.vq_desc));
	memset(vq.vq_avail->va_ring, 0xff, 8 * sizeof(uint16_t));
	dev_say(head, 3);
	CHECK_EQ(vq_pull(&vq, &cookie, &len), 0);
	CHECK_EQ((uintptr_t)cookie, 1);
	CHECK_EQ(vq_used_up(&vq), 1);
	CHECK(vq_drain(&vq, &cookie));
	CHECK_EQ((uintptr_t)cookie, 2);
	CHECK_EQ(vq_used_up(&vq), 0);
}

/* Random words in the used ring: each buffer comes back once, by pull or by drain. */
TEST(virtqueue_noise)
{
	srand(2);
	for (unsigned round = 0; round < 3000; round++) {
		unsigned added = 0, back = 0;
		bool out[64] = {false};
		uint32_t len;
		void *cookie;

		fresh(16);
		while (give((unsigned)rand() % 2, 1 + (unsigned)rand() % 3, added + 1) == 0)
			out[++added] = true;
		(void)vq_publish(&vq);
		for (unsigned i = 0; i < 16; i++)
			vq.vq_used->vu_ring[i] =
			    (struct vring_used_elem){(uint32_t)rand() % (rand() % 8 == 0 ? 40 : 16),
				(uint32_t)rand() % 5};
		atomic_store(&vq.vq_used->vu_idx, (uint16_t)(rand() % 20));
		while (vq_pull(&vq, &cookie, &len) == 0 || vq_drain(&vq, &cookie)) {
			CHECK(out[(uintptr_t)cookie]);
			out[(uintptr_t)cookie] = false;
			back++;
		}
		CHECK_EQ(back, added);
		CHECK_EQ(vq_used_up(&vq), 0);
		free(vq.vq_desc);
	}
}

/* ---- Interrupts and notifications against their being asked for ---- */

#define BUFFERS 12u

static _Atomic bool interrupted, notified;

/* The device on another CPU: works on what is there, then asks to be told and looks again. */
static void race_device(void *arg)
{
	(void)arg;
	for (unsigned done = 0; done < BUFFERS;) {
		atomic_store_explicit(&vq.vq_used->vu_flags, 1, memory_order_relaxed);
		dev_take();
		while (dev.nheld > 0) {
			dev_give(0);
			done++;
			atomic_thread_fence(memory_order_seq_cst);
			if (atomic_load_explicit(&vq.vq_avail->va_flags, memory_order_relaxed) == 0)
				atomic_store(&interrupted, true);
		}
		atomic_store_explicit(&vq.vq_used->vu_flags, 0, memory_order_relaxed);
		atomic_thread_fence(memory_order_seq_cst);
		if (atomic_load_explicit(&vq.vq_avail->va_idx, memory_order_acquire) != dev.avail)
			continue;
		while (done < BUFFERS && !atomic_exchange(&notified, false))
			port_pause();
	}
}

/* A lost interrupt, or a lost notification, is a wait without an end. */
SIM_TEST(virtqueue_nothing_lies_unnoticed, 2, 300)
{
	unsigned added = 0, pulled = 0;
	struct lwp *l;
	void *cookie;
	uint32_t len;

	fresh(4);
	CHECK_EQ(lwp_create("device", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, race_device, NULL,
		     &l),
	    0);
	while (pulled < BUFFERS) {
		while (added < BUFFERS && give(1, 0, added + 1) == 0) {
			added++;
			if (vq_publish(&vq))
				atomic_store(&notified, true);
		}
		while (vq_pull(&vq, &cookie, &len) == 0)
			pulled++;
		if (pulled == BUFFERS || (added < BUFFERS && vq.vq_nfree > 0))
			continue;
		if (vq_listen(&vq)) {
			vq_quiet(&vq);
			continue;
		}
		while (!atomic_exchange(&interrupted, false))
			port_pause();
		vq_quiet(&vq);
	}
	lwp_join(l);
}
