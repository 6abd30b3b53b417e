/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_net.c - network cards of virtio 1: attach, detach, up, down, reset.
 *
 * A card has pairs of queues, one to receive and one to send; up to one pair for each CPU is used,
 * its vector bound there. What a pair does with packets is virtio_net_queue.c's, the control queue
 * and resets in the midst of work are virtio_net_ctl.c's. Here is the life of a card:
 *
 *	attach	registers, features and address are read, interrupt sources had, and the card shown
 *		to the network, which may bring it up at once
 *	up	reset, features, queues filled with buffers, handlers, and the card may work
 *	down	sending is refused, handlers taken away (when intr_disestablish() returns they do
 *		not run, I12), the card reset: now it touches nothing, and all is given back
 *	detach	the network lets go, down, and what attach made is undone
 *
 * A card that is down has been reset, so each up is a first start, and so is what follows a reset
 * in the midst of work. A card that does not stop within a second when it is reset may write into
 * what it was given at any later time: that memory is given up, said by name, never used again.
 *
 * Interrupts: MSI-X with a vector for configuration changes and one for each pair; or the pin,
 * which one pair shares with everything. There is no MSI in virtio (VIRTIO 1.2, 4.1.4).
 *
 * Contexts: thread, may block; never called with a lock held that the client's callbacks take.
 * Lock order: nic.c's, then sc_admin, then sc_ctrl, q_lock. Source: VIRTIO 1.2, 5.1. Not for:
 * segmentation by the card, receive-side scaling by command. Read next: virtio_net_queue.c.
 */
#include "virtio_net.h"

#include "bus/pci.h"
#include "mem/kmem.h"
#include "virtio_net_impl.h"
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/machine.h>
#include <ithaca/print.h>
#include <ithaca/string.h>

#define CONFIG_MAC 0u
#define CONFIG_PAIRS 8u
#define CONFIG_MTU 10u

#define FEATURES                                                                                   \
	(VIRTIO_F_VERSION_1 | VTNET_F_CSUM | VTNET_F_GUEST_CSUM | VTNET_F_MTU | VTNET_F_MAC |      \
	    VTNET_F_MRG_RXBUF | VTNET_F_STATUS | VTNET_F_CTRL_VQ | VTNET_F_CTRL_RX | VTNET_F_MQ |  \
	    VTNET_F_SPEED_DUPLEX)

/* What the network was told at attach must hold at each start. */
#define PROMISED (VTNET_F_CSUM | VTNET_F_MRG_RXBUF)

#define WATCH_NS NS_PER_S

#define UNITS_MAX 16

/* Locking key: (m) units_lock. */
static struct mutex units_lock;
static struct vtnet *units[UNITS_MAX]; /* (m) attached */

/* ---- Start and stop ---- */

static int pair_queues(struct vtnet_queue *q)
{
	struct vtnet *sc = q->q_card;
	struct virtio *vi = &sc->sc_virtio;
	uint16_t vector = VIRTIO_NO_VECTOR;
	unsigned had;
	int error;

	if (sc->sc_kind == PCI_INTR_MSIX)
		vector = (uint16_t)(q->q_index + 1);
	error = virtio_queue_start(vi, &q->q_rx, 2 * q->q_index, VTNET_RING, vector);
	if (error == 0)
		error = virtio_queue_start(vi, &q->q_tx, 2 * q->q_index + 1, VTNET_RING, vector);
	if (error != 0)
		return error;
	had = vtnet_fill(q);
	if (had >= VTNET_RX_MIN || had == q->q_rx.vq_size)
		return 0;
	kprintf("%s: receive queue %u: %u buffers to be had, %u are needed (net.bufs_max)\n",
	    sc->sc_nic.nic_name, q->q_index, had, VTNET_RX_MIN);
	return ENOMEM;
}

static int pair_establish(struct vtnet_queue *q)
{
	struct vtnet *sc = q->q_card;
	bool line = sc->sc_kind == PCI_INTR_INTX;
	char name[INTR_NAME_MAX];
	int error;

	nic_pace_start(&q->q_pace);
	ksnprintf(name, sizeof(name), "%s q%u", sc->sc_nic.nic_name, q->q_index);
	error = intr_establish(q->q_source, name, IPL_NET, 0,
	    line ? vtnet_line_filter : vtnet_filter, vtnet_run, q, &q->q_ih);
	if (error != 0) {
		q->q_ih = NULL;
		return error;
	}
	if (!line && intr_bind(q->q_source, cpu_lookup(q->q_index % cpu_count())) != 0)
		kprintf("%s: queue %u stays on the CPU that it has\n", sc->sc_nic.nic_name,
		    q->q_index);
	return 0;
}

