/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_net_queue.c - the packets of virtio network cards: interrupt, receive, send.
 *
 * A pair of queues, one to receive and one to send, shares a vector, a handler and a CPU. Its life:
 *
 *	filter		asks the card for no more interrupts of the pair; says that it handled it
 *	handler		pulls frames and gives each to the client, with a fresh buffer in its place;
 *			reports what was sent; after `budget` of both goes behind its neighbours
 *			(hwi_sched); when both are dry asks for interrupts again; when the cards
 *			have taken too much of the CPU it rests first, without them (nic_pace.c);
 *			when the network is busy with another queue it returns, without them, and
 *			is queued again by that one (nic_turn.c)
 *
 * Asking again races with the card, which decides by the flag when it is done with a frame:
 *
 *	handler					card
 *	vq_listen(): flag off, fence
 *						frame, used index
 *						flag off: interrupt
 *	nothing more: returns			(the filter queues the handler again)
 *
 *						frame, used index
 *						flag on: no interrupt
 *	vq_listen(): flag off, fence
 *	more: flag on again, goes on
 *
 * and with the filter, which may come between vq_listen() and the end of the run: it sets the flag
 * again and queues the handler, which being under way is marked to run once more (intr.h).
 *
 * A client that sends while it processes what came (an echo, an acknowledgement) does so in the
 * handler's own lwp. The card is then told at the end of the run, or of TELL_BATCH frames, and not
 * of each: a write to its register costs more than all else here.
 *
 * A receive ring never empties for want of memory: a frame for whose place no fresh buffers can be
 * had is dropped and its own go back.
 *
 * A frame that is longer than a buffer has several (VTNET_F_MRG_RXBUF): the header, in the first,
 * says how many. The card shows them all at once (VIRTIO 1.2, 5.1.6.4), so a frame whose later
 * buffers are not there when its first is makes a broken queue: whatever came next would be taken
 * for the wrong thing.
 *
 * Sums. With GUEST_CSUM a frame may come whose sum nobody made as it never left the host; where it
 * would be is checked, though not used. A frame to send whose sum the card shall make has a header
 * that says where; there are four kinds, and all frames of a kind share one, which nobody writes.
 *
 * What the card says is believed only as far as virtqueue.c has checked it. A queue found broken is
 * left alone; the event handler resets the card (virtio_net_ctl.c).
 *
 * Contexts: filters: hard, no locks. vtnet_run: ithread at IPL_NET; callbacks into the client with
 * no lock of ours. vtnet_send: thread, up to IPL_TTY. Lock order: q_lock is a leaf. Invariants:
 * none of its own. Read next: virtio_net_ctl.c.
 */
#include "virtio_net_impl.h"

#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/sysctl.h>

/* The frame within a buffer: the header of 12 bytes at 6, the IP header then at 32. */
#define RX_AT 6u
#define RX_ROOM (NIC_BUF_SIZE - RX_AT)
#define FRAME_MIN 14u /* an Ethernet header */

#define SENT_BATCH 32u
#define TELL_BATCH 32u

#define BUDGET_DEFAULT 64
#define BUDGET_MAX 4096

static _Atomic uint64_t budget = BUDGET_DEFAULT; /* (~) relaxed: a limit */

/* ---- Interrupts ---- */

