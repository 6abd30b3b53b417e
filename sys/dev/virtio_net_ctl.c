/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_net_ctl.c - virtio network cards beside the packets: the control queue, the link, and
 * what the event handler does.
 *
 * The event handler is INTR_MANUAL: filters and others put their reasons into sc_events and call
 * hwi_sched(); it takes them all at once and looks at the device. It is the only one that resets a
 * card in the midst of its work, whoever wants that: a device that asks for it (NEEDS_RESET), a
 * queue found broken, a person (vtnet_reset() in virtio_net.c waits for it). It is established from
 * attach to detach, so that those who post need not ask whether it is there.
 *
 * A reset calls back into the client (what was to be sent comes back) and therefore lets sc_admin
 * go in its midst; sc_flushing keeps no_down() waiting meanwhile. It never holds sc_ctrl where it
 * waits for handlers, as a client may call no_promisc() with a lock held that they want.
 *
 * A device that breaks its queues again and again is given up after RESETS_MAX resets within
 * WINDOW_NS, so that it cannot keep a CPU busy; being brought up, or reset by hand, it starts anew.
 *
 * Control commands are rare and answered at once by every device known, so their caller waits by
 * looking. One that gets no answer in time is said by name and no more are given until a reset.
 *
 * Contexts: vtnet_event: ithread at IPL_NET, blocks; the others as virtio_net_impl.h says. Lock
 * order: sc_admin -> sc_ctrl. Invariants: none of its own. Read next: virtio_net.c.
 */
#include "virtio_net_impl.h"

#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>

/* The card's configuration (5.1.4). */
#define CONFIG_STATUS 6u
#define CONFIG_STATUS_LINK 0x1u
#define CONFIG_SPEED 12u
#define SPEED_MAX 0x7fffffffu /* above: unknown */

/* Control commands (5.1.6.5): class, command. */
#define CTRL_RX 0u
#define CTRL_RX_PROMISC 0u
#define CTRL_RX_ALLMULTI 1u
#define CTRL_MQ 4u
#define CTRL_MQ_PAIRS 0u
#define CTRL_OK 0u
#define CTRL_DATA_MAX 8u

#define CTRL_SPINS 1000u
#define CTRL_STEP_NS NS_PER_MS
#define CTRL_NS (2 * NS_PER_S)

#define RESETS_MAX 8u
#define WINDOW_NS (10 * NS_PER_S)

/* ---- The control queue ---- */

/* sc_ctrl held, a command is with the card: until it answers. */
static int ctrl_wait(struct vtnet *sc)
{
	uint64_t until = clock_ns() + CTRL_NS;
	void *cookie;
	uint32_t len;
	int error;

	for (unsigned i = 0; (error = vq_pull(&sc->sc_ctrl_vq, &cookie, &len)) == EAGAIN; i++) {
		if (i < CTRL_SPINS)
			port_pause();
		else if (clock_ns() > until)
			return ETIMEDOUT;
		else
			lwp_sleep_ns(CTRL_STEP_NS);
	}
	if (error == 0 && sc->sc_shared[VTNET_SHARED_ACK] != CTRL_OK)
		error = ENODEV;
	return error;
}

/* sc_ctrl held: give the card a command. EIO: there is no queue any more; ENODEV: refused. */
static int ctrl_say(struct vtnet *sc, uint8_t class, uint8_t cmd, const void *data, unsigned n)
{
	struct vq_seg seg[2] = {{.sg_phys = sc->sc_shared_phys + VTNET_SHARED_CTRL,
				    .sg_len = 2 + n},
	    {.sg_phys = sc->sc_shared_phys + VTNET_SHARED_ACK, .sg_len = 1}};
	uint8_t *p = sc->sc_shared + VTNET_SHARED_CTRL;
	int error = EIO;

	KASSERT(n <= CTRL_DATA_MAX, "%s: %u bytes of data", sc->sc_nic.nic_name, n);
	if (sc->sc_ctrl_ok) {
		p[0] = class;
		p[1] = cmd;
		memcpy(p + 2, data, n);
		sc->sc_shared[VTNET_SHARED_ACK] = 0xff;
		error = vq_add(&sc->sc_ctrl_vq, seg, 1, 1, p);
	}
	if (error == 0) {
		if (vq_publish(&sc->sc_ctrl_vq))
			vq_kick(&sc->sc_ctrl_vq);
		error = ctrl_wait(sc);
		sc->sc_ctrl_ok = error == 0 || error == ENODEV;
	}
	if (error != 0)
		kprintf("%s: control command %u.%u: %s\n", sc->sc_nic.nic_name, class, cmd,
		    errno_name(error));
	return error;
}

