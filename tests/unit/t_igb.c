/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_igb.c - the rings of the igb driver (sys/dev/igb_ring.c) against a card made here, honest ones
 * and lying ones, and its arithmetic.
 *
 * Buffers are made here too, and marked: each is in the ring, handed out, or free, and a mistake
 * about that fails. Read next: igb_ring.c.
 */
#include "unit.h"

#include "../../sys/dev/igb_regs.h"
#include "../../sys/dev/igb_ring.h"

#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <sim/sim.h>
#include <stdlib.h>
#include <string.h>

/* ---- Buffers ---- */

#define BUFS (IGB_RX_RING + 16)
#define FRAME_MAX (NIC_MTU + NIC_FRAME_MORE)
#define JUMBO_MAX (NIC_MTU_MAX + NIC_FRAME_MORE)

static struct nic_buf bufs[BUFS];
static uint8_t space[BUFS][16];
static struct nic_buf *free_list;
static unsigned nfree;

struct nic_buf *nic_buf_alloc(void)
{
	struct nic_buf *nb = free_list;

	if (nb == NULL)
		return NULL;
	free_list = nb->nb_next;
	nb->nb_next = NULL;
	CHECK_EQ(nb->nb_queue, 1);
	nb->nb_queue = 0;
	nfree--;
	return nb;
}

void nic_buf_free(struct nic_buf *nb)
{
	CHECK(nb >= bufs && nb < bufs + BUFS && nb->nb_queue == 0);
	nb->nb_queue = 1; /* free */
	nb->nb_next = free_list;
	free_list = nb;
	nfree++;
}

static void bufs_make(unsigned n)
{
	free_list = NULL;
	nfree = 0;
	memset(bufs, 0, sizeof(bufs));
	for (unsigned i = 0; i < n; i++) {
		bufs[i].nb_space = space[i];
		bufs[i].nb_phys = 0x100000 + (uint64_t)i * NIC_BUF_SIZE;
		nic_buf_free(&bufs[i]);
	}
}

/* ---- The card's side of the receive ring ---- */

static struct igb_desc rx_ring[IGB_RX_RING], tx_ring[IGB_TX_RING];
static struct igb_rx rx;
static struct igb_tx tx;

static void rx_fresh(unsigned n)
{
	memset(&rx, 0, sizeof(rx));
	memset(rx_ring, 0xa5, sizeof(rx_ring));
	rx.rx_desc = rx_ring;
	rx.rx_frame_max = FRAME_MAX;
	bufs_make(n);
}

static struct nic_buf *buf_at(uint64_t phys)
{
	CHECK(phys >= 0x100000 && (phys - 0x100000) % NIC_BUF_SIZE == 0);
	CHECK((phys - 0x100000) / NIC_BUF_SIZE < BUFS);
	return &bufs[(phys - 0x100000) / NIC_BUF_SIZE];
}

static uint64_t done(unsigned len, uint64_t flags)
{
	return (uint64_t)len << 32 | RXD_DD | RXD_EOP | flags;
}

static void card_writes(unsigned i, uint64_t lower, uint64_t upper)
{
	atomic_store_explicit(&rx_ring[i].d_lower, lower, memory_order_relaxed);
	atomic_store_explicit(&rx_ring[i].d_upper, upper, memory_order_release);
}

/* Every descriptor has a buffer, its own and nobody's else, and is given to the card. */
static void ring_whole(bool armed)
{
	bool seen[BUFS] = {false};

	for (unsigned i = 0; i < IGB_RX_RING; i++) {
		unsigned n = (unsigned)(rx.rx_buf[i] - bufs);

		CHECK(n < BUFS && !seen[n] && bufs[n].nb_queue == 0);
		seen[n] = true;
		if (armed) {
			CHECK_EQ(atomic_load(&rx_ring[i].d_lower), bufs[n].nb_phys);
			CHECK_EQ(atomic_load(&rx_ring[i].d_upper), 0);
		}
	}
}

