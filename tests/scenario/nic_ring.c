/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network card with a ring of four. Its filter switches its interrupt off, its thread takes two
 * packets a run and asks for another, and switches it on when the ring is empty, and looks once
 * more: what arrived in between has sent no message. Packets are taken once, in order, or missed by
 * the card: I1, I2, I4.
 */
#include "model.h"

#define SENT 6
#define BUDGET 2

static struct nic nic;
static struct intr_handler *ih;
static _Atomic unsigned at, taken, last;

static unsigned filter(void *arg)
{
	(void)arg;
	nic_interrupts(&nic, false);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool thread(void *arg)
{
	unsigned n, packet;

	(void)arg;
	for (n = 0; n < BUDGET; n++) {
		packet = nic_take(&nic, GET(at));
		if (packet == 0)
			break;
		CHECK(packet > GET(last));
		SET(last, packet);
		ADD(taken, 1);
		SET(at, (GET(at) + 1) % NIC_RING);
	}
	if (n == BUDGET) {
		hwi_sched(ih);
		return true;
	}
	nic_interrupts(&nic, true);
	sim_point(SIM_TEST);
	if (nic_full_at(&nic, GET(at))) {
		nic_interrupts(&nic, false);
		hwi_sched(ih);
	}
	return true;
}

static void setup(void)
{
	nic.n_line = sim_line_create("nic", INTR_MESSAGE, 0, 0);
	nic.n_on = true;
	CHECK_EQ(intr_establish(nic.n_line->sl_source, "nic", IPL_NET, 0, filter, thread, NULL,
		     &ih),
	    0);
}

static void moves(void *arg)
{
	(void)arg;
	CHECK_EQ(intr_bind(nic.n_line->sl_source, cpu_lookup(1)), 0);
}

static void check(void)
{
	CHECK_EQ(GET(taken) + nic.n_missed, SENT);
	for (unsigned i = 0; i < NIC_RING; i++)
		CHECK_EQ(nic.n_packet[i], 0);
}

SCENARIO(nic_ring, "a ring of descriptors, a budget, and the last look: I1, I2, I4") = {.cpus = 2,
    .setup = setup,
    .lwps = {{"moves", 1, moves}},
    .devices = {{"arrives", SENT, nic_arrive, &nic}},
    .check = check};
