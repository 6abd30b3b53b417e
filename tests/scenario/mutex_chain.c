/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chain: the high one waits for b, whose owner waits for a, whose owner is low and on the other
 * CPU with somebody in between. What is lent reaches the end of the chain, and is given back at
 * each exit: I8, I9.
 */
#include "scenario.h"

static struct mutex a, b;
static unsigned inside;

static void setup(void)
{
	mutex_init(&a, "a", IPL_NONE);
	mutex_init(&b, "b", IPL_NONE);
}

static void low(void *arg)
{
	(void)arg;
	mutex_enter(&a);
	CHECK_EQ(inside++, 0);
	lwp_yield();
	CHECK_EQ(--inside, 0);
	mutex_exit(&a);
	CHECK_EQ(curlwp->l_pri, 10);
}

static void middle(void *arg)
{
	(void)arg;
	mutex_enter(&b);
	mutex_enter(&a);
	CHECK_EQ(inside++, 0);
	CHECK_EQ(--inside, 0);
	mutex_exit(&a);
	lwp_yield();
	mutex_exit(&b);
	CHECK_EQ(curlwp->l_pri, 20);
}

static void high(void *arg)
{
	(void)arg;
	mutex_enter(&b);
	mutex_exit(&b);
	CHECK_EQ(curlwp->l_pri, 40);
}

SCENARIO(mutex_chain, "what is lent goes along a chain and comes back: I8, I9") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"low", 0, low, NULL, 10}, {"middle", 1, middle, NULL, 20},
	{"high", 0, high, NULL, 40}}};
