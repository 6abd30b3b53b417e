/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One level line, five handlers: one whose filter is always a stranger, one that does all in its
 * filter, one that leaves the rest to its thread, one whose thread says whose it was, and one
 * without a filter. Each of them is asked, and none keeps the line for ever: I1, I2, I3.
 */
#include "dev.h"

static struct dev dev[4];
static unsigned asked;

static unsigned stranger(void *arg)
{
	(void)arg;
	asked++;
	return FILTER_STRAY;
}

static unsigned alone(void *arg)
{
	struct dev *t = arg;
	unsigned n = dev_take(t);

	ADD(t->d_done, n);
	return n != 0 ? FILTER_HANDLED : FILTER_STRAY;
}

static void setup(void)
{
	struct intr_handler *ih;

	dev[2].d_answer = FILTER_SCHEDULE_THREAD;
	dev_init(&dev[0], "both", INTR_LEVEL, 0, IPL_NET, true);
	dev_share(&dev[2], &dev[0], "settles", IPL_BIO, true);
	dev_share(&dev[3], &dev[0], "bare", IPL_TTY, false);
	dev[1].d_line = dev[0].d_line;
	dev[1].d_peer = dev[0].d_peer;
	dev[0].d_peer = &dev[1];
	CHECK_EQ(intr_establish(dev[0].d_line->sl_source, "stranger", IPL_VM, 0, stranger, NULL,
		     NULL, &ih),
	    0);
	CHECK_EQ(intr_establish(dev[0].d_line->sl_source, "alone", IPL_VM, 0, alone, NULL, &dev[1],
		     &ih),
	    0);
}

static void body(void *arg)
{
	(void)arg;
}

static void check(void)
{
	for (unsigned i = 0; i < 4; i++)
		dev_check(&dev[i]);
	CHECK(asked > 0);
}

SCENARIO(filter_answers, "every answer of a filter, on one level line: I1, I2, I3") = {.cpus = 1,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"both", 1, dev_raise, &dev[0]}, {"alone", 1, dev_raise, &dev[1]},
	{"settles", 1, dev_raise, &dev[2]}, {"bare", 1, dev_raise, &dev[3]}},
    .check = check};
