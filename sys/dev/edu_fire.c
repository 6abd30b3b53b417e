/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * edu_fire.c - interrupts that pour in while the caller does something else.
 *
 * One lwp a unit raises and waits, raise after raise, until it has done its number, is told to
 * stop, or the unit is detached beneath it. It is an ordinary user of edu.h, so several units fire
 * from several CPUs at once, and attach, detach and changes of mode happen in the midst of it.
 *
 * Contexts: thread, may block. Lock order: u_fire_lock -> what edu.c takes. Invariants: none of
 * its own. Not for: the raise itself, see edu.c.
 */
#include "edu.h"

#include "edu_impl.h"
#include <ithaca/errno.h>
#include <ithaca/lwp.h>

#define PRI_FIRE 24 /* below the shell and all that does something */
#define PIECE 64u   /* raises between two looks at u_fire_stop */

static void fire_main(void *arg)
{
	struct edu *u = arg;
	uint64_t sum = 0, done;
	int error = 0;

	/* Relaxed: seen sooner or later; edu_fire_end() joins. */
	while (sum < u->u_fire_n && error == 0 &&
	    !atomic_load_explicit(&u->u_fire_stop, memory_order_relaxed)) {
		uint64_t piece = u->u_fire_n - sum;

		error = edu_raise(u->u_unit, piece < PIECE ? piece : PIECE, &done);
		sum += done;
		/* Relaxed: for show while it runs, ordered by the join at the end. */
		atomic_store_explicit(&u->u_fire_done, sum, memory_order_relaxed);
	}
	u->u_fire_error = error;
	/* Release: with the acquire in edu_firing(). */
	atomic_store_explicit(&u->u_firing, false, memory_order_release);
}

int edu_fire(unsigned unit, uint64_t n)
{
	struct edu *u = edu_find(unit);
	int error = 0;

	if (u == NULL)
		return ENXIO;
	mutex_enter(&u->u_fire_lock);
	if (u->u_fire != NULL) {
		error = EBUSY;
	} else {
		u->u_fire_n = n;
		atomic_store_explicit(&u->u_fire_done, 0, memory_order_relaxed);
		atomic_store_explicit(&u->u_fire_stop, false, memory_order_relaxed);
		atomic_store_explicit(&u->u_firing, true, memory_order_relaxed);
		error =
		    lwp_create("edu fire", PRI_FIRE, NULL, LWP_JOINABLE, fire_main, u, &u->u_fire);
		if (error != 0) {
			u->u_fire = NULL;
			atomic_store_explicit(&u->u_firing, false, memory_order_relaxed);
		}
	}
	mutex_exit(&u->u_fire_lock);
	return error;
}

bool edu_firing(unsigned unit)
{
	struct edu *u = edu_find(unit);

	return u != NULL && atomic_load_explicit(&u->u_firing, memory_order_acquire);
}

int edu_fire_end(unsigned unit, uint64_t *done)
{
	struct edu *u = edu_find(unit);
	int error;

	if (u == NULL)
		return ENXIO;
	mutex_enter(&u->u_fire_lock);
	if (u->u_fire == NULL) {
		mutex_exit(&u->u_fire_lock);
		return ENOENT;
	}
	atomic_store_explicit(&u->u_fire_stop, true, memory_order_relaxed);
	lwp_join(u->u_fire);
	u->u_fire = NULL;
	error = u->u_fire_error;
	*done = atomic_load_explicit(&u->u_fire_done, memory_order_relaxed);
	mutex_exit(&u->u_fire_lock);
	return error;
}
