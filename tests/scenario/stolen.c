/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child that may run anywhere is made by a lwp that then spins until it has run: the idle CPU
 * hears of it and steals it, whether it was about to idle or did already: I8.
 */
#include "scenario.h"

#include <stdatomic.h>

static _Atomic bool ran;

static void child(void *arg)
{
	(void)arg;
	atomic_store_explicit(&ran, true, memory_order_release);
}

static void body(void *arg)
{
	(void)arg;
	preempt_disable(); /* main, which has nothing to do, has another CPU; the third idles */
	CHECK_EQ(lwp_create("child", PRI_KERNEL, NULL, 0, child, NULL, NULL), 0);
	while (!atomic_load_explicit(&ran, memory_order_acquire))
		port_pause();
	preempt_enable();
}

SCENARIO(stolen, "an idle CPU steals what another leaves: I8") = {.cpus = 3,
    .setup = NULL,
    .lwps = {{"a", 0, body}}};
