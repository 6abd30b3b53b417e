/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_sched.c - what it costs to go from one lwp to another.
 *
 * Two lwps on one CPU: first each yields to the other, then each wakes the other and sleeps. A
 * sample is one way: the mean of 10 turns there and back. Measured with accounting (hw.intr.acct)
 * on and off.
 * Contexts: two lwps, bound to the CPU of the caller.
 */
#include "bench.h"

#include <ithaca/cpu.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/sysctl.h>
#include <stdatomic.h>

#define TURNS 10
#define ROUNDS BENCH_EVENTS

static struct lwp *ping, *pong;
static struct bench yields, wakes;

static void pong_main(void *arg)
{
	unsigned i;

	(void)arg;
	for (i = 0; i < ROUNDS * TURNS; i++)
		lwp_yield();
	for (i = 0; i < ROUNDS * TURNS; i++) {
		lwp_park();
		lwp_unpark(ping);
	}
}

static void ping_main(void *arg)
{
	uint64_t before;
	unsigned r, i;

	(void)arg;
	for (r = 0; r < ROUNDS; r++) {
		before = port_counter();
		for (i = 0; i < TURNS; i++)
			lwp_yield();
		bench_add(&yields, port_counter() - before);
	}
	for (r = 0; r < ROUNDS; r++) {
		before = port_counter();
		for (i = 0; i < TURNS; i++) {
			lwp_unpark(pong);
			lwp_park();
		}
		bench_add(&wakes, port_counter() - before);
	}
}

static int sched_figures(const char *yield, const char *wake)
{
	struct cpu *ci = cpu_lookup(0);
	int error;

	bench_begin(&yields, yield);
	bench_begin(&wakes, wake);
	yields.b_turns = wakes.b_turns = 2 * TURNS;
	error = lwp_create("pong", PRI_KERNEL, ci, LWP_JOINABLE, pong_main, NULL, &pong);
	if (error)
		return error;
	error = lwp_create("ping", PRI_KERNEL, ci, LWP_JOINABLE, ping_main, NULL, &ping);
	if (error == 0)
		lwp_join(ping);
	lwp_join(pong);
	bench_end(&yields, 0);
	bench_end(&wakes, 0);
	return error;
}

int bench_sched(void)
{
	int error;

	error =
	    sched_figures("lwp switch (yield), one way (acct)", "wake and switch, one way (acct)");
	sysctl_write("hw.intr.acct", "0");
	if (error == 0)
		error = sched_figures("lwp switch (yield), one way", "wake and switch, one way");
	sysctl_write("hw.intr.acct", "1");
	return error;
}
