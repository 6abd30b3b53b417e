/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three lwps on two CPUs and a mutex: the third comes while one owns it and one waits, the woken
 * waiter may find it taken, and whoever takes it free adopts who still waits: I8, I9.
 */
#include "scenario.h"

static struct mutex m;
static unsigned inside, total;

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
}

static void body(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	CHECK_EQ(inside++, 0);
	lwp_yield();
	total++;
	CHECK_EQ(--inside, 0);
	mutex_exit(&m);
	CHECK_EQ(curlwp->l_pri, PRI_KERNEL);
}

static void check(void)
{
	CHECK_EQ(total, 4);
}

SCENARIO(mutex_three, "an owner, a waiter, and those who come by: I8, I9") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 0, body}, {"c", 1, body}, {"d", 1, body}},
    .check = check};
