/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handlers that wait have every ithread. The pool grows just when CPU 1 starves: whoever adds the
 * new one has seen nobody starve, and CPU 1 has seen the free list empty. CPU 0 is poked, has no
 * spare, and finds it there: I6.
 */
#include "dev.h"

#include <ithaca/condvar.h>
#include <ithaca/ithread.h>

#define WAITING 4u

static struct mutex m;
static struct condvar cv;
static bool told;
static struct dev dev[WAITING + 1];

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
	for (unsigned i = 0; i <= WAITING; i++) {
		dev[i].d_hook = i < WAITING ? hook : NULL;
		dev_init(&dev[i], "dev", INTR_EDGE, i >= WAITING / 2, IPL_NET, true);
	}
}

static void grows(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < WAITING; i++)
		dev_raise(&dev[i]);
	for (unsigned i = 0; i < WAITING; i++)
		while (GET(dev[i].d_runs) == 0)
			port_pause();
	CHECK_EQ(ithread_resize(WAITING + 1), 0);
	mutex_enter(&m);
	told = true;
	cv_broadcast(&cv);
	mutex_exit(&m);
}

static void check(void)
{
	for (unsigned i = 0; i <= WAITING; i++)
		dev_check(&dev[i]);
}

SCENARIO(poked_free, "who is poked looks at the free list: I6") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"grows", 0, grows}},
    .devices = {{"raise", 1, dev_raise, &dev[WAITING]}},
    .check = check};