TEST(igb_rx_fills_whole_or_not)
{
	for (unsigned n = 0; n < IGB_RX_RING; n += 51) {
		rx_fresh(n);
		CHECK_EQ(igb_rx_fill(&rx), ENOMEM);
		CHECK_EQ(nfree, n);
		igb_rx_empty(&rx);
		CHECK_EQ(nfree, n);
	}
	rx_fresh(IGB_RX_RING);
	CHECK_EQ(igb_rx_fill(&rx), 0);
	CHECK_EQ(nfree, 0);
	ring_whole(true);
	CHECK_EQ(igb_rx_tail(&rx), IGB_RX_RING - 1);
	igb_rx_empty(&rx);
	CHECK_EQ(nfree, IGB_RX_RING);
}

TEST(igb_rx_delivers_in_order)
{
	struct nic_buf *nb, *was;

	rx_fresh(BUFS);
	CHECK_EQ(igb_rx_fill(&rx), 0);
	for (unsigned k = 0; k < 3 * IGB_RX_RING; k++) {
		unsigned i = k % IGB_RX_RING, len = 14 + k % (FRAME_MAX - 13);

		CHECK_EQ(igb_rx_pull(&rx, &nb), IGB_RX_NONE);
		was = buf_at(atomic_load(&rx_ring[i].d_lower));
		card_writes(i, (uint64_t)(k + 1) << 32 | (k & 1),
		    done(len, k & 2 ? RXD_L4CS | (k & 4 ? RXD_L4E : 0) : RXD_IPCS));
		CHECK_EQ(igb_rx_pull(&rx, &nb), IGB_RX_FRAME);
		CHECK(nb == was && nb->nb_data == nb->nb_space);
		CHECK_EQ(nb->nb_len, len);
		CHECK_EQ(nb->nb_hash, k & 1 ? k + 1 : 0);
		CHECK_EQ(nb->nb_csum, !(k & 2) ? NIC_CSUM_IP : k & 4 ? 0 : NIC_CSUM_L4);
		nic_buf_free(nb);
		CHECK_EQ(igb_rx_tail(&rx), i);
	}
	ring_whole(true);
	CHECK_EQ(nfree, BUFS - IGB_RX_RING);
}

TEST(igb_rx_survives_each_lie)
{
	static const struct {
		uint64_t upper;
		enum igb_rx_verdict verdict;
	} lies[] = {
	    {0, IGB_RX_NONE},
	    {RXD_EOP | (uint64_t)100 << 32, IGB_RX_NONE},
	    {RXD_DD | RXD_EOP, IGB_RX_LENGTH},
	    {RXD_DD | RXD_EOP | (uint64_t)13 << 32, IGB_RX_LENGTH},
	    {RXD_DD | RXD_EOP | (uint64_t)14 << 32, IGB_RX_FRAME},
	    {RXD_DD | RXD_EOP | (uint64_t)FRAME_MAX << 32, IGB_RX_FRAME},
	    {RXD_DD | RXD_EOP | (uint64_t)(FRAME_MAX + 1) << 32, IGB_RX_LENGTH},
	    {RXD_DD | RXD_EOP | (uint64_t)0xffff << 32, IGB_RX_LENGTH},
	    {RXD_DD | RXD_EOP | RXD_RXE | (uint64_t)100 << 32, IGB_RX_MARKED},
	    {RXD_DD | (uint64_t)2048 << 32, IGB_RX_PART},
	    {RXD_DD | (uint64_t)100 << 32, IGB_RX_PART},
	    {RXD_DD | RXD_EOP | (uint64_t)100 << 32, IGB_RX_CHAIN},
	    {RXD_DD | RXD_EOP | (uint64_t)100 << 32, IGB_RX_FRAME},
	    {UINT64_MAX, IGB_RX_MARKED},
	};
	struct nic_buf *nb;

	rx_fresh(BUFS);
	CHECK_EQ(igb_rx_fill(&rx), 0);
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		unsigned at = rx.rx_next;

		card_writes(at, UINT64_MAX, lies[i].upper);
		CHECK_EQ(igb_rx_pull(&rx, &nb), lies[i].verdict);
		if (lies[i].verdict == IGB_RX_FRAME)
			nic_buf_free(nb);
		CHECK_EQ(rx.rx_next, (at + (lies[i].verdict != IGB_RX_NONE)) % IGB_RX_RING);
	}
	CHECK_EQ(atomic_load(&rx.rx_count[IGB_RX_LENGTH]), 4);
	CHECK_EQ(atomic_load(&rx.rx_count[IGB_RX_MARKED]), 2);
	CHECK_EQ(atomic_load(&rx.rx_count[IGB_RX_CHAIN]), 1);
	ring_whole(true);
}

