/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A callout that is destroyed, and whose memory is given back, by its own function: nothing looks
 * at it afterwards: I10.
 */
#include "scenario.h"

#include <ithaca/callout.h>
#include <ithaca/sleepq.h>

static bool freed;

static void fn(void *arg)
{
	struct callout *c = arg;

	callout_destroy(c);
	port_mem_free(c, sizeof(*c));
	freed = true;
}

static void body(void *arg)
{
	struct callout *c = port_mem_alloc(sizeof(*c));

	(void)arg;
	if (c == NULL) {
		freed = true;
		return;
	}
	callout_init(c);
	callout_reset(c, 1, fn, c);
	lwp_sleep_ns(1000000);
}

static void check(void)
{
	CHECK(freed);
}

SCENARIO(callout_frees, "a callout that its own function frees: I10") = {.cpus = 1,
    .setup = NULL,
    .lwps = {{"a", 0, body}},
    .check = check,
    .alloc_fail = true};