static unsigned pair_quiet(struct vtnet_queue *q)
{
	vtnet_count(&q->q_interrupts, 1);
	vq_quiet(&q->q_rx);
	vq_quiet(&q->q_tx);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

unsigned vtnet_filter(void *arg)
{
	return pair_quiet(arg);
}

unsigned vtnet_line_filter(void *arg)
{
	struct vtnet_queue *q = arg;
	uint8_t isr = virtio_isr(&q->q_card->sc_virtio);

	/* All ones: the card is gone, and quiet. */
	if (isr == 0 || isr == VIRTIO_GONE)
		return FILTER_STRAY;
	if ((isr & VIRTIO_ISR_CONFIG) != 0)
		vtnet_event_post(q->q_card, VTNET_EV_CONFIG);
	return (isr & VIRTIO_ISR_QUEUE) != 0 ? pair_quiet(q) : FILTER_HANDLED;
}

/* ---- Receiving ---- */

/* A buffer for the card to write into. There is room: each takes one descriptor of its ring. */
static void rx_give(struct vtnet_queue *q, struct nic_buf *nb)
{
	struct vq_seg seg = {.sg_phys = nb->nb_phys + RX_AT, .sg_len = RX_ROOM};
	int error = vq_add(&q->q_rx, &seg, 0, 1, nb);

	KASSERT(error == 0, "%s: no room in receive queue %u", q->q_card->sc_nic.nic_name,
	    q->q_index);
	(void)error;
}

unsigned vtnet_fill(struct vtnet_queue *q)
{
	struct nic_buf *nb;

	while (q->q_rx.vq_nfree > 0 && (nb = nic_buf_alloc()) != NULL)
		rx_give(q, nb);
	return vq_used_up(&q->q_rx);
}

/* The buffers of one frame, as they came. */
struct gather {
	struct nic_buf *g_piece[NIC_PIECES_MAX];
	unsigned g_count;
	uint32_t g_bytes; /* without the header */
	bool g_odd;       /* it makes no sense */
};

static const struct vtnet_hdr *header_of(const struct nic_buf *nb)
{
	return (const struct vtnet_hdr *)(const void *)(nb->nb_space + RX_AT);
}

/* How many buffers the frame has that begins in this one; 0: that cannot be. */
static unsigned rx_buffers(const struct vtnet_queue *q, const struct nic_buf *nb, uint32_t len)
{
	if ((q->q_card->sc_virtio.vi_features & VTNET_F_MRG_RXBUF) == 0)
		return 1;
	return len >= sizeof(struct vtnet_hdr) ? header_of(nb)->vh_buffers : 0;
}

/* A buffer into which the card wrote `len` bytes is the frame's next; one too many goes back. */
static void rx_piece(struct vtnet_queue *q, struct gather *g, struct nic_buf *nb, uint32_t len)
{
	uint32_t head = g->g_count == 0 ? (uint32_t)sizeof(struct vtnet_hdr) : 0;

	if (g->g_count == NIC_PIECES_MAX) {
		g->g_odd = true;
		rx_give(q, nb);
		return;
	}
	g->g_odd |= len < head + (head != 0 ? FRAME_MIN : 1);
	nb->nb_data = nb->nb_space + RX_AT + head;
	nb->nb_len = len > head ? len - head : 0;
	g->g_bytes += nb->nb_len;
	g->g_piece[g->g_count++] = nb;
}

/* All buffers of the frame that begins in `nb` and has `count`, or 0, which is odd. EIO: the queue
 * is broken, and they are free. */
static int rx_gather(struct vtnet_queue *q, struct gather *g, struct nic_buf *nb, uint32_t len,
    unsigned count)
{
	void *cookie = nb;
	int error = 0;

	*g = (struct gather){.g_odd = count == 0};
	rx_piece(q, g, nb, len);
	for (unsigned i = 1; i < count && error == 0; i++) {
		error = vq_pull(&q->q_rx, &cookie, &len);
		if (error == 0)
			rx_piece(q, g, cookie, len);
	}
	if (error == 0)
		return 0;
	if (error == EAGAIN)
		q->q_rx.vq_wrong = "a frame without its end";
	while (g->g_count > 0)
		nic_buf_free(g->g_piece[--g->g_count]);
	return EIO;
}

/* Does a frame of so many bytes make sense, by its header? If so, its first buffer tells what is
 * known of it. */
static bool rx_frame(const struct vtnet_queue *q, struct nic_buf *nb, uint32_t bytes)
{
	const struct vtnet_hdr *vh = header_of(nb);
	unsigned flags = vh->vh_flags & (VTNET_HDR_PARTIAL | VTNET_HDR_VALID);

	if (bytes > nic_frame_max(&q->q_card->sc_nic) || vh->vh_gso != 0)
		return false;
	nb->nb_queue = (uint16_t)q->q_index;
	nb->nb_csum = 0;
	if (flags == 0)
		return true;
	if ((q->q_card->sc_virtio.vi_features & VTNET_F_GUEST_CSUM) == 0)
		return (flags & VTNET_HDR_PARTIAL) == 0;
	nb->nb_csum = NIC_CSUM_L4;
	return (flags & VTNET_HDR_PARTIAL) == 0 ||
	    (uint32_t)vh->vh_csum_start + vh->vh_csum_offset + 2 <= bytes;
}

/* As many fresh buffers as the frame has; false: there are fewer, and none is taken. */
static bool rx_fresh(struct nic_buf *fresh[NIC_PIECES_MAX], unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		fresh[i] = nic_buf_alloc();
		if (fresh[i] != NULL)
			continue;
		while (i > 0)
			nic_buf_free(fresh[--i]);
		return false;
	}
	return true;
}

