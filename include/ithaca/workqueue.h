/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workqueue.h - work that may sleep for long, done by lwps.
 *
 * Rules:
 * - struct work is the caller's, embedded in what it works on; the queue needs no memory for it. It
 *   is left alone from workqueue_enqueue() until its run has ended: not freed, moved or made ready
 *   again. To be rid of it: workqueue_halt(). Its own function may not free it.
 * - FIFO: runs begin in the order in which they were asked for. With one lwp a queue they also end
 *   in it.
 * - Work that is queued stays where it is when it is queued again. Work that runs and is queued
 *   again runs again, where it runs now, whatever CPU or queue was asked for; never beside itself.
 * - The function runs in an ordinary lwp at the queue's priority, level none, and may do what any
 *   lwp may; it returns with no lock held, at level none, with preemption enabled (asserted).
 */
#ifndef ITHACA_WORKQUEUE_H
#define ITHACA_WORKQUEUE_H

#include <ithaca/queue.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct work_fifo;
struct workqueue;

#define WQ_PERCPU 0x01 /* a FIFO and lwps for each CPU, bound to it; else one FIFO, lwps anywhere */

#define WQ_NAME_MAX 16
#define WQ_LWPS_MAX 16 /* of one FIFO */
#define WQ_LIMIT_MAX 1000000u

/* Locking key: (f) the lock of the FIFO that wk_fifo points at; (a) set once; (~) atomic. */
struct work {
	struct list wk_entry;              /* (f) on the FIFO: a run is owed */
	struct work_fifo *_Atomic wk_fifo; /* (~) not NULL: queued or running; written under (f) */
	uint64_t wk_seq;                   /* (f) its turn in the FIFO */
	uint32_t wk_asked;                 /* (f) runs asked for */
	uint32_t wk_done;                  /* (f) ... and ended or cancelled */
	bool wk_running;                   /* (f) */
	bool wk_waiters;                   /* (f) somebody wants to know when wk_done changes */
	_Atomic unsigned wk_halts;         /* (~) workqueue_halt() under way: do not queue */
	void (*wk_fn)(void *);             /* (a) */
	void *wk_arg;                      /* (a) */
};

/*
 * workqueue_create - a queue, with `lwps` lwps (1 to WQ_LWPS_MAX) a FIFO at priority `pri` (PRI_MIN
 * to PRI_MAX). `limit`: at most so many works queued or running a FIFO, 1 to WQ_LIMIT_MAX; 0: no
 * limit. Thread context; may block. EINVAL: an argument is outside its limits; ENOMEM: nothing is
 * left behind. `name` is copied and cut at WQ_NAME_MAX - 1.
 */
int workqueue_create(const char *name, int pri, unsigned flags, unsigned lwps, unsigned limit,
    struct workqueue **out);

/*
 * workqueue_destroy - refuse what comes from now on (ESHUTDOWN), do all that is queued, and free
 * the queue; work may pour in until the call returns, not later. Thread context; blocks as long as
 * the works take. EDEADLK: called from a work of this queue; nothing done.
 */
int workqueue_destroy(struct workqueue *wq);

/* work_init - ready; not queued. Any context. */
void work_init(struct work *wk, void (*fn)(void *), void *arg);

/*
 * workqueue_enqueue - have it done: on this CPU, or by the one FIFO. What was written before is
 * visible to the run. Any context up to filters; never blocks. 0: a run that begins later is owed.
 * EAGAIN: the limit is reached. ESHUTDOWN: the queue is being destroyed, or that in which the
 * work runs, or the work halted.
 * workqueue_enqueue_cpu - the same on that CPU. EINVAL also: not a WQ_PERCPU queue, or the CPU
 * joined after the queue was made.
 */
int workqueue_enqueue(struct workqueue *wq, struct work *wk);
int workqueue_enqueue_cpu(struct workqueue *wq, struct work *wk, struct cpu *ci);

/* workqueue_cancel - the run that is owed does not take place: true. False: none was owed, though
 * one may be under way. Any context up to filters; never blocks. */
bool workqueue_cancel(struct work *wk);

/*
 * workqueue_wait - until every run that was asked for before the call has ended or was cancelled;
 * not for those asked for meanwhile, so work that queues itself does not keep it. Thread context;
 * blocks. EDEADLK: called from that work, or from another that stands in its way, being done by
 * the only lwp of its FIFO.
 */
int workqueue_wait(struct work *wk);

/*
 * workqueue_halt - cancel, refuse it meanwhile (ESHUTDOWN), and wait while it runs: afterwards it
 * neither runs nor will until queued again, and is the caller's. Thread context; blocks. EDEADLK:
 * called from that work; a run that was owed is cancelled all the same.
 */
int workqueue_halt(struct work *wk);

/* workqueue_drain - until every work that was queued here before the call has been done; not those
 * queued meanwhile, also by themselves. Thread context; blocks. EDEADLK: called from a work of this
 * queue. */
int workqueue_drain(struct workqueue *wq);

struct workqueue_info {
	char wi_name[WQ_NAME_MAX];
	unsigned wi_fifos, wi_lwps, wi_limit; /* lwps of one FIFO */
	int wi_pri;
	unsigned wi_queued, wi_running,
	    wi_queued_max;            /* of all FIFOs; the most that one ever had */
	uint64_t wi_runs, wi_refused; /* for want of room */
};

/* workqueue_info - about queue number `i` from 0, in order of creation; ENOENT: there are not so
 * many. Any context up to filters. */
int workqueue_info(unsigned i, struct workqueue_info *out);

/* workqueue_dump - every queue that has something to do, and what. Takes no lock. */
void workqueue_dump(void);

#endif
