/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_migrate.c - handlers with INTR_MIGRATE in set scenes: what stays, what goes, where it is
 * counted. Races are in the scenarios migrate_*.
 */
#include "tdev.h"

#include <ithaca/cpu.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/spl.h>
#include <ithaca/sysctl.h>

static struct tdev moves, stays;

static void establish(struct tdev *td, const char *name, enum intr_trigger trigger, int ipl,
    unsigned flags)
{
	td->td_line = sim_line_create(name, trigger, 0, 0);
	CHECK_EQ(intr_establish(td->td_line->sl_source, name, ipl, flags, tdev_filter, tdev_thread,
		     td, &td->td_ih),
	    0);
}

static uint64_t migrated(const struct tdev *td, unsigned cpu)
{
	return atomic_load_explicit(&td->td_ih->ih_stats[cpu].st_migrated, memory_order_relaxed);
}

static uint64_t runs(const struct tdev *td, unsigned cpu)
{
	return atomic_load_explicit(&td->td_ih->ih_stats[cpu].st_count, memory_order_relaxed);
}

/* hw.intr.migrated, which is small here. */
static unsigned total(void)
{
	char text[24];

	CHECK_EQ(sysctl_read("hw.intr.migrated", text, sizeof(text)), 0);
	CHECK(text[0] != '\0' && text[1] == '\0');
	return (unsigned)(text[0] - '0');
}

/* Until the other CPUs have taken what is on its way to them, and idle. */
static void settle(void)
{
	for (unsigned i = 0; i < 100; i++)
		sim_point(SIM_TEST);
	cpu_barrier();
}

SIM_TEST(begins_where_it_came, 2, 50)
{
	uint64_t ipis = atomic_load_explicit(&curcpu()->ci_ipis, memory_order_relaxed);

	establish(&moves, "moves", INTR_MESSAGE, IPL_NET, INTR_MIGRATE);
	for (unsigned i = 0; i < 5; i++) {
		tdev_raise(&moves);
		settle();
		CHECK(moves.td_cpu == cpu_lookup(0));
	}
	tdev_check(&moves);
	CHECK_EQ(moves.td_runs, 5);
	CHECK_EQ(atomic_load_explicit(&curcpu()->ci_ipis, memory_order_relaxed), ipis);
	CHECK_EQ(migrated(&moves, 1), 0);
	CHECK_EQ(total(), 0);
}

/* ---- What keeps it out ---- */

static struct tdev *waits;

/* Runs on CPU 0: `waits` is asked for, and does not wait for the end of this. */
static void hook_other(struct tdev *td)
{
	unsigned before = waits->td_runs, left = 100000;

	CHECK(td->td_cpu == cpu_lookup(0));
	tdev_raise(waits);
	while (__atomic_load_n(&waits->td_done, __ATOMIC_ACQUIRE) == before && --left != 0)
		port_pause();
	CHECK(left != 0);
	CHECK(waits->td_cpu == cpu_lookup(1));
}

static void behind(enum intr_trigger trigger, int ipl, int other)
{
	establish(&moves, "moves", trigger, ipl, INTR_MIGRATE);
	establish(&stays, "stays", INTR_EDGE, other, 0);
	waits = &moves;
	stays.td_hook = hook_other;
	tdev_raise(&stays);
	settle();
	tdev_check(&stays);
	tdev_check(&moves);
	CHECK_EQ(moves.td_runs, 1);
	CHECK_EQ(migrated(&moves, 0), 0);
	CHECK_EQ(migrated(&moves, 1), 1);
	CHECK_EQ(runs(&moves, 1), 1);
	CHECK_EQ(runs(&moves, 0), 0);
	CHECK_EQ(total(), 1);
}

SIM_TEST(goes_from_behind_an_equal, 2, 50)
{
	behind(INTR_MESSAGE, IPL_NET, IPL_NET);
}

SIM_TEST(goes_from_behind_a_higher_level, 2, 50)
{
	behind(INTR_EDGE, IPL_BIO, IPL_TTY);
}