/* What became of a frame of several buffers: NULL, they went back into the ring. */
static struct nic_buf *rx_many(struct vtnet_queue *q, struct gather *g)
{
	struct nic_buf *fresh[NIC_PIECES_MAX];
	bool whole = !g->g_odd && rx_frame(q, g->g_piece[0], g->g_bytes);
	bool taken = whole && rx_fresh(fresh, g->g_count);

	if (!taken)
		vtnet_count(whole ? &q->q_rx_nobuf : &q->q_rx_errors, 1);
	for (unsigned i = 0; i < g->g_count; i++) {
		rx_give(q, taken ? fresh[i] : g->g_piece[i]);
		if (taken && i > 0)
			g->g_piece[i - 1]->nb_next = g->g_piece[i];
	}
	if (!taken)
		return NULL;
	vtnet_count(&q->q_rx_packets, 1);
	vtnet_count(&q->q_rx_bytes, g->g_bytes);
	return g->g_piece[0];
}

/* The same of one that has one, as nearly all. */
static struct nic_buf *rx_one(struct vtnet_queue *q, struct nic_buf *nb, uint32_t len)
{
	struct nic_buf *fresh = NULL;

	nb->nb_data = nb->nb_space + RX_AT + sizeof(struct vtnet_hdr);
	nb->nb_len = len - (uint32_t)sizeof(struct vtnet_hdr);
	if (len < sizeof(struct vtnet_hdr) + FRAME_MIN || !rx_frame(q, nb, nb->nb_len))
		vtnet_count(&q->q_rx_errors, 1);
	else if ((fresh = nic_buf_alloc()) == NULL)
		vtnet_count(&q->q_rx_nobuf, 1);
	rx_give(q, fresh != NULL ? fresh : nb);
	if (fresh == NULL)
		return NULL;
	vtnet_count(&q->q_rx_packets, 1);
	vtnet_count(&q->q_rx_bytes, nb->nb_len);
	return nb;
}

/* The frame that begins in a buffer into which the card wrote `len` bytes: *out, NULL if it was
 * dropped. EIO: the queue is broken. */
static int rx_take(struct vtnet_queue *q, struct nic_buf *nb, uint32_t len, struct nic_buf **out)
{
	unsigned count = rx_buffers(q, nb, len);
	struct gather g;
	int error = 0;

	if (count == 1) {
		*out = rx_one(q, nb, len);
	} else {
		error = rx_gather(q, &g, nb, len, count);
		*out = error == 0 ? rx_many(q, &g) : NULL;
	}
	return error;
}

/* One run of the handler. */
struct round {
	struct vtnet_queue *r_queue;
	const struct nic_client *r_client;
	bool r_begun; /* nc_begin() was called, if there is a client */
	bool r_broken;
	unsigned r_done; /* frames received and sent, against the budget */
	unsigned r_budget;
};

/* Before there is anything for the client. False: it is busy; the handler will be queued again. */
static bool round_begin(struct round *r)
{
	struct vtnet_queue *q = r->r_queue;

	if (r->r_begun || (!vq_more(&q->q_rx) && !vq_more(&q->q_tx)))
		return true;
	r->r_begun = r->r_client == NULL ||
	    r->r_client->nc_begin(&q->q_card->sc_nic, q->q_index, &q->q_pace.np_turn);
	return r->r_begun;
}

static void round_broken(struct round *r, const char *which, const char *why)
{
	struct vtnet_queue *q = r->r_queue;

	r->r_broken = true;
	vtnet_count(&q->q_broken, 1);
	kprintf("%s: %s queue %u: %s; the card is reset\n", q->q_card->sc_nic.nic_name, which,
	    q->q_index, why);
	vtnet_event_post(q->q_card, VTNET_EV_BROKEN);
}

/* Frames that came, within the budget. */
static void rx_some(struct round *r)
{
	struct vtnet_queue *q = r->r_queue;
	bool added = false;
	uint32_t len;
	void *cookie;
	int error = 0;

	while (r->r_done < r->r_budget && (error = vq_pull(&q->q_rx, &cookie, &len)) == 0) {
		struct nic_buf *nb;

		error = rx_take(q, cookie, len, &nb);
		if (error != 0)
			break;
		added = true;
		r->r_done++;
		if (nb == NULL)
			continue;
		if (r->r_client != NULL)
			r->r_client->nc_input(&q->q_card->sc_nic, nb);
		else
			nic_frame_free(nb);
	}
	if (error == EIO) {
		round_broken(r, "receive", q->q_rx.vq_wrong);
		return;
	}
	if (q->q_rx.vq_nfree > 0)
		(void)vtnet_fill(q);
	if (added && vq_publish(&q->q_rx))
		vq_kick(&q->q_rx);
}

