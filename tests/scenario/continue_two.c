/* SPDX-License-Identifier: BSD-2-Clause */
/* A filter, on two CPUs at once, leaves two continuations a time: each runs, once, never beside
 * another, and a filter's second after its first: I1, I2, I4. */
#include "dev.h"

#include <ithaca/continue.h>

#define LEFT_MAX 16

static struct sim_line *line;
static struct intr_handler *ih;
static _Atomic unsigned left, done;
static _Atomic bool running, first_ran[LEFT_MAX];

static void later(void *arg)
{
	uintptr_t n = (uintptr_t)arg;

	CHECK(!SWAP(running, true));
	if (n % 2 == 0)
		SET(first_ran[n / 2], true);
	else
		CHECK(GET(first_ran[n / 2])); /* in order */
	ADD(done, 1);
	sim_point(SIM_TEST);
	CHECK(SWAP(running, false));
}

static unsigned filter(void *arg)
{
	uintptr_t n = ADD(left, 2);

	(void)arg;
	CHECK_EQ(intr_continue(ih, later, (void *)n), 0);
	CHECK_EQ(intr_continue(ih, later, (void *)(n + 1)), 0);
	return FILTER_HANDLED;
}

HARDWARE void raise_0(void *arg)
{
	(void)arg;
	sim_line_inject(line, 0);
}

HARDWARE void raise_1(void *arg)
{
	(void)arg;
	sim_line_inject(line, 1);
}

static void setup(void)
{
	line = sim_line_create("line", INTR_MESSAGE, 0, 0);
	CHECK_EQ(intr_establish(line->sl_source, "dev", IPL_NET, INTR_CONTINUE, filter, NULL, NULL,
		     &ih),
	    0);
}

static void body(void *arg)
{
	(void)arg;
}

static void check(void)
{
	CHECK_EQ(GET(done), GET(left));
}

SCENARIO(continue_two, "continuations left on two CPUs: I1, I2, I4") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}},
    .devices = {{"0", 2, raise_0, NULL}, {"1", 2, raise_1, NULL}},
    .check = check};
