/* SPDX-License-Identifier: BSD-2-Clause */
/* A level line that rises twice while a mutex that its handler wants is held: I1, I2, I3. */
#include "scenario.h"

static struct mutex m;
static struct tdev td;

static void hook(struct tdev *t)
{
	(void)t;
	mutex_enter(&m);
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	td.td_hook = hook;
	tdev_init(&td, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void body(void *arg)
{
	hook(arg);
}

static void raise(void *arg)
{
	tdev_raise(arg);
}

static void check(void)
{
	CHECK_EQ(td.td_raised, 2);
	tdev_check(&td);
}

SCENARIO(level_line,
    "a level line against a mutex that its handler wants: I1, I2, I3") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 2, raise, &td}},
    .check = check};