/* ---- Sending ---- */

/* Report what the card has read, a batch at a time, as the client may send again meanwhile. */
static void tx_some(struct round *r)
{
	struct vtnet_queue *q = r->r_queue;
	void *cookie[SENT_BATCH];
	uint32_t len;
	unsigned n = 0;
	int error = 0;

	if (!vq_more(&q->q_tx))
		return;
	mutex_enter(&q->q_lock);
	while (n < SENT_BATCH && (error = vq_pull(&q->q_tx, &cookie[n], &len)) == 0)
		n++;
	if (error == EIO)
		q->q_running = false;
	mutex_exit(&q->q_lock);
	for (unsigned i = 0; i < n; i++)
		r->r_client->nc_sent(&q->q_card->sc_nic, cookie[i]);
	r->r_done += n;
	if (error == EIO)
		round_broken(r, "transmit", q->q_tx.vq_wrong);
}

/* The card is told of what the client sent from within the run. */
static void tx_tell(struct vtnet_queue *q)
{
	if (!q->q_owed)
		return;
	q->q_owed = false;
	mutex_enter(&q->q_lock);
	if (q->q_running && vq_publish(&q->q_tx))
		vq_kick(&q->q_tx);
	mutex_exit(&q->q_lock);
}

/* Does the whole frame make sense, and its sum in *bytes? */
static int send_check(const struct nic *nic, const struct nic_seg *seg, unsigned n, uint64_t *bytes)
{
	*bytes = 0;
	if (n == 0 || n > NIC_SEGS_MAX)
		return EMSGSIZE;
	for (unsigned i = 0; i < n; i++)
		*bytes += seg[i].ns_len;
	return *bytes >= FRAME_MIN && *bytes <= nic_frame_max(nic) ? 0 : EMSGSIZE;
}

/* q_lock held: into the ring, and the card is told, now or at the end of the run. */
static int send_locked(struct vtnet_queue *q, const struct vq_seg *vs, unsigned n, uint64_t bytes,
    void *cookie)
{
	if (!q->q_running)
		return ENETDOWN;
	if (vq_add(&q->q_tx, vs, n, 0, cookie) != 0) {
		vtnet_count(&q->q_tx_full, 1);
		return ENOBUFS;
	}
	vtnet_count(&q->q_tx_packets, 1);
	vtnet_count(&q->q_tx_bytes, bytes);
	/* Relaxed: only the runner finds itself there. */
	if (atomic_load_explicit(&q->q_runner, memory_order_relaxed) == curlwp &&
	    vq_unshown(&q->q_tx) < TELL_BATCH)
		q->q_owed = true;
	else if (vq_publish(&q->q_tx))
		vq_kick(&q->q_tx);
	return 0;
}

/* Which header a frame to send has that wants these sums. 0: none. */
static unsigned kind_of(unsigned sums)
{
	return (sums & NIC_CSUM_L4) == 0
	    ? 0
	    : 1u + ((sums & NIC_SUM_UDP) != 0 ? 1u : 0u) + ((sums & NIC_SUM_V6) != 0 ? 2u : 0u);
}

void vtnet_headers(struct vtnet *sc)
{
	static const unsigned kinds[] = {NIC_CSUM_L4, NIC_CSUM_L4 | NIC_SUM_UDP,
	    NIC_CSUM_L4 | NIC_SUM_V6, NIC_CSUM_L4 | NIC_SUM_UDP | NIC_SUM_V6};
	struct vtnet_hdr *vh = (struct vtnet_hdr *)(void *)sc->sc_shared;

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		vh[kind_of(kinds[i])] = (struct vtnet_hdr){.vh_flags = VTNET_HDR_PARTIAL,
		    .vh_csum_start = FRAME_MIN + ((kinds[i] & NIC_SUM_V6) != 0 ? 40 : 20),
		    .vh_csum_offset = (kinds[i] & NIC_SUM_UDP) != 0 ? 6 : 16};
}