/* Without a buffer to take its place a frame is dropped, and the ring stays full. */
TEST(igb_rx_keeps_its_last_buffers)
{
	struct nic_buf *nb, *held[16];

	rx_fresh(BUFS);
	CHECK_EQ(igb_rx_fill(&rx), 0);
	for (unsigned i = 0; i < 2 * IGB_RX_RING; i++) {
		card_writes(rx.rx_next, 0, done(60, 0));
		if (i < 16)
			CHECK_EQ(igb_rx_pull(&rx, &held[i]), IGB_RX_FRAME);
		else
			CHECK_EQ(igb_rx_pull(&rx, &nb), IGB_RX_NOBUF);
	}
	ring_whole(true);
	nic_buf_free(held[0]);
	card_writes(rx.rx_next, 0, done(60, 0));
	CHECK_EQ(igb_rx_pull(&rx, &nb), IGB_RX_FRAME);
	CHECK_EQ(atomic_load(&rx.rx_count[IGB_RX_NOBUF]), 2 * IGB_RX_RING - 16);
	CHECK_EQ(atomic_load(&rx.rx_count[IGB_RX_FRAME]), 17);
}

/* ---- Frames of several buffers ---- */

/* The card writes a frame into as many buffers as it needs; all but the last say MORE. Returns the
 * verdict of the last. */
static enum igb_rx_verdict long_frame(uint32_t length, uint64_t flags, struct nic_buf **nb)
{
	for (; length > NIC_BUF_SIZE; length -= NIC_BUF_SIZE) {
		card_writes(rx.rx_next, UINT64_MAX, (uint64_t)NIC_BUF_SIZE << 32 | RXD_DD);
		CHECK_EQ(igb_rx_pull(&rx, nb), IGB_RX_MORE);
	}
	card_writes(rx.rx_next, 7ull << 32 | 1, done(length, flags));
	return igb_rx_pull(&rx, nb);
}

TEST(igb_rx_long_frames)
{
	struct nic_buf *nb;
	uint64_t bytes = 0;

	rx_fresh(BUFS);
	rx.rx_frame_max = JUMBO_MAX;
	CHECK_EQ(igb_rx_fill(&rx), 0);
	for (uint32_t length = 14; length <= JUMBO_MAX; length++) {
		uint32_t at = rx.rx_next, left = length;
		struct nic_buf *was[NIC_PIECES_MAX];

		for (uint32_t i = 0; i < NIC_PIECES_MAX; i++)
			was[i] = rx.rx_buf[(at + i) % IGB_RX_RING];
		CHECK_EQ(long_frame(length, RXD_IPCS | RXD_L4CS, &nb), IGB_RX_FRAME);
		CHECK_EQ(nb->nb_hash, 7);
		CHECK_EQ(nb->nb_csum, NIC_CSUM_IP | NIC_CSUM_L4);
		bytes += length;
		CHECK_EQ(atomic_load(&rx.rx_bytes), bytes);
		for (struct nic_buf *p = nb, **w = was; p != NULL; p = p->nb_next, w++) {
			CHECK(p == *w && p->nb_data == p->nb_space);
			CHECK_EQ(p->nb_len, left < NIC_BUF_SIZE ? left : NIC_BUF_SIZE);
			left -= p->nb_len;
		}
		CHECK_EQ(left, 0);
		nic_frame_free(nb);
		CHECK_EQ(nfree, BUFS - IGB_RX_RING);
	}
	ring_whole(true);
	CHECK_EQ(long_frame(JUMBO_MAX + 1, 0, &nb), IGB_RX_LENGTH);
	CHECK_EQ(long_frame(3 * NIC_BUF_SIZE, RXD_RXE, &nb), IGB_RX_MARKED);
	CHECK_EQ(nfree, BUFS - IGB_RX_RING);
	ring_whole(true);
}

