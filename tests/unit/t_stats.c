/* SPDX-License-Identifier: BSD-2-Clause */
/* t_stats.c - kern/stats.c: sums are over all CPUs; what accounting charges begins when it is
 * switched on, and goes to who runs. */
#include "unit.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <ithaca/sysctl.h>
#include <sim/sim.h>
#include <stdlib.h>

static uint64_t value(const char *name)
{
	char text[80];

	CHECK_EQ(sysctl_read(name, text, sizeof(text)), 0);
	return strtoull(text, NULL, 10);
}

static void nothing(void *arg)
{
	(void)arg;
}

SIM_TEST(sums_are_of_all_cpus, 2, 0)
{
	struct softint *si;
	uint64_t before = value("hw.intr.handoffs");

	CHECK_EQ(value("hw.ncpu"), 2);
	CHECK_EQ(softint_establish("s", IPL_SOFTNET, nothing, NULL, &si), 0);
	softint_schedule_cpu(si, cpu_lookup(1));
	sim_settle();
	CHECK(value("hw.intr.handoffs") > before);
	CHECK_EQ(value("hw.intr.handoffs"),
	    atomic_load(&cpu_lookup(0)->ci_handoffs) + atomic_load(&cpu_lookup(1)->ci_handoffs));
	CHECK(value("hw.intr.ipis") > 0);
	CHECK_EQ(softint_disestablish(si), 0);
}

/* So whoever was charged last is not who runs when it is switched on. */
static void switches_it_off(void *arg)
{
	(void)arg;
	CHECK_EQ(sysctl_write("hw.intr.acct", "0"), 0);
}

SIM_TEST(accounting_begins_when_it_is_switched_on, 1, 0)
{
	struct lwp *l = curlwp, *other;
	uint64_t before;

	CHECK_EQ(lwp_create("off", PRI_KERNEL, NULL, LWP_JOINABLE, switches_it_off, NULL, &other),
	    0);
	lwp_join(other);
	sim_work(NS_PER_S);
	before = atomic_load(&l->l_ticks);
	CHECK_EQ(sysctl_write("hw.intr.acct", "1"), 0);
	sim_work(NS_PER_MS);
	lwp_sleep_ns(NS_PER_MS);
	CHECK(atomic_load(&l->l_ticks) - before >= NS_PER_MS);
	CHECK(atomic_load(&l->l_ticks) - before < NS_PER_S);
	before = atomic_load(&cpu_lookup(0)->ci_idle->l_ticks);
	CHECK(before < NS_PER_S);
}

SIM_TEST(pool_is_within_its_limits, 2, 0)
{
	char text[80];

	CHECK_EQ(value("hw.intr.threads"), 4);
	CHECK_EQ(value("hw.intr.threads_min"), 4);
	CHECK_EQ(sysctl_write("hw.intr.threads", "3"), ERANGE);
	CHECK_EQ(sysctl_write("hw.intr.threads", "18446744073709551615"), ERANGE);
	CHECK_EQ(sysctl_write("hw.intr.threads", "4"), 0);
	CHECK_EQ(sysctl_read("hw.intr.pool", text, sizeof(text)), 0);
	CHECK_STR(text, "total 4 free 2 spare 2 active 0 divorced 0");
}
