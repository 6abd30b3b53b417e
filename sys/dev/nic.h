/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic.h - network cards: what a driver offers, and what the network above it asks for.
 *
 * The way of a packet in: the driver's filter quiets its queue; its handler pulls frames out of
 * the ring and gives each to the client, which processes it to completion in that same thread; the
 * handler puts fresh buffers into the ring. The way out: any lwp calls nic_send(); the handler of
 * the queue reports by the client's sent() when the card has read the frame.
 *
 * Rules:
 * - A struct nic is the driver's, from nic_attach() to the return of nic_detach().
 * - nic_mtu changes only while the card is down (nic_mtu_set).
 * - Callbacks into the client are made in thread context, with none of the driver's locks held.
 *   input() and sent() of one queue are never made beside themselves.
 * - A client may call nic_send() from a callback. A driver never sleeps in no_send().
 */
#ifndef SYS_DEV_NIC_H
#define SYS_DEV_NIC_H

#include "nic_buf.h"

#include <ithaca/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NIC_MTU 1500       /* of Ethernet; what a card may receive is never less */
#define NIC_MTU_MIN 1280   /* what IPv6 wants at least: RFC 8200, 5 */
#define NIC_MTU_MAX 9000   /* of jumbo frames */
#define NIC_FRAME_MORE 18u /* bytes of a frame beside its MTU: header and one VLAN tag */
#define NIC_QUEUES_MAX 16
#define NIC_SEGS_MAX 16 /* pieces of one frame to send */
#define NIC_NAME_MAX 12

struct nic;
struct nic_turn;

/* A piece of a frame to send. */
struct nic_seg {
	uint64_t ns_phys;
	uint32_t ns_len;
};

struct nic_queue_stats {
	uint64_t qs_rx_packets, qs_rx_bytes;
	uint64_t qs_rx_nobuf;  /* frames dropped, or held back, as no buffer was to be had */
	uint64_t qs_rx_errors; /* frames that the card marked, or whose descriptor made no sense */
	uint64_t qs_rx_missed; /* dropped by the card: its ring was full */
	uint64_t qs_tx_packets, qs_tx_bytes;
	uint64_t qs_tx_full; /* nic_send() refused: the ring was full */
	uint64_t qs_tx_errors;
	uint64_t qs_rounds;     /* runs of the handler */
	uint64_t qs_yields;     /* of those, ended by the budget */
	uint64_t qs_interrupts; /* calls of the filter */
};

/* What a driver does; thread context. Those that may be NULL say so. */
struct nic_ops {
	/* up: buffers into the rings, interrupts on; ENOMEM, EIO. down: all quiet, every sent()
	 * made, all buffers back; after it no callback is made. May block. */
	int (*no_up)(struct nic *nic);
	void (*no_down)(struct nic *nic);
	/* Queue a frame, `cookie` comes back by sent(). `sums`: NIC_CSUM_* and NIC_SUM_* that the
	 * card is to make, of nic_sums only. Any thread, level up to IPL_TTY. ENOBUFS: the ring is
	 * full, and the queue's handler will run when it no longer is; ENETDOWN: not up, or no
	 * link; EMSGSIZE. Of frames queued by the queue's own handler, between begin and end, the
	 * card may be told once, after nc_end(). */
	int (*no_send)(struct nic *nic, unsigned queue, const struct nic_seg *seg, unsigned n,
	    unsigned sums, void *cookie);
	/* Receive all frames, or those for this card and all multicasts. NULL: always all. */
	void (*no_promisc)(struct nic *nic, bool on);
	/* Least time between two interrupts of a queue in microseconds, up to nic_pause_max; 0:
	 * none; NIC_ADAPTIVE. ERANGE. NULL: the card cannot. */
	int (*no_moderate)(struct nic *nic, unsigned us);
	/* Begin anew, as after a hang: frames in flight are lost and counted. May block. */
	int (*no_reset)(struct nic *nic);
	void (*no_stats)(struct nic *nic, unsigned queue, struct nic_queue_stats *qs);
	/* A line or more about the card's own state, for `ifconfig -v`. NULL: nothing. */
	void (*no_describe)(struct nic *nic, void (*print)(const char *fmt, ...));
};

#define NIC_ADAPTIVE 0xffffffffu