/* A frame whose end does not come is dropped when it cannot be one any more, or at a reset. */
TEST(igb_rx_frame_without_an_end)
{
	const unsigned spare = BUFS - IGB_RX_RING;
	struct nic_buf *nb;

	rx_fresh(BUFS);
	rx.rx_frame_max = JUMBO_MAX;
	CHECK_EQ(igb_rx_fill(&rx), 0);
	for (unsigned i = 0; i < 3 * IGB_RX_RING; i++) {
		card_writes(rx.rx_next, 0, (uint64_t)NIC_BUF_SIZE << 32 | RXD_DD);
		CHECK_EQ(igb_rx_pull(&rx, &nb), i < 4 ? IGB_RX_MORE : IGB_RX_PART);
		CHECK_EQ(nfree, i < 4 ? spare - 1 - i : spare);
	}
	card_writes(rx.rx_next, 0, done(100, 0));
	CHECK_EQ(igb_rx_pull(&rx, &nb), IGB_RX_CHAIN);
	CHECK_EQ(long_frame(5000, 0, &nb), IGB_RX_FRAME);
	nic_frame_free(nb);
	/* A piece that is not full, in the midst. */
	card_writes(rx.rx_next, 0, (uint64_t)NIC_BUF_SIZE << 32 | RXD_DD);
	CHECK_EQ(igb_rx_pull(&rx, &nb), IGB_RX_MORE);
	card_writes(rx.rx_next, 0, (uint64_t)(NIC_BUF_SIZE - 1) << 32 | RXD_DD);
	CHECK_EQ(igb_rx_pull(&rx, &nb), IGB_RX_PART);
	CHECK_EQ(nfree, spare);
	CHECK_EQ(long_frame(100, 0, &nb), IGB_RX_CHAIN);
	/* An end of nothing, and one that is longer than a buffer. */
	card_writes(rx.rx_next, 0, (uint64_t)NIC_BUF_SIZE << 32 | RXD_DD);
	CHECK_EQ(igb_rx_pull(&rx, &nb), IGB_RX_MORE);
	CHECK_EQ(long_frame(0, 0, &nb), IGB_RX_LENGTH);
	card_writes(rx.rx_next, 0, done(NIC_BUF_SIZE + 1, 0));
	CHECK_EQ(igb_rx_pull(&rx, &nb), IGB_RX_LENGTH);
	CHECK_EQ(nfree, spare);
	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned i = 0; i < 3; i++) {
			card_writes(rx.rx_next, 0, (uint64_t)NIC_BUF_SIZE << 32 | RXD_DD);
			CHECK_EQ(igb_rx_pull(&rx, &nb), IGB_RX_MORE);
		}
		CHECK_EQ(nfree, spare - 3);
		if (turn == 0) {
			igb_rx_reset(&rx);
			CHECK_EQ(nfree, spare);
			ring_whole(true);
			CHECK_EQ(long_frame(100, 0, &nb), IGB_RX_FRAME);
			CHECK(nb->nb_next == NULL);
			nic_frame_free(nb);
		}
	}
	igb_rx_empty(&rx);
	CHECK_EQ(nfree, BUFS);
}

/* Buffers give out in the midst of a frame: it is dropped as one, and what it had is free again. */
TEST(igb_rx_no_buffer_in_the_midst)
{
	for (unsigned spare = 0; spare <= NIC_PIECES_MAX; spare++) {
		struct nic_buf *nb;

		rx_fresh(IGB_RX_RING + spare);
		rx.rx_frame_max = JUMBO_MAX;
		CHECK_EQ(igb_rx_fill(&rx), 0);
		CHECK_EQ(long_frame(9000, 0, &nb),
		    spare < NIC_PIECES_MAX ? IGB_RX_NOBUF : IGB_RX_FRAME);
		if (spare == NIC_PIECES_MAX)
			nic_frame_free(nb);
		CHECK_EQ(nfree, spare);
		CHECK_EQ(atomic_load(&rx.rx_count[IGB_RX_PART]), 0);
		ring_whole(true);
	}
}

static uint64_t random64(void)
{
	/* 31 bits at a time. */
	return (uint64_t)random() << 62 ^ (uint64_t)random() << 31 ^ (uint64_t)random();
}

