/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The same with a message, whose handler waits for a mutex meanwhile, so that it is divorced and
 * asked for again while it is an ordinary lwp: I1, I2, I5.
 */
#include "dev.h"

static struct mutex m;
static struct dev dev;

static void hook(struct dev *t)
{
	(void)t;
	mutex_enter(&m);
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_MESSAGE, 0, IPL_NET, true);
}

static void body(void *arg)
{
	hook(arg);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(message_again,
    "a message that comes while its handler is divorced: I1, I2, I5") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .check = check};
