/* SPDX-License-Identifier: BSD-2-Clause */
/* A one-shot timer on a level line: the thread loads it for its next shot, and an lwp waits for the
 * last. A shot is neither lost nor seen twice: I1, I3. */
#include "model.h"

#include <ithaca/condvar.h>

#define SHOTS 3

static struct shot shot;
static struct mutex m;
static struct condvar cv;
static unsigned seen;

static unsigned filter(void *arg)
{
	(void)arg;
	return shot_ack(&shot) ? FILTER_HANDLED | FILTER_SCHEDULE_THREAD : FILTER_STRAY;
}

static bool thread(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	seen++;
	if (seen < SHOTS)
		shot_load(&shot);
	else
		cv_signal(&cv);
	mutex_exit(&m);
	return true;
}

static void setup(void)
{
	struct intr_handler *ih;

	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "cv");
	shot.s_line = sim_line_create("shot", INTR_LEVEL, 0, 0);
	shot.s_loaded = true;
	CHECK_EQ(intr_establish(shot.s_line->sl_source, "shot", IPL_BIO, 0, filter, thread, NULL,
		     &ih),
	    0);
}

/* The card fires only when it is asked, so the waiter asks. */
static void waits(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	while (seen < SHOTS) {
		mutex_exit(&m);
		shot_fire(&shot);
		mutex_enter(&m);
		if (seen < SHOTS && !shot.s_loaded)
			(void)cv_timedwait(&cv, &m, 1000000);
	}
	mutex_exit(&m);
}

static void check(void)
{
	CHECK_EQ(seen, SHOTS);
	CHECK_EQ(shot.s_fired, SHOTS);
}

SCENARIO(one_shot, "a one-shot timer that its handler loads again: I1, I3") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"waits", 1, waits}},
    .devices = {{"fires", 2, shot_fire, &shot}},
    .check = check};
