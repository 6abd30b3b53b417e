/* SPDX-License-Identifier: BSD-2-Clause */
/* A filter and an lwp of another CPU ask for one softint: a run that begins later sees what each
 * wrote before it asked, and none runs beside another: I1, I2. */
#include "dev.h"

#include <ithaca/softint.h>

static struct softint *si;
static struct sim_line *line;
static struct intr_handler *ih;
static _Atomic unsigned said[2], seen[2]; /* by filter and lwp; a write each, not in one step */
static _Atomic bool running;

static void soft(void *arg)
{
	(void)arg;
	CHECK(!SWAP(running, true));
	SET(seen[0], GET(said[0]));
	SET(seen[1], GET(said[1]));
	CHECK(SWAP(running, false));
}

static unsigned filter(void *arg)
{
	(void)arg;
	SET(said[0], GET(said[0]) + 1);
	softint_schedule(si);
	return FILTER_HANDLED;
}

static void setup(void)
{
	CHECK_EQ(softint_establish("soft", IPL_SOFTNET, soft, NULL, &si), 0);
	line = sim_line_create("line", INTR_EDGE, 0, 0);
	CHECK_EQ(intr_establish(line->sl_source, "line", IPL_VM, 0, filter, NULL, NULL, &ih), 0);
}

static void raise(void *arg)
{
	(void)arg;
	sim_line_raise(line);
}

static void asks(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 2; i++) {
		SET(said[1], i + 1);
		softint_schedule(si);
	}
}

static void check(void)
{
	CHECK_EQ(GET(seen[0]), GET(said[0]));
	CHECK_EQ(GET(seen[1]), GET(said[1]));
}

SCENARIO(soft_asked, "a filter and an lwp elsewhere ask for one softint: I1, I2") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"asks", 1, asks}},
    .devices = {{"raise", 3, raise}},
    .check = check};
