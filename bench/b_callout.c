/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_callout.c - what it costs to arm a callout, to stop it, and to have it run, with ten to a
 * million others armed.
 *
 * The others are due at random within an hour from 10 s on. Those that are measured are armed for a
 * random time within 10 s, as time limits are. Each sample is 100 turns less those of the same loop
 * without the callout, divided by 100.
 *
 * A run is seen by an lwp that reads the counter in a loop of a few instructions: what it misses
 * between two reads is what the clock interrupt, the softclock softint and the function took. The
 * interrupt came somewhere within one turn of that loop, so "fire to function" may be too large by
 * those few instructions.
 * Contexts: one lwp. The callouts come from the object allocator, a thousand at a time.
 */
#include "bench.h"

#include "mem/kmem.h"
#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/port.h>
#include <ithaca/print.h>

#define TURNS 100
#define OTHERS_MAX 1000000
#define BLOCK 1000
#define BLOCKS (OTHERS_MAX / BLOCK)

static struct callout *block[BLOCKS];
static unsigned others;
static struct callout timer[TURNS];
static volatile uint64_t fired_at; /* counter; 0: not yet */
static uint64_t seed = 88172645463325252ull, wait_ns[TURNS];

/* xorshift: the same times on every run. */
static uint64_t chance(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void nothing(void *arg)
{
	__asm__ volatile("" : : "r"(arg) : "memory");
}

static void fired(void *arg)
{
	(void)arg;
	fired_at = port_counter();
}

/* others_arm - until `n` are. ENOMEM. */
static int others_arm(unsigned n)
{
	struct callout *c;

	for (; others < n; others++) {
		if (others % BLOCK == 0) {
			block[others / BLOCK] = kmem_alloc(BLOCK * sizeof(*c));
			if (block[others / BLOCK] == NULL)
				return ENOMEM;
		}
		c = &block[others / BLOCK][others % BLOCK];
		callout_init(c);
		callout_setfunc(c, nothing, NULL);
		callout_schedule(c, 10 * NS_PER_S + chance(3600 * NS_PER_S));
	}
	return 0;
}

static void others_free(void)
{
	struct callout *c;
	unsigned i;

	for (i = 0; i < others; i++) {
		c = &block[i / BLOCK][i % BLOCK];
		callout_halt(c, NULL);
		callout_destroy(c);
	}
	for (i = 0; i < BLOCKS; i++) {
		kmem_free(block[i], BLOCK * sizeof(*c));
		block[i] = NULL;
	}
	others = 0;
}

/* ---- Arm and stop ---- */

static void arm_stop(unsigned turn)
{
	callout_schedule(&timer[0], wait_ns[turn]);
	callout_stop(&timer[0]);
}

static void arm(unsigned turn)
{
	callout_schedule(&timer[turn], wait_ns[turn]);
}

static void stop(unsigned turn)
{
	callout_stop(&timer[turn]);
}

static void rearm(unsigned turn)
{
	callout_schedule(&timer[0], wait_ns[turn]);
}

static void empty(unsigned turn)
{
	__asm__ volatile("" : : "r"(wait_ns[turn]) : "memory");
}

/* Called through a pointer that the compiler may not see through: the empty function too. */
static uint64_t turns(void (*fn)(unsigned))
{
	void (*volatile call)(unsigned) = fn;
	uint64_t before = port_counter();
	unsigned turn;

	for (turn = 0; turn < TURNS; turn++)
		call(turn);
	return port_counter() - before;
}

/* Samples of `fn`, with `after` behind each, which does not count. */
static void samples(struct bench *b, void (*fn)(unsigned), void (*after)(unsigned))
{
	unsigned i, turn;

	b->b_turns = TURNS;
	for (i = 0; i < BENCH_EVENTS; i++) {
		for (turn = 0; turn < TURNS; turn++)
			wait_ns[turn] = NS_PER_MS + chance(10 * NS_PER_S);
		bench_add(b, turns(fn));
		if (after != NULL)
			turns(after);
	}
}

static uint32_t base_of(void)
{
	static struct bench b;

	bench_begin(&b, "");
	samples(&b, empty, NULL);
	return bench_median(&b);
}

static void figure(const char *what, unsigned n, void (*fn)(unsigned), void (*after)(unsigned),
    uint32_t base)
{
	static struct bench b;
	char name[BENCH_NAME_MAX];

	ksnprintf(name, sizeof(name), "%s, %u others armed", what, n);
	bench_begin(&b, name);
	samples(&b, fn, after);
	bench_end(&b, base);
}

/* Stopping what was armed: the other way round. */
static void figure_stop(unsigned n, uint32_t base)
{
	static struct bench b;
	char name[BENCH_NAME_MAX];
	unsigned i, turn;

	ksnprintf(name, sizeof(name), "callout, stop, %u others armed", n);
	bench_begin(&b, name);
	b.b_turns = TURNS;
	for (i = 0; i < BENCH_EVENTS; i++) {
		for (turn = 0; turn < TURNS; turn++)
			wait_ns[turn] = NS_PER_MS + chance(10 * NS_PER_S);
		turns(arm);
		bench_add(&b, turns(stop));
	}
	bench_end(&b, base);
}

/* ---- Run ---- */

/* Watch the counter until the function has run: how much was missed. `*last`: the read before. */
static uint64_t watch(uint64_t *last)
{
	uint64_t now, fired, before = port_counter();

	for (;;) {
		now = port_counter();
		fired = fired_at;
		if (fired != 0 && fired < now)
			break;
		before = now;
	}
	*last = before;
	return now - before;
}

/* What one turn of watch() takes by itself. */
static uint32_t watch_base(void)
{
	static struct bench b;
	uint64_t last;
	unsigned i;

	bench_begin(&b, "");
	for (i = 0; i < BENCH_EVENTS; i++) {
		fired_at = 1;
		bench_add(&b, watch(&last));
	}
	return bench_median(&b);
}

static void figure_fire(unsigned n)
{
	static struct bench entry, whole;
	char name[2][BENCH_NAME_MAX];
	uint32_t base = watch_base();
	uint64_t last, ticks;
	unsigned i;

	ksnprintf(name[0], sizeof(name[0]), "callout, fire to function, %u others armed", n);
	ksnprintf(name[1], sizeof(name[1]), "callout, fire, whole loss, %u others armed", n);
	bench_begin(&entry, name[0]);
	bench_begin(&whole, name[1]);
	for (i = 0; i < BENCH_EVENTS; i++) {
		fired_at = 0;
		callout_reset(&timer[0], 100 * NS_PER_US + chance(NS_PER_MS), fired, NULL);
		ticks = watch(&last);
		bench_add(&whole, ticks);
		bench_add(&entry, fired_at - last);
	}
	bench_end(&entry, 0);
	bench_end(&whole, base);
}

/* ---- All of it ---- */

static void timers_begin(void)
{
	unsigned i;

	for (i = 0; i < TURNS; i++) {
		callout_init(&timer[i]);
		callout_setfunc(&timer[i], nothing, NULL);
	}
}

static void timers_end(void)
{
	unsigned i;

	for (i = 0; i < TURNS; i++) {
		callout_halt(&timer[i], NULL);
		callout_destroy(&timer[i]);
	}
}

int bench_callout(void)
{
	static struct bench b;
	uint32_t base = base_of();
	unsigned n;
	int error = 0;

	timers_begin();
	for (n = 10; n <= OTHERS_MAX; n *= 10) {
		error = others_arm(n);
		if (error != 0) {
			bench_say("%u armed: no memory for more; needs --mem 1024", others);
			break;
		}
		figure("callout, arm and stop", n, arm_stop, NULL, base);
		figure("callout, arm", n, arm, stop, base);
		figure_stop(n, base);
		figure_fire(n);
	}
	callout_schedule(&timer[0], NS_PER_S);
	bench_begin(&b, "callout, arm one that is armed");
	samples(&b, rearm, NULL);
	bench_end(&b, base);
	timers_end();
	others_free();
	return error == ENOMEM ? 0 : error;
}
