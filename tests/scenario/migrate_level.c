/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two handlers share a level line of CPU 0, and one may migrate; a neighbour keeps both waiting.
 * The line is masked until the last of them ends, on whatever CPU, also when it is sent late: I1,
 * I2, I3.
 */
#include "dev.h"

static struct dev dev[3] = {{0}, {.d_flags = INTR_MIGRATE}, {0}};

static void hook(struct dev *d)
{
	(void)d;
	for (unsigned i = 0; i < 20; i++)
		sim_point(SIM_TEST);
}

static void setup(void)
{
	dev[0].d_hook = hook;
	dev_init(&dev[0], "neighbour", INTR_EDGE, 0, IPL_NET, true);
	dev_init(&dev[1], "moves", INTR_LEVEL, 0, IPL_NET, false);
	dev_share(&dev[2], &dev[1], "stays", IPL_BIO, true);
}

static void body(void *arg)
{
	(void)arg;
}

static void check(void)
{
	for (unsigned i = 0; i < 3; i++)
		dev_check(&dev[i]);
}

SCENARIO(migrate_level,
    "a shared level line, one of whose handlers migrates: I1, I2, I3") = {.cpus = 3,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"neighbour", 2, dev_raise, &dev[0]}, {"moves", 2, dev_raise, &dev[1]},
	{"stays", 1, dev_raise, &dev[2]}, {"late", 1, dev_late_1, &dev[1]}},
    .check = check};
