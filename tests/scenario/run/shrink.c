/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shrink.c - from a run that failed to the shortest log that still fails.
 *
 * First lwps are left out, and with them the CPUs that were theirs alone, and calls of devices, one
 * by one. Then the log, which has the choices that were not the plain ones: parts of it are struck
 * out, halves first, then smaller, then choice by choice. Whatever is left out stays so if the run
 * still fails with the same kind of message (its words, numbers apart). And again, until nothing
 * more can go. What is left is replayed with notes and shown.
 *
 * Host context. Next: table.c.
 */
#include "run.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND_SIZE 160u
#define TRIES_MAX 4000u

static char kind[KIND_SIZE];
static bool unlike; /* it failed otherwise than the scenario says it must */

/* The words of a message without its numbers. */
static void kind_of(const char *text, char *out)
{
	unsigned n = 0;

	for (; *text != '\0' && n < KIND_SIZE - 1; text++) {
		if (*text == '\n' && n > 0)
			break;
		if (*text == ';')
			break;
		if (!isdigit((unsigned char)*text) && *text != '\n')
			out[n++] = *text;
	}
	out[n] = '\0';
}

static bool fails(const struct xp_choice *script, unsigned n)
{
	char now[KIND_SIZE];

	memcpy(xp_script, script, n * sizeof(script[0]));
	xp_nscript = n;
	if (xp_run(0) != XP_FAILED)
		return false;
	kind_of(xp_message(), now);
	return strcmp(now, kind) == 0;
}

static unsigned strike(struct xp_choice *log, unsigned n)
{
	static struct xp_choice less[XP_LOG_MAX];
	unsigned tries = 0;

	for (unsigned part = n > 1 ? n / 2 : 1; part > 0; part = part == 1 ? 0 : part / 2) {
		bool again = true;

		while (again && tries < TRIES_MAX) {
			again = false;
			for (unsigned at = 0; at < n && tries < TRIES_MAX;) {
				unsigned cut = at + part <= n ? part : n - at;

				memcpy(less, log, at * sizeof(log[0]));
				memcpy(less + at, log + at + cut, (n - at - cut) * sizeof(log[0]));
				tries++;
				if (fails(less, n - cut)) {
					n -= cut;
					memcpy(log, less, n * sizeof(log[0]));
					again = true;
				} else {
					at += cut;
				}
			}
		}
	}
	return n;
}

/* Fewer lwps, and so CPUs; fewer events. True: something went. */
static bool leave_out(const struct xp_choice *log, unsigned n)
{
	bool less = false;

	for (unsigned i = 0; i < SCENARIO_LWPS; i++) {
		if (scenario->lwps[i].body == NULL || lessened.lwp[i])
			continue;
		lessened.lwp[i] = true;
		lessened.lwp[i] = fails(log, n);
		less |= lessened.lwp[i];
	}
	for (unsigned i = 0; i < SCENARIO_DEVICES; i++) {
		while (lessened.device[i] < scenario->devices[i].times) {
			lessened.device[i]++;
			lessen();
			if (!fails(log, n)) {
				lessened.device[i]--;
				lessen();
				break;
			}
			less = true;
		}
	}
	return less;
}

static unsigned shrink(struct xp_choice *log, unsigned n)
{
	unsigned before;

	do {
		(void)leave_out(log, n);
		before = n;
		n = strike(log, n);
	} while (n < before && leave_out(log, n));
	return n;
}

static void print_left_out(void)
{
	for (unsigned i = 0; i < SCENARIO_LWPS; i++)
		if (lessened.lwp[i])
			printf("lwp %s is not needed for it\n", scenario->lwps[i].name);
	for (unsigned i = 0; i < SCENARIO_DEVICES; i++)
		if (lessened.device[i] != 0)
			printf("device %s is called %u of %u times\n", scenario->devices[i].name,
			    scenario->devices[i].times - lessened.device[i],
			    scenario->devices[i].times);
}

static void print_message(const char *text)
{
	while (*text == '\n')
		text++;
	for (; *text != '\0'; text++) {
		char *end;

		if (*text == '@') {
			unsigned long pc = strtoul(text + 1, &end, 16);

			printf("%s", table_line((uint32_t)pc));
			text = end - 1;
		} else {
			putchar(*text);
		}
	}
	printf("\n");
}

void explain(uint64_t seed)
{
	static struct xp_choice log[XP_LOG_MAX];
	unsigned n = xp_nlog, before = n;

	printf("%s: FAILED in execution %llu, seed %llu\n", scenario->name,
	    (unsigned long long)cov.runs, (unsigned long long)seed);
	kind_of(xp_message(), kind);
	unlike = scenario->fails != NULL && strstr(xp_message(), scenario->fails) == NULL;
	if (scenario->fails != NULL && !unlike && opt.quiet)
		return;
	print_message(xp_message());
	memcpy(log, xp_log, n * sizeof(log[0]));
	if (opt.replay == NULL && xp_config.strategy != &xp_exhaustive)
		printf("replay: ./ithaca sim %s --strategy %s --memory %s --seed %llu\n",
		    scenario->name, xp_config.strategy->name, memory_name(xp_config.memory),
		    (unsigned long long)seed);
	xp_config.strategy = &xp_replay;
	if (n == XP_LOG_MAX || !fails(log, n)) {
		printf("the log of its %u choices does not replay it%s\n", n,
		    n == XP_LOG_MAX ? ": it is cut off" : "");
		print_message(xp_message());
		return;
	}
	if (!opt.no_shrink)
		n = shrink(log, n);
	xp_tracing = true;
	(void)fails(log, n);
	print_message(xp_message());
	print_left_out();
	printf("shrunk from %u choices to %u, %llu steps:\n", before, n,
	    (unsigned long long)xp_steps);
	table_show();
	if (opt.timeline != NULL)
		table_timeline(opt.timeline);
	if (opt.gdb)
		table_gdb(log, n);
	xp_tracing = false;
}

int verdict(enum xp_result r)
{
	bool failed = r == XP_FAILED;

	if (scenario->fails != NULL) {
		if (failed && !unlike)
			printf("%s: failed as it must: %s\n", scenario->name, scenario->fails);
		else
			printf("%s: did not fail with \"%s\"\n", scenario->name, scenario->fails);
		return !(failed && !unlike);
	}
	return failed;
}
