/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * callout.h - functions that run at a time, in thread context, from the softclock softint.
 *
 * Rules:
 * - A callout belongs to one CPU at a time; it runs there, in its IPL_SOFTCLOCK softint, and may
 *   take adaptive mutexes. Neighbours on the same CPU wait while it blocks.
 * - It never runs beside itself: armed while its function runs, it stays on that CPU.
 * - Never early; late by at most CALLOUT_RESOLUTION_NS and its tolerance, plus what stands before
 *   it on its CPU.
 * - Not to be armed from a filter or any hard context (asserted), but by
 *   callout_schedule_deferred().
 * - callout_halt() returns when the function neither runs nor will until armed again (I10).
 * - The function may arm, stop, destroy or free its own callout; nothing touches it afterwards.
 * - callout_destroy() before its memory is used for anything else.
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

/* Locking key: (w) the wheel's lock of c_wheel; (~) atomic. The first 64 bytes are all that arming,
 * stopping and cascading look at. */
struct callout {
	struct list c_entry;                 /* (w) slot of the wheel, or list of the due */
	struct callout_cpu *_Atomic c_wheel; /* (~) which CPU's; written under both locks */
	uint64_t c_tick;                     /* (w) when it is due: wheel.h */
	void (*c_fn)(void *);                /* (w) */
	void *c_arg;                         /* (w) */
	uint32_t c_flags;                    /* (w) kern/callout_impl.h */
	uint32_t c_tolerance;                /* (w) ticks */
	uint64_t c_when_ns;                  /* (w) of one that is periodic, tolerant or deferred */
	uint64_t c_period_ns;                /* (w) of a periodic one */
	uint64_t c_missed;                   /* (w) same: runs left out */
};

#define CALLOUT_RESOLUTION_NS 65536u

/* callout_init - ready; not armed, bound to no CPU, no tolerance. Any context. callout_destroy -
 * the end of it: not armed, and not running but in the caller (asserted). Thread context. */
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

/*
 * callout_schedule_periodic - run every `period_ns` (not 0), the first time that long from now, on
 * a grid that does not drift however late a run is. It is armed again before its function is
 * called, which therefore may stop it, or arm it as a one-shot. Runs whose time passes before the
 * one before them has ended are left out, but the last: callout_missed() counts them since it was
 * armed. As callout_schedule() otherwise.
 */
bool callout_schedule_periodic(struct callout *c, uint64_t period_ns);
uint64_t callout_missed(struct callout *c);

/* callout_schedule_deferred - callout_schedule() for filters and whoever holds a spin mutex. Counts
 * as armed at once, so that callout_stop() and its kin see it; the softclock softint does the rest.
 * Any context. Never blocks, needs no memory. */
bool callout_schedule_deferred(struct callout *c, uint64_t ns);

/* callout_tolerance - it may run up to `ns` late (at most 78 hours), so that neighbours share a
 * wakeup: holds for all later arms. 0: as soon as it is due. Thread context; not of a hard one. */
void callout_tolerance(struct callout *c, uint64_t ns);

/*
 * callout_bind - runs on `ci` from now on, whoever arms it; NULL: on the CPU of who arms it, again.
 * Thread context; never blocks. EBUSY while it is armed, or its function runs on another CPU;
 * ENODEV: that CPU does not run callouts. Not of a hard one (asserted).
 */
int callout_bind(struct callout *c, struct cpu *ci);

/* callout_stop - disarm; does not wait. Returns true if this prevented a run, false if the function
 * had begun or nothing was armed. Of a periodic one: true if there would have been another run, one
 * that has begun notwithstanding. Thread context; never blocks. */
bool callout_stop(struct callout *c);

/*
 * callout_halt - disarm, and wait for the function if it runs (not when called from it). If it has
 * to wait, `interlock` (an adaptive mutex that the caller holds, or NULL) is dropped meanwhile and
 * taken again. Thread context; may block. Returns as callout_stop(). In checked builds a function
 * that waits for another lock that the caller holds, which therefore never returns, is a panic that
 * names the lwps, the lock and the function.
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
 * pending or expired (a periodic one is both). Hints, unless the caller's own locks hold it still.
 * Thread context.
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
