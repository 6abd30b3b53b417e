/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue is taken down while its handler is put off, or about to be, and while another leaves:
 * when intr_disestablish() has returned nobody queues it (sys/dev/nic_turn.c): I12.
 */
#include "dev.h"

#include "../../sys/dev/nic_turn.h"

static struct queue {
	struct nic_turn q_turn;
	struct sim_line *q_line;
	_Atomic unsigned q_got;
	_Atomic bool q_gone;
} queues[2];
static _Atomic unsigned busy;

static bool run(void *arg)
{
	struct queue *q = arg;

	CHECK(!GET(q->q_gone));
	if (!nic_turn_put_off(&q->q_turn, &busy)) {
		ADD(busy, 1);
		ADD(q->q_got, 1);
		ADD(busy, -1u);
		nic_turn_next();
	}
	return true;
}

static void setup(void)
{
	nic_turn_init();
	for (unsigned i = 0; i < 2; i++) {
		struct queue *q = &queues[i];

		nic_turn_start(&q->q_turn);
		q->q_line = sim_line_create("queue", INTR_EDGE, i, 0);
		CHECK_EQ(intr_establish(q->q_line->sl_source, "queue", IPL_NET, INTR_MANUAL, NULL,
			     run, q, &q->q_turn.nt_ih),
		    0);
	}
}

static void stays(void *arg)
{
	(void)arg;
	hwi_sched(queues[0].q_turn.nt_ih);
	hwi_sched(queues[0].q_turn.nt_ih);
}

static void goes(void *arg)
{
	struct queue *q = &queues[1];

	(void)arg;
	hwi_sched(q->q_turn.nt_ih);
	nic_turn_stop(&q->q_turn);
	CHECK(!list_linked(&q->q_turn.nt_list));
	hwi_sched(q->q_turn.nt_ih); /* as an interrupt in the last moment */
	CHECK(!list_linked(&q->q_turn.nt_list));
	CHECK_EQ(intr_disestablish(q->q_turn.nt_ih), 0);
	SET(q->q_gone, true);
}

static void check(void)
{
	CHECK(GET(queues[0].q_got) > 0);
	CHECK(GET(queues[1].q_gone));
	CHECK_EQ(GET(busy), 0);
}

SCENARIO(turn_goes, "a queue is taken down while its handler is put off: I12") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"stays", 0, stays}, {"goes", 1, goes}},
    .check = check};
