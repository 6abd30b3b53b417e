/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * igb.c - Intel 82576 network cards: attaching, up and down, reset, sending.
 *
 * The card has up to 16 pairs of a receive and a transmit queue. Each pair has an interrupt vector,
 * a handler and a CPU of its own, so that what comes by different queues never meets before the
 * network's own locks; the handler does everything (igb_intr.c). A card that has no MSI-X, or fewer
 * than two vectors, gets one queue and one source.
 *
 * States of a unit:
 *
 *	attached	registers mapped, vectors had, rings allotted; the card is reset and quiet,
 *			no handler is established
 *	running		after up: buffers in the rings, handlers established
 *	gone		it stopped answering. Sends get ENETDOWN; nothing else is different, so down
 *			and detach go their usual way, and write to nobody
 *
 * Up, down and reset are operations with one owner at a time (igb_begin). The owner holds no mutex
 * meanwhile, as he waits for handlers and calls the network back. The event handler, which resets
 * the card of its own accord, must not wait to become owner: down may be waiting for its end.
 *
 * Down, and a reset as well: no more sends (q_tx_open), the card's interrupts masked, the handlers
 * taken away in the midst of whatever comes, then the card reset. From there on it does not touch
 * our memory, so every frame that was to be sent is reported, and buffers are taken back. A card
 * whose reset fails loses the right to access memory, by its PCI command register.
 *
 * Contexts: all functions: thread, may block. Lock order: the operation (igb_begin), units_lock;
 * ig_lock and q_tx_lock are last. Invariants: I12, seen from a driver. Not for: frames; see
 * igb_intr.c, which is to be read next, and igb_ring.c.
 */
#include "igb.h"

#include "igb_impl.h"
#include "mem/kmem.h"
#include "mem/page.h"
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/machine.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

#define RING_BYTES ((IGB_RX_RING + IGB_TX_RING) * sizeof(struct igb_desc)) /* of one queue */
#define KINDS (PCI_INTR_MSIX | PCI_INTR_MSI | PCI_INTR_INTX)

static struct mutex units_lock;
static struct list units = LIST_INIT(units); /* (m: units_lock) */
static bool initialised;                     /* attaches come one at a time: device.c */

/* Settings: (~) relaxed: each is used as it stands, one at a time. */
static _Atomic uint64_t budget = 64;
static _Atomic uint64_t queues_most;
static _Atomic uint64_t interrupts = KINDS;

static struct sysctl nodes[] = {
    {.sy_name = "dev.igb.budget",
	.sy_doc = "packets that one run of a queue's handler takes before its neighbours' turn",
	.sy_value = &budget,
	.sy_min = 1,
	.sy_max = 1000000},
    {.sy_name = "dev.igb.queues",
	.sy_doc = "most queues of a card that is attached from now on; 0: one a CPU",
	.sy_value = &queues_most,
	.sy_max = NIC_QUEUES_MAX},
    {.sy_name = "dev.igb.interrupts",
	.sy_doc = "kinds of interrupt that it may use: sum of 1 MSI-X, 2 MSI, 4 the pin",
	.sy_value = &interrupts,
	.sy_min = 1,
	.sy_max = KINDS},
};

unsigned igb_budget(void)
{
	return (unsigned)atomic_load_explicit(&budget, memory_order_relaxed);
}

/* ---- Operations ---- */

bool igb_begin(struct igb *ig, bool wait)
{
	bool mine;

	mutex_enter(&ig->ig_lock);
	while (ig->ig_busy && wait)
		cv_wait(&ig->ig_idle, &ig->ig_lock);
	mine = !ig->ig_busy;
	ig->ig_busy = true;
	mutex_exit(&ig->ig_lock);
	return mine;
}

void igb_end(struct igb *ig)
{
	mutex_enter(&ig->ig_lock);
	ig->ig_busy = false;
	cv_broadcast(&ig->ig_idle);
	mutex_exit(&ig->ig_lock);
}

