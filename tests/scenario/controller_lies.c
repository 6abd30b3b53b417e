/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A controller that delivers late, twice, to the wrong CPU and after the line was masked; a level
 * line whose handler has no filter, one whose filter asks its device, and a source that moves: what
 * is not theirs is stray, and nothing is lost, run beside itself or left masked: I1, I2, I3.
 */
#include "dev.h"

static struct dev dev[3];

/* Once more to where it is, if it is masked: it was on its way when that happened. */
HARDWARE void after_mask(void *arg)
{
	const struct dev *d = arg;

	if (d->d_line->sl_masked)
		sim_line_inject(d->d_line, d->d_line->sl_cpu->ci_index);
}

static void setup(void)
{
	dev_init(&dev[0], "bare", INTR_LEVEL, 0, IPL_BIO, false);
	dev_init(&dev[1], "asks", INTR_LEVEL, 1, IPL_NET, true);
	dev_init(&dev[2], "moves", INTR_MESSAGE, 0, IPL_TTY, true);
}

static void moves(void *arg)
{
	(void)arg;
	CHECK_EQ(intr_bind(dev[2].d_line->sl_source, cpu_lookup(1)), 0);
}

static void check(void)
{
	for (unsigned i = 0; i < 3; i++)
		dev_check(&dev[i]);
}

SCENARIO(controller_lies, "late, twice, to another CPU, after the mask: I1, I2, I3") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"moves", 1, moves}},
    .devices = {{"bare", 1, dev_raise, &dev[0]}, {"asks", 1, dev_raise, &dev[1]},
	{"moves", 1, dev_raise, &dev[2]}, {"bare, late", 1, dev_late_1, &dev[0]},
	{"asks, late", 1, dev_late, &dev[1]}, {"moves, late", 1, dev_late, &dev[2]},
	{"bare, masked", 1, after_mask, &dev[0]}, {"asks, masked", 1, after_mask, &dev[1]}},
    .check = check};
