/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * igb_impl.h - what igb.c (attach, up and down, reset), igb_hw.c (registers) and igb_intr.c
 * (filters, handlers) share. Nobody else includes it; the essay is in igb.c.
 */
#ifndef SYS_DEV_IGB_IMPL_H
#define SYS_DEV_IGB_IMPL_H

#include "bus/pci.h"
#include "igb_regs.h"
#include "igb_ring.h"
#include "nic.h"
#include "nic_pace.h"
#include <ithaca/callout.h>
#include <ithaca/condvar.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <stdatomic.h>

#define IGB_EVENT_LINK 0x1u  /* look at the link */
#define IGB_EVENT_RESET 0x2u /* the card, or the watchdog, asks for a reset */
#define IGB_EVENT_GONE 0x4u  /* it does not answer any more */

#define IGB_SOURCES (NIC_QUEUES_MAX + 1)

/*
 * Locking key: (a) set once before it is shared; (h) by the queue's handler, or by who has taken
 * it away; (m) q_tx_lock; (o) owner of the operation (igb_begin); (~) atomic.
 */
struct igb_queue {
	struct igb *q_igb;            /* (a) */
	unsigned q_index;             /* (a) */
	struct intr_source *q_source; /* (a) the first one's, for all, if there is but one */
	struct intr_handler *q_ih;    /* (o); (a) for the handler */
	struct igb_rx q_rx;           /* (h) */
	struct nic_pace q_pace;       /* (h) */
	struct lwp
	    *_Atomic q_lwp;     /* (~) relaxed: who runs the handler; only he finds himself there */
	struct mutex q_tx_lock; /* what follows */
	struct igb_tx q_tx;     /* (m) */
	bool q_tx_open;         /* (m) nic_send() is welcome */
	bool q_tx_owed;         /* (m) the card was not told of all frames yet */
	uint32_t q_tx_seen;     /* (m) watchdog: the card's head when it last looked */
	unsigned q_tx_stuck;    /* (m) watchdog: how often it has stood there */
	uint64_t q_odd_seen;    /* watchdog: descriptors that made no sense, when it last looked */

	unsigned q_pause_us;       /* (h) what EITR says */
	uint64_t q_window_ns;      /* (h) adaptive: when the window began */
	uint64_t q_window_packets; /* (h) what was counted until then */

	/* (~) relaxed: counted by one, read for show. */
	_Atomic uint64_t q_rounds, q_yields, q_interrupts, q_missed, q_tx_reaped;
	_Atomic uint64_t q_tx_packets, q_tx_bytes, q_tx_full, q_tx_errors; /* written under (m) */
};

struct igb {
	struct nic ig_nic;
	struct pci_dev *ig_dev;                     /* (a) */
	struct list ig_all;                         /* the units' mutex */
	volatile uint8_t *ig_regs;                  /* (a) */
	unsigned ig_kind;                           /* (a) PCI_INTR_* */
	unsigned ig_nqueues;                        /* (a) */
	struct igb_queue *ig_queue[NIC_QUEUES_MAX]; /* (a) */
	struct intr_source *ig_source[IGB_SOURCES]; /* (a) one a queue, then the link's; or one */
	uint64_t ig_rings;                          /* (a) pages of all descriptors, physical */

	struct mutex ig_lock; /* ig_busy */
	struct condvar ig_idle;
	bool ig_busy; /* (m: ig_lock) somebody is the owner of an operation */

	bool ig_running; /* (o) up, handlers established */
	struct intr_handler
	    *ig_link_ih; /* (o) the filter of the link's vector; NULL with one source */
	struct intr_handler *ig_event_ih; /* (o) the INTR_MANUAL handler */
	struct callout ig_watchdog;       /* (o) */