static void sends(struct igb *ig, bool open)
{
	for (unsigned i = 0; i < ig->ig_nqueues; i++) {
		struct igb_queue *q = ig->ig_queue[i];

		mutex_enter(&q->q_tx_lock);
		q->q_tx_open = open;
		q->q_tx_owed = false;
		q->q_tx_stuck = 0;
		mutex_exit(&q->q_tx_lock);
	}
}

/* The card is still: every frame that it was to send is reported. */
static void sends_lost(struct igb_queue *q, const struct nic_client *client)
{
	void *cookie;

	/* Nobody else: no handler is established, and nic_send() is refused. */
	while (igb_tx_reap(&q->q_tx, true, &cookie)) {
		igb_bump(&q->q_tx_errors, 1);
		if (client != NULL)
			client->nc_sent(&q->q_igb->ig_nic, cookie);
	}
	igb_tx_reset(&q->q_tx);
}

/* From "running" to a card that is reset, with no handler (but, for the event handler itself, those
 * for events). The buffers stay in the rings. */
static void quiesce(struct igb *ig, bool link)
{
	sends(ig, false);
	if (!igb_gone(ig)) {
		igb_hw_counts(ig);
		igb_hw_mask(ig);
	}
	igb_disestablish(ig, link);
	/* It says by itself what went wrong; then it has no access to memory. */
	(void)igb_hw_reset(ig);
}

/* From there to "running". */
static int start(struct igb *ig, bool link)
{
	int error = igb_hw_start(ig);

	for (unsigned i = 0; i < ig->ig_nqueues; i++) {
		ig->ig_queue[i]->q_window_ns = clock_ns();
		ig->ig_queue[i]->q_tx_seen = 0;
	}
	if (error == 0)
		error = igb_establish(ig, link);
	if (error != 0) {
		(void)igb_hw_reset(ig);
		return error;
	}
	sends(ig, true);
	igb_hw_unmask(ig);
	return 0;
}

int igb_restart(struct igb *ig)
{
	struct nic *nic = &ig->ig_nic;
	/* Acquire: pairs with nic.c's release. */
	const struct nic_client *client =
	    atomic_load_explicit(&nic->nic_client, memory_order_acquire);
	int error;

	if (!ig->ig_running)
		return ENETDOWN;
	igb_bump(&ig->ig_resets, 1);
	quiesce(ig, false);
	for (unsigned i = 0; i < ig->ig_nqueues; i++) {
		if (client != NULL)
			(void)client->nc_begin(nic, i, NULL);
		sends_lost(ig->ig_queue[i], client);
		if (client != NULL)
			client->nc_end(nic, i);
		igb_rx_reset(&ig->ig_queue[i]->q_rx);
	}
	error = start(ig, false);
	if (error != 0)
		kprintf("%s: does not come back after a reset: %s\n", nic->nic_name,
		    errno_name(error));
	return error;
}

/* ---- What nic.h asks for ---- */

static int igb_up(struct nic *nic)
{
	struct igb *ig = nic->nic_driver;
	unsigned filled = 0;
	int error = igb_gone(ig) ? EIO : 0;

	(void)igb_begin(ig, true);
	while (error == 0 && filled < ig->ig_nqueues) {
		ig->ig_queue[filled]->q_rx.rx_frame_max = nic_frame_max(nic);
		ig->ig_queue[filled]->q_tx.tx_frame_max = nic_frame_max(nic);
		error = igb_rx_fill(&ig->ig_queue[filled]->q_rx);
		filled += error == 0;
	}
	if (igb_gone(ig))
		kprintf("%s: the card has gone\n", nic->nic_name);
	if (error == ENOMEM)
		kprintf("%s: %u queues need %u buffers each, and there are not so many: see "
			"net.bufs_max, dev.igb.queues\n",
		    nic->nic_name, ig->ig_nqueues, IGB_RX_RING);
	if (error == 0)
		error = igb_hw_reset(ig);
	if (error == 0)
		error = start(ig, true);
	if (error != 0) {
		while (filled-- > 0)
			igb_rx_empty(&ig->ig_queue[filled]->q_rx);
	} else {
		ig->ig_running = true;
		igb_event(ig, IGB_EVENT_LINK);
		callout_setfunc(&ig->ig_watchdog, igb_watch, ig);
		callout_schedule_periodic(&ig->ig_watchdog, IGB_WATCH_NS);
	}
	igb_end(ig);
	return error;
}