/* The card may work: buffers to be filled, frames to be sent. */
static void pair_open(struct vtnet_queue *q)
{
	if (vq_publish(&q->q_rx))
		vq_kick(&q->q_rx);
	mutex_enter(&q->q_lock);
	q->q_running = true;
	mutex_exit(&q->q_lock);
}

static int start(struct vtnet *sc)
{
	int error = virtio_begin(&sc->sc_virtio, FEATURES);
	uint64_t lost = sc->sc_features & ~sc->sc_virtio.vi_features & PROMISED;

	if (error == 0 && lost != 0) {
		kprintf("%s: features 0x%llx were offered at its attach, and now are not\n",
		    sc->sc_nic.nic_name, (unsigned long long)lost);
		error = ENXIO;
	}
	if (error == 0)
		error = virtio_config_vector(&sc->sc_virtio,
		    sc->sc_kind == PCI_INTR_MSIX ? 0 : VIRTIO_NO_VECTOR);
	for (unsigned i = 0; i < sc->sc_pairs && error == 0; i++)
		error = pair_queues(&sc->sc_queue[i]);
	if (error == 0)
		error = vtnet_ctrl_queue(sc);
	for (unsigned i = 0; i < sc->sc_pairs && error == 0; i++)
		error = pair_establish(&sc->sc_queue[i]);
	if (error != 0)
		return error;
	virtio_driver_ok(&sc->sc_virtio);
	error = vtnet_ctrl_start(sc);
	for (unsigned i = 0; i < sc->sc_pairs && error == 0; i++)
		pair_open(&sc->sc_queue[i]);
	return error;
}

int vtnet_start(struct vtnet *sc)
{
	int error = start(sc);

	sc->sc_started = true;
	if (error == 0)
		return 0;
	vtnet_stop(sc);
	vtnet_flush(sc, false); /* nothing was sent: no callbacks */
	return error;
}

static void disestablish(struct intr_handler **ih)
{
	if (*ih == NULL)
		return;
	if (intr_disestablish(*ih) != 0)
		panic("virtio_net: a handler was disestablished from itself");
	*ih = NULL;
}

void vtnet_stop(struct vtnet *sc)
{
	int error;

	if (!sc->sc_started)
		return;
	sc->sc_started = false;
	mutex_enter(&sc->sc_ctrl);
	sc->sc_ctrl_ok = false;
	mutex_exit(&sc->sc_ctrl);
	for (unsigned i = 0; i < sc->sc_pairs; i++) {
		struct vtnet_queue *q = &sc->sc_queue[i];

		mutex_enter(&q->q_lock);
		q->q_running = false;
		mutex_exit(&q->q_lock);
		if (q->q_ih != NULL)
			nic_pace_stop(&q->q_pace);
		disestablish(&q->q_ih);
	}
	error = virtio_reset(&sc->sc_virtio);
	sc->sc_dirty = error == ETIMEDOUT;
	if (sc->sc_dirty)
		kprintf("%s: does not stop: its buffers and queues are given up\n",
		    sc->sc_nic.nic_name);
}

/* One queue's memory, empty now, is freed; or forgotten, if the card may write there. */
static void queue_free(struct vtnet *sc, struct virtqueue *vq)
{
	if (sc->sc_dirty)
		*vq = (struct virtqueue){0};
	else
		virtio_queue_free(vq);
}

static void flush_tx(struct vtnet_queue *q, const struct nic_client *client, bool bracket)
{
	struct nic *nic = &q->q_card->sc_nic;
	bool begun = false;
	void *cookie;

	while (vq_drain(&q->q_tx, &cookie)) {
		if (!begun && bracket)
			(void)client->nc_begin(nic, q->q_index, NULL);
		begun = true;
		vtnet_count(&q->q_tx_errors, 1);
		client->nc_sent(nic, cookie);
	}
	if (begun && bracket)
		client->nc_end(nic, q->q_index);
}

void vtnet_flush(struct vtnet *sc, bool bracket)
{
	void *cookie;

	for (unsigned i = 0; i < sc->sc_pairs; i++) {
		struct vtnet_queue *q = &sc->sc_queue[i];

		flush_tx(q, vtnet_client(sc), bracket);
		while (vq_drain(&q->q_rx, &cookie)) {
			if (!sc->sc_dirty)
				nic_buf_free(cookie);
		}
		queue_free(sc, &q->q_tx);
		queue_free(sc, &q->q_rx);
		q->q_owed = false;
	}
	while (vq_drain(&sc->sc_ctrl_vq, &cookie))
		continue;
	queue_free(sc, &sc->sc_ctrl_vq);
}

