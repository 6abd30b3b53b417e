/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A filter schedules a softint while softint_disestablish() is at it, until the last run says that
 * it need not any more; and its CPU keeps it waiting: it has run, or never does: I1, I12.
 */
#include "dev.h"

#include <ithaca/softint.h>
#include <ithaca/spl.h>

static struct softint *si;
static struct sim_line *line;
static struct intr_handler *ih;
static _Atomic bool running, started, enough, is_gone;

static void linger(unsigned points)
{
	for (unsigned i = 0; i < points; i++)
		sim_point(SIM_TEST);
}

static void soft(void *arg)
{
	(void)arg;
	CHECK(!GET(is_gone));
	CHECK(!SWAP(running, true));
	SET(started, true);
	linger(24);
	SET(enough, true);
	CHECK(SWAP(running, false));
}

/* Whoever reads here that it is not enough is through before the barrier that comes last. */
static unsigned filter(void *arg)
{
	(void)arg;
	if (GET(started) && !GET(enough)) {
		linger(16);
		softint_schedule(si);
	}
	return FILTER_HANDLED;
}

static void setup(void)
{
	CHECK_EQ(softint_establish("soft", IPL_SOFTBIO, soft, NULL, &si), 0);
	line = sim_line_create("line", INTR_EDGE, 0, 0);
	CHECK_EQ(intr_establish(line->sl_source, "line", IPL_VM, 0, filter, NULL, NULL, &ih), 0);
}

static void raise(void *arg)
{
	(void)arg;
	sim_line_raise(line);
}

/* What the filter schedules here waits for a while. */
static void waits(void *arg)
{
	int s = splraise(IPL_SOFTBIO);

	(void)arg;
	while (!GET(enough))
		port_pause();
	linger(24);
	splx(s);
}

static void asks(void *arg)
{
	(void)arg;
	softint_schedule(si);
}

static void goes(void *arg)
{
	(void)arg;
	while (!GET(started))
		port_pause();
	CHECK_EQ(softint_disestablish(si), 0);
	CHECK(!GET(running));
	SET(is_gone, true);
}

SCENARIO(soft_dies,
    "a softint that goes is scheduled by a filter all the time: I1, I12") = {.cpus = 3,
    .setup = setup,
    .lwps = {{"waits", 0, waits}, {"asks", 1, asks}, {"goes", 2, goes}},
    .devices = {{"raise", 2, raise}}};