/* sc_ctrl held: which frames the card shall pass on. Multicasts always. */
static int ctrl_rx_mode(struct vtnet *sc)
{
	uint8_t promisc = sc->sc_promisc, allmulti = 1;
	int error;

	if ((sc->sc_virtio.vi_features & VTNET_F_CTRL_RX) == 0)
		return 0;
	error = ctrl_say(sc, CTRL_RX, CTRL_RX_PROMISC, &promisc, 1);
	return error != 0 ? error : ctrl_say(sc, CTRL_RX, CTRL_RX_ALLMULTI, &allmulti, 1);
}

int vtnet_ctrl_queue(struct vtnet *sc)
{
	unsigned index = (sc->sc_virtio.vi_features & VTNET_F_MQ) != 0 ? 2 * sc->sc_pairs_max : 2;
	int error;

	if ((sc->sc_virtio.vi_features & VTNET_F_CTRL_VQ) == 0)
		return 0;
	mutex_enter(&sc->sc_ctrl);
	error = virtio_queue_start(&sc->sc_virtio, &sc->sc_ctrl_vq, index, VTNET_RING,
	    VIRTIO_NO_VECTOR);
	if (error == 0)
		vq_quiet(&sc->sc_ctrl_vq);
	mutex_exit(&sc->sc_ctrl);
	return error;
}

int vtnet_ctrl_start(struct vtnet *sc)
{
	uint16_t pairs = (uint16_t)sc->sc_pairs;
	int error = 0;

	if ((sc->sc_virtio.vi_features & VTNET_F_CTRL_VQ) == 0)
		return 0;
	mutex_enter(&sc->sc_ctrl);
	sc->sc_ctrl_ok = true;
	if (sc->sc_pairs > 1)
		error = ctrl_say(sc, CTRL_MQ, CTRL_MQ_PAIRS, &pairs, sizeof(pairs));
	if (error == 0)
		error = ctrl_rx_mode(sc);
	mutex_exit(&sc->sc_ctrl);
	return error;
}

void vtnet_set_promisc(struct nic *nic, bool on)
{
	struct vtnet *sc = nic->nic_driver;

	mutex_enter(&sc->sc_ctrl);
	sc->sc_promisc = on;
	/* Else the next start says it. */
	if (sc->sc_ctrl_ok)
		(void)ctrl_rx_mode(sc);
	mutex_exit(&sc->sc_ctrl);
}

/* ---- Events ---- */

void vtnet_event_post(struct vtnet *sc, unsigned events)
{
	/* Release: with the exchange in vtnet_event(). */
	atomic_fetch_or_explicit(&sc->sc_events, events, memory_order_release);
	hwi_sched(sc->sc_event);
}

unsigned vtnet_config_filter(void *arg)
{
	vtnet_event_post(arg, VTNET_EV_CONFIG);
	return FILTER_HANDLED;
}

/* Nothing tells of a card that was pulled out, or that wants a reset while it is stuck. */
void vtnet_watch(void *arg)
{
	struct vtnet *sc = arg;
	uint8_t status = virtio_status(&sc->sc_virtio);

	if ((status & VIRTIO_NEEDS_RESET) != 0 || (status & VIRTIO_DRIVER_OK) == 0)
		vtnet_event_post(sc, VTNET_EV_CONFIG);
}

static bool link_set(struct vtnet *sc, bool up)
{
	/* Relaxed: nothing is ordered by it. One at a time changes it: sc_admin. */
	return atomic_exchange_explicit(&sc->sc_nic.nic_link, up, memory_order_relaxed) != up;
}

