/* SPDX-License-Identifier: BSD-2-Clause */
/* lwps are made, end and are joined, and their memory serves the next: nobody is freed while on
 * its stack, no end is missed: I8. */
#include "scenario.h"

static unsigned ran;

static void child(void *arg)
{
	*(unsigned *)arg += 1;
}

static void body(void *arg)
{
	struct lwp *l;
	int error;

	(void)arg;
	for (unsigned i = 0; i < 2; i++) {
		error =
		    lwp_create("child", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, child, &ran, &l);
		if (error == ENOMEM)
			return;
		CHECK_EQ(error, 0);
		lwp_join(l);
		CHECK_EQ(ran, i + 1);
	}
}

SCENARIO(made_and_joined, "lwps that end and are joined: I8") = {.cpus = 2,
    .setup = NULL,
    .lwps = {{"a", 0, body}},
    .alloc_fail = true};
