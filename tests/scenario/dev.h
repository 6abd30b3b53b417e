/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dev.h - a device and its driver, for scenarios whose interrupts may arrive at every step and on
 * several CPUs at once: late, twice, or while the source moves.
 *
 * The device's side (d_raised, d_hw and the line, which is up while it or a peer has something) is
 * hardware: it changes in one step. The driver's fields are atomic and all relaxed: what orders
 * them is the core alone. In the end d_done == d_raised, or an interrupt was lost (I1). The thread
 * function fails the run when it finds itself running (I2), or its level line not masked (I3).
 */
#ifndef SCENARIO_DEV_H
#define SCENARIO_DEV_H

#include "scenario.h"

#include <ithaca/clock.h>
#include <ithaca/port.h>
#include <stdatomic.h>

struct dev {
	struct sim_line *d_line;
	struct intr_handler *d_ih;
	struct dev *d_peer;            /* another on the same line, in a ring; NULL: none */
	unsigned d_raised;             /* hardware */
	unsigned d_hw;                 /* hardware: what nobody has read yet */
	unsigned d_answer;             /* of the filter when it has work; 0: both */
	bool d_manual;                 /* runs with its line not masked */
	unsigned d_flags;              /* INTR_*; INTR_MIGRATE only where that can be had */
	_Atomic unsigned d_ring;       /* what the filter has read */
	_Atomic unsigned d_done;       /* what the thread function has done */
	_Atomic unsigned d_runs;       /* of the thread function */
	_Atomic bool d_running;        /* I2 */
	_Atomic bool d_gone;           /* I12 */
	void (*d_hook)(struct dev *d); /* called by the thread function */
};

#define GET(a) atomic_load_explicit(&(a), memory_order_relaxed)
#define SET(a, v) atomic_store_explicit(&(a), (v), memory_order_relaxed)
#define SWAP(a, v) atomic_exchange_explicit(&(a), (v), memory_order_relaxed)
#define ADD(a, v) atomic_fetch_add_explicit(&(a), (v), memory_order_relaxed)

/* Hardware: no step of the schedule within. */
#define HARDWARE static __attribute__((noinline, unused, no_sanitize("thread")))

/* points.c: a register is about to change; where a CPU does it, others may come first. What the
 * compiler's instrumentation says by itself elsewhere. */
void xp_register(uint64_t addr, size_t size);

#define CHANGES(field) xp_register((uintptr_t) & (field), sizeof(field))

/* dev_raise - what a scenario's device calls: one more piece of work. */
HARDWARE void dev_raise(void *arg)
{
	struct dev *d = arg;

	CHANGES(d->d_raised);
	CHANGES(d->d_hw);
	d->d_raised++;
	d->d_hw++;
	sim_line_raise(d->d_line);
}

/* dev_take - read what there is; the line goes down when it was the last. */
HARDWARE unsigned dev_take(struct dev *d)
{
	unsigned n;
	bool up = false;

	CHANGES(d->d_hw);
	n = d->d_hw;
	d->d_hw = 0;
	for (struct dev *peer = d->d_peer; peer != NULL && peer != d; peer = peer->d_peer)
		up |= peer->d_hw != 0;
	if (!up)
		sim_line_lower(d->d_line);
	return n;
}

/* dev_eat - for a hook: take the CPU for `run_ns`, and ask to run again, `runs` times in all. */
static inline void dev_eat(struct dev *d, uint64_t run_ns, unsigned runs)
{
	uint64_t end_ns = clock_ns() + run_ns;

	while (clock_ns() < end_ns)
		port_pause();
	if (d->d_raised < runs)
		dev_raise(d);
}

/* dev_late - what a scenario's device calls: a delivery to CPU 0 that the line does not deserve. */
HARDWARE void dev_late(void *arg)
{
	struct dev *d = arg;

	sim_line_inject(d->d_line, 0);
}

/* dev_late_1 - the same to CPU 1. */
HARDWARE void dev_late_1(void *arg)
{
	struct dev *d = arg;

	sim_line_inject(d->d_line, 1);
}

static inline unsigned dev_filter(void *arg)
{
	struct dev *d = arg;
	unsigned n;

	CHECK(!GET(d->d_gone));
	CHECK(IPL_IS_HARD(curlwp->l_ipl)); /* in a replay of storm.c it is the clock's */
	n = dev_take(d);
	if (n == 0)
		return FILTER_STRAY;
	ADD(d->d_ring, n);
	return d->d_answer != 0 ? d->d_answer : FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

/* I3, seen from the thread function. */
static inline void dev_check_mask(const struct dev *d)
{
	if (d->d_line->sl_trigger == INTR_LEVEL && !d->d_manual)
		CHECK(d->d_line->sl_masked);
}

static inline bool dev_thread(void *arg)
{
	struct dev *d = arg;
	unsigned n;

	CHECK(!GET(d->d_gone));
	CHECK(!SWAP(d->d_running, true));
	ADD(d->d_runs, 1);
	dev_check_mask(d);
	n = SWAP(d->d_ring, 0);
	if (d->d_ih->ih_filter == NULL)
		n += dev_take(d);
	if (d->d_hook != NULL)
		d->d_hook(d);
	dev_check_mask(d);
	ADD(d->d_done, n);
	CHECK(SWAP(d->d_running, false));
	return n != 0;
}

/* dev_share - on the line `sl`, which may be that of `with`. */
static inline void dev_share(struct dev *d, struct dev *with, const char *name, int ipl,
    bool filter)
{
	d->d_line = with->d_line;
	if (d != with && d->d_peer == NULL) {
		d->d_peer = with->d_peer != NULL ? with->d_peer : with;
		with->d_peer = d;
	}
	CHECK_EQ(intr_establish(d->d_line->sl_source, name, ipl,
		     intr_may_migrate() ? d->d_flags : d->d_flags & ~(unsigned)INTR_MIGRATE,
		     filter ? dev_filter : NULL, dev_thread, d, &d->d_ih),
	    0);
}

static inline void dev_init(struct dev *d, const char *name, enum intr_trigger trigger,
    unsigned cpu, int ipl, bool filter)
{
	d->d_line = sim_line_create(name, trigger, cpu, 0);
	dev_share(d, d, name, ipl, filter);
}

static inline void dev_check(struct dev *d)
{
	CHECK_EQ(d->d_hw, 0);
	CHECK_EQ(GET(d->d_ring), 0);
	CHECK_EQ(GET(d->d_done), d->d_raised);
	CHECK(!d->d_line->sl_masked);
	CHECK_EQ(d->d_line->sl_lost, 0);
}

#endif
