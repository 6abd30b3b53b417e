/* SPDX-License-Identifier: BSD-2-Clause */
/* bench.c - executions a second, of a two-thread primitive and of a scenario of some 500 points. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>

int bench(const char *self)
{
	static const char *const name[] = {"bench_pair", "mutex_two", "bench_points"};
	char cmd[512];
	int bad = 0;

	for (unsigned i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
		snprintf(cmd, sizeof(cmd), "%s %s --strategy random --seconds 3", self, name[i]);
		bad |= system(cmd);
		snprintf(cmd, sizeof(cmd), "%s %s --strategy random --seconds 3 --no-races", self,
		    name[i]);
		bad |= system(cmd);
	}
	return bad != 0;
}
