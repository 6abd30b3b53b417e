/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_examples_wait.c - the drivers that softint(9) and condvar(9) show (tests/examples/), with their
 * chips, as t_examples.c does for others.
 */
#include "unit.h"

#include "../examples/condvar.c"
#include "../examples/softint.c"
#include <ithaca/lwp.h>
#include <sim/sim.h>

static struct sim_line *line;

/* ---- softint(9) ---- */

static uint8_t codes[8];
static unsigned ncodes, ncalls, last_key;
static bool deaf; /* nobody listens any more */

static bool kbd_code(struct kbd *k, uint8_t *code)
{
	(void)k;
	sim_point(SIM_TEST);
	if (ncodes == 0) {
		sim_line_lower(line);
		return false;
	}
	*code = codes[--ncodes];
	return true;
}

static void key_pressed(void *arg, uint8_t key)
{
	CHECK_EQ((uintptr_t)arg, (uintptr_t)codes);
	CHECK(!deaf);
	ncalls++;
	last_key = key;
	lwp_sleep_ns(sim_random(30 * NS_PER_US)); /* a softint may */
}

/* A key goes down, is repeated, and goes up. */
static void type(uint8_t key)
{
	codes[2] = codes[1] = key;
	codes[0] = (uint8_t)(key | KBD_RELEASED);
	ncodes = 3;
	sim_line_raise(line);
	while (ncodes > 0)
		lwp_sleep_ns(10 * NS_PER_US);
}

SIM_TEST(softint, 2, 100)
{
	static struct kbd k;
	size_t before;
	unsigned n;
	int error;

	line = sim_line_create("kbd", INTR_LEVEL, (unsigned)sim_random(2), 0);
	for (n = 1;; n++) {
		sim_settle();
		before = sim_mem_bytes();
		sim_mem_fail(n);
		error = kbd_attach(&k, line->sl_source);
		if (!sim_mem_failed())
			break;
		CHECK_EQ(error, ENOMEM);
	}
	sim_mem_fail(0);
	CHECK_EQ(error, 0);
	kbd_listen(&k, key_pressed, codes);
	for (uint8_t key = 1; key <= 10; key++) {
		type(key);
		lwp_sleep_ns(sim_random(50 * NS_PER_US));
	}
	lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(ncalls, 10);
	CHECK_EQ(last_key, 10);
	type(11);
	kbd_listen(&k, NULL, NULL);
	deaf = true;
	type(12);
	kbd_detach(&k);
	CHECK(ncalls == 10 || ncalls == 11);
	CHECK_EQ(k.k_lost, 0);
	CHECK_EQ(k.k_head, k.k_tail);
	sim_settle();
	CHECK_EQ(sim_mem_bytes(), before);
}

/* ---- condvar(9) ---- */

#define PACKETS 40u

static uint32_t sent, taken, waiting; /* numbers of packets; waiting: in the chip */
static bool got[PACKETS];
static unsigned ngot, late;

static bool rx_chip_take(struct rx *rx, uint32_t *packet)
{
	(void)rx;
	sim_point(SIM_TEST);
	if (waiting == 0) {
		sim_line_lower(line);
		return false;
	}
	waiting--;
	*packet = taken++;
	return true;
}

static void arrives(void *arg)
{
	if (ngot + 4 > sent) { /* so that the queue has room */
		waiting++;
		sent++;
		sim_line_raise(line);
	}
	if (sent < PACKETS)
		sim_at(1 + sim_random(50 * NS_PER_US), arrives, arg);
}

static void reader(void *arg)
{
	struct rx *rx = arg;
	uint32_t packet = PACKETS;
	uint64_t end_ns;
	int error;

	do {
		end_ns = sim_random(2) ? SLEEP_FOREVER : clock_ns() + sim_random(NS_PER_MS / 10);
		error = rx_read(rx, end_ns, &packet);
		if (error == ETIMEDOUT) {
			late++;
			CHECK(end_ns != SLEEP_FOREVER && clock_ns() >= end_ns);
		} else if (error == 0) {
			CHECK(packet < PACKETS && !got[packet]);
			got[packet] = true;
			ngot++;
		}
	} while (error != ENXIO);
}

SIM_TEST(condvar, 3, 100)
{
	static struct rx rx;
	struct lwp *l[3];

	line = sim_line_create("rx", INTR_LEVEL, (unsigned)sim_random(3), 0);
	sim_mem_fail(1);
	CHECK_EQ(rx_attach(&rx, line->sl_source), ENOMEM);
	sim_mem_fail(0);
	CHECK_EQ(rx_attach(&rx, line->sl_source), 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("reader", PRI_KERNEL, NULL, LWP_JOINABLE, reader, &rx, &l[i]),
		    0);
	sim_at(NS_PER_US, arrives, NULL);
	while (ngot < PACKETS)
		lwp_sleep_ns(50 * NS_PER_US);
	rx_detach(&rx);
	for (unsigned i = 0; i < 3; i++)
		lwp_join(l[i]);
	sim_settle();
	CHECK_EQ(rx.rx_lost, 0);
	CHECK_EQ(rx.rx_readers, 0);
}
