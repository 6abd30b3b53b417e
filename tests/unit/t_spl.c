/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_spl.c - levels raised and lowered. What they keep out is in t_ithread.c.
 */
#include "unit.h"

#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/spl.h>
#include <sim/sim.h>

SIM_TEST(raise_and_back, 1, 0)
{
	int a, b, c;

	a = splraise(IPL_NET);
	CHECK_EQ(a, IPL_NONE);
	CHECK_EQ(curlwp->l_ipl, IPL_NET);
	CHECK(port_intr_enabled());
	b = splraise(IPL_BIO); /* lower: changes nothing */
	CHECK_EQ(b, IPL_NET);
	CHECK_EQ(curlwp->l_ipl, IPL_NET);
	c = splraise(IPL_HIGH);
	CHECK_EQ(c, IPL_NET);
	CHECK(!port_intr_enabled());
	splx(c);
	CHECK(port_intr_enabled());
	CHECK_EQ(curlwp->l_ipl, IPL_NET);
	splx(b);
	splx(a);
	CHECK_EQ(curlwp->l_ipl, IPL_NONE);
}

SIM_TEST(every_level, 1, 0)
{
	for (int ipl = IPL_NONE; ipl < IPL_COUNT; ipl++) {
		int s = splraise(ipl);

		CHECK_EQ(s, IPL_NONE);
		CHECK_EQ(curlwp->l_ipl, ipl);
		CHECK_EQ(port_intr_enabled(), !IPL_IS_HARD(ipl));
		splx(s);
		CHECK_EQ(curlwp->l_ipl, IPL_NONE);
		CHECK(port_intr_enabled());
	}
}

SIM_TEST(hard_within_hard, 1, 0)
{
	int a = splraise(IPL_VM), b = splraise(IPL_SCHED);

	CHECK_EQ(b, IPL_VM);
	splx(b);
	CHECK_EQ(curlwp->l_ipl, IPL_VM);
	CHECK(!port_intr_enabled());
	splx(a);
	CHECK(port_intr_enabled());
}

/* Interrupts are off for the mutex, whatever the level; a level that is raised under it comes down
 * under it, and lets nobody in. */
SIM_TEST(under_a_spin_mutex, 1, 0)
{
	struct mutex m;
	int outer, s;

	mutex_init(&m, "m", IPL_VM);
	for (outer = IPL_NONE; outer < IPL_COUNT; outer++) {
		int before = splraise(outer);

		mutex_spin_enter(&m);
		CHECK_EQ(curlwp->l_ipl, outer);
		CHECK_EQ(spl_now(), IPL_HIGH);
		for (int ipl = IPL_NONE; ipl < IPL_COUNT; ipl++) {
			s = splraise(ipl);
			CHECK_EQ(s, outer);
			CHECK_EQ(spl_now(), IPL_HIGH);
			CHECK(!port_intr_enabled());
			splx(s);
			CHECK_EQ(curlwp->l_ipl, outer);
			CHECK(!port_intr_enabled());
		}
		mutex_spin_exit(&m);
		CHECK_EQ(spl_now(), outer);
		CHECK_EQ(port_intr_enabled(), !IPL_IS_HARD(outer));
		splx(before);
		CHECK(port_intr_enabled());
	}
}

TEST(names)
{
	CHECK_STR(spl_name(IPL_NONE), "none");
	CHECK_STR(spl_name(IPL_SOFTSERIAL), "softserial");
	CHECK_STR(spl_name(IPL_NET), "net");
	CHECK_STR(spl_name(IPL_HIGH), "high");
	CHECK_STR(spl_name(IPL_COUNT), "?");
	CHECK_STR(spl_name(-1), "?");
}

SIM_PANIC(splx_upwards, 1, "spl")
{
	splx(IPL_NET);
}
