/* SPDX-License-Identifier: BSD-2-Clause */
/* For exhausting: a handler goes while its filter leaves a continuation: what was accepted has run
 * when intr_disestablish() is back, and nothing more does: I12. */
#include "dev.h"

#include <ithaca/continue.h>

static struct sim_line *line;
static struct intr_handler *ih;
static _Atomic unsigned left, done;
static _Atomic bool is_gone;

static void later(void *arg)
{
	(void)arg;
	CHECK(!GET(is_gone));
	ADD(done, 1);
}

static unsigned filter(void *arg)
{
	CHECK(!GET(is_gone));
	if (intr_continue(ih, later, arg) == 0)
		ADD(left, 1);
	return FILTER_HANDLED;
}

HARDWARE void raise_it(void *arg)
{
	(void)arg;
	sim_line_raise(line);
}

static void setup(void)
{
	line = sim_line_create("line", INTR_MESSAGE, 0, 0);
	CHECK_EQ(intr_establish(line->sl_source, "dev", IPL_NET, INTR_CONTINUE, filter, NULL, NULL,
		     &ih),
	    0);
}

static void goes(void *arg)
{
	(void)arg;
	CHECK_EQ(intr_disestablish(ih), 0);
	SET(is_gone, true);
}

static void check(void)
{
	CHECK_EQ(GET(done), GET(left));
}

SCENARIO(prim_continue, "to exhaust: a continuation, and its handler that goes: I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"goes", 1, goes}},
    .devices = {{"raise", 1, raise_it, NULL}},
    .bound = 3,
    .check = check};
