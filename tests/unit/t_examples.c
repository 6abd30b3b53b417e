/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_examples.c - the drivers that the manual pages show (tests/examples/), with the chips that they
 * are for, on the simulated machine. Each is attached, used and detached, and leaves nothing.
 */
#include "unit.h"

#include "../examples/callout.c"
#include "../examples/intr_continue.c"
#include "../examples/rwlock.c"
#include "../examples/witness.c"
#include "../examples/workqueue.c"
#include <ithaca/errno.h>
#include <ithaca/sysctl.h>
#include <sim/sim.h>
#include <string.h>

/* ---- workqueue(9) ---- */

static struct sim_line *line;
static bool changed, card;

static bool slot_changed(struct slot *s)
{
	bool was = changed;

	(void)s;
	changed = false;
	sim_line_lower(line);
	return was;
}

static bool slot_card(struct slot *s)
{
	(void)s;
	return card;
}

static void plug(bool in)
{
	card = in;
	changed = true;
	sim_line_raise(line);
}

SIM_TEST(workqueue, 2, 50)
{
	static struct slot s;
	size_t before;
	unsigned i, n;
	int error;

	line = sim_line_create("slot", INTR_LEVEL, (unsigned)sim_random(2), 0);
	for (n = 1;; n++) {
		sim_settle();
		before = sim_mem_bytes();
		sim_mem_fail(n);
		error = slot_attach(&s, line->sl_source);
		if (!sim_mem_failed())
			break;
		CHECK_EQ(error, ENOMEM);
	}
	sim_mem_fail(0);
	CHECK_EQ(error, 0);
	for (i = 0; i < 10; i++) {
		plug(sim_random(2));
		lwp_sleep_ns(sim_random(30 * NS_PER_MS));
		if (sim_random(2)) {
			CHECK_EQ(workqueue_wait(&s.s_scan), 0);
			sim_settle();
			lwp_sleep_ns(50 * NS_PER_MS);
			CHECK_EQ(s.s_present, card);
		}
	}
	plug(true);
	slot_detach(&s);
	sim_settle();
	CHECK_EQ(sim_mem_bytes(), before);
}

/* ---- rwlock(9) ---- */

static uint64_t packets[4];
static unsigned npackets;

static bool nic_packet(struct nic *n, uint64_t *addr)
{
	(void)n;
	if (npackets == 0) {
		sim_line_lower(line);
		return false;
	}
	*addr = packets[--npackets];
	return true;
}

static void joiner(void *arg)
{
	struct nic *n = arg;
	unsigned joined = 0;

	for (uint64_t a = 0; a < 12; a++)
		joined += nic_join(n, a % 10) == 0;
	CHECK(joined <= NIC_ADDRS);
	CHECK_EQ(nic_join(n, 0), EEXIST);
	CHECK_EQ(nic_join(n, 100), ENOSPC);
}

SIM_TEST(rwlock, 3, 100)
{
	static struct nic n;
	struct lwp *l[2];

	line = sim_line_create("nic", INTR_LEVEL, (unsigned)sim_random(3), 0);
	CHECK_EQ(nic_attach(&n, line->sl_source), 0);
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(lwp_create("join", PRI_KERNEL, NULL, LWP_JOINABLE, joiner, &n, &l[i]), 0);
	for (unsigned i = 0; i < 10; i++) {
		packets[0] = packets[1] = sim_random(2);
		packets[2] = packets[3] = 50;
		npackets = 4;
		sim_line_raise(line);
		while (npackets > 0)
			lwp_sleep_ns(10000);
	}
	lwp_join(l[0]);
	lwp_join(l[1]);
	sim_settle();
	CHECK_EQ(n.n_count, NIC_ADDRS);
	CHECK_EQ(n.n_taken + n.n_dropped, 40);
	CHECK(n.n_dropped >= 20);
	nic_detach(&n);
}

/* ---- intr_continue(9) ---- */

static char typed[4];
static unsigned ntyped, powered;
static bool broken;

static void quiet(void)
{
	if (ntyped == 0 && !broken)
		sim_line_lower(line);
}

static bool port_getc(struct port *p, char *c)
{
	(void)p;
	if (ntyped == 0)
		return false;
	*c = typed[--ntyped];
	quiet();
	return true;
}

static bool port_broken(struct port *p)
{
	bool was = broken;

	(void)p;
	broken = false;
	quiet();
	return was;
}

