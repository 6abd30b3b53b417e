/* SPDX-License-Identifier: BSD-2-Clause */
/* A handler goes while another comes: the bit of the first is not given to the second before the
 * first is idle, or its end would unmask the line of the other: I3, I12. */
#include "dev.h"

static struct dev dev[3];

static void setup(void)
{
	dev_init(&dev[0], "stays", INTR_LEVEL, 0, IPL_NET, true);
	dev_share(&dev[1], &dev[0], "goes", IPL_BIO, false);
}

static void goes(void *arg)
{
	(void)arg;
	CHECK_EQ(intr_disestablish(dev[1].d_ih), 0);
}

static void comes(void *arg)
{
	(void)arg;
	dev_share(&dev[2], &dev[0], "comes", IPL_TTY, false);
}

static void check(void)
{
	dev_check(&dev[0]);
	dev_check(&dev[2]);
}

SCENARIO(bit_of_leaver, "one handler goes while another comes: I3, I12") = {.cpus = 3,
    .setup = setup,
    .lwps = {{"goes", 1, goes}, {"comes", 2, comes}},
    .devices = {{"raise", 1, dev_raise, &dev[0]}, {"late", 2, dev_late, &dev[0]}},
    .check = check};
