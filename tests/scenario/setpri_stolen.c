/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A priority changes while its lwp is stolen by another CPU: whoever changes it locks the queue
 * that the lwp is on, and looks again whether it is: I7, I9.
 */
#include "scenario.h"

#include <stdatomic.h>

static struct lwp *_Atomic child;
static _Atomic bool ran;

static void run(void *arg)
{
	(void)arg;
	atomic_store_explicit(&ran, true, memory_order_release);
}

static void makes(void *arg)
{
	struct lwp *l;

	(void)arg;
	preempt_disable();
	CHECK_EQ(lwp_create("child", PRI_KERNEL, NULL, LWP_JOINABLE, run, NULL, &l), 0);
	atomic_store_explicit(&child, l, memory_order_release);
	while (!atomic_load_explicit(&ran, memory_order_acquire))
		port_pause();
	preempt_enable();
}

static void changes(void *arg)
{
	struct lwp *l;

	(void)arg;
	while ((l = atomic_load_explicit(&child, memory_order_acquire)) == NULL)
		port_pause();
	lwp_setpri(l, PRI_KERNEL - 1);
	lwp_setpri(l, PRI_KERNEL + 1);
}

SCENARIO(setpri_stolen, "a priority changes while its lwp is stolen: I7, I9") = {.cpus = 4,
    .setup = NULL,
    .lwps = {{"makes", 0, makes}, {"changes", 1, changes}}};
