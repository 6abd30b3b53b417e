/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * igb_ring.c - descriptor rings: what is given to the card, and what is believed of what it gives
 * back.
 *
 * A card is another writer of our memory, and may be broken. So nothing that it writes is used as
 * an index or an address: where a buffer is, and where a frame ends, is kept beside the ring. From
 * a descriptor come a length, which has to be that of a frame; flags; and a hash. Whatever else it
 * holds, a descriptor that says "done" is passed by, counted under its verdict, and given back.
 *
 * The receive ring is full at all times: a frame leaves it only when a fresh buffer takes its
 * place. Without one the frame is dropped and its own buffer stays, so a shortage costs frames, and
 * never the interrupt that would end it: a card without descriptors has nothing to interrupt for.
 *
 * A frame over several buffers cannot occur, as buffers are larger than the frames that the card
 * lets through. If one does, its pieces are dropped until its end.
 *
 * Order between us and the card, which writes a descriptor's second word last, in one piece:
 *
 *	we					the card
 *	d_lower = address; d_upper = 0		(reads both)
 *	fence (release)				frame into the buffer
 *	doorbell				d_lower = hash
 *	d_upper, acquire: DD?			d_upper = DD, length
 *	d_lower, frame
 *
 * The acquire pairs with the card's last write; the release fence before the doorbell is the
 * caller's.
 *
 * Contexts: thread; one user at a time (igb_ring.h). No locks. It needs no card, so tests/unit
 * plays an honest one and a lying one. Read next: igb_intr.c.
 */
#include "igb_ring.h"

#include "igb_regs.h"
#include <ithaca/errno.h>
#include <ithaca/port.h>
#include <ithaca/print.h>

#define RX_MASK (IGB_RX_RING - 1)
#define TX_MASK (IGB_TX_RING - 1)
#define HEADER 14u /* of an Ethernet frame */

/* ---- Receiving ---- */

enum igb_rx_verdict igb_rx_judge(uint64_t upper, bool *within)
{
	bool was = *within;

	if ((upper & RXD_DD) == 0)
		return IGB_RX_NONE;
	*within = (upper & RXD_EOP) == 0;
	if (*within)
		return IGB_RX_PART;
	if (was)
		return IGB_RX_CHAIN;
	if ((upper & RXD_RXE) != 0)
		return IGB_RX_MARKED;
	if (RXD_LENGTH(upper) < HEADER || RXD_LENGTH(upper) > NIC_FRAME_MAX)
		return IGB_RX_LENGTH;
	return IGB_RX_FRAME;
}

/* Give descriptor `i` to the card, at the next doorbell. */
static void rx_arm(struct igb_rx *rx, uint32_t i)
{
	struct igb_desc *d = &rx->rx_desc[i];

	/* Relaxed: the fence before the doorbell orders them. */
	atomic_store_explicit(&d->d_lower, rx->rx_buf[i]->nb_phys, memory_order_relaxed);
	atomic_store_explicit(&d->d_upper, 0, memory_order_relaxed);
}

void igb_rx_reset(struct igb_rx *rx)
{
	rx->rx_next = 0;
	rx->rx_within = false;
	for (uint32_t i = 0; i < IGB_RX_RING; i++)
		rx_arm(rx, i);
}

int igb_rx_fill(struct igb_rx *rx)
{
	for (uint32_t i = 0; i < IGB_RX_RING; i++) {
		rx->rx_buf[i] = nic_buf_alloc();
		if (rx->rx_buf[i] == NULL) {
			igb_rx_empty(rx);
			return ENOMEM;
		}
	}
	igb_rx_reset(rx);
	return 0;
}

void igb_rx_empty(struct igb_rx *rx)
{
	for (uint32_t i = 0; i < IGB_RX_RING; i++) {
		if (rx->rx_buf[i] != NULL)
			nic_buf_free(rx->rx_buf[i]);
		rx->rx_buf[i] = NULL;
	}
}

/* What the card found out about a frame, for whom it is given to. */
static void rx_tell(struct nic_buf *nb, uint64_t lower, uint64_t upper)
{
	nb->nb_data = nb->nb_space;
	nb->nb_len = RXD_LENGTH(upper);
	nb->nb_hash = RXD_RSS_TYPE(lower) != 0 ? RXD_HASH(lower) : 0;
	nb->nb_csum = 0;
	if ((upper & (RXD_IPCS | RXD_IPE)) == RXD_IPCS)
		nb->nb_csum |= NIC_CSUM_IP;
	if ((upper & (RXD_L4CS | RXD_L4E)) == RXD_L4CS)
		nb->nb_csum |= NIC_CSUM_L4;
}

