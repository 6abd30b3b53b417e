/* SPDX-License-Identifier: BSD-2-Clause */
/* Lwps that are bound to a CPU wait there beside one that is not, and another CPU has nothing to
 * do: it takes that one and no other: I7. */
#include "scenario.h"

#include <ithaca/port.h>

static void at_home(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(curcpu()->ci_index, 0);
		lwp_yield();
	}
}

static void anywhere(void *arg)
{
	(void)arg;
	lwp_yield();
	lwp_yield();
}

SCENARIO(bound_stays, "who is bound is not stolen: I7") = {.cpus = 2,
    .lwps = {{"a", 0, at_home}, {"b", 0, at_home}, {"c", ANY_CPU, anywhere},
	{"d", ANY_CPU, anywhere}}};