SIM_TEST(a_line_is_unmasked_by_the_other_cpu, 2, 50)
{
	behind(INTR_LEVEL, IPL_NET, IPL_NET);
	CHECK_EQ(moves.td_line->sl_masks,
	    moves.td_line->sl_unmasks - 1); /* the first: established */
}

SIM_TEST(a_raised_level_does_not_hold_it, 2, 50)
{
	int ipl;

	establish(&moves, "moves", INTR_MESSAGE, IPL_NET, INTR_MIGRATE);
	ipl = splraise(IPL_TTY);
	tdev_raise(&moves);
	while (__atomic_load_n(&moves.td_done, __ATOMIC_ACQUIRE) == 0)
		port_pause();
	CHECK(moves.td_cpu == cpu_lookup(1));
	splx(ipl);
	tdev_check(&moves);
	CHECK_EQ(migrated(&moves, 1), 1);
}

SIM_TEST(one_cpu_keeps_it, 1, 0)
{
	int ipl;

	establish(&moves, "moves", INTR_MESSAGE, IPL_NET, INTR_MIGRATE);
	ipl = splraise(IPL_TTY);
	tdev_raise(&moves);
	settle();
	CHECK_EQ(moves.td_runs, 0);
	splx(ipl);
	CHECK_EQ(moves.td_runs, 1);
	CHECK_EQ(total(), 0);
}

SIM_TEST(without_the_flag_it_stays, 2, 20)
{
	unsigned left = 100000;
	int ipl;

	establish(&stays, "stays", INTR_MESSAGE, IPL_NET, 0);
	establish(&moves, "moves", INTR_MESSAGE, IPL_NET, INTR_MIGRATE);
	ipl = splraise(IPL_TTY);
	tdev_raise(&stays);
	for (unsigned i = 0; i < 100; i++)
		sim_point(SIM_TEST);
	tdev_raise(&moves); /* behind it, in the same queue */
	while (__atomic_load_n(&moves.td_done, __ATOMIC_ACQUIRE) == 0 && --left != 0)
		port_pause();
	CHECK(left != 0);
	settle();
	CHECK_EQ(stays.td_runs, 0);
	splx(ipl);
	CHECK_EQ(stays.td_runs, 1);
	CHECK(stays.td_cpu == cpu_lookup(0));
}

/* ---- A CPU that is busy at first ---- */

static _Atomic bool busy, let_go;

static void spins(void *arg)
{
	(void)arg;
	atomic_store_explicit(&busy, true, memory_order_release);
	while (!atomic_load_explicit(&let_go, memory_order_acquire))
		port_pause();
}

SIM_TEST(who_idles_later_asks, 2, 50)
{
	struct lwp *l;
	int ipl;

	establish(&moves, "moves", INTR_MESSAGE, IPL_NET, INTR_MIGRATE);
	CHECK_EQ(lwp_create("spins", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, spins, NULL, &l), 0);
	while (!atomic_load_explicit(&busy, memory_order_acquire))
		port_pause();
	ipl = splraise(IPL_TTY);
	tdev_raise(&moves);
	for (unsigned i = 0; i < 100; i++)
		sim_point(SIM_TEST);
	CHECK_EQ(moves.td_runs, 0);
	atomic_store_explicit(&let_go, true, memory_order_release);
	while (__atomic_load_n(&moves.td_done, __ATOMIC_ACQUIRE) == 0)
		port_pause();
	CHECK(moves.td_cpu == cpu_lookup(1));
	splx(ipl);
	lwp_join(l);
	CHECK_EQ(migrated(&moves, 1), 1);
}

/* ---- Errors ---- */

SIM_TEST(needs_a_thread_function, 1, 0)
{
	struct sim_line *sl = sim_line_create("bare", INTR_MESSAGE, 0, 0);
	struct intr_handler *ih;

	CHECK_EQ(intr_establish(sl->sl_source, "bare", IPL_NET, INTR_MIGRATE, tdev_filter, NULL,
		     &moves, &ih),
	    EINVAL);
}
