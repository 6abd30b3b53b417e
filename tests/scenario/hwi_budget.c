/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handler that does one piece a run and asks for another with hwi_sched() goes to the back: its
 * neighbour, raised meanwhile, has its turn, and the line stays masked until it is through: I1,
 * I3, I4.
 */
#include "dev.h"

static struct dev dev[2];
static unsigned again, turn;

static void hook(struct dev *t)
{
	if (t == &dev[1]) {
		turn = 0;
		return;
	}
	if (dev[1].d_ring != 0)
		CHECK(++turn <= 2);
	if (again++ < 3)
		hwi_sched(t->d_ih);
}

static void setup(void)
{
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
	CHECK_EQ(dev[0].d_runs, 4);
}

SCENARIO(hwi_budget,
    "a handler that yields to its neighbour by hwi_sched(): I1, I3, I4") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"budget", 1, dev_raise, &dev[0]}, {"neighbour", 1, dev_raise, &dev[1]}},
    .check = check};
