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
 * A frame that is longer than a buffer comes in several descriptors, of which the last says that it
 * is. Each piece but that is a full buffer. They are kept, replaced in the ring like any other, and
 * given away as a chain when the end is there. A frame that would become longer than any that may
 * come, or whose piece is not full, is dropped at once, and what follows of it until its end: so no
 * card can make us keep more than NIC_PIECES_MAX - 1 buffers a queue. Where there is no buffer for
 * the place of a piece the frame is dropped as well.
 *
 * Sums that the card makes of what it sends are told by a context, a descriptor of its own that
 * says how long the headers are. The card keeps two of them a queue; as nearly all frames are of
 * few kinds, one is written only when the kind is neither of the two, in the place of that which
 * was not used last. A reset forgets them.
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
#define HEADER 14u        /* of an Ethernet frame */
#define CONTEXT_SET 0x80u /* in tx_context, beside NIC_SUM_* */

/* ---- Receiving ---- */

/* What is there of a frame goes; `verdict` will be its end's. */
static void rx_forget(struct igb_rx *rx, enum igb_rx_verdict verdict)
{
	nic_frame_free(rx->rx_first);
	rx->rx_first = rx->rx_last = NULL;
	rx->rx_held = 0;
	rx->rx_drop = verdict;
}

/* What a descriptor says whose second word is `upper`, and that is not the end of a frame. */
static enum igb_rx_verdict judge_piece(struct igb_rx *rx, uint64_t upper)
{
	if (rx->rx_drop == IGB_RX_NONE &&
	    (RXD_LENGTH(upper) != NIC_BUF_SIZE || rx->rx_held + NIC_BUF_SIZE >= rx->rx_frame_max))
		rx_forget(rx, IGB_RX_CHAIN);
	return rx->rx_drop == IGB_RX_CHAIN ? IGB_RX_PART : IGB_RX_MORE;
}

static enum igb_rx_verdict rx_judge(struct igb_rx *rx, uint64_t upper)
{
	enum igb_rx_verdict drop = rx->rx_drop;
	uint32_t length = RXD_LENGTH(upper);

	if ((upper & RXD_DD) == 0)
		return IGB_RX_NONE;
	if ((upper & RXD_EOP) == 0)
		return judge_piece(rx, upper);
	rx->rx_drop = IGB_RX_NONE;
	if (drop != IGB_RX_NONE)
		return drop;
	if ((upper & RXD_RXE) != 0)
		return IGB_RX_MARKED;
	if (length < (rx->rx_first == NULL ? HEADER : 1u) || length > NIC_BUF_SIZE ||
	    rx->rx_held + length > rx->rx_frame_max)
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
	rx_forget(rx, IGB_RX_NONE);
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
	rx_forget(rx, IGB_RX_NONE);
	for (uint32_t i = 0; i < IGB_RX_RING; i++) {
		if (rx->rx_buf[i] != NULL)
			nic_buf_free(rx->rx_buf[i]);
		rx->rx_buf[i] = NULL;
	}
}

/* What the card found out about a frame, for whom it is given to. The last descriptor says it. */
static void rx_tell(struct nic_buf *nb, uint64_t lower, uint64_t upper)
{
	nb->nb_hash = RXD_RSS_TYPE(lower) != 0 ? RXD_HASH(lower) : 0;
	nb->nb_csum = 0;
	if ((upper & (RXD_IPCS | RXD_IPE)) == RXD_IPCS)
		nb->nb_csum |= NIC_CSUM_IP;
	if ((upper & (RXD_L4CS | RXD_L4E)) == RXD_L4CS)
		nb->nb_csum |= NIC_CSUM_L4;
}

/* The buffer of descriptor `i`, `length` bytes in it, is the frame's next piece, and another takes
 * its place; false: there is none. */
static bool rx_keep(struct igb_rx *rx, uint32_t i, uint32_t length)
{
	struct nic_buf *fresh = nic_buf_alloc(), *nb = rx->rx_buf[i];

	if (fresh == NULL)
		return false;
	nb->nb_data = nb->nb_space;
	nb->nb_len = length;
	if (rx->rx_first == NULL)
		rx->rx_first = nb;
	else
		rx->rx_last->nb_next = nb;
	rx->rx_last = nb;
	rx->rx_held += length;
	rx->rx_buf[i] = fresh;
	return true;
}

/* The frame is complete: it is given away. */
static struct nic_buf *rx_give(struct igb_rx *rx, uint64_t lower, uint64_t upper)
{
	struct nic_buf *nb = rx->rx_first;

	rx_tell(nb, lower, upper);
	port_stat_add(&rx->rx_bytes, rx->rx_held);
	rx->rx_first = rx->rx_last = NULL;
	rx->rx_held = 0;
	return nb;
}

enum igb_rx_verdict igb_rx_pull(struct igb_rx *rx, struct nic_buf **out)
{
	uint32_t i = rx->rx_next;
	struct igb_desc *d = &rx->rx_desc[i];
	/* Acquire: pairs with the card's last write of it; see the essay. */
	uint64_t upper = atomic_load_explicit(&d->d_upper, memory_order_acquire);
	enum igb_rx_verdict verdict = rx_judge(rx, upper);