enum igb_rx_verdict igb_rx_pull(struct igb_rx *rx, struct nic_buf **out)
{
	uint32_t i = rx->rx_next;
	struct igb_desc *d = &rx->rx_desc[i];
	/* Acquire: pairs with the card's last write of it; see the essay. */
	uint64_t upper = atomic_load_explicit(&d->d_upper, memory_order_acquire);
	enum igb_rx_verdict verdict = igb_rx_judge(upper, &rx->rx_within);
	struct nic_buf *fresh;

	if (verdict == IGB_RX_NONE)
		return verdict;
	if (verdict == IGB_RX_FRAME) {
		fresh = nic_buf_alloc();
		if (fresh != NULL) {
			*out = rx->rx_buf[i];
			/* Relaxed: after the acquire above. */
			rx_tell(*out, atomic_load_explicit(&d->d_lower, memory_order_relaxed),
			    upper);
			port_stat_add(&rx->rx_bytes, RXD_LENGTH(upper));
			rx->rx_buf[i] = fresh;
		} else {
			verdict = IGB_RX_NOBUF;
		}
	}
	port_stat_add(&rx->rx_count[verdict], 1);
	rx_arm(rx, i);
	rx->rx_next = (i + 1) & RX_MASK;
	return verdict;
}

/* ---- Transmitting ---- */

void igb_tx_reset(struct igb_tx *tx)
{
	KASSERT(tx->tx_used == 0, "igb: reset of a ring with %u descriptors in use", tx->tx_used);
	tx->tx_next = tx->tx_clean = 0;
}

int igb_tx_put(struct igb_tx *tx, const struct nic_seg *seg, unsigned n, void *cookie,
    uint32_t *bytes)
{
	uint32_t first = tx->tx_next, at = first, left = 0, used = 0;
	uint64_t len = 0;

	for (unsigned i = 0; i < n; i++) {
		len += seg[i].ns_len;
		left += seg[i].ns_len > 0;
	}
	if (n > NIC_SEGS_MAX || len < HEADER || len > NIC_FRAME_MAX)
		return EMSGSIZE;
	/* One stays free: a ring whose head is its tail is empty to the card. */
	if (tx->tx_used + left > IGB_TX_RING - 1)
		return ENOBUFS;
	for (unsigned i = 0; i < n; i++) {
		struct igb_desc *d = &tx->tx_desc[at];
		uint64_t upper = TXD_DATA | TXD_DEXT | TXD_IFCS | TXD_PAYLEN(len) | seg[i].ns_len;

		if (seg[i].ns_len == 0)
			continue;
		if (++used == left)
			upper |= TXD_EOP | TXD_RS;
		/* Relaxed: the fence before the doorbell orders them. */
		atomic_store_explicit(&d->d_lower, seg[i].ns_phys, memory_order_relaxed);
		atomic_store_explicit(&d->d_upper, upper, memory_order_relaxed);
		tx->tx_slot[first].ts_last = (uint16_t)at;
		tx->tx_slot[at].ts_cookie = cookie;
		at = (at + 1) & TX_MASK;
	}
	tx->tx_used += used;
	tx->tx_next = at;
	*bytes = (uint32_t)len;
	return 0;
}

bool igb_tx_reap(struct igb_tx *tx, bool lost, void **cookie)
{
	uint32_t last, n;

	if (tx->tx_used == 0)
		return false;
	last = tx->tx_slot[tx->tx_clean].ts_last;
	/* Acquire: pairs with the card's write; it has read the frame before. */
	if (!lost &&
	    (atomic_load_explicit(&tx->tx_desc[last].d_upper, memory_order_acquire) & TXD_DD) == 0)
		return false;
	n = ((last - tx->tx_clean) & TX_MASK) + 1;
	KASSERT(n <= tx->tx_used, "igb: a frame of %u descriptors, %u in use", n, tx->tx_used);
	*cookie = tx->tx_slot[last].ts_cookie;
	tx->tx_clean = (last + 1) & TX_MASK;
	tx->tx_used -= n;
	return true;
}

/* ---- Moderation ---- */

/* Which pause belongs to which rate. Below the first one's rate every packet is told at once. */
static const struct {
	unsigned us;
	unsigned rate; /* packets a second, from which on */
} steps[] = {
    {0, 0},
    {20, 10000},
    {50, 50000},
    {100, 200000},
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

unsigned igb_adapt(unsigned us, uint64_t packets, uint64_t ns)
{
	uint64_t rate =
	    packets > UINT64_MAX / 1000000000u ? UINT64_MAX : packets * 1000000000u / ns;
	unsigned i = 0;

	while (i + 1 < STEPS && steps[i + 1].us <= us)
		i++;
	if (i + 1 < STEPS && rate >= steps[i + 1].rate)
		return steps[i + 1].us;
	/* Down at half of the rate that led up, so that a steady rate has one step. */
	if (i > 0 && rate < steps[i].rate / 2)
		return steps[i - 1].us;
	return steps[i].us;
}
