/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BIO, NET and TTY on one CPU: each comes over the one before and over nobody else, and whoever was
 * beneath goes on at its level: I4, I7.
 */
#include "dev.h"

static struct dev dev[3];
static int at[3];

static void hook(struct dev *t)
{
	unsigned i = (unsigned)(t - dev);

	for (unsigned j = i; j < 3; j++)
		CHECK_EQ(at[j], 0);
	at[i] = 1;
	CHECK_EQ(curlwp->l_ipl, IPL_BIO + (int)i);
	sim_point(SIM_TEST);
	CHECK_EQ(curlwp->l_ipl, IPL_BIO + (int)i);
	at[i] = 0;
}

static void setup(void)
{
	for (unsigned i = 0; i < 3; i++) {
		dev[i].d_hook = hook;
		dev_init(&dev[i], "dev", i == 1 ? INTR_LEVEL : INTR_EDGE, 0, IPL_BIO + (int)i,
		    true);
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

SCENARIO(nesting, "three levels, one over the other: I1, I4, I7") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"bio", 1, dev_raise, &dev[0]}, {"net", 2, dev_raise, &dev[1]},
	{"tty", 1, dev_raise, &dev[2]}},
    .check = check};