/* ---- What the network asks for ---- */

static int vtnet_up(struct nic *nic)
{
	struct vtnet *sc = nic->nic_driver;
	int error;

	mutex_enter(&sc->sc_admin);
	KASSERT(!sc->sc_up, "%s: up twice", nic->nic_name);
	sc->sc_window = 0;
	error = vtnet_start(sc);
	sc->sc_up = error == 0;
	if (sc->sc_up) {
		(void)vtnet_link_read(sc);
		(void)callout_schedule_periodic(&sc->sc_watch, WATCH_NS);
	}
	mutex_exit(&sc->sc_admin);
	if (error == 0)
		vtnet_event_post(sc, VTNET_EV_LINK);
	return error;
}

static void vtnet_down(struct nic *nic)
{
	struct vtnet *sc = nic->nic_driver;

	(void)callout_halt(&sc->sc_watch, NULL);
	mutex_enter(&sc->sc_admin);
	sc->sc_up = false;
	while (sc->sc_flushing)
		cv_wait(&sc->sc_cv, &sc->sc_admin);
	vtnet_stop(sc);
	cv_broadcast(&sc->sc_cv);
	mutex_exit(&sc->sc_admin);
	vtnet_flush(sc, false);
	atomic_store_explicit(&nic->nic_link, false, memory_order_relaxed);
}

/* The event handler does it; here it is asked for, and waited for. */
static int vtnet_reset(struct nic *nic)
{
	struct vtnet *sc = nic->nic_driver;
	unsigned generation;
	int error = 0;

	mutex_enter(&sc->sc_admin);
	generation = sc->sc_generation;
	if (sc->sc_up) {
		vtnet_event_post(sc, VTNET_EV_RESET);
		while (sc->sc_up && sc->sc_generation == generation)
			cv_wait(&sc->sc_cv, &sc->sc_admin);
		error = sc->sc_generation == generation ? ENETDOWN : sc->sc_error;
	}
	mutex_exit(&sc->sc_admin);
	return error;
}

static void vtnet_describe(struct nic *nic, void (*print)(const char *fmt, ...))
{
	struct vtnet *sc = nic->nic_driver;
	uint64_t broken = 0, rx = 0, tx = 0, rests = 0;

	mutex_enter(&sc->sc_admin);
	for (unsigned i = 0; i < sc->sc_pairs; i++) {
		broken += atomic_load_explicit(&sc->sc_queue[i].q_broken, memory_order_relaxed);
		rx += sc->sc_queue[i].q_rx.vq_kicks;
		tx += sc->sc_queue[i].q_tx.vq_kicks;
		rests +=
		    atomic_load_explicit(&sc->sc_queue[i].q_pace.np_rests, memory_order_relaxed);
	}
	print("virtio at %s, %s, %u of %u pairs of queues, features 0x%llx\n",
	    sc->sc_virtio.vi_pci->pd_name, pci_intr_kind_name(sc->sc_kind), sc->sc_pairs,
	    sc->sc_pairs_max, (unsigned long long)sc->sc_virtio.vi_features);
	print("status 0x%02x%s%s, rings of %u and %u, notified %llu and %llu times\n",
	    virtio_status(&sc->sc_virtio), sc->sc_gone ? ", gone" : "",
	    sc->sc_up && !sc->sc_started ? ", stopped" : "", sc->sc_queue[0].q_rx.vq_size,
	    sc->sc_queue[0].q_tx.vq_size, (unsigned long long)rx, (unsigned long long)tx);
	print("resets %llu, broken queues %llu, rests %llu\n", (unsigned long long)sc->sc_resets,
	    (unsigned long long)broken, (unsigned long long)rests);
	mutex_exit(&sc->sc_admin);
}

static const struct nic_ops vtnet_ops = {.no_up = vtnet_up,
    .no_down = vtnet_down,
    .no_send = vtnet_send,
    .no_promisc = vtnet_set_promisc,
    .no_reset = vtnet_reset,
    .no_stats = vtnet_stats,
    .no_describe = vtnet_describe};

/* ---- Attach and detach ---- */

