/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * invariant.h - what invariant.c and watch.c look at, for the files of port/sim that tell them.
 * All of it while the explorer has the machine (xp_on), and in no step of its own.
 */
#ifndef SIM_INVARIANT_H
#define SIM_INVARIANT_H

#include "explore.h"
#include "simint.h"

/* What is kept here is undone with the rest when a run begins. It is no part of what a run leaves
 * (xp_end_state()): it may tell runs apart that are the same to the core. */
#define INV_KEPT __attribute__((section("inv_kept")))
extern char __start_inv_kept[], __stop_inv_kept[];

#define INV_CHANGE(a, v)                                                                           \
	do {                                                                                       \
		xp_dirty((uintptr_t) & (a), sizeof(a));                                            \
		(a) = (v);                                                                         \
	} while (0)

/* inv_settles - interrupts of this CPU are about to come on, or it idles: what belongs to it alone
 * must be whole. If those of all the others are on too, so must be what they share. */
void inv_settles(struct sim_vcpu *v);

/* inv_handoff, inv_leaves, inv_back - an ithread starts on top of another lwp; an lwp leaves its
 * CPU; one that was pinned goes on. */
void inv_handoff(struct lwp *it);
void inv_leaves(struct lwp *l);
void inv_back(void);

/* inv_end - nothing can happen any more: before the scenario's own check. */
void inv_end(void);

/* watch_on - set before xp_start(): functions that are established from now on are watched. */
extern bool watch_on;

/* watch_served - for line.c: an interrupt of that source is about to be dispatched. */
void watch_served(const struct intr_source *is);

/* watch_settled - for invariant.c, when nothing is half done: what is owed is on its way.
 * watch_end - and at the end of a run: nothing is owed. */
void watch_settled(void);
void watch_end(void);

/* invariant.c, for watch.c: an ithread exists, or does no more. */
void inv_ithread(struct lwp *l, bool exists);

/* invariant.c, for watch.c: nobody changes the size of the pool, no ithread is in the making. */
void inv_resized(void);

/* invariant.c: does `ih` stand in a pending queue? */
bool inv_queued(const struct intr_handler *ih);

#endif