	_Atomic uint32_t
	    ig_events;        /* (~) IGB_EVENT_*; release in igb_event(), acquire by handler */
	_Atomic bool ig_gone; /* (~) relaxed: only ever becomes true */
	_Atomic uint32_t
	    ig_pause;            /* (~) relaxed: microseconds between interrupts, or NIC_ADAPTIVE */
	_Atomic bool ig_promisc; /* (~) relaxed */
	_Atomic uint64_t ig_resets, ig_hangs, ig_link_changes; /* (~) relaxed: counts */
	_Atomic uint64_t ig_crc, ig_length, ig_nobuf;          /* (~) relaxed: the card's counts */
};

static inline uint32_t igb_read(const struct igb *ig, uint32_t reg)
{
	return *(volatile uint32_t *)(ig->ig_regs + reg);
}

static inline void igb_write(const struct igb *ig, uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(ig->ig_regs + reg) = value;
}

/* igb_doorbell - the same, after all that was written to memory before: descriptors. */
static inline void igb_doorbell(const struct igb *ig, uint32_t reg, uint32_t value)
{
	/* Release: pairs with the card, which reads memory after it has been told to. */
	atomic_thread_fence(memory_order_release);
	igb_write(ig, reg, value);
}

/* igb_messages - has each queue a vector of its own? Else one source serves all. */
static inline bool igb_vectors(const struct igb *ig)
{
	return ig->ig_kind == PCI_INTR_MSIX;
}

static inline bool igb_gone(const struct igb *ig)
{
	return atomic_load_explicit(&ig->ig_gone, memory_order_relaxed);
}

static inline void igb_bump(_Atomic uint64_t *count, uint64_t n)
{
	/* Relaxed: a count orders nothing. */
	atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

/* ---- igb_hw.c; thread context, may block for milliseconds; errors: EIO, said by name ---- */

/* igb_hw_present - does the function still answer? Any thread. */
bool igb_hw_present(const struct igb *ig);

/* igb_hw_reset - quiet, and as after power-on; no more access to memory. igb_hw_mac - its address
 * (after a reset). */
int igb_hw_reset(struct igb *ig);
int igb_hw_mac(struct igb *ig);

/* igb_hw_start - after igb_hw_reset(): rings, interrupt causes, filters; all but the interrupts. */
int igb_hw_start(struct igb *ig);

/* igb_hw_unmask, igb_hw_mask - all interrupts on, off. */
void igb_hw_unmask(struct igb *ig);
void igb_hw_mask(struct igb *ig);

/* igb_hw_filter - ig_promisc to the card. igb_hw_pause - a queue's EITR. igb_hw_link - is there a
 * link, and at which speed? igb_hw_counts - gather what the card counts. */
void igb_hw_filter(struct igb *ig);
void igb_hw_pause(struct igb_queue *q, unsigned us);
bool igb_hw_link(struct igb *ig, uint32_t *mbps);
void igb_hw_counts(struct igb *ig);

/* ---- igb_intr.c ---- */

/* igb_establish - handlers for the queues, and (with `link`) for link and events; igb_disestablish
 * takes away what there is. Thread context, owner of the operation; the card's interrupts masked.
 * From the event handler: without `link`. */
int igb_establish(struct igb *ig, bool link);
void igb_disestablish(struct igb *ig, bool link);

/* igb_event - have the event handler look at these. Any context, while it is established. */
void igb_event(struct igb *ig, uint32_t events);

/* igb_watch - the watchdog, every IGB_WATCH_NS while the card is up. A callout's function. */
#define IGB_WATCH_NS 1000000000ull
void igb_watch(void *arg);

/* ---- igb.c ---- */

/* igb_begin - be the owner of the operation: up, down, reset. false: somebody is, and `wait` was
 * not said. Thread context; blocks. igb_end - no longer. */
bool igb_begin(struct igb *ig, bool wait);
void igb_end(struct igb *ig);

/* igb_restart - reset and begin anew, as owner; the event handler stays, and may be the caller. */
int igb_restart(struct igb *ig);

/* igb_budget - packets that one run of a handler may take (sysctl dev.igb.budget). */
unsigned igb_budget(void);

#endif