static void igb_down(struct nic *nic)
{
	struct igb *ig = nic->nic_driver;
	/* Acquire: pairs with nic.c's release. */
	const struct nic_client *client =
	    atomic_load_explicit(&nic->nic_client, memory_order_acquire);

	(void)igb_begin(ig, true);
	quiesce(ig, true);
	for (unsigned i = 0; i < ig->ig_nqueues; i++) {
		sends_lost(ig->ig_queue[i], client);
		igb_rx_empty(&ig->ig_queue[i]->q_rx);
	}
	ig->ig_running = false;
	atomic_store_explicit(&nic->nic_link, false, memory_order_relaxed); /* as said in nic.h */
	igb_end(ig);
}

static int igb_reset(struct nic *nic)
{
	struct igb *ig = nic->nic_driver;
	int error;

	(void)igb_begin(ig, true);
	error = igb_gone(ig) ? EIO : igb_restart(ig);
	if (ig->ig_running) {
		/* A reset lets go of the link, and nobody tells of that. Relaxed: as in nic.h. */
		atomic_store_explicit(&nic->nic_link, false, memory_order_relaxed);
		igb_event(ig, IGB_EVENT_LINK);
	}
	igb_end(ig);
	return error;
}

static int igb_send(struct nic *nic, unsigned queue, const struct nic_seg *seg, unsigned n,
    unsigned sums, void *cookie)
{
	struct igb *ig = nic->nic_driver;
	struct igb_queue *q;
	uint32_t bytes;
	int error = ENETDOWN;

	KASSERT(queue < ig->ig_nqueues, "%s: queue %u of %u", nic->nic_name, queue, ig->ig_nqueues);
	q = ig->ig_queue[queue];
	mutex_enter(&q->q_tx_lock);
	/* Relaxed: a link that goes meanwhile costs the frame. */
	if (q->q_tx_open && !igb_gone(ig) &&
	    atomic_load_explicit(&nic->nic_link, memory_order_relaxed))
		error = igb_tx_put(&q->q_tx, seg, n, sums, cookie, &bytes);
	if (error == 0) {
		/* Relaxed: only the handler itself finds itself there, and it tells the card. */
		q->q_tx_owed = atomic_load_explicit(&q->q_lwp, memory_order_relaxed) == curlwp;
		if (!q->q_tx_owed)
			igb_doorbell(ig, IGB_TX(queue, TX_TDT), q->q_tx.tx_next);
		port_stat_add(&q->q_tx_packets, 1);
		port_stat_add(&q->q_tx_bytes, bytes);
	} else if (error == ENOBUFS) {
		port_stat_add(&q->q_tx_full, 1);
	} else {
		port_stat_add(&q->q_tx_errors, 1);
	}
	mutex_exit(&q->q_tx_lock);
	return error;
}

static void igb_promisc(struct nic *nic, bool on)
{
	struct igb *ig = nic->nic_driver;

	(void)igb_begin(ig, true);
	/* Relaxed: written and read by owners. */
	atomic_store_explicit(&ig->ig_promisc, on, memory_order_relaxed);
	if (ig->ig_running && !igb_gone(ig))
		igb_hw_filter(ig);
	igb_end(ig);
}

