/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * witness.h - the checker of locks and contexts, in checked builds. The essay is in
 * kern/witness.c. The hooks are for mutex.c and whoever calls a driver's function; in a release
 * build they are empty, and witness.c is not compiled. What the checker knows of an lwp is in
 * witness_lwp.h; the hooks of whoever waits for a function's end, in witness_wait.h.
 *
 * Settings and counts: sysctl debug.witness.*.
 */
#ifndef ITHACA_WITNESS_H
#define ITHACA_WITNESS_H

#include <ithaca/witness_lwp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lwp;
struct mutex;

#define WITNESS_CLASSES 256 /* names of mutexes, at one level each */
#define WITNESS_EDGES 2048  /* pairs of classes of which one was entered under the other */
#define WITNESS_REPORTS 256 /* of which it is remembered that they were made */

/* One pair of classes, for people. */
#define WITNESS_NAME_SIZE 28
#define WITNESS_PLACE_SIZE 48
struct witness_order {
	char wo_name[2][WITNESS_NAME_SIZE];   /* held; entered under it */
	uint8_t wo_ipl;                       /* of the second */
	char wo_place[2][WITNESS_PLACE_SIZE]; /* where each was entered the first time */
};

#if ITHACA_CHECKED

/* The place of a hook: the caller of the function that has the hook in it. */
#define WITNESS_PLACE __builtin_return_address(0)
#define WITNESS_INLINE static inline __attribute__((always_inline))

/* witness_mutex_init - a mutex has a new name and level. Any context. */
void witness_mutex_init(struct mutex *m);

/* witness_check_at, witness_hold_at, witness_exit_at, witness_spin_check_at, witness_spin_hold,
 * witness_spin_tried_at, witness_spin_exit_at, witness_sleep_at, witness_from_at, witness_left_at,
 * witness_return_slow - the other half of the hooks below. witness_splx - splx(): not below the
 * level at which the first spin mutex that is held was entered. */
void witness_check_at(struct mutex *m, const void *place);
void witness_hold_at(struct mutex *m, const void *place, bool tried);
void witness_exit_at(struct mutex *m, const void *place);
void witness_spin_check_at(struct mutex *m, const void *place);
void witness_spin_hold(struct mutex *m);
void witness_spin_tried_at(struct mutex *m, const void *place);
void witness_spin_exit_at(struct mutex *m, const void *place);
void witness_sleep_at(const char *wmesg, const void *place);
void witness_from_at(struct mutex *m, const void *place);
void witness_splx(int ipl);
void witness_left_at(struct mutex *m, const struct lwp *holder, const void *place);
void witness_return_slow(const char *what, const char *name, const void *fn);

/* witness_check - mutex_enter() begins: may this lwp take it here? witness_hold - it has it. */
WITNESS_INLINE void witness_check(struct mutex *m)
{
	witness_check_at(m, WITNESS_PLACE);
}

WITNESS_INLINE void witness_hold(struct mutex *m)
{
	witness_hold_at(m, WITNESS_PLACE, false);
}

/* witness_tried - mutex_tryenter() has it: as it did not wait, it keeps no order. */
WITNESS_INLINE void witness_tried(struct mutex *m)
{
	witness_hold_at(m, WITNESS_PLACE, true);
}

/* witness_exit - mutex_exit() begins. */
WITNESS_INLINE void witness_exit(struct mutex *m)
{
	witness_exit_at(m, WITNESS_PLACE);
}

/* witness_left - the same of a lock that is no mutex, and has one for its class: `holder` is who
 * has it, if that is known. */
WITNESS_INLINE void witness_left(struct mutex *m, const struct lwp *holder)
{
	witness_left_at(m, holder, WITNESS_PLACE);
}

/* witness_spin_check - mutex_spin_enter(), interrupts off, level not raised yet; then
 * witness_spin_hold(). */
WITNESS_INLINE void witness_spin_check(struct mutex *m)
{
	witness_spin_check_at(m, WITNESS_PLACE);
}

/* witness_spin_tried - mutex_tryenter() has a spin mutex, as above. */
WITNESS_INLINE void witness_spin_tried(struct mutex *m)
{
	witness_spin_tried_at(m, WITNESS_PLACE);
}

/* witness_spin_exit - mutex_spin_exit() begins, interrupts off if all is well. */
WITNESS_INLINE void witness_spin_exit(struct mutex *m)
{
	witness_spin_exit_at(m, WITNESS_PLACE);
}

/* witness_sleep - a function that sleeps begins, or may have to sleep. Any context. */
WITNESS_INLINE void witness_sleep(const char *wmesg)
{
	witness_sleep_at(wmesg, WITNESS_PLACE);
}

/* witness_from - the next mutex_enter() of `m` by this lwp is on behalf of the caller of the
 * function that this stands in. */
WITNESS_INLINE void witness_from(struct mutex *m)
{
	witness_from_at(m, WITNESS_PLACE);
}

/* witness_return - curlwp has called `fn`, a handler's, softint's or callout's function, and is
 * back: it must hold nothing. witness_filter_return - the same of a filter and spin mutexes. */
WITNESS_INLINE void witness_return(const char *what, const char *name, const void *fn)
{
	witness_return_slow(what, name, fn);
}
void witness_filter_return(const char *name, const void *fn);

/* witness_lwp_exit - curlwp ends: it must hold nothing. */
void witness_lwp_exit(void);

/* witness_init - for cpu.c: the sysctls, and the console's way. Thread context, once. Panics when
 * there is no memory. */
void witness_init(void);

/* witness_order_next - the first pair of classes from number `i` on; returns the number to go on
 * with, 0: there is none. Any context. */
unsigned witness_order_next(unsigned i, struct witness_order *out);

#else

#define witness_mutex_init(m) ((void)0)
#define witness_check(m) ((void)0)
#define witness_hold(m) ((void)0)
#define witness_tried(m) ((void)0)
#define witness_exit(m) ((void)0)
#define witness_left(m, holder) ((void)0)
#define witness_spin_check(m) ((void)0)
#define witness_spin_hold(m) ((void)0)
#define witness_spin_tried(m) ((void)0)
#define witness_spin_exit(m) ((void)0)
#define witness_splx(ipl) ((void)0)
#define witness_sleep(wmesg) ((void)0)
#define witness_from(m) ((void)0)
#define witness_return(what, name, fn) ((void)0)
#define witness_filter_return(name, fn) ((void)0)
#define witness_lwp_exit() ((void)0)
#define witness_init() ((void)0)

static inline unsigned witness_order_next(unsigned i, struct witness_order *out)
{
	(void)i;
	(void)out;
	return 0;
}

#endif

#endif
