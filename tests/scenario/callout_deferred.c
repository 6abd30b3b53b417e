/* SPDX-License-Identifier: BSD-2-Clause */
/* callout_schedule_deferred() from a filter against stop and arm on another CPU: every arming is
 * run once, prevented once, or moved by the next: runs + prevented + moved == armed. */
#include "dev.h"

#include <ithaca/callout.h>
#include <ithaca/sleepq.h>

static struct callout c;
static struct sim_line *line;
static _Atomic unsigned runs, armed, moved, prevented;

static void fn(void *arg)
{
	(void)arg;
	ADD(runs, 1);
}

static unsigned filter(void *arg)
{
	(void)arg;
	ADD(armed, 1);
	if (callout_schedule_deferred(&c, 1))
		ADD(moved, 1);
	return FILTER_HANDLED;
}

HARDWARE void raise_it(void *arg)
{
	(void)arg;
	sim_line_raise(line);
}

static void setup(void)
{
	struct intr_handler *ih;

	callout_init(&c);
	callout_setfunc(&c, fn, NULL);
	line = sim_line_create("dev", INTR_EDGE, 0, 0);
	CHECK(intr_establish(line->sl_source, "dev", IPL_NET, 0, filter, NULL, NULL, &ih) == 0);
}

static void other(void *arg)
{
	(void)arg;
	if (sim_pick(2) == 0) {
		ADD(armed, 1);
		if (callout_schedule(&c, 1))
			ADD(moved, 1);
	}
	if (sim_pick(2) == 0 && callout_stop(&c))
		ADD(prevented, 1);
}

static void check(void)
{
	CHECK_EQ(GET(runs) + GET(moved) + GET(prevented), GET(armed));
}

SCENARIO(callout_deferred, "callout_schedule_deferred() against stop and arm") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"other", 1, other}},
    .devices = {{"raise", 2, raise_it, NULL}},
    .check = check,
    .timers = true};
