/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * callout.h - functions that run at a time, in thread context, from the softclock softint.
 *
 * Rules:
 * - A callout belongs to one CPU at a time; it runs there, in its IPL_SOFTCLOCK softint, and may
 *   take adaptive mutexes. Neighbours on the same CPU wait while it blocks.
 * - It never runs beside itself: armed while its function runs, it stays on that CPU.
 * - Never early; late by at most CALLOUT_RESOLUTION_NS, plus what stands before it on its CPU.
 * - Not to be armed from a filter or any hard context (asserted).
 * - callout_halt() returns when the function neither runs nor will until armed again (I10).
 * - The function may arm, stop, destroy or free its own callout; nothing touches it afterwards.
 */
#ifndef ITHACA_CALLOUT_H
#define ITHACA_CALLOUT_H

#include <ithaca/queue.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct callout_cpu;
struct mutex;

/* Locking key: (w) the wheel's lock of c_wheel; (~) atomic. */
struct callout {
	struct list c_entry;                 /* (w) slot of the wheel, or list of the due */
	struct callout_cpu *_Atomic c_wheel; /* (~) which CPU's; written under both locks */
	uint64_t c_when_ns;                  /* (w) */
	void (*c_fn)(void *);                /* (w) */
	void *c_arg;                         /* (w) */
	uint8_t c_state;                     /* (w) callout.c */
	uint8_t c_slot_level;                /* (w) where in the wheel */
	uint8_t c_slot;                      /* (w) */
	bool c_expired; /* (w) begun since it was last armed, stopped or acked */
	bool c_shut;    /* (w) callout_shutdown(): not to be armed again */
	bool c_hard;    /* (a) callout_init_hard() */
};

#define CALLOUT_RESOLUTION_NS 65536u

/* callout_init - ready; not armed. Any context. callout_destroy - the end of it: not armed, and not
 * running but in the caller (asserted). Thread context. */
void callout_init(struct callout *c);

/* callout_init_hard - for the core: one whose function runs in the clock interrupt, at IPL_SCHED
 * with interrupts off. It may wake somebody and no more; nor may it use its own callout. */
void callout_init_hard(struct callout *c);
void callout_destroy(struct callout *c);

/* callout_setfunc - what to call; not while armed. Thread context. */
void callout_setfunc(struct callout *c, void (*fn)(void *), void *arg);

/* callout_schedule - arm to run `ns` nanoseconds from now, on this CPU; moves one that is armed.
 * Thread context, adaptive mutexes may be held; never blocks. callout_schedule_at: absolute
 * clock_ns() time; one in the past runs at once. Both return whether it was armed before. */
bool callout_schedule(struct callout *c, uint64_t ns);
bool callout_schedule_at(struct callout *c, uint64_t when_ns);

/* callout_reset - callout_setfunc() and callout_schedule() in one step. */
bool callout_reset(struct callout *c, uint64_t ns, void (*fn)(void *), void *arg);

/* callout_stop - disarm; does not wait. Returns true if this prevented a run, false if the function
 * had begun or nothing was armed. Thread context; never blocks. */
bool callout_stop(struct callout *c);

/*
 * callout_halt - disarm, and wait for the function if it runs (not when called from it). If it has
 * to wait, `interlock` (an adaptive mutex that the caller holds, or NULL) is dropped meanwhile and
 * taken again. Thread context; may block. Returns as callout_stop().
 */
bool callout_halt(struct callout *c, struct mutex *interlock);

/* callout_trystop - disarm, and never wait: for a caller who holds the lock that the function
 * wants. Returns true if the function neither runs (but in the caller) nor will; false: it runs
 * now, try again later. Thread context. */
bool callout_trystop(struct callout *c);

/* callout_shutdown - callout_halt(), for good: every later arm is refused, quietly, so that
 * teardown cannot race with it. callout_init() lifts it. */
bool callout_shutdown(struct callout *c, struct mutex *interlock);

/*
 * callout_pending - armed and not begun. callout_invoking - its function runs now.
 * callout_expired - it has begun, and was not armed, stopped or acked since. callout_active -
 * pending or expired. Hints, unless the caller's own locks hold it still. Thread context.
 * callout_ack - the function, under the caller's lock, takes note: no longer expired.
 */
bool callout_pending(struct callout *c);
bool callout_invoking(struct callout *c);
bool callout_expired(struct callout *c);
bool callout_active(struct callout *c);
void callout_ack(struct callout *c);

/* callout_attach - for cpu.c: a CPU's wheel. ENOMEM. */
int callout_attach(struct cpu *ci);

/* callout_detach - give the wheel back: nothing was ever armed on it. Thread context; blocks. */
void callout_detach(struct cpu *ci);

/* callout_tick - for clock.c, interrupts off: is something due? Then the softclock softint is
 * scheduled. Returns when to look again (ns), UINT64_MAX when nothing is armed. */
uint64_t callout_tick(struct cpu *ci, uint64_t now_ns);

#endif
