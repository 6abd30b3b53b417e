/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both CPUs starve, and one of them keeps out what it starved for when the pool's new ithread is
 * given to it: it has raised its level, or an ithread was woken there. The other gets it: I5, I6.
 */
#include "dev.h"

#include <ithaca/condvar.h>
#include <ithaca/ithread.h>
#include <ithaca/spl.h>

static struct mutex m;
static struct condvar cv;
static bool told;
static struct dev dev[6];

static void hook(struct dev *d)
{
	(void)d;
	mutex_enter(&m);
	while (!told)
		cv_wait(&cv, &m);
	mutex_exit(&m);
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
	cv_init(&cv, "cv");
	for (unsigned i = 0; i < 6; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", INTR_EDGE, i / 3, IPL_NET, true);
	}
}

/* Whoever waits looks, and waits on if it was not told. */
static void wakes(bool tells)
{
	mutex_enter(&m);
	told = tells;
	cv_broadcast(&cv);
	mutex_exit(&m);
}

static void grows(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 60; i++)
		sim_point(SIM_TEST);
	CHECK_EQ(ithread_resize(5), 0);
	for (unsigned i = 0; i < 4; i++)
		wakes(false);
	for (unsigned i = 0; i < 20; i++)
		sim_point(SIM_TEST);
	wakes(true);
}

static void raises(void *arg)
{
	int s;

	(void)arg;
	for (unsigned i = 0; i < 8; i++) {
		s = splraise(IPL_NET);
		for (unsigned k = 0; k < 12; k++)
			sim_point(SIM_TEST);
		splx(s);
	}
}

static void check(void)
{
	for (unsigned i = 0; i < 6; i++)
		dev_check(&dev[i]);
}

SCENARIO(gift_goes_on, "a gift that is kept out goes on to who starves too: I5, I6") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"grows", 0, grows}, {"raises", 1, raises}},
    .devices = {{"d0", 1, dev_raise, &dev[0]}, {"d1", 1, dev_raise, &dev[1]},
	{"d2", 1, dev_raise, &dev[2]}, {"d3", 1, dev_raise, &dev[3]}, {"d4", 1, dev_raise, &dev[4]},
	{"d5", 1, dev_raise, &dev[5]}},
    .check = check};
