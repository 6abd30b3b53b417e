/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An lwp is made and takes a mutex; another CPU knows of it by the mutex's word alone, asks whether
 * it runs and lends it priority: I8, I9.
 */
#include "scenario.h"

static struct mutex m;
static unsigned total;

static void enters(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	total++;
	mutex_exit(&m);
}

static void makes(void *arg)
{
	struct lwp *l;

	(void)arg;
	CHECK_EQ(lwp_create("new", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, enters, NULL, &l), 0);
	lwp_join(l);
}

static void rival(void *arg)
{
	for (unsigned i = 0; i < 4; i++)
		enters(arg);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
}

static void check(void)
{
	CHECK_EQ(total, 5);
}

SCENARIO(made_and_seen, "a new lwp is known by the word of a mutex alone: I8, I9") = {.cpus = 3,
    .setup = setup,
    .lwps = {{"makes", 0, makes}, {"rival", 2, rival, NULL, PRI_KERNEL + 4}},
    .check = check};
