/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * witness_lwp.h - what the lock checker knows of an lwp: the mutexes that it holds, and whom it
 * waits for where no lock says so. For struct lwp and kern/witness*.c alone. In a release build
 * struct witness_lwp has no size.
 */
#ifndef ITHACA_WITNESS_LWP_H
#define ITHACA_WITNESS_LWP_H

#include <stdatomic.h>
#include <stdint.h>

struct callout;
struct lwp;
struct mutex;

#define WITNESS_HELD_MAX 16 /* adaptive mutexes held by an lwp, and spin mutexes as well */

#if ITHACA_CHECKED

struct witness_held {
	const struct mutex *_Atomic wh_mutex; /* (~) who looks from elsewhere believes it not */
	const void *_Atomic wh_place;         /* (~) whoever entered it */
	_Atomic uint16_t wh_class;            /* (~) */
};

struct witness_list {
	_Atomic unsigned wl_n; /* (~) own lwp writes */
	struct witness_held wl_held[WITNESS_HELD_MAX];
};

/* What an lwp holds. The spin mutexes are those of the interrupts on top of it, too. */
struct witness_lwp {
	struct witness_list w_adaptive;
	struct witness_list w_spin; /* (i) */
	unsigned w_missed;          /* adaptive mutexes held that are not in the list */
	/* mutex_enter() of a spin mutex, by an lwp and by a filter on top of it: from where. */
	const struct mutex *w_from[2];
	const void *w_from_place[2];
	const void *w_spin_place;
	/* callout_halt(): whose function it waits for, without what. witness_wait.h */
	const struct callout *_Atomic w_halts;   /* (~) release by its lwp, acquire by others */
	const struct mutex *_Atomic w_interlock; /* (~) relaxed: written before w_halts */
	/* lwp_join(): see witness_wait.c. All (~), and that pair with each other, seq_cst. */
	struct lwp *_Atomic w_joins;            /* for whose end it waits */
	const void *_Atomic w_join_place;       /* relaxed: written before w_joins */
	struct lwp *_Atomic w_joiner;           /* who waits for its end; that one writes */
	_Atomic uint16_t w_wants;               /* the class of what it enters, or waits for */
	const struct mutex *_Atomic w_wants_it; /* relaxed: written before w_wants */
	const void *_Atomic w_wants_place;      /* same */
	const char *_Atomic w_queue;            /* (~) relaxed: of the work that it does, or NULL */
	const void *_Atomic w_work;             /* (~) relaxed: its function */
	uint8_t w_spin_ipl; /* the level at which the first of those held was entered */
};

#else

struct witness_lwp {
};

#endif

#endif
