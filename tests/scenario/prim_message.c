/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: a message that comes again while its handler waits for a mutex: it runs once
 * more, and never beside itself: I1, I2, I5. */
#include "dev.h"
#include "witnessed.h"

static struct dev dev;
static struct mutex m;

static void hook(struct dev *d)
{
	(void)d;
	mutex_enter(&m);
	mutex_exit(&m);
}

static void setup(void)
{
	witnessed_mutex(&m, "m");
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_MESSAGE, 0, IPL_NET, true);
}

static void body(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	mutex_exit(&m);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_message, "to exhaust: a message, its handler divorced: I1, I2, I5") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"b", 1, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .bound = 3,
    .check = check};
