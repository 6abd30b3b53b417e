/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two sources keep one CPU of two busy, and nobody else gets to run there: the balancer comes to
 * look all the same, one of the two goes to the other CPU, under fire, and nothing is lost: I1, I2,
 * I3. One that was bound stays. By then a third may have gone that it has just measured: I12.
 */
#include "dev.h"

#include <ithaca/balance.h>
#include <ithaca/clock.h>
#include <ithaca/sleepq.h>
#include <ithaca/sysctl.h>

#define RUN_NS (45 * NS_PER_MS)
#define RUNS 9 /* of each of two, and so many looks at least */

static struct dev bound, loose;
static struct sim_line *line;

static void eats(struct dev *d)
{
	dev_eat(d, RUN_NS, RUNS);
}

static void setup(void)
{
	CHECK_EQ(sysctl_write("hw.intr.acct", "1"), 0);
	bound.d_hook = loose.d_hook = eats;
	dev_init(&bound, "bound", INTR_LEVEL, 0, IPL_NET, true);
	dev_init(&loose, "loose", INTR_MESSAGE, 0, IPL_NET, true);
	CHECK_EQ(intr_bind(bound.d_line->sl_source, cpu_lookup(0)), 0);
	line = sim_line_create("line", INTR_EDGE, 0, 0);
	CHECK_EQ(balance_init(), 0);
	CHECK_EQ(sysctl_write("hw.intr.balance_ms", "50"), 0);
}

static void goes(void *arg)
{
	(void)arg;
	dev_raise(&bound);
	dev_raise(&loose);
	lwp_sleep_ns(100 * NS_PER_MS);
	CHECK_EQ(sim_line_destroy(line), 0);
	lwp_sleep_ns(NS_PER_S);
	CHECK_EQ(sysctl_write("hw.intr.balance_ms", "0"), 0);
}

static void check(void)
{
	dev_check(&bound);
	dev_check(&loose);
	CHECK_EQ(bound.d_line->sl_routes, 0);
	CHECK(loose.d_line->sl_routes <= 1);
	CHECK(loose.d_line->sl_cpu == cpu_lookup(1));
}

SCENARIO(balance_moves, "two keep a CPU busy, one moves: I1, I2, I3") = {.cpus = 2,
    .setup = setup,
    .steps = 100000,
    .lwps = {{"goes", ANY_CPU, goes}},
    .devices = {{"bound", 1, dev_raise, &bound}, {"loose", 1, dev_raise, &loose}},
    .check = check};
