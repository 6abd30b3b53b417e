/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_spl.c - levels raised and lowered. What they keep out is in t_ithread.c.
 */
#include "unit.h"

#include <ithaca/lwp.h>
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
