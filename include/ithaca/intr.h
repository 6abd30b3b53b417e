/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * intr.h - sources, handlers, filters. What a handler is made of, its flags and what its filter
 * answers: handler.h, which this includes.
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
#include <ithaca/handler.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTR_HANDLERS_MAX 32 /* of one source */

typedef unsigned intr_filter_t(void *arg);
typedef bool intr_thread_t(void *arg);

enum intr_trigger {
	INTR_LEVEL,  /* a line that stays up: masked while a thread works for it */
	INTR_EDGE,   /* a line that pulses: never masked */
	INTR_MESSAGE /* MSI, MSI-X: never masked */
};

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

/* Locking key: (a) set once before it is shared; (m) intr_mutex; (s) is_lock; (~) atomic. */
struct intr_source {
	struct intr_handler *_Atomic is_plain; /* (~) whom dispatch asks: one, is_any, is_moving */
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
	struct intr_handler is_moving; /* (a) the same, where one of them has INTR_MIGRATE */
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
 * without a kind of continuation, INTR_MIGRATE without a thread function. EOPNOTSUPP: INTR_MIGRATE
 * where handlers have threads of their own (intr_may_migrate()). EBUSY: the source is exclusive, or
 * INTR_EXCL asked for one that is in use. ENOSPC: INTR_HANDLERS_MAX. ENOMEM.
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

/* intr_model - how thread functions get to run here: "handoff", or what the core was built with
 * instead. intr_may_block - may they block? Not where they run in the interrupt itself.
 * intr_may_migrate - may they have INTR_MIGRATE? Not where each has a thread of its own. */
const char *intr_model(void);
bool intr_may_block(void);
bool intr_may_migrate(void);

/* intr_dump - sources, handlers, states, pending queues: on the console. Any context, no lock. */
void intr_dump(void);

#endif