int vtnet_send(struct nic *nic, unsigned queue, const struct nic_seg *seg, unsigned n,
    unsigned sums, void *cookie)
{
	struct vtnet *sc = nic->nic_driver;
	struct vtnet_queue *q = &sc->sc_queue[queue];
	struct vq_seg vs[NIC_SEGS_MAX + 1];
	uint64_t bytes;
	int error = send_check(nic, seg, n, &bytes);

	KASSERT(queue < sc->sc_pairs, "%s: no queue %u", nic->nic_name, queue);
	if (error != 0)
		return error;
	/* Relaxed: a hint; it may go at any time. */
	if (!atomic_load_explicit(&nic->nic_link, memory_order_relaxed))
		return ENETDOWN;
	/* What is left for the card to do; all frames of a kind share it. */
	vs[0] = (struct vq_seg){.sg_phys =
				    sc->sc_shared_phys + kind_of(sums) * sizeof(struct vtnet_hdr),
	    .sg_len = sizeof(struct vtnet_hdr)};
	for (unsigned i = 0; i < n; i++)
		vs[i + 1] = (struct vq_seg){.sg_phys = seg[i].ns_phys, .sg_len = seg[i].ns_len};
	mutex_enter(&q->q_lock);
	error = send_locked(q, vs, n + 1, bytes, cookie);
	mutex_exit(&q->q_lock);
	return error;
}

/* ---- The handler ---- */

static void round_some(struct round *r)
{
	tx_some(r); /* first, as it makes room for answers */
	if (!r->r_broken)
		rx_some(r);
}

/* Both are dry: interrupts again. False: something came meanwhile, and they are off again. */
static bool round_over(struct vtnet_queue *q)
{
	bool rx = vq_listen(&q->q_rx), tx = vq_listen(&q->q_tx);

	if (!rx && !tx)
		return true;
	vq_quiet(&q->q_rx);
	vq_quiet(&q->q_tx);
	return false;
}

bool vtnet_run(void *arg)
{
	struct vtnet_queue *q = arg;
	struct round r = {.r_queue = q,
	    .r_client = vtnet_client(q->q_card),
	    .r_budget = (unsigned)atomic_load_explicit(&budget, memory_order_relaxed)};
	bool over = false, put_off = false;

	vtnet_count(&q->q_rounds, 1);
	if (nic_pace_over(&q->q_pace, q->q_ih))
		return true;
	if (q->q_rx.vq_wrong != NULL || q->q_tx.vq_wrong != NULL)
		return true; /* the event handler is on its way */
	atomic_store_explicit(&q->q_runner, curlwp, memory_order_relaxed);
	while (!r.r_broken && !over && r.r_done < r.r_budget) {
		unsigned before = r.r_done;

		put_off = !round_begin(&r);
		if (put_off)
			break;
		if (r.r_begun)
			round_some(&r);
		over = !r.r_broken && r.r_done == before && round_over(q);
	}
	if (r.r_begun && r.r_client != NULL)
		r.r_client->nc_end(&q->q_card->sc_nic, q->q_index);
	tx_tell(q);
	atomic_store_explicit(&q->q_runner, NULL, memory_order_relaxed);
	if (!over && !r.r_broken && !put_off) {
		vtnet_count(&q->q_yields, 1);
		hwi_sched(q->q_ih);
	}
	return true;
}

/* ---- What can be seen ---- */

static uint64_t count_of(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void vtnet_stats(struct nic *nic, unsigned queue, struct nic_queue_stats *qs)
{
	struct vtnet *sc = nic->nic_driver;
	struct vtnet_queue *q = &sc->sc_queue[queue];

	KASSERT(queue < sc->sc_pairs, "%s: no queue %u", nic->nic_name, queue);
	*qs = (struct nic_queue_stats){.qs_rx_packets = count_of(&q->q_rx_packets),
	    .qs_rx_bytes = count_of(&q->q_rx_bytes),
	    .qs_rx_nobuf = count_of(&q->q_rx_nobuf),
	    .qs_rx_errors = count_of(&q->q_rx_errors),
	    .qs_tx_packets = count_of(&q->q_tx_packets),
	    .qs_tx_bytes = count_of(&q->q_tx_bytes),
	    .qs_tx_full = count_of(&q->q_tx_full),
	    .qs_tx_errors = count_of(&q->q_tx_errors),
	    .qs_rounds = count_of(&q->q_rounds),
	    .qs_yields = count_of(&q->q_yields),
	    .qs_interrupts = count_of(&q->q_interrupts)};
}

static struct sysctl node = {.sy_name = "dev.virtio_net.budget",
    .sy_doc = "frames that a run of a queue's handler takes before it lets others run",
    .sy_value = &budget,
    .sy_min = 1,
    .sy_max = BUDGET_MAX};

void vtnet_queue_sysctl(void)
{
	sysctl_publish(&node, 1);
}
