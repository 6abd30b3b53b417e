/* SPDX-License-Identifier: BSD-2-Clause */
/* Two lwps on two CPUs and one adaptive mutex: I8. */
#include "scenario.h"

static struct mutex m;
static unsigned inside, total;

static void setup(void)
{
	mutex_init(&m, "m", IPL_NONE);
}

static void body(void *arg)
{
	(void)arg;
	mutex_enter(&m);
	CHECK_EQ(inside++, 0);
	total++;
	CHECK_EQ(--inside, 0);
	mutex_exit(&m);
}

static void check(void)
{
	CHECK_EQ(total, 2);
}

SCENARIO(mutex_two, "two lwps and one adaptive mutex: I8") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .check = check};
