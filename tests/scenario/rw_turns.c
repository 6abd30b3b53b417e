/* SPDX-License-Identifier: BSD-2-Clause */
/* From reader to writer and back while others wait, with nobody in between: I8, I9. */
#include "rw_use.h"

static void turns(void *arg)
{
	bool alone;

	(void)arg;
	rw_enter(&rw, RW_READER);
	alone = rw_tryupgrade(&rw);
	in(alone);
	lwp_yield();
	out(alone);
	if (alone) {
		rw_downgrade(&rw);
		in(false);
		out(false);
	}
	rw_exit(&rw);
	CHECK_EQ(curlwp->l_pri, curlwp->l_basepri);
}

SCENARIO(rw_turns, "upgrade and downgrade with others waiting: I8, I9") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"turns", 0, turns}, {"w0", 0, writes, NULL, 20}, {"r1", 1, reads, NULL, 10},
	{"w1", 1, writes}}};
