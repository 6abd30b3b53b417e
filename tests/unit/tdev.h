/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tdev.h - a model of a device and its driver, for the tests of intr.c and ithread.c.
 *
 * The device counts what it raised (td_raised) and holds what nobody has read yet (td_hw), with its
 * level line up as long as there is some. The filter takes it over into td_ring and quiets the
 * line; the thread function takes td_ring into td_done. In the end td_done == td_raised, or an
 * interrupt was lost (I1). The thread function fails the test when it finds itself running (I2).
 */
#ifndef TDEV_H
#define TDEV_H

#include "unit.h"

#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/port.h>
#include <sim/sim.h>

struct tdev {
	struct sim_line *td_line;
	struct intr_handler *td_ih;
	struct tdev *td_peer; /* another on the same line, in a ring; NULL: none */
	unsigned td_raised, td_hw, td_ring, td_done;
	unsigned td_filters, td_runs, td_strays;
	unsigned td_answer; /* of the filter when it has work; 0: both */
	bool td_running;
	bool td_manual;     /* hwi_sched() is used too: runs with the line not masked */
	bool td_gone;       /* disestablished: nothing may run */
	struct lwp *td_lwp; /* who ran the thread function last */
	struct cpu *td_cpu;
	void (*td_hook)(struct tdev *td); /* called by the thread function */
	void *td_arg;
	unsigned td_left; /* tdev_traffic(): raises still to come */
	uint64_t td_gap_ns;
};

/* The device: one more piece of work. */
static inline void tdev_raise(struct tdev *td)
{
	td->td_raised++;
	td->td_hw++;
	sim_line_raise(td->td_line);
}

/* What the device holds is read and cleared in one access, as a register is: where this header is
 * compiled as the core is (tests/scenario), the device may act between any two. */
static inline unsigned tdev_clear(unsigned *reg)
{
	return __atomic_exchange_n(reg, 0, __ATOMIC_RELAXED);
}

static inline bool tdev_take(struct tdev *td)
{
	unsigned took = tdev_clear(&td->td_hw);
	bool up;
	const struct tdev *peer;

	__atomic_fetch_add(&td->td_ring, took, __ATOMIC_RELAXED);
	sim_line_point(td->td_line);
	sim_line_lower(td->td_line);
	up = __atomic_load_n(&td->td_hw, __ATOMIC_RELAXED) != 0;
	for (peer = td->td_peer; peer != NULL && peer != td; peer = peer->td_peer)
		up |= __atomic_load_n(&peer->td_hw, __ATOMIC_RELAXED) != 0;
	if (up && td->td_line->sl_trigger == INTR_LEVEL) {
		sim_line_point(td->td_line);
		sim_line_raise(td->td_line);
	}
	return took != 0;
}

static inline unsigned tdev_filter(void *arg)
{
	struct tdev *td = arg;

	CHECK(!td->td_gone);
	CHECK(!port_intr_enabled());
	CHECK_EQ(curlwp->l_ipl, IPL_VM);
	td->td_filters++;
	if (!tdev_take(td))
		return FILTER_STRAY;
	return td->td_answer != 0 ? td->td_answer : FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

/* I3, seen from the thread function: a level line is masked as long as it runs. */
static inline void tdev_check_mask(const struct tdev *td)
{
	if (td->td_line->sl_trigger == INTR_LEVEL && !td->td_manual)
		CHECK(td->td_line->sl_masked);
}

static inline bool tdev_thread(void *arg)
{
	struct tdev *td = arg;
	unsigned took;

	CHECK(!td->td_gone);
	CHECK(!td->td_running);
	CHECK(port_intr_enabled());
	td->td_running = true;
	td->td_runs++;
	tdev_check_mask(td);
	td->td_lwp = curlwp;
	td->td_cpu = curcpu();
	if (td->td_ih != NULL && td->td_ih->ih_filter == NULL)
		tdev_take(td);
	took = tdev_clear(&td->td_ring);
	sim_point(SIM_TEST);
	if (td->td_hook != NULL)
		td->td_hook(td);
	sim_point(SIM_TEST);
	tdev_check_mask(td);
	td->td_done += took;
	td->td_running = false;
	return took != 0;
}

/* A device on a line of its own. `filter`: with one, else the thread function alone. */
static inline void tdev_init(struct tdev *td, const char *name, enum intr_trigger trigger,
    unsigned cpu, int ipl, bool filter)
{
	td->td_line = sim_line_create(name, trigger, cpu, 0);
	CHECK_EQ(intr_establish(td->td_line->sl_source, name, ipl, 0, filter ? tdev_filter : NULL,
		     tdev_thread, td, &td->td_ih),
	    0);
}

/* Another device that shares the line of `with`. */
static inline void tdev_share(struct tdev *td, struct tdev *with, const char *name, int ipl,
    bool filter)
{
	td->td_line = with->td_line;
	if (td != with && td->td_peer == NULL) {
		td->td_peer = with->td_peer != NULL ? with->td_peer : with;
		with->td_peer = td;
	}
	CHECK_EQ(intr_establish(td->td_line->sl_source, name, ipl, 0, filter ? tdev_filter : NULL,
		     tdev_thread, td, &td->td_ih),
	    0);
}

static inline void tdev_event(void *arg)
{
	struct tdev *td = arg;

	tdev_raise(td);
	if (--td->td_left > 0)
		sim_at(1 + sim_random(2 * td->td_gap_ns), tdev_event, td);
}

/* The device raises `n` times, about `gap_ns` apart. */
static inline void tdev_traffic(struct tdev *td, unsigned n, uint64_t gap_ns)
{
	td->td_left = n;
	td->td_gap_ns = gap_ns;
	sim_at(sim_random(2 * gap_ns), tdev_event, td);
}

/* All that was raised was done, and the line is as it should be. */
static inline void tdev_check(const struct tdev *td)
{
	CHECK_EQ(td->td_left, 0);
	CHECK_EQ(td->td_hw, 0);
	CHECK_EQ(td->td_ring, 0);
	CHECK_EQ(td->td_done, td->td_raised);
	CHECK(!td->td_line->sl_masked);
	CHECK_EQ(td->td_line->sl_lost, 0);
}

#endif
