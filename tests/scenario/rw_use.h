/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rw_use.h - a reader/writer lock, what it guards, and who reads and writes it. For the scenarios
 * of rwlock.c: writers are alone, and who leaves runs at its own priority again.
 */
#ifndef SCENARIO_RW_USE_H
#define SCENARIO_RW_USE_H

#include "scenario.h"

#include <ithaca/rwlock.h>
#include <stdatomic.h>

static struct rwlock rw;
static _Atomic unsigned readers, writers;
static unsigned data; /* plain: written by writers, read by readers */

static void in(bool w)
{
	CHECK_EQ(atomic_fetch_add_explicit(w ? &writers : &readers, 1, memory_order_relaxed) * w,
	    0);
	CHECK_EQ(atomic_load_explicit(w ? &readers : &writers, memory_order_relaxed), 0);
}

static void out(bool w)
{
	if (w)
		data++;
	else
		CHECK(data < 8);
	CHECK_EQ(atomic_load_explicit(w ? &readers : &writers, memory_order_relaxed), 0);
	atomic_fetch_sub_explicit(w ? &writers : &readers, 1, memory_order_relaxed);
}

static void setup(void)
{
	rw_init(&rw, "rw");
}

static void reads(void *arg)
{
	(void)arg;
	rw_enter(&rw, RW_READER);
	in(false);
	lwp_yield();
	out(false);
	rw_exit(&rw);
	CHECK_EQ(curlwp->l_pri, curlwp->l_basepri);
}

static void writes(void *arg)
{
	(void)arg;
	rw_enter(&rw, RW_WRITER);
	in(true);
	lwp_yield();
	out(true);
	rw_exit(&rw);
	CHECK_EQ(curlwp->l_pri, curlwp->l_basepri);
}

#endif
