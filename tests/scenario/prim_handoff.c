/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: a handler blocks on a mutex of the lwp that it interrupted; another level is
 * pending meanwhile: I5, I7. */
#include "dev.h"
#include "witnessed.h"

static struct dev dev;
static struct mutex m;
static struct dev high;

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
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
	dev_init(&high, "high", INTR_MESSAGE, 0, IPL_TTY, true);
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

SCENARIO(prim_handoff, "to exhaust: handoff, divorce, a higher level: I5, I7") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"raise", 1, dev_raise, &dev}, {"raise high", 1, dev_raise, &high}},
    .bound = 3,
    .check = check};
