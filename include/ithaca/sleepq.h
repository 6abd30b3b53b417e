/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sleepq.h - lwps that wait for an address to be woken. Under condvar.c and the core itself.
 *
 *	bool intr = sleepq_lock(wchan);
 *	if (condition still false)
 *		error = sleepq_wait(wchan, "why", deadline, intr);	unlocks
 *	else
 *		sleepq_unlock(wchan, intr);
 */
#ifndef ITHACA_SLEEPQ_H
#define ITHACA_SLEEPQ_H

#include <stdbool.h>
#include <stdint.h>

struct lwp;

#define SLEEP_FOREVER UINT64_MAX

/* sleepq_init - for cpu.c: once, first of all. */
void sleepq_init(void);

/* sleepq_lock - lock the chain of `wchan`, interrupts off; returns what the unlock wants. */
bool sleepq_lock(const void *wchan);
void sleepq_unlock(const void *wchan, bool intr);

/* sleepq_enqueue - chain locked: curlwp joins the queue of `wchan`; then unlock the chain and call
 * sleepq_block(), and nothing that sleeps but mutex_exit() between the two. */
void sleepq_enqueue(const void *wchan, const char *wmesg);

/*
 * sleepq_block - sleep until woken or until `deadline_ns` (clock_ns() time; SLEEP_FOREVER).
 * Thread context, chain not locked. Returns 0, or ETIMEDOUT.
 */
int sleepq_block(uint64_t deadline_ns);

/* sleepq_wait - enqueue, unlock, block. */
int sleepq_wait(const void *wchan, const char *wmesg, uint64_t deadline_ns, bool intr);

/* sleepq_wake - wake the `n` most urgent that wait for wchan (n < 0: all). Any context up to
 * filters. Returns how many. Takes the chain's lock itself. */
int sleepq_wake(const void *wchan, int n);

/* sleepq_waiters - somebody waits. Chain locked. */
bool sleepq_waiters(const void *wchan);

/* lwp_sleep_ns - let at least that much time go by. Thread context. */
void lwp_sleep_ns(uint64_t ns);

/* sleepq_dump - who sleeps on what. Takes no lock. */
void sleepq_dump(void);

/* sleepq_repri - `l`, which waits in a sleep queue, has another priority: move it. For lwp.c. */
void sleepq_repri(struct lwp *l);

#endif
