/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * softint.h - software interrupts: functions that software schedules, in thread context.
 *
 * Each CPU has one lwp for each of the four levels, and the queue lives with it. A softint may
 * block on adaptive mutexes: it then holds up its own level on its own CPU and nothing else.
 * A softint never runs beside itself; scheduled while it runs, it runs again.
 */
#ifndef ITHACA_SOFTINT_H
#define ITHACA_SOFTINT_H

#include <ithaca/cpu.h>
#include <ithaca/runstate.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct softint {
	runstate_t si_state;       /* (~) runstate.h */
	uint8_t si_level;          /* (a) */
	_Atomic bool si_dying;     /* (~) as ih_dying */
	uint32_t si_offset;        /* (a) of its level's struct softint_cpu in a struct cpu */
	struct softint *si_next;   /* (i) of the CPU whose queue it is on; NULL on none */
	void (*si_fn)(void *);     /* (a) */
	void *si_arg;              /* (a) */
	_Atomic uint64_t si_count; /* (~) runs; written by whoever runs it */
	const char *si_name;       /* (a) */
};

/* softint_establish - at a level from IPL_SOFTCLOCK to IPL_SOFTSERIAL. Thread context; may block.
 * EINVAL: bad level; ENOMEM. `name` is kept. */
int softint_establish(const char *name, int level, void (*fn)(void *), void *arg,
    struct softint **out);

/* softint_disestablish - returns when it neither runs nor will; frees it. Thread context; blocks.
 * Not from the softint itself: EDEADLK. */
int softint_disestablish(struct softint *si);

/* softint_schedule - run it on this CPU soon. Any context. Never blocks. One that is scheduled
 * already stays where it is, on whatever CPU that is. One that is being disestablished runs before
 * that is done, or not at all. */
void softint_schedule(struct softint *si);

/* softint_schedule_cpu - the same on another CPU. */
void softint_schedule_cpu(struct softint *si, struct cpu *ci);

/* softint_attach - for cpu.c: make a CPU's four lwps. ENOMEM. */
int softint_attach(struct cpu *ci);

/* softint_take_remote - for cpu.c: what other CPUs scheduled here joins the queues. Interrupts
 * off. */
void softint_take_remote(struct cpu *ci);

/* softint_main - for ithread.c: the body of a softint lwp whose l_softint has begun its run.
 * Interrupts off on entry and return. */
void softint_main(struct lwp *l);

/* softint_dump - levels, states and queues. Takes no lock. */
void softint_dump(void);

#endif
