/* SPDX-License-Identifier: BSD-2-Clause */
/* A UART whose filter empties the FIFO and whose thread echoes, beside a handler that blocks: every
 * character is read once and in order, or counted as overrun: I1, I3, I4. */
#include "model.h"

#define SENT 4
#define RING 8 /* more than are sent: the driver loses none */

static struct uart u;
static _Atomic unsigned ring[RING], head, tail, echoed, last;
static struct dev other;
static struct mutex m;

static unsigned filter(void *arg)
{
	unsigned c, n = 0;

	(void)arg;
	for (; (c = uart_read(&u)) != 0; n++) {
		SET(ring[GET(head) % RING], c);
		ADD(head, 1);
	}
	return n != 0 ? FILTER_HANDLED | FILTER_SCHEDULE_THREAD : FILTER_STRAY;
}

static bool thread(void *arg)
{
	(void)arg;
	while (GET(tail) != GET(head)) {
		unsigned c = GET(ring[GET(tail) % RING]);

		CHECK(c > GET(last));
		SET(last, c);
		ADD(tail, 1);
		ADD(echoed, 1);
	}
	return true;
}

static void hook(struct dev *d)
{
	(void)d;
	mutex_enter(&m);
	mutex_exit(&m);
}

static void setup(void)
{
	struct intr_handler *ih;

	mutex_init(&m, "m", IPL_NONE);
	u.u_line = sim_line_create("uart", INTR_LEVEL, 0, 0);
	CHECK_EQ(intr_establish(u.u_line->sl_source, "uart", IPL_TTY, 0, filter, thread, NULL, &ih),
	    0);
	other.d_hook = hook;
	dev_init(&other, "other", INTR_LEVEL, 0, IPL_NET, false);
}

static void body(void *arg)
{
	hook(arg);
}

static void check(void)
{
	CHECK_EQ(GET(echoed) + u.u_overruns, SENT);
	CHECK_EQ(u.u_n, 0);
	dev_check(&other);
}

SCENARIO(uart_overrun,
    "a UART with a FIFO of two, beside a handler that blocks: I1, I3, I4") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body}, {"b", 1, body}},
    .devices = {{"arrives", SENT, uart_arrive, &u}, {"other", 1, dev_raise, &other}},
    .check = check};
