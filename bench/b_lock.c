/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_lock.c - what locks cost when nobody else wants them.
 *
 * Each sample is 100 turns less those of an empty function in the same loop, divided by 100. What
 * mutex.h puts into the caller is counted with what the caller then needs besides: a stack that is
 * aligned for the calls that it might have to make. The first of the spin mutex is that of a
 * filter, with interrupts off already. Contexts: one lwp.
 */
#include "bench.h"

#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/spin.h>
#include <ithaca/spl.h>

#define TURNS 100

static struct mutex adaptive, spin;
static struct spin bare;

static void one_nothing(void)
{
	__asm__ volatile("" : : : "memory");
}

static void one_mutex(void)
{
	mutex_enter(&adaptive);
	mutex_exit(&adaptive);
}

static void one_try(void)
{
	if (mutex_tryenter(&adaptive))
		mutex_exit(&adaptive);
}

static void one_spin(void)
{
	mutex_spin_enter(&spin);
	mutex_spin_exit(&spin);
}

static void one_filter(void)
{
	mutex_filter_enter(&spin);
	mutex_filter_exit(&spin);
}

static void one_spin_any(void)
{
	mutex_enter(&spin);
	mutex_exit(&spin);
}

static void one_spl(void)
{
	splx(splraise(IPL_NET));
}

static void one_preempt(void)
{
	preempt_disable();
	preempt_enable();
}

/* Interrupts are off, as the lock wants it. */
static void one_bare(void)
{
	spin_lock(&bare);
	spin_unlock(&bare);
}

static void one_bare_save(void)
{
	bool on = port_intr_disable();

	spin_lock(&bare);
	spin_unlock(&bare);
	port_intr_restore(on);
}

/* Called through a pointer that the compiler may not see through: the empty function too. */
static uint64_t turns(void (*fn)(void))
{
	void (*volatile call)(void) = fn;
	uint64_t before = port_counter();
	unsigned i;

	for (i = 0; i < TURNS; i++)
		call();
	return port_counter() - before;
}

int bench_lock(void)
{
	static const struct {
		const char *name;
		void (*fn)(void);
		int ipl;
	} figure[] = {{"adaptive mutex, enter and exit", one_mutex, IPL_NONE},
	    {"adaptive mutex, tryenter and exit", one_try, IPL_NONE},
	    {"spin mutex, enter and exit", one_filter, IPL_HIGH},
	    {"spin mutex, with interrupts saved", one_spin, IPL_NONE},
	    {"spin mutex, by mutex_enter and mutex_exit", one_spin_any, IPL_NONE},
	    {"spin lock of the core, lock and unlock", one_bare, IPL_HIGH},
	    {"spin lock of the core, with interrupts saved", one_bare_save, IPL_NONE},
	    {"splraise and splx", one_spl, IPL_NONE},
	    {"preempt_disable and preempt_enable", one_preempt, IPL_NONE}};
	static struct bench b;
	uint32_t empty;
	unsigned f, i;
	int ipl;

	mutex_init(&adaptive, "bench", IPL_NET);
	mutex_init(&spin, "bench", IPL_VM);
	spin_init(&bare);
	bench_begin(&b, "");
	for (i = 0; i < BENCH_EVENTS; i++)
		bench_add(&b, turns(one_nothing));
	empty = bench_median(&b);
	for (f = 0; f < sizeof(figure) / sizeof(figure[0]); f++) {
		bench_begin(&b, figure[f].name);
		b.b_turns = TURNS;
		for (i = 0; i < BENCH_EVENTS; i++) {
			ipl = splraise(figure[f].ipl);
			bench_add(&b, turns(figure[f].fn));
			splx(ipl);
		}
		bench_end(&b, empty);
	}
	mutex_destroy(&adaptive);
	mutex_destroy(&spin);
	return 0;
}
