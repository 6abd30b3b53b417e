/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_buf.h - the buffers that network cards write what they receive into, from a pool that all
 * share (nic.c), and what is said of the frame in them.
 *
 * Rules:
 * - A struct nic_buf belongs to one at a time: the driver that put it into its ring, then the
 *   client that was given it, which frees it from any thread.
 * - A frame that is longer than a buffer is a chain of them by nb_next, NIC_PIECES_MAX at most.
 *   What is said of the frame (hash, queue, sums) stands in the first; nb_len is of each.
 */
#ifndef SYS_DEV_NIC_BUF_H
#define SYS_DEV_NIC_BUF_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#define NIC_BUF_SIZE 2048 /* bytes that a card may write into a buffer */
#define NIC_BUF_STACK 128 /* bytes in each for the client's own header */
#define NIC_PIECES_MAX 5u /* buffers of one frame that came */

/*
 * Sums. Of a frame that came (nb_csum): it was checked and is right, or never left the machine that
 * made it, which has not made it then. Of what a card can (nic_sums), is to do (nic_sums_use)
 * and of a frame to send: the card makes it. Such a frame has its headers in the first piece; an
 * Ethernet header of 14 bytes; an IP header of 20 bytes, or 40 with NIC_SUM_V6; and behind it TCP,
 * or UDP with NIC_SUM_UDP, to its end. In the sum's place stands 0 for IP, and for the others the
 * sum of the pseudo header (RFC 9293, 3.1; RFC 8200, 8.1), not inverted.
 */
#define NIC_CSUM_IP 0x1u /* of the IPv4 header */
#define NIC_CSUM_L4 0x2u /* of TCP or UDP */
#define NIC_SUM_UDP 0x4u /* to send only */
#define NIC_SUM_V6 0x8u  /* to send only */

struct nic_buf {
	struct nic_buf *nb_next; /* whoever owns it */
	uint8_t *nb_space;       /* (a) NIC_BUF_SIZE bytes, contiguous for the card */
	uint64_t nb_phys;        /* (a) where they are */
	uint8_t *nb_data;        /* the frame, within nb_space */
	uint32_t nb_len;         /* its bytes */
	uint32_t nb_hash;        /* the card's hash of its flow; 0: none */
	uint16_t nb_queue;       /* which it came by */
	uint16_t nb_csum;        /* NIC_CSUM_* */
	alignas(16) uint8_t nb_stack[NIC_BUF_STACK];
};

/* nic_buf_alloc - a buffer, or NULL when net.bufs_max are out or there is no memory. nic_buf_free -
 * give one back. Thread context, any level up to IPL_TTY; no block beyond a short mutex. */
struct nic_buf *nic_buf_alloc(void);
void nic_buf_free(struct nic_buf *nb);

/* nic_frame_free - all buffers of a frame; NULL: there is none. As nic_buf_free(). */
static inline void nic_frame_free(struct nic_buf *nb)
{
	while (nb != NULL) {
		struct nic_buf *next = nb->nb_next;

		nb->nb_next = NULL;
		nic_buf_free(nb);
		nb = next;
	}
}

#endif
