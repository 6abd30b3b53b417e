/* SPDX-License-Identifier: BSD-2-Clause */
/* One waits for a word from another, with no limit, and is told once: I8. */
#include "scenario.h"

#include <ithaca/condvar.h>

static struct mutex m;
static struct condvar cv;
static bool told;

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "cv");
}

static void waits(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	while (!told)
		cv_wait(&cv, &m);
	mutex_exit(&m);
}

static void tells(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	told = true;
	cv_signal(&cv);
	mutex_exit(&m);
}

SCENARIO(cv_one, "one that waits and one that signals: I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"waits", 0, waits}, {"tells", 1, tells}}};
