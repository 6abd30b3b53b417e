/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * edu_impl.h - what edu.c (attach, operations) and edu_intr.c (filters, thread functions, modes)
 * share. Nobody else includes it; the essay is in edu.c.
 */
#ifndef SYS_DEV_EDU_IMPL_H
#define SYS_DEV_EDU_IMPL_H

#include "edu.h"

#include <ithaca/condvar.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <stdatomic.h>

/* Registers: QEMU's docs/specs/edu.rst. */
#define EDU_ID 0x00
#define EDU_LIVE 0x04
#define EDU_FACT 0x08
#define EDU_STATUS 0x20
#define EDU_STATUS_COMPUTING 0x01u
#define EDU_STATUS_IRQ 0x80u
#define EDU_IRQ_STATUS 0x24
#define EDU_IRQ_RAISE 0x60 /* or-ed into the status; 0 sends again what is there */
#define EDU_IRQ_ACK 0x64
#define EDU_DMA_SRC 0x80
#define EDU_DMA_DST 0x88
#define EDU_DMA_COUNT 0x90
#define EDU_DMA_CMD 0x98
#define EDU_DMA_START 0x1u
#define EDU_DMA_TO_RAM 0x2u
#define EDU_DMA_IRQ 0x4u
#define EDU_BUFFER 0x40000

/* Bits of the interrupt status. The first two are the device's, the others what we raise. */
#define EDU_BIT_FACT 0x00000001u
#define EDU_BIT_DMA 0x00000100u
#define EDU_BIT_POST 0x00008000u  /* without a token */
#define EDU_BIT_TOKEN 0x80000000u /* bits 16 to 30 are the low bits of the raise's number */
#define EDU_TOKEN(status) ((status) >> 16 & 0x7fffu)

#define EDU_PER_RAISE(status) (((status) & (EDU_BIT_TOKEN | EDU_BIT_POST)) != 0)

enum edu_state {
	EDU_ABSENT, /* not attached */
	EDU_ATTACHED,
	EDU_LEAVING, /* no new operations; those under way go on */
	EDU_GONE     /* those under way must end: nothing will be handled any more */
};

/* The live counts, as in struct edu_stats. */
struct edu_counts {
	_Atomic uint64_t ec_raises, ec_filters, ec_taken, ec_threads, ec_strays, ec_manual;
	_Atomic uint64_t ec_works, ec_overlaps, ec_mismatch;
	_Atomic uint64_t ec_filter_max, ec_filter_sum, ec_thread_max, ec_thread_sum;
};

/*
 * Locking key: (a) set once before it is shared; (d) u_admin; (m) u_lock; (r) u_raise;
 * (h) set while no handler is established, read by handlers; (~) atomic.
 * Lock order: u_admin -> u_raise -> u_work -> u_lock.
 */
struct edu {
	struct pci_dev *u_dev; /* (d) NULL: it was taken out of its slot; (a) while attached */
	unsigned u_unit;       /* (a) */
	char u_name[8];        /* (a) "edu0" */

	struct mutex u_admin;  /* one attach, detach or change of mode at a time */
	struct mutex u_raise;  /* one raiser at a time */
	struct mutex u_work;   /* one factorial or DMA at a time */
	struct mutex u_lock;   /* what follows */
	struct condvar u_cv;   /* work done, or gone */
	struct condvar u_idle; /* u_ops fell to 0 */
	unsigned u_ops;        /* (m) operations under way */
	_Atomic int u_state;   /* (~) enum edu_state; written under (m); a hint without */
	uint32_t u_finished;   /* (m) EDU_BIT_FACT, EDU_BIT_DMA: completions not yet taken */
	uint64_t u_timeout_ns; /* (m) */

	volatile uint8_t *u_regs;      /* (h) */
	uint64_t u_page;               /* (d) physical address of the page for DMA; 0: none */
	enum edu_irq u_irq;            /* (d) */
	struct intr_source *u_source;  /* (d) */
	struct intr_handler *u_ih;     /* (d); (a) for the handler: set before its first run */
	struct intr_handler *u_manual; /* same, the INTR_MANUAL one */
	enum edu_mode u_mode;          /* (h) */
	uint64_t u_arg;                /* (h) */
	struct mutex *u_block;         /* (h) */
	int u_ipl;                     /* (h) */

	/*
	 * A raise of number n stores n in u_raised, then writes the device. Whoever finds it there
	 * stores n in u_noted; the run that the raiser waits for ends with n in u_done.
	 */
	_Atomic uint64_t u_raised;      /* (~) release; acquire in edu_note() */
	_Atomic uint64_t u_raised_when; /* (~) counter at that time; ordered by u_raised */
	_Atomic uint64_t u_noted; /* (~) release in edu_note(); acquire in the thread function */
	_Atomic uint64_t u_done;  /* (~) with u_waiting; see edu_done() */
	_Atomic bool u_waiting;   /* (~) the raiser sleeps, or is about to */
	_Atomic uint32_t u_bits;  /* (~) completions that the filter found */
	_Atomic bool u_running;   /* (~) the thread function runs */
	uint64_t u_again;         /* only the thread function: reschedules left */
	uint64_t u_again_for;     /* same: the raise that they belong to */

	struct mutex u_fire_lock;     /* what follows, for edu_fire.c */
	struct lwp *u_fire;           /* (m: u_fire_lock) to be joined; NULL: none */
	uint64_t u_fire_n;            /* (a) for the lwp */
	int u_fire_error;             /* (a) by the lwp, read when it is joined */
	_Atomic uint64_t u_fire_done; /* (~) for show */
	_Atomic bool u_fire_stop;     /* (~) relaxed */
	_Atomic bool u_firing;        /* (~) release in fire_main(), acquire in edu_firing() */

	struct edu_counts u_count; /* (~) relaxed: counted, read for show */
};

static inline uint32_t edu_read(const struct edu *u, unsigned reg)
{
	return *(volatile uint32_t *)(u->u_regs + reg);
}

static inline void edu_write(const struct edu *u, unsigned reg, uint32_t value)
{
	*(volatile uint32_t *)(u->u_regs + reg) = value;
}

static inline void edu_write64(const struct edu *u, unsigned reg, uint64_t value)
{
	*(volatile uint64_t *)(u->u_regs + reg) = value;
}

static inline void edu_bump(_Atomic uint64_t *counter)
{
	/* Relaxed: a count orders nothing. */
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* edu_find - the unit, or NULL. Any context. */
struct edu *edu_find(unsigned unit);

/* edu_establish - handlers for u_mode at u_ipl; then whatever the device shows is sent again.
 * edu_disestablish - take them away, in the midst of interrupts. Thread context, u_admin held. */
int edu_establish(struct edu *u);
void edu_disestablish(struct edu *u);

/* edu_mode_works - does the thread function of that mode hear of completions? */
bool edu_mode_works(enum edu_mode mode);

#endif