/* How many buffers a frame has, none too long, nor all of them. */
static unsigned frame_pieces(const struct nic_buf *nb)
{
	uint32_t bytes = 0;
	unsigned n = 0;

	CHECK(nb->nb_len >= 14);
	for (; nb != NULL; nb = nb->nb_next, n++) {
		CHECK(nb->nb_len >= 1 && nb->nb_len <= NIC_BUF_SIZE);
		CHECK(nb->nb_data == nb->nb_space);
		bytes += nb->nb_len;
	}
	CHECK(bytes <= rx.rx_frame_max && n <= NIC_PIECES_MAX);
	return n;
}

/* A card that writes what it likes where it likes, within its ring. */
static void rx_fuzz(uint32_t frame_max)
{
	uint64_t pulled = 0, sum = 0;
	struct nic_buf *nb, *held[16];
	unsigned nheld = 0, out = 0;

	srandom(20071);
	rx_fresh(BUFS);
	rx.rx_frame_max = frame_max;
	CHECK_EQ(igb_rx_fill(&rx), 0);
	for (unsigned k = 0; k < 300000; k++) {
		uint64_t lower = random64(), upper = random64();
		enum igb_rx_verdict v;

		card_writes(random() % 3 ? rx.rx_next : (unsigned)random() % IGB_RX_RING, lower,
		    random() % 4       ? done(random() % 1600, upper & 0xfffffffc)
			: random() % 2 ? (uint64_t)NIC_BUF_SIZE << 32 | RXD_DD
				       : upper);
		v = igb_rx_pull(&rx, &nb);
		pulled += v != IGB_RX_NONE;
		if (v == IGB_RX_FRAME) {
			out += frame_pieces(nb);
			held[nheld++] = nb;
		}
		while (nheld > 0 && (k >> 9 & 1) != 0) {
			out -= frame_pieces(held[--nheld]);
			nic_frame_free(held[nheld]);
		}
		CHECK(rx.rx_held / NIC_BUF_SIZE < NIC_PIECES_MAX);
		CHECK_EQ(nfree + out + rx.rx_held / NIC_BUF_SIZE + IGB_RX_RING, BUFS);
		if (k % 1000 == 0)
			ring_whole(false);
	}
	for (unsigned v = 0; v < IGB_RX_VERDICTS; v++) {
		sum += atomic_load(&rx.rx_count[v]);
		CHECK(v == IGB_RX_NONE || (v == IGB_RX_MORE && frame_max == FRAME_MAX) ||
		    atomic_load(&rx.rx_count[v]) > 0);
	}
	CHECK_EQ(sum, pulled);
	igb_rx_reset(&rx);
	ring_whole(true);
	while (nheld > 0)
		nic_frame_free(held[--nheld]);
	igb_rx_empty(&rx);
	CHECK_EQ(nfree, BUFS);
}

TEST(igb_rx_fuzz)
{
	rx_fuzz(FRAME_MAX);
}

TEST(igb_rx_fuzz_long)
{
	rx_fuzz(JUMBO_MAX);
}

/* ---- The transmit ring ---- */

static void tx_fresh(void)
{
	memset(&tx, 0, sizeof(tx));
	memset(tx_ring, 0xff, sizeof(tx_ring));
	tx.tx_desc = tx_ring;
	tx.tx_frame_max = FRAME_MAX;
}

static uint64_t upper_of(unsigned i)
{
	return atomic_load(&tx_ring[i % IGB_TX_RING].d_upper);
}

TEST(igb_tx_writes_what_the_card_needs)
{
	struct nic_seg seg[] = {{0x1000, 14}, {0x2000, 0}, {0x3000, 1000}, {0x4004, 1}};
	uint32_t bytes = 0;

	tx_fresh();
	CHECK_EQ(igb_tx_put(&tx, seg, 4, 0, &tx, &bytes), 0);
	CHECK_EQ(bytes, 1015);
	CHECK_EQ(tx.tx_next, 3);
	CHECK_EQ(atomic_load(&tx_ring[0].d_lower), 0x1000);
	CHECK_EQ(atomic_load(&tx_ring[1].d_lower), 0x3000);
	CHECK_EQ(atomic_load(&tx_ring[2].d_lower), 0x4004);
	/* 7.2.2.3: DEXT, DTYP 3, IFCS; EOP and RS in the last one; PAYLEN in bits 46 to 63. */
	CHECK_EQ(upper_of(0), 0x22300000ull | 14 | 1015ull << 46);
	CHECK_EQ(upper_of(1), 0x22300000ull | 1000 | 1015ull << 46);
	CHECK_EQ(upper_of(2), 0x2b300000ull | 1 | 1015ull << 46);
	CHECK_EQ(upper_of(3), UINT64_MAX);
}