/* Each queue's handler takes it to the card at its next run. */
static int igb_moderate(struct nic *nic, unsigned us)
{
	struct igb *ig = nic->nic_driver;

	if (us != NIC_ADAPTIVE && us > EITR_US_MAX)
		return ERANGE;
	atomic_store_explicit(&ig->ig_pause, us, memory_order_relaxed);
	return 0;
}

static uint64_t get(_Atomic uint64_t *count)
{
	return atomic_load_explicit(count, memory_order_relaxed);
}

static void igb_stats(struct nic *nic, unsigned queue, struct nic_queue_stats *qs)
{
	struct igb *ig = nic->nic_driver;
	struct igb_queue *q = ig->ig_queue[queue];
	_Atomic uint64_t *rx = q->q_rx.rx_count;

	igb_hw_counts(ig);
	*qs = (struct nic_queue_stats){.qs_rx_packets = get(&rx[IGB_RX_FRAME]),
	    .qs_rx_bytes = get(&q->q_rx.rx_bytes),
	    .qs_rx_nobuf = get(&rx[IGB_RX_NOBUF]),
	    .qs_rx_errors =
		get(&rx[IGB_RX_CHAIN]) + get(&rx[IGB_RX_MARKED]) + get(&rx[IGB_RX_LENGTH]),
	    .qs_rx_missed = get(&q->q_missed),
	    .qs_tx_packets = get(&q->q_tx_packets),
	    .qs_tx_bytes = get(&q->q_tx_bytes),
	    .qs_tx_full = get(&q->q_tx_full),
	    .qs_tx_errors = get(&q->q_tx_errors),
	    .qs_rounds = get(&q->q_rounds),
	    .qs_yields = get(&q->q_yields),
	    .qs_interrupts = get(&q->q_interrupts)};
}

static void igb_describe(struct nic *nic, void (*print)(const char *fmt, ...))
{
	struct igb *ig = nic->nic_driver;
	uint32_t us = atomic_load_explicit(&ig->ig_pause, memory_order_relaxed);

	igb_hw_counts(ig);
	print("Intel 82576 at %s%s, %s, %u queues of %u and %u descriptors\n", ig->ig_dev->pd_name,
	    igb_gone(ig) ? " (gone)" : "", pci_intr_kind_name(ig->ig_kind), ig->ig_nqueues,
	    IGB_RX_RING, IGB_TX_RING);
	if (us == NIC_ADAPTIVE)
		print("interrupts: adaptive, pauses in us:");
	else
		print("interrupts: %u us apart at least; in force:", us);
	for (unsigned i = 0; i < ig->ig_nqueues; i++)
		print(" %u", ig->ig_queue[i]->q_pause_us);
	print("\nrests:");
	for (unsigned i = 0; i < ig->ig_nqueues; i++)
		print(" %llu", (unsigned long long)get(&ig->ig_queue[i]->q_pace.np_rests));
	print("\ncontexts written for sums:");
	for (unsigned i = 0; i < ig->ig_nqueues; i++)
		print(" %llu", (unsigned long long)get(&ig->ig_queue[i]->q_tx.tx_contexts));
	print("\nresets %llu, hangs %llu, changes of the link %llu\n",
	    (unsigned long long)get(&ig->ig_resets), (unsigned long long)get(&ig->ig_hangs),
	    (unsigned long long)get(&ig->ig_link_changes));
	print("the card's counts: bad sums %llu, bad lengths %llu, no room %llu\n",
	    (unsigned long long)get(&ig->ig_crc), (unsigned long long)get(&ig->ig_length),
	    (unsigned long long)get(&ig->ig_nobuf));
	for (unsigned i = 0; i < ig->ig_nqueues; i++) {
		_Atomic uint64_t *rx = ig->ig_queue[i]->q_rx.rx_count;
		uint64_t odd = get(&rx[IGB_RX_PART]) + get(&rx[IGB_RX_CHAIN]) +
		    get(&rx[IGB_RX_MARKED]) + get(&rx[IGB_RX_LENGTH]);

		if (odd != 0)
			print(
			    "queue %u: marked bad %llu, odd lengths %llu, frames in pieces %llu\n",
			    i, (unsigned long long)get(&rx[IGB_RX_MARKED]),
			    (unsigned long long)get(&rx[IGB_RX_LENGTH]),
			    (unsigned long long)get(&rx[IGB_RX_CHAIN]));
	}
}

