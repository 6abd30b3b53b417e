/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * igb_ring.h - the descriptor rings of an 82576 queue, and its arithmetic, without the card.
 *
 * Rules:
 * - A receive ring has one user at a time (the queue's handler). It owns a buffer for each of its
 *   descriptors, always; what is handed out, or kept until a frame's end comes, is replaced first.
 * - rx_frame_max and tx_frame_max change only while the card does not have the rings.
 * - A transmit ring has one user at a time: its queue's mutex is held.
 * - The doorbells (RDT, TDT) are the caller's, after a release fence.
 */
#ifndef SYS_DEV_IGB_RING_H
#define SYS_DEV_IGB_RING_H

#include "nic.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define IGB_RX_RING 256u /* descriptors; powers of two */
#define IGB_TX_RING 512u

struct igb_desc {
	_Atomic uint64_t d_lower; /* (~) the card's too; see igb_ring.c for the pairing */
	_Atomic uint64_t d_upper;
};

/* ---- Receiving ---- */

enum igb_rx_verdict {
	IGB_RX_NONE,   /* the card has not filled this one */
	IGB_RX_FRAME,  /* a frame */
	IGB_RX_MORE,   /* a piece of a frame of several buffers; its end is to come */
	IGB_RX_PART,   /* the same, but of a frame that cannot be: too long, or in odd pieces */
	IGB_RX_CHAIN,  /* the end of such a frame */
	IGB_RX_MARKED, /* the card says that the frame is bad */
	IGB_RX_LENGTH, /* shorter than a header, or longer than any frame */
	IGB_RX_NOBUF,  /* the end of a frame, but no buffers to take its place */
	IGB_RX_VERDICTS
};

struct igb_rx {
	struct igb_desc *rx_desc; /* (a) IGB_RX_RING of them, as the card sees them */
	struct nic_buf *rx_buf[IGB_RX_RING];
	uint32_t rx_next;                           /* the descriptor to look at next */
	uint32_t rx_frame_max;                      /* the longest frame that may come */
	struct nic_buf *rx_first, *rx_last;         /* pieces of a frame whose end is to come */
	uint32_t rx_held;                           /* their bytes */
	enum igb_rx_verdict rx_drop;                /* of the frame that we are in; NONE: no drop */
	_Atomic uint64_t rx_count[IGB_RX_VERDICTS]; /* (~) relaxed: one writer, read for show */
	_Atomic uint64_t rx_bytes;                  /* (~) relaxed, as rx_count */
};

/* igb_rx_fill - a buffer for each descriptor. ENOMEM: none is kept. igb_rx_empty - free them all;
 * of a ring that was never filled too. Not while the card has the ring. */
int igb_rx_fill(struct igb_rx *rx);
void igb_rx_empty(struct igb_rx *rx);

/* igb_rx_reset - begin at descriptor 0, all given to the card; what it had written is forgotten. */
void igb_rx_reset(struct igb_rx *rx);

/* igb_rx_pull - look at the next descriptor and go past it, unless it is IGB_RX_NONE. *out is the
 * frame, a chain, when the verdict is IGB_RX_FRAME: the caller's to free. */
enum igb_rx_verdict igb_rx_pull(struct igb_rx *rx, struct nic_buf **out);

/* igb_rx_tail - what RDT has to be: all descriptors but one are the card's. */
static inline uint32_t igb_rx_tail(const struct igb_rx *rx)
{
	return (rx->rx_next - 1) & (IGB_RX_RING - 1);
}

/* ---- Transmitting ---- */

struct igb_tx_slot {
	void *ts_cookie;  /* in the last descriptor of a frame */
	uint16_t ts_last; /* in the first: number of the last */
};

struct igb_tx {
	struct igb_desc *tx_desc; /* (a) IGB_TX_RING of them */
	struct igb_tx_slot tx_slot[IGB_TX_RING];
	uint32_t tx_next;        /* the next to be used: TDT */
	uint32_t tx_clean;       /* the first descriptor of the oldest frame */
	uint32_t tx_used;        /* descriptors between the two */
	uint32_t tx_frame_max;   /* the longest frame that may be sent */
	uint8_t tx_context[2];   /* what the card's two contexts of the queue say; 0: nothing yet */
	unsigned tx_context_was; /* the one that was used last */
	_Atomic uint64_t tx_contexts; /* (~) relaxed: how many were written; for show */
};

/*
 * igb_tx_put - a frame of `n` pieces; `sums` as in no_send(). EMSGSIZE: not 14 to tx_frame_max
 * bytes, or more than NIC_SEGS_MAX pieces; ENOBUFS: too few descriptors are free. *bytes: its
 * length.
 */
int igb_tx_put(struct igb_tx *tx, const struct nic_seg *seg, unsigned n, unsigned sums,
    void *cookie, uint32_t *bytes);

/* igb_tx_reap - the oldest frame, if the card has done with it (`lost`: or not): true, and its
 * cookie. */
bool igb_tx_reap(struct igb_tx *tx, bool lost, void **cookie);

/* igb_tx_reset - begin at descriptor 0, for a card that was reset. The ring is empty (asserted). */
void igb_tx_reset(struct igb_tx *tx);

/* ---- Arithmetic ---- */

/* igb_ivar - where the vector of a queue is allotted: number of the IVAR register, and shift. */
static inline unsigned igb_ivar(unsigned queue, bool tx, unsigned *shift)
{
	*shift = (queue >= 8 ? 16u : 0u) + (tx ? 8u : 0u);
	return queue & 7;
}

/* igb_adapt - the time between interrupts, in microseconds, for a queue that had `us` and received
 * and sent `packets` within `ns` (not 0). One step at a time; steady between the steps' bounds. */
unsigned igb_adapt(unsigned us, uint64_t packets, uint64_t ns);

#endif
