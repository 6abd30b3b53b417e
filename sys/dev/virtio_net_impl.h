/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_net_impl.h - what virtio_net.c (the card), virtio_net_ctl.c (its control queue and
 * events) and virtio_net_queue.c (packets) share. Nobody else includes it; the essay is in
 * virtio_net.c.
 */
#ifndef SYS_DEV_VIRTIO_NET_IMPL_H
#define SYS_DEV_VIRTIO_NET_IMPL_H

#include "nic.h"
#include "nic_pace.h"
#include "virtio_pci.h"

#include <ithaca/callout.h>
#include <ithaca/condvar.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <stdatomic.h>

/* Features of network cards (VIRTIO 1.2, 5.1.3). */
#define VTNET_F_CSUM ((uint64_t)1 << 0)
#define VTNET_F_GUEST_CSUM ((uint64_t)1 << 1)
#define VTNET_F_MTU ((uint64_t)1 << 3)
#define VTNET_F_MAC ((uint64_t)1 << 5)
#define VTNET_F_MRG_RXBUF ((uint64_t)1 << 15)
#define VTNET_F_STATUS ((uint64_t)1 << 16)
#define VTNET_F_CTRL_VQ ((uint64_t)1 << 17)
#define VTNET_F_CTRL_RX ((uint64_t)1 << 18)
#define VTNET_F_MQ ((uint64_t)1 << 22)
#define VTNET_F_SPEED_DUPLEX ((uint64_t)1 << 63)

/* What stands before each frame (5.1.6), and its flags. */
struct vtnet_hdr {
	uint8_t vh_flags;
	uint8_t vh_gso;
	uint16_t vh_hdr_len;
	uint16_t vh_gso_size;
	uint16_t vh_csum_start;
	uint16_t vh_csum_offset;
	uint16_t vh_buffers;
};

_Static_assert(sizeof(struct vtnet_hdr) == 12, "as the card sees it");

#define VTNET_HDR_PARTIAL 0x1u /* the sum of TCP or UDP is to be made, or never was: local */
#define VTNET_HDR_VALID 0x2u   /* it was checked */

#define VTNET_RING 256u  /* descriptors of a ring, at most */
#define VTNET_RX_MIN 16u /* buffers without which a receive ring is not started */

/* Reasons for the event handler to run; bits of sc_events. */
#define VTNET_EV_CONFIG 0x1u /* the card says that its configuration changed */
#define VTNET_EV_BROKEN 0x2u /* a queue is broken */
#define VTNET_EV_RESET 0x4u  /* no_reset() waits */
#define VTNET_EV_LINK 0x8u   /* tell the client of the link in any case */

struct vtnet;

/*
 * Locking key: (a) set once before it is shared; (h) the queue's handler; while none is
 * established, who starts and stops it; (m) q_lock; (~) atomic: counted by one, read for show.
 */
struct vtnet_queue {
	struct vtnet *q_card;         /* (a) */
	unsigned q_index;             /* (a) */
	struct intr_source *q_source; /* (a) */
	struct intr_handler *q_ih;    /* (h) */
	struct nic_pace q_pace;       /* (h) */
	struct virtqueue q_rx;        /* (h) */
	bool q_owed;                  /* (h) the card is to be told of q_tx at the end of the run */
	struct lwp *_Atomic q_runner; /* (~) relaxed: the handler's lwp, which looks for itself */
	struct mutex q_lock;
	struct virtqueue q_tx; /* (m) */
	bool q_running;        /* (m) frames to send are taken */

	_Atomic uint64_t q_rx_packets, q_rx_bytes, q_rx_nobuf, q_rx_errors; /* (~) (h) */
	_Atomic uint64_t q_rounds, q_yields;                                /* (~) (h) */
	_Atomic uint64_t q_tx_packets, q_tx_bytes, q_tx_full, q_tx_errors;  /* (~) (m) */
	_Atomic uint64_t q_interrupts;                                      /* (~) the filter */
	_Atomic uint64_t q_broken;                                          /* (~) (h) */
};

/*
 * Locking key: (a) set once before it is shared; (m) sc_admin; (c) sc_ctrl; (~) atomic.
 * Lock order: sc_admin -> sc_ctrl, q_lock.
 */
struct vtnet {
	struct nic sc_nic;
	struct virtio sc_virtio; /* (m) but for status, isr, config */
	unsigned sc_kind;        /* (a) PCI_INTR_* */
	unsigned sc_pairs;       /* (a) */
	unsigned sc_pairs_max;   /* (a) that the card has: the control queue comes behind them */
	uint64_t sc_features;    /* (a) what was taken of the card's at attach */
	struct intr_source *sc_source;  /* (a) of configuration changes, or the line */
	struct intr_handler *sc_config; /* (a) MSI-X: the filter on it */
	struct intr_handler *sc_event;  /* (a) INTR_MANUAL: link, resets */
	_Atomic unsigned sc_events;     /* (~) VTNET_EV_*: release; taken by exchange, acquire */
	struct callout sc_watch;        /* looks at the device's status while it is up */

