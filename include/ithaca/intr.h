/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * intr.h - sources, handlers, filters.
 *
 * Rules for drivers:
 * - A filter runs in hard-interrupt context: it quiets its device, moves bytes, decides; it takes
 *   only spin mutexes and never blocks. On a shared line every filter is asked, every time.
 * - A thread function runs in an ithread at the handler's level: it may take adaptive mutexes and
 *   sleep. It never runs beside itself. It returns whether the device had asked for it.
 * - A handler without a filter on a level line is safe: the line stays masked until the thread
 *   function has returned.
 * - intr_disestablish() returns when neither will run again: after it the driver may free all.
 */
#ifndef ITHACA_INTR_H
#define ITHACA_INTR_H

#include <ithaca/balance.h>
#include <ithaca/cpu.h>
#include <ithaca/runstate.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a filter answers. HANDLED and SCHEDULE_THREAD may be or-ed. */
#define FILTER_STRAY 0x0           /* not mine */
#define FILTER_HANDLED 0x1         /* mine, and the device is quiet */
#define FILTER_SCHEDULE_THREAD 0x2 /* run my thread function; alone: it will say whose it was */

/* Flags of a handler. */
#define INTR_MANUAL 0x01         /* never queued by dispatch, only by hwi_sched() */
#define INTR_EXCL 0x02           /* shares its source with nobody */
#define INTR_MIGRATE 0x04        /* an idle CPU may drain it when its own is backlogged */
#define INTR_CONTINUE 0x08       /* will call intr_continue() (continue.h) */
#define INTR_CONTINUE_SLEEP 0x10 /* will call intr_continue_sleep() */
#define INTR_SLOTS(n) ((n) << 8) /* for so many at a time of each kind, 1 to 255 */
#define INTR_SLOTS_MASK INTR_SLOTS(0xffu)
#define INTR_SLOTS_DEFAULT 16

#define INTR_NAME_MAX 24
#define INTR_HANDLERS_MAX 32 /* of one source */

enum intr_trigger {
	INTR_LEVEL,  /* a line that stays up: masked while a thread works for it */
	INTR_EDGE,   /* a line that pulses: never masked */
	INTR_MESSAGE /* MSI, MSI-X: never masked */
};

typedef unsigned intr_filter_t(void *arg);
typedef bool intr_thread_t(void *arg);

struct intr_source;
enum { LATER_SOFT, LATER_SLEEP, LATER_KINDS };

/* How a controller does what intr.c asks. mask and unmask: any context, interrupts off. */
struct intr_pic {
	const char *pic_name;
	void (*pic_mask)(struct intr_source *is);   /* NULL: cannot be masked (some MSI) */
	void (*pic_unmask)(struct intr_source *is); /* NULL with pic_mask */
	/* Deliver to `ci` from now on; the CPU before may still have one in flight. Thread context,
	 * may block. ENOSPC: no vector left there, nothing changed. NULL: cannot be moved. */
	int (*pic_route)(struct intr_source *is, struct cpu *ci);
	/* After pic_route, on the CPU before, interrupts off, until it says true: nothing is in
	 * flight any more, and what it had there is free. */
	bool (*pic_routed)(struct intr_source *is);
};

/* Counts kept by each CPU for a handler or a source; only that CPU writes, anyone reads. */
struct intr_stats {
	_Alignas(64) _Atomic uint64_t st_count; /* runs of the thread function, or interrupts */
	_Atomic uint64_t st_ticks;              /* counter ticks: thread function, or dispatch */
	_Atomic uint64_t st_stray;              /* runs or interrupts that nobody claimed */
};

/*
 * Locking key: (a) set once before it is shared; (i) the CPU that queued it, interrupts off;
 * (m) intr_mutex; (s) is_lock; (~) atomic.
 */
struct intr_handler {
	struct intr_handler *_Atomic ih_next; /* (m) written; (~) read by dispatch */
	intr_filter_t *ih_filter;             /* (a) or NULL */
	intr_thread_t *ih_thread;             /* (a) or NULL */
	void *ih_arg;                         /* (a) */
	runstate_t ih_state;                  /* (~) runstate.h; intr.c tells the whole story */
	uint8_t ih_ipl;                       /* (a) */
	uint8_t ih_flags;                     /* (a) INTR_* */
	uint8_t ih_bit;                       /* (a) number in is_set */
	bool ih_level;                        /* (a) its source is INTR_LEVEL */
	bool ih_special;                      /* (a) ... or it is manual, or without a thread */
	_Atomic bool ih_dying;                /* (~) intr_disestablish() waits for ih_state 0 */
	uint16_t ih_pending;                  /* (a) its bit of ci_pending */
	uint32_t ih_gate;                     /* (a) l_gate of an ithread that runs it */
	struct intr_handler *ih_qnext;        /* (i) next in the pending queue */
	struct intr_source *ih_source;        /* (a) */
	struct intr_stats *ih_stats;          /* (a) one a CPU */
	struct later *ih_later[LATER_KINDS];  /* (a) continue.c: its continuations, or NULL */
	struct latency *_Atomic ih_late;      /* (~) latency.c: its counts; NULL: not counted */
	_Atomic uint64_t ih_asked;            /* (~) latency.c: when a run came to be owed */
	struct lwp *ih_lwp;                   /* (a) model "dedicated": its thread */
	bool ih_ended;                        /* same: that is to end */
	char ih_name[INTR_NAME_MAX];          /* (a) */
	uint32_t ih_id;                       /* (a) number of its own, from 1 */
};

