/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_callout.c - what it costs to arm a callout and to stop it, with ten to a million others armed.
 *
 * The others are due at random within an hour from 10 s on. The one that is measured is armed for a
 * random time within 10 s, as time limits are. Each sample is the mean of 100 turns less that of
 * the same loop without the callout.
 * Contexts: one lwp. The callouts come from the object allocator, a thousand at a time.
 */
#include "bench.h"

#include "app/shell.h"
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
static struct callout timer;
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

static void arm_stop(uint64_t ns)
{
	callout_schedule(&timer, ns);
	callout_stop(&timer);
}

static void rearm(uint64_t ns)
{
	callout_schedule(&timer, ns);
}

static void empty(uint64_t ns)
{
	__asm__ volatile("" : : "r"(ns) : "memory");
}

static uint32_t figure(struct bench *b, const char *name, void (*fn)(uint64_t), uint32_t base)
{
	uint64_t before;
	unsigned i, turn;

	bench_begin(b, name);
	for (i = 0; i < BENCH_EVENTS; i++) {
		for (turn = 0; turn < TURNS; turn++)
			wait_ns[turn] = NS_PER_MS + chance(10 * NS_PER_S);
		before = port_counter();
		for (turn = 0; turn < TURNS; turn++)
			fn(wait_ns[turn]);
		bench_add(b, (port_counter() - before) / TURNS);
	}
	return base == 0 ? bench_median(b) : bench_end(b, base);
}

int bench_callout(void)
{
	static struct bench b;
	char name[48];
	uint32_t base;
	unsigned n;
	int error = 0;

	callout_init(&timer);
	callout_setfunc(&timer, nothing, NULL);
	base = figure(&b, "", empty, 0);
	for (n = 10; n <= OTHERS_MAX && error == 0; n *= 10) {
		error = others_arm(n);
		if (error != 0) {
			tty_printf("%u armed: no memory for more; needs --mem 1024\n", others);
			break;
		}
		ksnprintf(name, sizeof(name), "callout, arm and stop, %u others armed", n);
		figure(&b, name, arm_stop, base);
	}
	callout_schedule(&timer, NS_PER_S);
	figure(&b, "callout, arm one that is armed", rearm, base);
	callout_halt(&timer, NULL);
	callout_destroy(&timer);
	others_free();
	return error == ENOMEM ? 0 : error;
}
