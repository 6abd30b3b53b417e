/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: the handler of a level line blocks, ends as an ordinary lwp and unmasks, while
 * the line is sent again: it is not left masked for ever: I1, I3. */
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
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
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

SCENARIO(prim_level_away, "to exhaust: a level line, its handler divorced: I1, I3") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"b", 1, body}},
    .devices = {{"raise", 2, dev_raise, &dev}},
    .bound = 3,
    .check = check};