	struct mutex sc_admin;
	struct condvar sc_cv;   /* sc_flushing or sc_generation changed */
	bool sc_up;             /* (m) between no_up() and no_down() */
	bool sc_started;        /* (m) the queues work; up without it: gone, or given up */
	bool sc_flushing;       /* (m) the event handler flushes, without sc_admin */
	bool sc_gone;           /* (m) the device was pulled out */
	bool sc_dirty;          /* (m) it did not stop: what it was given is not to be reused */
	unsigned sc_generation; /* (m) resets asked for and made */
	int sc_error;           /* (m) of the last of them */
	uint64_t sc_window_ns;  /* (m) since when automatic resets are counted */
	unsigned sc_window;     /* (m) how many there were since */
	uint64_t sc_resets;     /* (m) of all kinds, for show */

	struct mutex sc_ctrl;
	struct virtqueue sc_ctrl_vq; /* (c) */
	bool sc_ctrl_ok;             /* (c) it is there and answers */
	bool sc_promisc;             /* (c) */

	uint8_t *sc_shared;      /* (c) but for the headers: what the card reads and writes */
	uint64_t sc_shared_phys; /* (a) */

	struct vtnet_queue sc_queue[NIC_QUEUES_MAX];
};

/* sc_shared: a header for each kind of frame that is sent, by kind_of(); a control command; the
 * answer to it. */
#define VTNET_SHARED_SIZE 128u
#define VTNET_KINDS 5u
#define VTNET_SHARED_CTRL 64u
#define VTNET_SHARED_ACK 120u

static inline void vtnet_count(_Atomic uint64_t *counter, uint64_t n)
{
	port_stat_add(counter, n);
}

_Static_assert(VTNET_KINDS * sizeof(struct vtnet_hdr) <= VTNET_SHARED_CTRL, "headers fit");

static inline const struct nic_client *vtnet_client(struct vtnet *sc)
{
	/* Acquire: with the release in nic_attach(). */
	return atomic_load_explicit(&sc->sc_nic.nic_client, memory_order_acquire);
}

/* vtnet_event_post - let the event handler run for these reasons. Any context up to filters. */
void vtnet_event_post(struct vtnet *sc, unsigned events);

/* ---- virtio_net.c: with sc_admin held; may block ---- */

/* vtnet_start - features, queues, handlers, buffers: on an error all is as after vtnet_stop().
 * vtnet_stop - when it returns, the card is still and no handler of a queue runs. vtnet_flush -
 * then give back all that it had; `bracket` the callbacks by begin and end. The last without
 * sc_admin. */
int vtnet_start(struct vtnet *sc);
void vtnet_stop(struct vtnet *sc);
void vtnet_flush(struct vtnet *sc, bool bracket);

/* ---- virtio_net_ctl.c ---- */

/* vtnet_event - the event handler. vtnet_config_filter - on the vector of configuration changes.
 * vtnet_watch - the callout. */
bool vtnet_event(void *arg);
unsigned vtnet_config_filter(void *arg);
void vtnet_watch(void *arg);

/* vtnet_ctrl_start - the control queue and what is to be said by it, when the card may work.
 * vtnet_set_promisc - as no_promisc() of nic.h. */
int vtnet_ctrl_queue(struct vtnet *sc);
int vtnet_ctrl_start(struct vtnet *sc);
void vtnet_set_promisc(struct nic *nic, bool on);

/* vtnet_link_read - what the card says of its link; true: it is another than before. */
bool vtnet_link_read(struct vtnet *sc);

/* ---- virtio_net_queue.c ---- */

/* vtnet_filter - for a vector of its own; vtnet_line_filter - for the pin. vtnet_run - the thread
 * function of both; arg is the queue. */
unsigned vtnet_filter(void *arg);
unsigned vtnet_line_filter(void *arg);
bool vtnet_run(void *arg);

/* vtnet_fill - buffers into the receive ring, as many as there are; returns how many it has. Not
 * published. */
unsigned vtnet_fill(struct vtnet_queue *q);

/* vtnet_headers - make those of sc_shared, which are then only read. */
void vtnet_headers(struct vtnet *sc);

/* vtnet_send, vtnet_stats - as in nic.h. */
int vtnet_send(struct nic *nic, unsigned queue, const struct nic_seg *seg, unsigned n,
    unsigned sums, void *cookie);
void vtnet_stats(struct nic *nic, unsigned queue, struct nic_queue_stats *qs);

/* vtnet_queue_init - for attach: the budget's sysctl. */
void vtnet_queue_sysctl(void);

#endif
