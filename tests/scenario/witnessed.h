/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * witnessed.h - for scenarios that are searched to the end: what witness.c learns of a mutex when
 * it is entered first, and of an order, stands before the runs. It takes a lock of its own for
 * that, and every schedule of that would be gone through with each of the rest.
 */
#ifndef SCENARIO_WITNESSED_H
#define SCENARIO_WITNESSED_H

#include "scenario.h"

/* witnessed_mutex - make it, and enter it once. In setup(). */
static inline void witnessed_mutex(struct mutex *m, const char *name)
{
	mutex_init(m, name, IPL_NONE);
	mutex_enter(m);
	mutex_exit(m);
}

/* witnessed_order - `then` is entered under `first`. */
static inline void witnessed_order(struct mutex *first, struct mutex *then)
{
	mutex_enter(first);
	mutex_enter(then);
	mutex_exit(then);
	mutex_exit(first);
}

#endif
