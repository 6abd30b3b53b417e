/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * callout_impl.h - what the two files of callouts have in common: callout.c (the wheels, and what
 * arms and runs), callout_stop.c (what disarms, waits and asks).
 */
#ifndef KERN_CALLOUT_IMPL_H
#define KERN_CALLOUT_IMPL_H

#include <ithaca/callout.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/softint.h>
#include <ithaca/spin.h>
#include <ithaca/wheel.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* c_flags */
#define CALLOUT_LIVE 0x01 /* initialised, and not destroyed */
#define CALLOUT_ARMED 0x02
#define CALLOUT_EXPIRED 0x04 /* begun since it was last armed, stopped or acked */
#define CALLOUT_SHUT 0x08    /* callout_shutdown(): not to be armed again */
#define CALLOUT_HARD 0x10    /* callout_init_hard(): set once before it is shared */
#define CALLOUT_BOUND 0x20
#define CALLOUT_PERIODIC 0x40
#define CALLOUT_TOLERANT 0x80

enum {
	SOFT, /* run in the softint */
	HARD  /* run in the clock interrupt */
};

/* Locking key: (a) set once before it is shared; (w) cw_lock, interrupts off. */
struct callout_cpu {
	struct spin cw_lock;
	bool cw_halters; /* (w) somebody waits for cw_invoking[SOFT] to return */
	bool cw_busy[2]; /* (w) SOFT: the softint is scheduled or at work; HARD: the interrupt is */
	/* (w) a tick after wh_tick: the clock comes by then, and nothing that is armed is due
	 * before. WHEEL_NEVER: nothing is armed, or busy: whoever is at work asks the clock when it
	 * has finished. */
	uint64_t cw_want[2];
	struct callout *cw_invoking[2];  /* (w) whose function runs */
	struct lwp *cw_runner;           /* (w) which lwp runs that of cw_invoking[SOFT] */
	void (*cw_fn)(void *);           /* (w) and what it is */
	const struct callout *cw_waking; /* (w) whose halters are being woken */
	uint64_t cw_woken_ns;            /* (w) when some had been */
	struct cpu *cw_cpu;              /* (a) */
	struct softint *cw_softint;      /* (a) */
	struct list cw_later;            /* (w) armed by callout_schedule_deferred() */
	struct wheel cw_wheel[2];        /* (w) */
};

/* callout_wheel_claim - a callout that belongs to no wheel yet gets this CPU's. Interrupts off.
 * NULL before core_init(). */
struct callout_cpu *callout_wheel_claim(struct callout *c);

static inline unsigned callout_kind(const struct callout *c)
{
	return (c->c_flags & CALLOUT_HARD) != 0 ? HARD : SOFT;
}

/* callout_is_invoking - its function runs. Wheel locked. */
static inline bool callout_is_invoking(const struct callout_cpu *w, const struct callout *c)
{
	return w->cw_invoking[callout_kind(c)] == c;
}

/* callout_lock - lock the wheel that `c` belongs to, interrupts off. NULL before core_init(). */
static inline struct callout_cpu *callout_lock(struct callout *c, bool *intr)
{
	struct callout_cpu *w;

	*intr = port_intr_disable();
	for (;;) {
		/* Acquire: pairs with the exchange in callout_wheel_claim() and the store in
		 * callout_move(). */
		w = atomic_load_explicit(&c->c_wheel, memory_order_acquire);
		if (__builtin_expect(w == NULL, 0)) {
			w = callout_wheel_claim(c);
			if (w == NULL)
				break;
		}
		spin_lock(&w->cw_lock);
		/* Relaxed: it is written under this very lock. */
		if (__builtin_expect(atomic_load_explicit(&c->c_wheel, memory_order_relaxed) == w,
			1))
			break;
		spin_unlock(&w->cw_lock);
	}
	KASSERT((c->c_flags & CALLOUT_LIVE) != 0, "callout %p is not initialised, or destroyed",
	    (void *)c);
	return w;
}

static inline void callout_unlock(struct callout_cpu *w, bool intr)
{
	if (w != NULL)
		spin_unlock(&w->cw_lock);
	port_intr_restore(intr);
}

/* callout_disarm - wheel locked; was it armed? */
static inline bool callout_disarm(struct callout *c)
{
	uint32_t flags = c->c_flags;

	c->c_flags = flags & ~(CALLOUT_ARMED | CALLOUT_EXPIRED | CALLOUT_PERIODIC);
	if ((flags & CALLOUT_ARMED) == 0)
		return false;
	wheel_remove(c);
	return true;
}

#endif