static void port_power(struct port *p, bool on)
{
	(void)p;
	CHECK_EQ(on, powered % 2);
	powered++;
}

SIM_TEST(intr_continue, 2, 100)
{
	static struct port p;
	unsigned lines = 0;

	line = sim_line_create("port", INTR_LEVEL, (unsigned)sim_random(2), 0);
	CHECK_EQ(port_attach(&p, line->sl_source), 0);
	for (unsigned i = 0; i < 30; i++) {
		typed[0] = '\n';
		typed[1] = 'x';
		ntyped = 1 + (unsigned)sim_random(2);
		lines++;
		broken = i == 10;
		sim_line_raise(line);
		while (ntyped > 0)
			lwp_sleep_ns(10000);
		lwp_sleep_ns(sim_random(30000));
	}
	port_detach(&p);
	CHECK_EQ(p.p_nlines, lines);
	CHECK_EQ(p.p_lost, 0);
	CHECK_EQ(p.p_resets, 1);
	CHECK_EQ(powered, 2);
}

/* ---- witness(9) ---- */

static struct disk disks[2];

static void mover(void *left)
{
	for (unsigned i = 0; i < 40; i++)
		(void)disk_move(&disks[i % 2], &disks[1 - i % 2]);
	--*(unsigned *)left;
}

static bool reported(void)
{
	char text[24];

	if (sysctl_read("debug.witness.reversals", text, sizeof(text)) != 0)
		SKIP("locks are checked in checked builds");
	return strcmp(text, "0") != 0;
}

SIM_TEST(witness, 3, 30)
{
	unsigned left = 4;

	disk_attach(&disks[0], 20);
	disk_attach(&disks[1], 0);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(lwp_create("mover", PRI_KERNEL, NULL, 0, mover, &left, NULL), 0);
	while (left > 0)
		lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(disks[0].d_queued + disks[1].d_queued, 20);
	CHECK(!reported());
	EXPECT_WITNESS();
	(void)disk_move_wrong(&disks[0], &disks[1]);
	(void)disk_move_wrong(&disks[1], &disks[0]);
	CHECK(reported());
	sim_settle();
	CHECK_HAS(sim_console(), "lock order reversal within a class by lwp \"main\"");
}

/* ---- callout(9) ---- */

static bool tx_done, tx_swallows, tx_link;

static void tx_goes(void *arg)
{
	(void)arg;
	tx_done = true;
	sim_line_raise(line);
}

static bool tx_chip_done(struct tx *t)
{
	bool was = tx_done;

	(void)t;
	tx_done = false;
	sim_line_lower(line);
	return was;
}

static bool tx_chip_link(struct tx *t)
{
	(void)t;
	return tx_link;
}

static void tx_chip_start(struct tx *t)
{
	(void)t;
	if (!tx_swallows)
		sim_at(sim_random(10 * NS_PER_MS), tx_goes, NULL); /* sometimes too late */
}

static void tx_chip_reset(struct tx *t)
{
	(void)t;
	tx_done = false;
	sim_line_lower(line);
}

SIM_TEST(callout, 2, 50)
{
	static struct tx t;
	unsigned i, sent = 0, swallowed = 0;

	line = sim_line_create("tx", INTR_LEVEL, (unsigned)sim_random(2), 0);
	sim_mem_fail(1);
	CHECK_EQ(tx_attach(&t, line->sl_source), ENOMEM);
	sim_mem_fail(0);
	tx_detach(&t);
	CHECK_EQ(tx_attach(&t, line->sl_source), 0);
	for (i = 0; i < 20; i++) {
		tx_swallows = sim_random(3) == 0;
		tx_link = sim_random(2) != 0;
		if (tx_send(&t) == 0) {
			sent++;
			swallowed += tx_swallows;
			CHECK_EQ(tx_send(&t), EBUSY);
		}
		lwp_sleep_ns(sim_random(20 * NS_PER_MS));
	}
	lwp_sleep_ns(130 * NS_PER_MS);
	CHECK_EQ(t.t_link, tx_link);
	CHECK(!t.t_busy);
	CHECK_EQ(t.t_sent + t.t_resets, sent);
	CHECK(t.t_resets >= swallowed);
	tx_swallows = sim_random(2) != 0;
	(void)tx_send(&t);
	lwp_sleep_ns(sim_random(10 * NS_PER_MS));
	tx_detach(&t);
	sim_settle();
}
