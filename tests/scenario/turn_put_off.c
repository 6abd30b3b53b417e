/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handlers of three queues on two CPUs want the same, and whoever finds another at it comes back:
 * each request is followed by a run that gets it, whoever leaves while others are put off, and
 * whether they were put off on their own CPU or as a guest (sys/dev/nic_turn.c): I1, I2.
 */
#include "dev.h"

#include "../../sys/dev/nic_turn.h"

#define QUEUES 3

static struct queue {
	struct nic_turn q_turn;
	struct sim_line *q_line;
	_Atomic unsigned q_asked, q_got;
	_Atomic bool q_running;
} queues[QUEUES];
static _Atomic unsigned busy;
static struct mutex m;
static unsigned inside;

static bool run(void *arg)
{
	struct queue *q = arg;

	CHECK(!SWAP(q->q_running, true));
	if (!nic_turn_put_off(&q->q_turn, &busy)) {
		ADD(busy, 1);
		mutex_enter(&m);
		CHECK_EQ(inside++, 0);
		SET(q->q_got, GET(q->q_asked));
		CHECK_EQ(--inside, 0);
		mutex_exit(&m);
		ADD(busy, -1u);
		nic_turn_next();
	}
	CHECK(SWAP(q->q_running, false));
	return true;
}

static void setup(void)
{
	mutex_init(&m, "m", IPL_NET);
	nic_turn_init();
	for (unsigned i = 0; i < QUEUES; i++) {
		struct queue *q = &queues[i];

		nic_turn_start(&q->q_turn);
		q->q_line = sim_line_create("queue", INTR_EDGE, i % 2, 0);
		CHECK_EQ(intr_establish(q->q_line->sl_source, "queue", IPL_NET, INTR_MANUAL, NULL,
			     run, q, &q->q_turn.nt_ih),
		    0);
	}
}

static void body(void *arg)
{
	struct queue *q = arg;

	for (unsigned i = 0; i < 2; i++) {
		SET(q->q_asked, i + 1); /* before the request: the run sees it */
		hwi_sched(q->q_turn.nt_ih);
	}
}

static void check(void)
{
	CHECK_EQ(GET(busy), 0);
	for (unsigned i = 0; i < QUEUES; i++)
		CHECK_EQ(GET(queues[i].q_got), 2);
}

SCENARIO(turn_put_off,
    "handlers that come back instead of waiting for one another: I1, I2") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"a", 0, body, &queues[0]}, {"b", 1, body, &queues[1]}, {"c", 1, body, &queues[2]}},
    .check = check};