static const struct nic_ops ops = {.no_up = igb_up,
    .no_down = igb_down,
    .no_send = igb_send,
    .no_promisc = igb_promisc,
    .no_moderate = igb_moderate,
    .no_reset = igb_reset,
    .no_stats = igb_stats,
    .no_describe = igb_describe};

/* ---- Attaching ---- */

/* Vectors: one a queue and one for the link; else one source for all. */
static int sources_get(struct igb *ig)
{
	unsigned want = (unsigned)atomic_load_explicit(&queues_most, memory_order_relaxed);
	unsigned of = (unsigned)atomic_load_explicit(&interrupts, memory_order_relaxed), got;
	int error;

	if (want == 0)
		want = cpu_count() < NIC_QUEUES_MAX ? cpu_count() : NIC_QUEUES_MAX;
	error = pci_intr_alloc(ig->ig_dev, of, want + 1, ig->ig_source, &got, &ig->ig_kind);
	if (error == 0 && ig->ig_kind == PCI_INTR_MSIX && got < 2) {
		pci_intr_free(ig->ig_dev);
		of &= ~(unsigned)PCI_INTR_MSIX;
		error = of == 0
		    ? ENXIO
		    : pci_intr_alloc(ig->ig_dev, of, 1, ig->ig_source, &got, &ig->ig_kind);
	}
	if (error != 0) {
		kprintf("igb: %s: no interrupt: %s\n", ig->ig_dev->pd_name, errno_name(error));
		return error;
	}
	ig->ig_nqueues = got > 1 ? got - 1 : 1;
	return 0;
}

/* Queue i's source to CPU i; where it cannot be, it stays where it is. */
static void sources_bind(struct igb *ig)
{
	for (unsigned i = 0; i < ig->ig_nqueues && igb_vectors(ig); i++) {
		int error = intr_bind(ig->ig_source[i], cpu_lookup(i % cpu_count()));

		if (error != 0)
			kprintf("igb: %s: queue %u not bound to cpu %u: %s\n", ig->ig_dev->pd_name,
			    i, i % cpu_count(), errno_name(error));
	}
}

static int queues_make(struct igb *ig)
{
	struct igb_desc *ring;

	ig->ig_rings = page_alloc(page_order(ig->ig_nqueues * RING_BYTES), PAGE_ZERO);
	if (ig->ig_rings == 0)
		return ENOMEM;
	ring = machine_phys_to_virt(ig->ig_rings);
	for (unsigned i = 0; i < ig->ig_nqueues; i++) {
		struct igb_queue *q = kmem_alloc(sizeof(*q));

		if (q == NULL)
			return ENOMEM;
		ig->ig_queue[i] = q;
		q->q_igb = ig;
		q->q_index = i;
		q->q_source = ig->ig_source[i];
		mutex_init(&q->q_tx_lock, "igb send", IPL_TTY);
		q->q_rx.rx_desc = ring;
		q->q_tx.tx_desc = ring + IGB_RX_RING;
		ring += IGB_RX_RING + IGB_TX_RING;
	}
	return 0;
}