	if (verdict == IGB_RX_NONE)
		return verdict;
	if (verdict == IGB_RX_FRAME) {
		if (rx_keep(rx, i, RXD_LENGTH(upper)))
			/* Relaxed: after the acquire above. */
			*out = rx_give(rx, atomic_load_explicit(&d->d_lower, memory_order_relaxed),
			    upper);
		else
			verdict = IGB_RX_NOBUF;
	} else if (verdict == IGB_RX_MORE && rx->rx_drop == IGB_RX_NONE &&
	    !rx_keep(rx, i, NIC_BUF_SIZE)) {
		rx_forget(rx, IGB_RX_NOBUF);
	}
	if (verdict > IGB_RX_PART && rx->rx_first != NULL)
		rx_forget(rx, IGB_RX_NONE);
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
	tx->tx_context[0] = tx->tx_context[1] = 0;
}

/* Which of the card's contexts is that of `kind`; *put: it has to be written first. */
static unsigned context_of(struct igb_tx *tx, unsigned kind, bool *put)
{
	unsigned which = tx->tx_context_was;

	*put = false;
	if (tx->tx_context[which] == kind)
		return which;
	which ^= 1;
	*put = tx->tx_context[which] != kind;
	return which;
}

/* Descriptor `at` becomes a context: from here on number `which` is of `kind`. */
static void context_put(struct igb_tx *tx, uint32_t at, unsigned which, unsigned kind)
{
	struct igb_desc *d = &tx->tx_desc[at];
	uint64_t upper = TXC_CONTEXT | TXD_DEXT | TXC_INDEX(which);

	if ((kind & NIC_SUM_V6) == 0)
		upper |= TXC_IPV4;
	if ((kind & NIC_SUM_UDP) == 0)
		upper |= TXC_TCP;
	/* Relaxed: the fence before the doorbell orders them. */
	atomic_store_explicit(&d->d_lower,
	    TXC_MACLEN(HEADER) | TXC_IPLEN((kind & NIC_SUM_V6) != 0 ? 40 : 20),
	    memory_order_relaxed);
	atomic_store_explicit(&d->d_upper, upper, memory_order_relaxed);
	tx->tx_context[which] = (uint8_t)kind;
	port_stat_add(&tx->tx_contexts, 1);
}

/* What data descriptors say of the sums to be made, with the context for it; a descriptor more is
 * used, and *at moved, if that must be written. Where only the header's sum is to be made it does
 * not matter what the context says of TCP and UDP. */
static uint64_t sums_put(struct igb_tx *tx, unsigned sums, uint32_t *at)
{
	unsigned kind, which;
	bool put;

	if ((sums & (NIC_CSUM_IP | NIC_CSUM_L4)) == 0)
		return 0;
	kind = CONTEXT_SET | (sums & (NIC_SUM_V6 | NIC_SUM_UDP));
	if ((sums & NIC_CSUM_L4) == 0 && tx->tx_context[tx->tx_context_was] != 0 &&
	    (tx->tx_context[tx->tx_context_was] & NIC_SUM_V6) == 0)
		kind = tx->tx_context[tx->tx_context_was];
	which = context_of(tx, kind, &put);
	if (put) {
		context_put(tx, *at, which, kind);
		*at = (*at + 1) & TX_MASK;
	}
	tx->tx_context_was = which;
	return TXD_INDEX(which) | ((sums & NIC_CSUM_IP) != 0 ? TXD_IXSM : 0) |
	    ((sums & NIC_CSUM_L4) != 0 ? TXD_TXSM : 0);
}

int igb_tx_put(struct igb_tx *tx, const struct nic_seg *seg, unsigned n, unsigned sums,
    void *cookie, uint32_t *bytes)
{
	uint32_t first = tx->tx_next, at = first, last = first, left = 0;
	uint64_t len = 0, ask;

	for (unsigned i = 0; i < n; i++) {
		len += seg[i].ns_len;
		left += seg[i].ns_len > 0;
	}
	if (n > NIC_SEGS_MAX || len < HEADER || len > tx->tx_frame_max)
		return EMSGSIZE;
	/* One stays free: a ring whose head is its tail is empty to the card; and one is for a
	 * context. */
	if (tx->tx_used + left > IGB_TX_RING - 2)
		return ENOBUFS;
	ask = sums_put(tx, sums, &at);
	for (unsigned i = 0; i < n; i++) {
		struct igb_desc *d = &tx->tx_desc[at];
		uint64_t upper = TXD_DATA | TXD_DEXT | TXD_IFCS | TXD_PAYLEN(len) | ask;

		if (seg[i].ns_len == 0)
			continue;
		upper |= seg[i].ns_len;
		if (--left == 0)
			upper |= TXD_EOP | TXD_RS;
		/* Relaxed: the fence before the doorbell orders them. */
		atomic_store_explicit(&d->d_lower, seg[i].ns_phys, memory_order_relaxed);
		atomic_store_explicit(&d->d_upper, upper, memory_order_relaxed);
		last = at;
		at = (at + 1) & TX_MASK;
	}
	tx->tx_slot[first].ts_last = (uint16_t)last;
	tx->tx_slot[last].ts_cookie = cookie;
	tx->tx_used += (at - first) & TX_MASK;
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
