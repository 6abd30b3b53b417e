/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: a writer and a handler that reads: I8. */
#include "dev.h"

#include <ithaca/rwlock.h>

static struct dev dev;
static struct rwlock rw;
static unsigned data; /* plain: written by writers, read by readers */

static void hook(struct dev *d)
{
	(void)d;
	rw_enter(&rw, RW_READER);
	CHECK(data < 2);
	rw_exit(&rw);
}

static void setup(void)
{
	rw_init(&rw, "rw");
	rw_enter(&rw, RW_READER); /* witness.c has seen it before the runs: see witnessed.h */
	rw_exit(&rw);
	dev.d_hook = hook;
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void writes(void *arg)
{
	(void)arg;
	rw_enter(&rw, RW_WRITER);
	data++;
	rw_exit(&rw);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_rwlock, "to exhaust: reader/writer lock and interrupt: I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"writes", 1, writes}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
