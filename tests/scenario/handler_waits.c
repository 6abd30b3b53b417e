/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handler sleeps until the handler behind it in the same queue has run: it is divorced, or the
 * two would wait for each other: I1, I5, I8.
 */
#include "dev.h"

#include <ithaca/condvar.h>

static struct mutex m;
static struct condvar cv;
static bool told;
static struct dev dev[2];

static void hook(struct dev *t)
{
	mutex_enter(&m);
	if (t == &dev[1]) {
		told = true;
		cv_signal(&cv);
	}
	while (!told)
		cv_wait(&cv, &m);
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "cv");
	for (unsigned i = 0; i < 2; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", INTR_LEVEL, 0, IPL_NET, true);
	}
}

static void body(void *arg)
{
	(void)arg;
}

static void check(void)
{
	dev_check(&dev[0]);
	dev_check(&dev[1]);
}

SCENARIO(handler_waits, "a handler waits for the one behind it: I1, I5, I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"waits", 1, dev_raise, &dev[0]}, {"tells", 1, dev_raise, &dev[1]}},
    .check = check};
