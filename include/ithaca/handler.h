/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler.h - one driver's registration on a source: its filter's answers, its flags, its record.
 *
 * Drivers include intr.h, which includes this one; the rules are there. What is done with the
 * record is told in kern/intr.c and kern/ithread.c.
 */
#ifndef ITHACA_HANDLER_H
#define ITHACA_HANDLER_H

#include <ithaca/cpu.h>
#include <ithaca/runstate.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What a filter answers. HANDLED and SCHEDULE_THREAD may be or-ed. */
#define FILTER_STRAY 0x0           /* not mine */
#define FILTER_HANDLED 0x1         /* mine, and the device is quiet */
#define FILTER_SCHEDULE_THREAD 0x2 /* run my thread function; alone: it will say whose it was */

/* Flags of a handler. */
#define INTR_MANUAL 0x01         /* never queued by dispatch, only by hwi_sched() */
#define INTR_EXCL 0x02           /* shares its source with nobody */
#define INTR_MIGRATE 0x04        /* an idle CPU may run it when its own cannot: migrate.c */
#define INTR_CONTINUE 0x08       /* will call intr_continue() (continue.h) */
#define INTR_CONTINUE_SLEEP 0x10 /* will call intr_continue_sleep() */
#define INTR_SLOTS(n) ((n) << 8) /* for so many at a time of each kind, 1 to 255 */
#define INTR_SLOTS_MASK INTR_SLOTS(0xffu)
#define INTR_SLOTS_DEFAULT 16

#define INTR_NAME_MAX 24

struct intr_source;
enum { LATER_SOFT, LATER_SLEEP, LATER_KINDS };

/* Counts kept by each CPU for a handler or a source; only that CPU writes, anyone reads. */
struct intr_stats {
	_Alignas(64) _Atomic uint64_t st_count; /* runs of the thread function, or interrupts */
	_Atomic uint64_t st_ticks;              /* counter ticks: thread function, or dispatch */
	_Atomic uint64_t st_stray;              /* runs or interrupts that nobody claimed */
	_Atomic uint64_t st_migrated;           /* runs that another CPU could not get to */
};

/*
 * Locking key: (a) set once before it is shared; (i) the CPU in whose queue it is, interrupts off;
 * (m) intr_mutex; (~) atomic.
 */
struct intr_handler {
	struct intr_handler *_Atomic ih_next; /* (m) written; (~) read by dispatch */
	unsigned (*ih_filter)(void *arg);     /* (a) or NULL */
	bool (*ih_thread)(void *arg);         /* (a) or NULL */
	void *ih_arg;                         /* (a) */
	runstate_t ih_state;                  /* (~) runstate.h; intr.c tells the whole story */
	uint8_t ih_ipl;                       /* (a) */
	uint8_t ih_flags;                     /* (a) INTR_* */
	uint8_t ih_bit;                       /* (a) number in is_set */
	bool ih_level;                        /* (a) its source is INTR_LEVEL */
	bool ih_special;               /* (a) ... or it is manual, may migrate, has no thread */
	_Atomic bool ih_dying;         /* (~) intr_disestablish() waits for ih_state 0 */
	uint16_t ih_pending;           /* (a) its bit of ci_pending */
	uint32_t ih_gate;              /* (a) l_gate of an ithread that runs it */
	bool ih_any;                   /* (a) a source's own, that asks those on its list */
	struct intr_handler *ih_qnext; /* (i) next in the pending queue, or passed on */
	struct intr_source *ih_source; /* (a) */
	struct intr_stats *ih_stats;   /* (a) one a CPU */
	struct later *ih_later[LATER_KINDS]; /* (a) continue.c: its continuations, or NULL */
	struct latency *_Atomic ih_late;     /* (~) latency.c: its counts; NULL: not counted */
	_Atomic uint64_t ih_asked;           /* (~) latency.c: when a run came to be owed */
	struct lwp *ih_lwp;                  /* (a) model "dedicated": its thread */
	bool ih_ended;                       /* same: that is to end */
	char ih_name[INTR_NAME_MAX];         /* (a) */
	uint32_t ih_id;                      /* (a) number of its own, from 1 */
};

/* intr_stats_of - this CPU's part of a handler's or a source's counts. */
static inline struct intr_stats *intr_stats_of(struct intr_stats *all, const struct cpu *ci)
{
	return (struct intr_stats *)(void *)((char *)all + ci->ci_stats_offset);
}

#endif