/* What the network above does with a card; thread context. */
struct nic_client {
	/* Around what one run of a queue's handler brings: a lock is taken once a run. input()
	 * comes within; sent() too, unless it is no_down() that makes it. Where begin() answers
	 * false another queue is at it: the handler returns at once, without end() and with the
	 * queue quiet, and will be queued again. It does so only if it is given the queue's `nt`;
	 * with NULL it may block instead. */
	bool (*nc_begin)(struct nic *nic, unsigned queue, struct nic_turn *nt);
	void (*nc_end)(struct nic *nic, unsigned queue);
	void (*nc_input)(struct nic *nic, struct nic_buf *nb);
	void (*nc_sent)(struct nic *nic, void *cookie);
	/* The link came or went (nic_link). Not between begin and end. */
	void (*nc_link)(struct nic *nic);
	/* A card has come; one goes: let go of it. May block. */
	void (*nc_attach)(struct nic *nic);
	void (*nc_detach)(struct nic *nic);
};

/* Locking key: (a) set once before it is shared; (n) the mutex of nic.c; (d) the driver's. */
struct nic {
	struct list nic_all;           /* (n) */
	char nic_name[NIC_NAME_MAX];   /* (a) "igb0": nic_attach() adds the number */
	const struct nic_ops *nic_ops; /* (a) */
	void *nic_driver;              /* (a) the driver's own */
	void *nic_stack;               /* the client's own */
	uint8_t nic_mac[6];            /* (a) */
	uint16_t nic_mtu;              /* (n) nic_attach() makes it NIC_MTU, or nic_mtu_max */
	uint16_t nic_mtu_max;          /* (a) at most NIC_MTU_MAX */
	uint16_t nic_queues;           /* (a) 1 to NIC_QUEUES_MAX, receive and transmit pairs */
	uint16_t nic_pause_max;        /* (a) microseconds that no_moderate() takes at most */
	uint16_t nic_sums;             /* (a) NIC_CSUM_* that it can make */
	_Atomic uint16_t nic_sums_use; /* (~) of those, what it is to make; relaxed */
	bool nic_up;                   /* (n) */
	unsigned nic_holds;            /* (n) nic_hold() and not released */
	_Atomic bool nic_link;         /* (~) by the driver; relaxed */
	_Atomic uint32_t nic_mbps;     /* (~) its speed; relaxed */
	const struct nic_client
	    *_Atomic nic_client; /* (~) release in nic_attach(), acquire by drivers */
};

/*
 * For drivers. nic_attach - `nic` (filled in but for nic_all, the number and the client) is a card
 * now: it gets the next free number of `stem` ("igb") and is shown to the client. ENOSPC: 16 are
 * there; EOPNOTSUPP: handlers may not block here (intr_model(9)), which the console is told.
 * nic_detach - it goes: the client lets go of it, it is taken down; when this returns, nobody calls
 * its ops. Both in thread context; may block.
 */
int nic_attach(struct nic *nic, const char *stem);
void nic_detach(struct nic *nic);

/* For the network. nic_client_set - who is told of cards, now and later; EBUSY: somebody is.
 * nic_up, nic_down - start and stop one; nested ups count as one; up: ENXIO when it has gone, or as
 * no_up(). Thread context; may block; never with a lock held that a callback takes. */
int nic_client_set(const struct nic_client *client);
int nic_up(struct nic *nic);
void nic_down(struct nic *nic);

/*
 * nic_mtu_set - the longest IP packet of the card's frames. One that is up is taken down, the
 * client told that the link went, and up again, which loses what is in flight. ERANGE: not
 * NIC_MTU_MIN to nic_mtu_max; ENXIO: it has gone; or as no_up(): then the MTU is as before, and the
 * card as it can be, which the console is told. As nic_up(). nic_sums_set - let it make the sums
 * that it can, or none: EOPNOTSUPP. Any thread.
 */
int nic_mtu_set(struct nic *nic, unsigned mtu);
int nic_sums_set(struct nic *nic, bool on);

/* nic_frame_max - bytes of a frame that may come, without its check sum. */
static inline uint32_t nic_frame_max(const struct nic *nic)
{
	return (nic->nic_mtu > NIC_MTU ? nic->nic_mtu : NIC_MTU) + NIC_FRAME_MORE;
}

/* nic_describe - what can be said of a card, its driver's own words included. Thread context; may
 * block; the card is held. */
void nic_describe(struct nic *nic, void (*print)(const char *fmt, ...));

/* nic_hold - the card of that name, or NULL; it is not detached until nic_release(). nic_each - fn
 * for each, until it answers false; the list is held meanwhile, so fn must not attach, detach, hold
 * or bring up or down. Thread context; may block. */
struct nic *nic_hold(const char *name);
void nic_release(struct nic *nic);
void nic_each(bool (*fn)(struct nic *nic, void *arg), void *arg);

/* nic_init - the pool and its sysctls (net.bufs, net.bufs_free, net.bufs_max), before drivers. */
void nic_init(void);

#endif