TEST(igb_tx_refuses_odd_frames)
{
	struct nic_seg seg[NIC_SEGS_MAX + 1];
	uint32_t bytes;

	tx_fresh();
	for (unsigned i = 0; i <= NIC_SEGS_MAX; i++)
		seg[i] = (struct nic_seg){0x1000, 64};
	CHECK_EQ(igb_tx_put(&tx, seg, 0, 0, NULL, &bytes), EMSGSIZE);
	CHECK_EQ(igb_tx_put(&tx, seg, NIC_SEGS_MAX + 1, 0, NULL, &bytes), EMSGSIZE);
	seg[0].ns_len = 13;
	CHECK_EQ(igb_tx_put(&tx, seg, 1, 0, NULL, &bytes), EMSGSIZE);
	seg[0].ns_len = FRAME_MAX + 1;
	CHECK_EQ(igb_tx_put(&tx, seg, 1, 0, NULL, &bytes), EMSGSIZE);
	seg[0].ns_len = UINT32_MAX;
	seg[1].ns_len = 100;
	CHECK_EQ(igb_tx_put(&tx, seg, 2, 0, NULL, &bytes), EMSGSIZE);
	CHECK_EQ(tx.tx_next, 0);
	CHECK_EQ(tx.tx_used, 0);
	seg[0].ns_len = FRAME_MAX;
	CHECK_EQ(igb_tx_put(&tx, seg, 1, 0, NULL, &bytes), 0);
	seg[0].ns_len = JUMBO_MAX;
	CHECK_EQ(igb_tx_put(&tx, seg, 1, 0, NULL, &bytes), EMSGSIZE);
	tx.tx_frame_max = JUMBO_MAX;
	CHECK_EQ(igb_tx_put(&tx, seg, 1, 0, NULL, &bytes), 0);
}

#define TCP4 (NIC_CSUM_IP | NIC_CSUM_L4)
#define UDP4 (TCP4 | NIC_SUM_UDP)
#define TCP6 (NIC_CSUM_L4 | NIC_SUM_V6)
#define UDP6 (TCP6 | NIC_SUM_UDP)

/* What the card knows of its contexts: the words that it was given last; 0: none. */
static uint64_t model[2][2];

/* One frame of a piece, as the card goes through its descriptors; returns how many contexts it was
 * given. The headers that its context tells of must be those of the frame. */
static unsigned sums_sent(unsigned sums)
{
	struct nic_seg seg = {0x1000, 100};
	uint32_t at = tx.tx_next, bytes;
	uint64_t upper, *context;
	unsigned contexts = 0;
	void *cookie;

	CHECK_EQ(igb_tx_put(&tx, &seg, 1, sums, &seg, &bytes), 0);
	/* 7.2.2.2: DTYP 2, DEXT; the index in the upper half at bit 4. */
	for (; ((upper = upper_of(at)) & 0x00f00000) == 0x00200000; at++, contexts++) {
		CHECK_EQ(upper & ~(0xc00u | 1ull << 36), 0x20200000);
		context = model[upper >> 36 & 1];
		context[0] = atomic_load(&tx_ring[at % IGB_TX_RING].d_lower);
		context[1] = upper;
	}
	CHECK_EQ((at + 1) % IGB_TX_RING, tx.tx_next);
	CHECK_EQ(upper & ~(1ull << 36),
	    0x2b300000ull | 100 | 100ull << 46 | (sums & NIC_CSUM_IP ? 1ull << 40 : 0) |
		(sums & NIC_CSUM_L4 ? 1ull << 41 : 0));
	if (sums != 0) {
		context = model[upper >> 36 & 1];
		/* MACLEN 14 in bits 9 to 15, IPLEN below; bit 10: IPv4, bit 11: TCP. */
		CHECK_EQ(context[0], 14u << 9 | (sums & NIC_SUM_V6 ? 40u : 20u));
		CHECK_EQ(context[1] >> 10 & 1, sums & NIC_SUM_V6 ? 0 : 1);
		if ((sums & NIC_CSUM_L4) != 0)
			CHECK_EQ(context[1] >> 11 & 1, sums & NIC_SUM_UDP ? 0 : 1);
	}
	/* A frame is done when its last descriptor is, and its context is free then, too. */
	CHECK(!igb_tx_reap(&tx, false, &cookie));
	atomic_fetch_or(&tx_ring[(tx.tx_next - 1) % IGB_TX_RING].d_upper, TXD_DD);
	CHECK(igb_tx_reap(&tx, false, &cookie) && cookie == &seg);
	CHECK_EQ(tx.tx_used, 0);
	return contexts;
}