/* The card's address; a local one made up of where it is, if it has none. */
static void mac_read(struct vtnet *sc)
{
	uint32_t made = (uint32_t)port_counter();

	for (unsigned i = 0; i < 6; i++)
		sc->sc_nic.nic_mac[i] = virtio_config8(&sc->sc_virtio, CONFIG_MAC + i);
	if ((sc->sc_virtio.vi_features & VTNET_F_MAC) != 0)
		return;
	sc->sc_nic.nic_mac[0] = 0x02; /* locally administered */
	sc->sc_nic.nic_mac[1] = (uint8_t)sc->sc_virtio.vi_pci->pd_bdf;
	memcpy(&sc->sc_nic.nic_mac[2], &made, 4);
}

/* How long its frames may be, and which sums it makes. Without mergeable buffers a frame that comes
 * has one buffer. */
static void limits_read(struct vtnet *sc)
{
	uint64_t features = sc->sc_virtio.vi_features;
	unsigned mtu = (features & VTNET_F_MRG_RXBUF) != 0 ? NIC_MTU_MAX : NIC_MTU, own;

	if ((features & VTNET_F_MTU) != 0) {
		own = virtio_config16(&sc->sc_virtio, CONFIG_MTU);
		mtu = own < mtu ? own : mtu;
	}
	sc->sc_nic.nic_mtu_max = (uint16_t)mtu;
	sc->sc_nic.nic_sums = (features & VTNET_F_CSUM) != 0 ? NIC_CSUM_L4 : 0;
	sc->sc_features = features;
}

/* What the card has; then it rests until it is brought up. */
static int card_read(struct vtnet *sc)
{
	unsigned pairs = 1;
	int error = virtio_begin(&sc->sc_virtio, FEATURES);

	if (error != 0)
		return error;
	mac_read(sc);
	limits_read(sc);
	if ((sc->sc_virtio.vi_features & (VTNET_F_MQ | VTNET_F_CTRL_VQ)) ==
	    (VTNET_F_MQ | VTNET_F_CTRL_VQ))
		pairs = virtio_config16(&sc->sc_virtio, CONFIG_PAIRS);
	if (pairs == 0 || virtio_queue_count(&sc->sc_virtio) < 2 * pairs) {
		kprintf("virtio_net at %s: %u pairs of queues, and %u queues\n",
		    sc->sc_virtio.vi_pci->pd_name, pairs, virtio_queue_count(&sc->sc_virtio));
		return ENXIO;
	}
	sc->sc_pairs_max = pairs;
	pairs = pairs < NIC_QUEUES_MAX ? pairs : NIC_QUEUES_MAX;
	sc->sc_pairs = pairs < cpu_count() ? pairs : cpu_count();
	return virtio_reset(&sc->sc_virtio);
}

/* A vector for configuration changes and one for each pair; fewer pairs if there are fewer; the
 * pin if there are not even two. */
static int sources_get(struct vtnet *sc)
{
	struct intr_source *sources[NIC_QUEUES_MAX + 1];
	struct pci_dev *pd = sc->sc_virtio.vi_pci;
	unsigned got = 0;
	int error;

	error = pci_intr_alloc(pd, PCI_INTR_MSIX, sc->sc_pairs + 1, sources, &got, &sc->sc_kind);
	if (error == 0 && got < 2)
		pci_intr_free(pd);
	if (error != 0 || got < 2)
		error = pci_intr_alloc(pd, PCI_INTR_INTX, 1, sources, &got, &sc->sc_kind);
	if (error != 0)
		return error;
	if (sc->sc_kind == PCI_INTR_INTX)
		sc->sc_pairs = 1;
	else if (sc->sc_pairs > got - 1)
		sc->sc_pairs = got - 1;
	sc->sc_source = sources[0];
	for (unsigned i = 0; i < sc->sc_pairs; i++)
		sc->sc_queue[i].q_source = sources[sc->sc_kind == PCI_INTR_INTX ? 0 : i + 1];
	return 0;
}

static int events_establish(struct vtnet *sc)
{
	char name[INTR_NAME_MAX];
	int error;

	ksnprintf(name, sizeof(name), "vtnet %s", sc->sc_virtio.vi_pci->pd_name);
	error = intr_establish(sc->sc_source, name, IPL_NET, INTR_MANUAL, NULL, vtnet_event, sc,
	    &sc->sc_event);
	if (error != 0) {
		sc->sc_event = NULL;
		return error;
	}
	if (sc->sc_kind == PCI_INTR_INTX)
		return 0;
	error = intr_establish(sc->sc_source, name, IPL_NET, 0, vtnet_config_filter, NULL, sc,
	    &sc->sc_config);
	if (error != 0)
		sc->sc_config = NULL;
	return error;
}