bool vtnet_link_read(struct vtnet *sc)
{
	uint64_t features = sc->sc_virtio.vi_features;
	uint32_t mbps = 0;
	bool up = true;

	if ((features & VTNET_F_STATUS) != 0)
		up = (virtio_config16(&sc->sc_virtio, CONFIG_STATUS) & CONFIG_STATUS_LINK) != 0;
	if ((features & VTNET_F_SPEED_DUPLEX) != 0)
		mbps = virtio_config32(&sc->sc_virtio, CONFIG_SPEED);
	atomic_store_explicit(&sc->sc_nic.nic_mbps, mbps <= SPEED_MAX ? mbps : 0,
	    memory_order_relaxed);
	return link_set(sc, up);
}

/* ---- The event handler, sc_admin held ---- */

/* May another reset that nobody asked for be made? */
static bool window_room(struct vtnet *sc)
{
	uint64_t now = clock_ns();

	if (now - sc->sc_window_ns > WINDOW_NS) {
		sc->sc_window_ns = now;
		sc->sc_window = 0;
	}
	if (sc->sc_window < RESETS_MAX) {
		sc->sc_window++;
		return true;
	}
	kprintf("%s: %u resets within %u s, given up; take it down and up, or reset it\n",
	    sc->sc_nic.nic_name, RESETS_MAX, (unsigned)(WINDOW_NS / NS_PER_S));
	return false;
}

/* Stop, flush, start if `again`. sc_admin is let go meanwhile. Returns whether the link changed. */
static bool event_restart(struct vtnet *sc, bool again)
{
	int error = ENXIO;

	vtnet_stop(sc);
	sc->sc_flushing = true;
	mutex_exit(&sc->sc_admin);
	vtnet_flush(sc, true);
	mutex_enter(&sc->sc_admin);
	sc->sc_flushing = false;
	if (again && sc->sc_up) {
		sc->sc_resets++;
		error = vtnet_start(sc);
		if (error != 0)
			kprintf("%s: cannot be started after a reset: %s\n", sc->sc_nic.nic_name,
			    errno_name(error));
	}
	sc->sc_error = error;
	return sc->sc_started ? vtnet_link_read(sc) : link_set(sc, false);
}

/* The card is up: what is to be done? Returns whether the link changed. */
static bool event_up(struct vtnet *sc, unsigned events)
{
	uint8_t status = virtio_status(&sc->sc_virtio);
	bool by_hand = (events & VTNET_EV_RESET) != 0;

	if (virtio_gone(&sc->sc_virtio)) {
		if (!sc->sc_gone)
			kprintf("%s: the card is gone\n", sc->sc_nic.nic_name);
		sc->sc_gone = true;
		sc->sc_error = ENXIO;
		return sc->sc_started ? event_restart(sc, false) : link_set(sc, false);
	}
	if (by_hand)
		sc->sc_window = 0;
	else if ((status & VIRTIO_NEEDS_RESET) != 0 && sc->sc_started)
		kprintf("%s: the card needs a reset\n", sc->sc_nic.nic_name);
	else if ((status & VIRTIO_DRIVER_OK) == 0 && sc->sc_started)
		kprintf("%s: the card lost its state (0x%x), and is reset\n", sc->sc_nic.nic_name,
		    status);
	else if ((events & VTNET_EV_BROKEN) == 0 || !sc->sc_started)
		return sc->sc_started && vtnet_link_read(sc);
	return event_restart(sc, by_hand || window_room(sc));
}

bool vtnet_event(void *arg)
{
	struct vtnet *sc = arg;
	/* Acquire: with vtnet_event_post(). */
	unsigned events = atomic_exchange_explicit(&sc->sc_events, 0, memory_order_acquire);
	const struct nic_client *client = vtnet_client(sc);
	bool changed = false;

	mutex_enter(&sc->sc_admin);
	if (sc->sc_up)
		changed = event_up(sc, events);
	if ((events & VTNET_EV_RESET) != 0)
		sc->sc_generation++;
	cv_broadcast(&sc->sc_cv);
	mutex_exit(&sc->sc_admin);
	if ((changed || (events & VTNET_EV_LINK) != 0) && client != NULL)
		client->nc_link(&sc->sc_nic);
	return true;
}
