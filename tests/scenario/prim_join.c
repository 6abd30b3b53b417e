/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: an lwp is made, ends and is joined while a handler interrupts both of them: no
 * end is missed, and nobody is freed while on its stack: I8. */
#include "dev.h"

static struct dev dev;
static unsigned ran;

static void child(void *arg)
{
	*(unsigned *)arg += 1;
}

static void setup(void)
{
	dev_init(&dev, "dev", INTR_LEVEL, 0, IPL_NET, true);
}

static void body(void *arg)
{
	struct lwp *l;
	int error;

	(void)arg;
	error = lwp_create("child", PRI_KERNEL, curcpu(), LWP_JOINABLE, child, &ran, &l);
	if (error == ENOMEM)
		return;
	CHECK_EQ(error, 0);
	lwp_join(l);
	CHECK_EQ(ran, 1);
}

static void check(void)
{
	dev_check(&dev);
}

SCENARIO(prim_join,
    "to exhaust: an lwp that ends and is joined, and an interrupt: I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"raise", 1, dev_raise, &dev}},
    .bound = 3,
    .check = check};
