/* SPDX-License-Identifier: BSD-2-Clause */
/* For the bench: a level line, a message and two lwps with a mutex, some 500 points. */
#include "scenario.h"

static struct mutex m;
static struct tdev td[2];

static void hook(struct tdev *t)
{
	(void)t;
	mutex_enter(&m);
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	td[0].td_hook = hook;
	tdev_init(&td[0], "level", INTR_LEVEL, 0, IPL_NET, true);
	tdev_init(&td[1], "message", INTR_MESSAGE, 1, IPL_BIO, true);
}

static void body(void *arg)
{
	for (unsigned i = 0; i < 20; i++)
		hook(arg);
}

static void raise(void *arg)
{
	tdev_raise(arg);
}

static void check(void)
{
	tdev_check(&td[0]);
	tdev_check(&td[1]);
}

SCENARIO(bench_points, "for the bench: some 500 points") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise level", 8, raise, &td[0]}, {"raise message", 8, raise, &td[1]}},
    .check = check};
