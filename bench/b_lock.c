/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_lock.c - what locks cost when nobody else wants them.
 *
 * Each sample is the mean of 100 turns less that of an empty loop of the same form.
 * Contexts: one lwp.
 */
#include "bench.h"

#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/spl.h>

#define TURNS 100

static struct mutex adaptive, spin;

static void one_nothing(void)
{
	__asm__ volatile("" : : : "memory");
}

static void one_mutex(void)
{
	mutex_enter(&adaptive);
	mutex_exit(&adaptive);
}

static void one_spin(void)
{
	mutex_spin_enter(&spin);
	mutex_spin_exit(&spin);
}

static void one_spl(void)
{
	splx(splraise(IPL_NET));
}

static uint64_t turns(void (*fn)(void))
{
	uint64_t before = port_counter();
	unsigned i;

	for (i = 0; i < TURNS; i++)
		fn();
	return port_counter() - before;
}

int bench_lock(void)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} figure[] = {{"adaptive mutex, enter and exit", one_mutex},
	    {"spin mutex, enter and exit", one_spin}, {"splraise and splx", one_spl}};
	static struct bench b;
	uint32_t empty;
	unsigned f, i;

	mutex_init(&adaptive, "bench", IPL_NET);
	mutex_init(&spin, "bench", IPL_VM);
	bench_begin(&b, "");
	for (i = 0; i < BENCH_EVENTS; i++)
		bench_add(&b, turns(one_nothing) / TURNS);
	empty = bench_median(&b);
	for (f = 0; f < sizeof(figure) / sizeof(figure[0]); f++) {
		bench_begin(&b, figure[f].name);
		for (i = 0; i < BENCH_EVENTS; i++)
			bench_add(&b, turns(figure[f].fn) / TURNS);
		bench_end(&b, empty);
	}
	return 0;
}