static void unit_free(struct igb *ig)
{
	pci_intr_free(ig->ig_dev);
	pci_command(ig->ig_dev, 0, PCI_COMMAND_MASTER);
	for (unsigned i = 0; i < ig->ig_nqueues && ig->ig_queue[i] != NULL; i++) {
		mutex_destroy(&ig->ig_queue[i]->q_tx_lock);
		kmem_free(ig->ig_queue[i], sizeof(*ig->ig_queue[i]));
	}
	if (ig->ig_rings != 0)
		page_free(ig->ig_rings, page_order(ig->ig_nqueues * RING_BYTES));
	if (ig->ig_regs != NULL)
		pci_unmap_bar((void *)(uintptr_t)ig->ig_regs);
	callout_destroy(&ig->ig_watchdog);
	cv_destroy(&ig->ig_idle);
	mutex_destroy(&ig->ig_lock);
	ig->ig_dev->pd_driver = NULL;
	kmem_free(ig, sizeof(*ig));
}

static int unit_setup(struct igb *ig)
{
	void *regs;
	int error = pci_map_bar(ig->ig_dev, 0, IGB_BAR_SIZE, &regs, NULL);

	if (error != 0)
		return error;
	ig->ig_regs = regs;
	error = igb_hw_reset(ig);
	if (error == 0)
		error = igb_hw_mac(ig);
	if (error == 0)
		error = sources_get(ig);
	if (error == 0)
		error = queues_make(ig);
	if (error != 0)
		return error;
	sources_bind(ig);
	ig->ig_nic.nic_ops = &ops;
	ig->ig_nic.nic_driver = ig;
	ig->ig_nic.nic_mtu_max = NIC_MTU_MAX;
	ig->ig_nic.nic_pause_max = EITR_US_MAX;
	ig->ig_nic.nic_sums = NIC_CSUM_IP | NIC_CSUM_L4;
	ig->ig_nic.nic_queues = (uint16_t)ig->ig_nqueues;
	return nic_attach(&ig->ig_nic, "igb");
}

static void initialise(void)
{
	mutex_init(&units_lock, "igb units", IPL_NONE);
	sysctl_publish(nodes, sizeof(nodes) / sizeof(nodes[0]));
	initialised = true;
}

int igb_attach(struct pci_dev *pd)
{
	struct igb *ig = kmem_alloc(sizeof(*ig));
	const uint8_t *mac;
	int error;

	if (ig == NULL)
		return ENOMEM;
	if (!initialised)
		initialise();
	ig->ig_dev = pd;
	pd->pd_driver = "igb";
	mutex_init(&ig->ig_lock, "igb", IPL_NONE);
	cv_init(&ig->ig_idle, "igb");
	callout_init(&ig->ig_watchdog);
	atomic_store_explicit(&ig->ig_pause, NIC_ADAPTIVE, memory_order_relaxed); /* not shared */
	error = unit_setup(ig);
	if (error != 0) {
		unit_free(ig);
		return error;
	}
	mutex_enter(&units_lock);
	list_append(&units, &ig->ig_all);
	mutex_exit(&units_lock);
	mac = ig->ig_nic.nic_mac;
	kprintf("%s at %s: Intel 82576, %02x:%02x:%02x:%02x:%02x:%02x, %s, %u queue%s\n",
	    ig->ig_nic.nic_name, pd->pd_name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
	    pci_intr_kind_name(ig->ig_kind), ig->ig_nqueues, ig->ig_nqueues == 1 ? "" : "s");
	return 0;
}

int igb_detach(struct pci_dev *pd)
{
	struct igb *ig = NULL;
	struct list *e;

	if (!initialised)
		return ENXIO;
	mutex_enter(&units_lock);
	LIST_EACH(e, &units) {
		if (container_of(e, struct igb, ig_all)->ig_dev == pd)
			ig = container_of(e, struct igb, ig_all);
	}
	if (ig != NULL)
		list_remove(&ig->ig_all);
	mutex_exit(&units_lock);
	if (ig == NULL)
		return ENXIO;
	nic_detach(&ig->ig_nic);
	if (!igb_gone(ig) && igb_hw_present(ig))
		igb_write(ig, IGB_CTRL_EXT, igb_read(ig, IGB_CTRL_EXT) & ~CTRL_EXT_DRV_LOAD);
	unit_free(ig);
	return 0;
}
