/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A source whose handler takes all of its CPU and is asked for again at once, above another on the
 * same CPU: that waits until the first is held, half a second, and not for as long as the storm
 * lasts: I3, I11.
 */
#include "dev.h"

#include <ithaca/clock.h>
#include <ithaca/sleepq.h>
#include <ithaca/storm.h>
#include <ithaca/sysctl.h>

#define RUN_NS (90 * NS_PER_MS)
#define RUNS 20 /* two seconds of it */

static struct dev eater, other;

static void eats(struct dev *d)
{
	dev_eat(d, RUN_NS, RUNS);
}

static void setup(void)
{
	CHECK_EQ(sysctl_write("hw.intr.acct", "1"), 0);
	eater.d_hook = eats;
	dev_init(&eater, "eater", INTR_LEVEL, 0, IPL_NET, true);
	dev_init(&other, "other", INTR_LEVEL, 0, IPL_BIO, true);
	CHECK_EQ(storm_init(), 0); /* now: it looks once a second where there is no source */
}

static void body(void *arg)
{
	(void)arg;
	lwp_sleep_ns(3 * NS_PER_S);
}

static void check(void)
{
	struct storm_info info;

	dev_check(&other);
	storm_info(eater.d_line->sl_source, &info);
	CHECK_EQ(info.storms, eater.d_raised != 0);
}

SCENARIO(storm_eater, "a storm, and who is below it: I3, I11") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 1, body}},
    .devices = {{"eater", 1, dev_raise, &eater}, {"other", 1, dev_raise, &other}},
    .check = check};