struct intr_source {
	struct intr_handler *_Atomic is_plain;    /* (~) whom dispatch asks: is_any or one */
	struct intr_handler *_Atomic is_handlers; /* (m) written; (~) read by dispatch */
	struct intr_stats *is_stats;              /* (a) one a CPU */
	uint8_t is_trigger;                       /* (a) enum intr_trigger */
	_Atomic bool is_held;          /* (~) storm.c: do not dispatch (cannot be masked) */
	bool is_masked;                /* (s) at the controller */
	_Atomic uint32_t is_unclaimed; /* (~) interrupts in a row that nobody claimed */
	uint64_t is_set;               /* (s) level: who keeps it masked, a bit each */
	uint64_t is_masked_since;      /* (s) counter */
	struct spin is_lock;
	const struct intr_pic *is_pic; /* (a) */
	void *is_cookie;               /* (a) the controller's */
	struct cpu *_Atomic is_cpu;    /* (m) written */
	uint32_t is_line;              /* (a) number to show: GSI, or vector of the function */
	unsigned is_nhandlers;         /* (m) */
	uint64_t is_bits;              /* (m) ih_bit numbers in use */
	struct list is_all;            /* (m) */
	struct storm *is_storm;        /* (m) storm.c */
	struct balance is_balance;     /* (m) balance.c */
	struct intr_handler is_any;    /* (a) not on the list: its filter asks those that are */
	char is_name[INTR_NAME_MAX];   /* (a) */
};

/* Members of is_set that are not handlers. */
#define IS_SET_HANDLERS (((uint64_t)1 << 62) - 1) /* all that are */
#define IS_SET_DISABLED ((uint64_t)1 << 62)       /* no handler established */
#define IS_SET_STORM ((uint64_t)1 << 63)          /* storm.c holds it */

/*
 * intr_source_create - a controller or bus announces a source, masked, that goes to `ci`.
 * Thread context; may block. ENOMEM. `name` is copied.
 * intr_source_destroy - take it away; EBUSY while it has handlers.
 */
int intr_source_create(const char *name, enum intr_trigger trigger, const struct intr_pic *pic,
    void *cookie, struct cpu *ci, struct intr_source **out);
int intr_source_destroy(struct intr_source *is);

/*
 * intr_establish - register a handler: a filter, a thread function, or both, at thread level `ipl`
 * (IPL_BIO to IPL_TTY; a handler with a filter alone may say IPL_VM). The first one unmasks the
 * source. It may be called at once, even before this returns.
 * Thread context; may block. On success *out is the handle.
 * EINVAL: no function, bad level or flags, INTR_MANUAL without a thread function, INTR_SLOTS()
 * without a kind of continuation. EBUSY: the source is exclusive, or INTR_EXCL asked for one that
 * is in use. ENOSPC: INTR_HANDLERS_MAX. ENOMEM.
 */
int intr_establish(struct intr_source *is, const char *name, int ipl, unsigned flags,
    intr_filter_t *filter, intr_thread_t *thread, void *arg, struct intr_handler **out);

/*
 * intr_disestablish - the handler goes; returns when neither its filter nor its thread function
 * runs or will run (I12). A queued run still takes place first. The last one masks the source.
 * Thread context; blocks. Frees `ih`. EDEADLK when called from the handler itself: nothing done.
 */
int intr_disestablish(struct intr_handler *ih);

/*
 * hwi_sched - queue the handler's thread function on this CPU, at the back; from the handler
 * itself: run again after its neighbours. Any context up to filters. Never blocks. A handler that
 * is queued already stays where it is. Not after intr_disestablish() has begun: then ignored. It
 * does not mask a level source: who calls it in a filter has quieted the device. A handler that
 * dispatch had queued keeps the line masked also through the runs that it asks for itself.
 */
void hwi_sched(struct intr_handler *ih);

/* intr_bind - deliver the source to `ci` from now on; balance.c leaves it there till intr_unbind().
 * Thread context; may block. EINVAL: no such CPU; ENOSPC: no vector left there; EOPNOTSUPP: the
 * controller cannot. Nothing is lost. */
int intr_bind(struct intr_source *is, struct cpu *ci);
void intr_unbind(struct intr_source *is);

/* intr_source_each - call fn for every source, in order of creation, until it answers false, with
 * the list held still: fn may not establish or create. Thread context; may block. */
void intr_source_each(bool (*fn)(struct intr_source *is, void *arg), void *arg);

/* intr_hold, intr_release - join (leave) the set that keeps the source masked, as `bit`
 * (IS_SET_*). For storm.c. Thread or hard context. */
void intr_hold(struct intr_source *is, uint64_t bit);
void intr_release(struct intr_source *is, uint64_t bit);

/* intr_stats_of - this CPU's part of a handler's or a source's counts. */
static inline struct intr_stats *intr_stats_of(struct intr_stats *all, const struct cpu *ci)
{
	return (struct intr_stats *)(void *)((char *)all + ci->ci_stats_offset);
}

/* intr_model - how thread functions get to run here: "handoff", or what the core was built with
 * instead. intr_may_block - may they block? Not where they run in the interrupt itself. */
const char *intr_model(void);
bool intr_may_block(void);

/* intr_dump - sources, handlers, states, pending queues: on the console. Any context, no lock. */
void intr_dump(void);

#endif