TEST(igb_tx_contexts)
{
	static const unsigned kinds[] = {0, NIC_CSUM_IP, TCP4, UDP4, TCP6, UDP6,
	    NIC_CSUM_L4 | NIC_SUM_UDP, NIC_CSUM_L4};
	unsigned count = 0;

	srandom(20261);
	tx_fresh();
	memset(model, 0, sizeof(model));
	CHECK_EQ(sums_sent(0), 0);
	CHECK_EQ(sums_sent(NIC_CSUM_IP), 1);
	for (unsigned i = 0; i < 100; i++)
		count += sums_sent(i % 3 == 0 ? NIC_CSUM_IP : i % 2 ? TCP4 : UDP4);
	CHECK(count <= 2);
	for (unsigned i = 0; i < 100; i++)
		count += sums_sent(i % 5 ? UDP6 : TCP4);
	CHECK(count <= 3);
	for (unsigned i = 0; i < 100000; i++) {
		if (random() % 100 == 0) {
			igb_tx_reset(&tx); /* the card has forgotten them, too */
			memset(model, 0, sizeof(model));
		}
		(void)sums_sent(kinds[(unsigned)random() % (sizeof(kinds) / sizeof(kinds[0]))]);
	}
}

TEST(igb_tx_fuzz)
{
	uintptr_t put = 0, reaped = 0;
	void *cookie;

	srandom(20101);
	tx_fresh();
	for (unsigned k = 0; k < 300000; k++) {
		struct nic_seg seg[NIC_SEGS_MAX];
		unsigned n = 1 + (unsigned)random() % NIC_SEGS_MAX, used = tx.tx_used, left = 0;
		uint32_t bytes, head = tx.tx_next;
		int error;

		for (unsigned i = 0; i < n; i++) {
			seg[i] = (struct nic_seg){0x1000, random() % 4 ? 14 + random() % 80 : 0};
			left += seg[i].ns_len > 0;
		}
		error = igb_tx_put(&tx, seg, n, 0, (void *)(put + 1), &bytes);
		if (error == 0) {
			put++;
			CHECK_EQ(tx.tx_used, used + left);
			CHECK(
			    (upper_of(tx.tx_next - 1) & (TXD_EOP | TXD_RS)) == (TXD_EOP | TXD_RS));
		} else if (error == ENOBUFS) {
			CHECK(used + left > IGB_TX_RING - 2);
			CHECK_EQ(tx.tx_next, head);
		} else {
			CHECK(left == 0);
		}
		CHECK(tx.tx_used < IGB_TX_RING);
		/* The card says "done" anywhere, also where nothing is. */
		for (unsigned i = (unsigned)random() % 8; i > 0; i--)
			atomic_fetch_or(&tx_ring[(unsigned)random() % IGB_TX_RING].d_upper, TXD_DD);
		for (unsigned i = (unsigned)random() % 4; i > 0 && tx.tx_used > 0; i--) {
			unsigned last = tx.tx_slot[tx.tx_clean].ts_last;
			bool dd = (upper_of(last) & TXD_DD) != 0;

			CHECK_EQ(igb_tx_reap(&tx, false, &cookie), dd);
			if (dd)
				CHECK_EQ((uintptr_t)cookie, ++reaped);
		}
	}
	CHECK(reaped > 1000);
	while (igb_tx_reap(&tx, true, &cookie))
		CHECK_EQ((uintptr_t)cookie, ++reaped);
	CHECK_EQ(reaped, put);
	CHECK_EQ(tx.tx_used, 0);
	igb_tx_reset(&tx);
}

