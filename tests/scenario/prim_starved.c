/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: one CPU, two ithreads, both in handlers that wait for a mutex; a third handler
 * waits for an ithread, and is served by the first that is done: I1, I5, I6. */
#include "dev.h"
#include "witnessed.h"

static struct dev dev[3];
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
	for (unsigned i = 0; i < 3; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", INTR_EDGE, 0, IPL_NET, true);
	}
}

static void body(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	mutex_exit(&m);
}

static void check(void)
{
	for (unsigned i = 0; i < 3; i++)
		dev_check(&dev[i]);
}

SCENARIO(prim_starved, "to exhaust: more handlers that block than ithreads: I5, I6") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"one", 1, dev_raise, &dev[0]}, {"two", 1, dev_raise, &dev[1]},
	{"three", 1, dev_raise, &dev[2]}},
    .bound = 3,
    .check = check};
