/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * p_lock.c - what Linux's locks cost when nobody else wants them.
 *
 * The counterpart of bench/b_lock.c and of the end of bench/b_work.c. A spinlock stands beside our
 * spin mutex, a raw one beside the spin lock of our core. Under PREEMPT_RT a spinlock is a mutex
 * that lends priority; the raw one spins there as ever.
 *
 * Contexts: the measuring thread. No locks but those that are measured.
 */
#include "peer.h"

#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>

#define TURNS 100

static DEFINE_MUTEX(mutex);
static DEFINE_SPINLOCK(spin);
static DEFINE_RAW_SPINLOCK(raw);
static DECLARE_RWSEM(rwsem);

static noinline void one_nothing(void)
{
	barrier();
}

static noinline void one_mutex(void)
{
	mutex_lock(&mutex);
	mutex_unlock(&mutex);
}

static noinline void one_try(void)
{
	if (mutex_trylock(&mutex))
		mutex_unlock(&mutex);
}

static noinline void one_spin(void)
{
	spin_lock(&spin);
	spin_unlock(&spin);
}

static noinline void one_spin_save(void)
{
	unsigned long flags;

	spin_lock_irqsave(&spin, flags);
	spin_unlock_irqrestore(&spin, flags);
}

static noinline void one_raw(void)
{
	raw_spin_lock(&raw);
	raw_spin_unlock(&raw);
}

static noinline void one_raw_save(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&raw, flags);
	raw_spin_unlock_irqrestore(&raw, flags);
}

static noinline void one_preempt(void)
{
	preempt_disable();
	preempt_enable();
}

static noinline void one_reader(void)
{
	down_read(&rwsem);
	up_read(&rwsem);
}

static noinline void one_writer(void)
{
	down_write(&rwsem);
	up_write(&rwsem);
}

static noinline u64 turns(void (*fn)(void))
{
	u64 before = rdtsc();
	unsigned int i;

	for (i = 0; i < TURNS; i++)
		fn();
	return rdtsc() - before;
}

int peer_lock(void)
{
	static const struct {
		const char *group, *name;
		void (*fn)(void);
	} figure[] = {{"lock", "adaptive mutex, enter and exit", one_mutex},
	    {"lock", "adaptive mutex, tryenter and exit", one_try},
	    {"lock", "spin mutex, enter and exit", one_spin},
	    {"lock", "spin mutex, with interrupts saved", one_spin_save},
	    {"lock", "spin lock of the core, lock and unlock", one_raw},
	    {"lock", "spin lock of the core, with interrupts saved", one_raw_save},
	    {"lock", "preempt_disable and preempt_enable", one_preempt},
	    {"work", "rwlock, enter and exit as a reader", one_reader},
	    {"work", "rwlock, enter and exit as the writer", one_writer}};
	static struct figure empty, f;
	unsigned int n, i;
	s32 base;

	figure_begin(&empty, "lock", "");
	for (i = 0; i < PEER_EVENTS; i++)
		figure_add(&empty, turns(one_nothing));
	base = figure_median(&empty);
	for (n = 0; n < ARRAY_SIZE(figure); n++) {
		figure_begin(&f, figure[n].group, figure[n].name);
		f.f_turns = TURNS;
		for (i = 0; i < PEER_EVENTS; i++)
			figure_add(&f, turns(figure[n].fn));
		figure_end(&f, base);
	}
	return 0;
}