/* ---- A card on another CPU, in many interleavings ---- */

#define FRAMES (2 * IGB_RX_RING + 10u)

static _Atomic uint32_t tail; /* RDT */

static void card(void *arg)
{
	uint32_t at = 0;

	(void)arg;
	for (unsigned k = 0; k < FRAMES; at = (at + 1) % IGB_RX_RING) {
		/* The doorbell: pairs with the release fence in the test. */
		if (at == atomic_load_explicit(&tail, memory_order_relaxed)) {
			lwp_yield();
			at = (at - 1) % IGB_RX_RING;
			continue;
		}
		atomic_thread_fence(memory_order_acquire);
		struct nic_buf *nb =
		    buf_at(atomic_load_explicit(&rx_ring[at].d_lower, memory_order_relaxed));

		nb->nb_space[0] = (uint8_t)k;
		card_writes(at, 0, done(60 + k % 100, 0));
		k++;
	}
}

SIM_TEST(igb_rx_beside_the_card, 2, 20)
{
	struct nic_buf *nb;
	struct lwp *l;
	unsigned k = 0;

	rx_fresh(BUFS);
	CHECK_EQ(igb_rx_fill(&rx), 0);
	atomic_store(&tail, igb_rx_tail(&rx));
	CHECK_EQ(lwp_create("card", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, card, NULL, &l), 0);
	while (k < FRAMES) {
		enum igb_rx_verdict v = igb_rx_pull(&rx, &nb);

		if (v == IGB_RX_NONE) {
			lwp_yield();
			continue;
		}
		CHECK_EQ(v, IGB_RX_FRAME);
		CHECK_EQ(nb->nb_space[0], (uint8_t)k);
		CHECK_EQ(nb->nb_len, 60 + k % 100);
		nic_buf_free(nb);
		k++;
		atomic_thread_fence(memory_order_release);
		atomic_store_explicit(&tail, igb_rx_tail(&rx), memory_order_relaxed);
	}
	lwp_join(l);
}

/* ---- Arithmetic ---- */

TEST(igb_ivar_has_a_place_for_each)
{
	uint32_t ivar[8] = {0};

	for (unsigned q = 0; q < NIC_QUEUES_MAX; q++) {
		for (unsigned t = 0; t < 2; t++) {
			unsigned shift, n = igb_ivar(q, t, &shift);

			CHECK(n < 8 && (shift & 7) == 0 && shift < 32);
			CHECK_EQ(ivar[n] >> shift & 0xff, 0);
			ivar[n] |= 0xffu << shift;
		}
	}
	/* 8.8.13: queue 0 in the low half of the first, queue 8 in its high half. */
	unsigned shift;
	CHECK_EQ(igb_ivar(0, true, &shift), 0);
	CHECK_EQ(shift, 8);
	CHECK_EQ(igb_ivar(8, false, &shift), 0);
	CHECK_EQ(shift, 16);
	CHECK_EQ(igb_ivar(15, true, &shift), 7);
	CHECK_EQ(shift, 24);
}

static unsigned settle_at(unsigned us, uint64_t rate)
{
	for (unsigned i = 0; i < 10; i++)
		us = igb_adapt(us, rate, 1000000000u);
	return us;
}

TEST(igb_adapt_settles)
{
	unsigned last = 0;

	CHECK_EQ(settle_at(0, 0), 0);
	CHECK_EQ(settle_at(8191, 0), 0);
	for (uint64_t rate = 0; rate < 2000000; rate += 500) {
		unsigned us = settle_at(0, rate), down = settle_at(8191, rate);

		CHECK(us >= last && down >= us);
		last = us;
		/* What it settled at is steady: an eighth more or less changes nothing, unless it
		 * crosses a bound upwards. */
		CHECK_EQ(igb_adapt(us, rate, 1000000000u), us);
		CHECK(igb_adapt(us, rate - rate / 8, 1000000000u) == us || rate == 0);
	}
	CHECK_EQ(last, 100);
	CHECK_EQ(igb_adapt(0, UINT64_MAX, 1), 20);
	CHECK_EQ(igb_adapt(0, 9, 1000000), 0);
	CHECK_EQ(igb_adapt(0, 11, 1000000), 20);
}