static void card_init(struct vtnet *sc)
{
	mutex_init(&sc->sc_admin, "vtnet admin", IPL_NET);
	mutex_init(&sc->sc_ctrl, "vtnet control", IPL_NET);
	cv_init(&sc->sc_cv, "vtnet reset");
	callout_init(&sc->sc_watch);
	callout_setfunc(&sc->sc_watch, vtnet_watch, sc);
	for (unsigned i = 0; i < NIC_QUEUES_MAX; i++) {
		sc->sc_queue[i].q_card = sc;
		sc->sc_queue[i].q_index = i;
		mutex_init(&sc->sc_queue[i].q_lock, "vtnet queue", IPL_NET);
	}
}

/* Undo whatever of card_setup() was done. The card rests. */
static void card_teardown(struct vtnet *sc)
{
	struct pci_dev *pd = sc->sc_virtio.vi_pci;

	disestablish(&sc->sc_config);
	disestablish(&sc->sc_event);
	pci_intr_free(pd);
	pci_command(pd, 0, PCI_COMMAND_MASTER);
	callout_destroy(&sc->sc_watch);
	virtio_unmap(&sc->sc_virtio);
	if (sc->sc_shared != NULL && !sc->sc_dirty)
		kmem_free(sc->sc_shared, VTNET_SHARED_SIZE);
	pd->pd_driver = NULL;
	port_mem_free(sc, sizeof(*sc));
}

static int card_setup(struct vtnet *sc, struct pci_dev *pd)
{
	int error = virtio_map(&sc->sc_virtio, pd);

	if (error != 0)
		return error;
	sc->sc_shared = kmem_alloc(VTNET_SHARED_SIZE);
	if (sc->sc_shared == NULL)
		return ENOMEM;
	sc->sc_shared_phys = machine_virt_to_phys(sc->sc_shared);
	vtnet_headers(sc);
	error = card_read(sc);
	if (error == 0)
		error = sources_get(sc);
	if (error != 0)
		return error;
	pci_command(pd, PCI_COMMAND_MASTER, 0);
	error = events_establish(sc);
	if (error != 0)
		return error;
	sc->sc_nic.nic_ops = &vtnet_ops;
	sc->sc_nic.nic_driver = sc;
	sc->sc_nic.nic_queues = (uint16_t)sc->sc_pairs;
	return nic_attach(&sc->sc_nic, "vtnet");
}

/* The place of `sc` among the units, or of NULL a free one; UNITS_MAX: none. units_lock held. */
static unsigned unit_of(const struct vtnet *sc)
{
	unsigned i = 0;

	while (i < UNITS_MAX && units[i] != sc)
		i++;
	return i;
}

int virtio_net_attach(struct pci_dev *pd)
{
	struct vtnet *sc;
	unsigned unit;
	int error;

	mutex_enter(&units_lock);
	unit = unit_of(NULL);
	if (pd->pd_driver != NULL || unit == UNITS_MAX) {
		mutex_exit(&units_lock);
		return pd->pd_driver != NULL ? EBUSY : ENOSPC;
	}
	sc = port_mem_alloc(sizeof(*sc));
	if (sc == NULL) {
		mutex_exit(&units_lock);
		return ENOMEM;
	}
	pd->pd_driver = "virtio_net";
	card_init(sc);
	sc->sc_virtio.vi_pci = pd;
	error = card_setup(sc, pd);
	if (error == 0) {
		units[unit] = sc;
		kprintf("%s: virtio at %s, %s, %u of %u pairs of queues\n", sc->sc_nic.nic_name,
		    pd->pd_name, pci_intr_kind_name(sc->sc_kind), sc->sc_pairs, sc->sc_pairs_max);
	} else {
		card_teardown(sc);
	}
	mutex_exit(&units_lock);
	return error;
}

int virtio_net_detach(struct pci_dev *pd)
{
	struct vtnet *sc = NULL;

	mutex_enter(&units_lock);
	for (unsigned i = 0; i < UNITS_MAX && sc == NULL; i++) {
		if (units[i] == NULL || units[i]->sc_virtio.vi_pci != pd)
			continue;
		sc = units[i];
		units[i] = NULL;
	}
	if (sc != NULL) {
		nic_detach(&sc->sc_nic);
		card_teardown(sc);
	}
	mutex_exit(&units_lock);
	return sc != NULL ? 0 : ENXIO;
}

void virtio_net_init(void)
{
	mutex_init(&units_lock, "vtnet units", IPL_NONE);
	vtnet_queue_sysctl();
}
