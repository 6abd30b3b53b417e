/* SPDX-License-Identifier: BSD-2-Clause */
/* Readers and writers on two CPUs: writers are alone, nobody is forgotten, and what was lent is
 * given back: I8, I9. */
#include "rw_use.h"

SCENARIO(rw_mixed, "readers and writers: I8, I9") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"r0", 0, reads}, {"w0", 0, writes, NULL, 20}, {"r1", 1, reads, NULL, 10},
	{"w1", 1, writes}}};
