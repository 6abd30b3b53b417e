/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three handlers on CPU 0, two of which may migrate; CPU 2 idles. What waits goes there, and
 * nothing waits while it idles: I1, I2, I4, I13.
 */
#include "dev.h"

static struct dev dev[3] = {{0}, {.d_flags = INTR_MIGRATE}, {.d_flags = INTR_MIGRATE}};

static void hook(struct dev *d)
{
	(void)d;
	for (unsigned i = 0; i < 20; i++)
		sim_point(SIM_TEST);
}

static void setup(void)
{
	for (unsigned i = 0; i < 3; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", i == 1 ? INTR_EDGE : INTR_MESSAGE, 0,
		    i == 2 ? IPL_BIO : IPL_NET, true);
	}
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

SCENARIO(migrate_two,
    "handlers that may migrate, and a CPU that idles: I1, I2, I4, I13") = {.cpus = 3,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"stays", 2, dev_raise, &dev[0]}, {"net", 3, dev_raise, &dev[1]},
	{"bio", 1, dev_raise, &dev[2]}},
    .check = check};
