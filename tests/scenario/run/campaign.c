/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * campaign.c - run after run until the number, the time, the search or Ctrl-C ends it, with a line
 * of progress a second on standard error, and what was covered in the end.
 *
 * Distinct traces are counted by their fingerprints. Those of the exhaustive search are exact, and
 * their sum tells one set of them from another: tests/system/test_search.py compares searches so.
 * A search that merges states (xp_merges) sees some of the traces only, but every state: it is told
 * by its ends, the distinct memories that runs leave, and is compared with others by these. cross()
 * holds such a set against random runs, which know nothing of how the search spares itself.
 *
 * Host context. Next: port/sim/search.c.
 */
#include "run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRACES (1u << 20)
#define TRACES_MAX (TRACES / 4 * 3)

/* Sets of hashes; one that is three quarters full takes no more. */
static uint64_t *traces, *ends;
static volatile sig_atomic_t stop;

double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void on_stop(int sig)
{
	signal(sig, SIG_DFL); /* the second time it ends at once */
	stop = 1;
}

/* ---- Traces ---- */

/* Where it is, or would be. */
static uint64_t *place_of(uint64_t *set, uint64_t f)
{
	uint64_t i = f >> 44;

	while (set[i] != 0 && set[i] != (f | 1))
		i = (i + 1) % TRACES;
	return &set[i];
}

static void count(uint64_t *set, uint64_t f, uint64_t *n, uint64_t *sum)
{
	uint64_t *at;

	if (*n > TRACES_MAX)
		return;
	at = place_of(set, f);
	if (*at != 0)
		return;
	*at = f | 1;
	++*n;
	*sum += f | 1;
}

/* What was learnt of what is shared changes what a trace is: count anew, and search anew. */
static void forget_traces(void)
{
	memset(traces, 0, TRACES * sizeof(*traces));
	memset(ends, 0, TRACES * sizeof(*ends));
	cov.traces = cov.sum = cov.ends = cov.ends_sum = cov.cut = 0;
}

/* ---- What was covered ---- */

static void exhausted(char *out, size_t size)
{
	char up_to[40] = "", set[40] = "";

	*out = '\0';
	if (xp_config.strategy != &xp_exhaustive)
		return;
	if (!xp_exhausted) {
		snprintf(out, size, ", %llu states so far", (unsigned long long)xp_states);
		return;
	}
	if (xp_config.bound <= XP_BOUND_MAX)
		snprintf(up_to, sizeof(up_to), " of up to %d preemption%s", xp_config.bound,
		    xp_config.bound == 1 ? "" : "s");
	if (!xp_merges)
		snprintf(set, sizeof(set), ", set %016llx", (unsigned long long)cov.sum);
	snprintf(out, size, ", exhausted: every %s%s; %llu states%s, %llu ends %016llx",
	    xp_merges ? "state" : "trace", up_to, (unsigned long long)xp_states, set,
	    (unsigned long long)cov.ends, (unsigned long long)cov.ends_sum);
}

/* What has overflowed is said when it does, and again in the end. */
static void say_full(bool end)
{
	static bool said;

	if (!xp_full || (said && !end))
		return;
	said = true;
	fprintf(stderr,
	    "%s%s: the table of states is full, %llu of them: what comes again is gone into "
	    "again, which takes longer and leaves nothing out\n",
	    opt.plain ? "" : "\n", scenario->name, (unsigned long long)xp_states);
}

static void progress(bool end)
{
	double t = seconds() - cov.began;
	char more[200];

	exhausted(more, sizeof(more));
	fprintf(stderr,
	    "%s%s: %s, %s: %llu executions, %.0f a second, %llu points each, %llu%s "
	    "distinct traces%s%s",
	    opt.plain ? "" : "\r", scenario->name, xp_config.strategy->name,
	    memory_name(xp_config.memory), (unsigned long long)cov.runs,
	    t > 0 ? (double)cov.runs / t : 0,
	    (unsigned long long)(cov.runs != 0 ? xp_steps_all / cov.runs : 0),
	    (unsigned long long)cov.traces, cov.traces > TRACES_MAX ? " or more" : "", more,
	    end || opt.plain ? "\n" : "");
}

/* ---- The runs ---- */

static bool over(double now)
{
	return stop || (opt.runs != 0 && cov.runs >= opt.runs) ||
	    (opt.seconds > 0 && now - cov.began >= opt.seconds);
}

/* The seed of the n-th run of this shard. */
static uint64_t seed_of(uint64_t n)
{
	return opt.seed + n * opt.nshards + (opt.shard - 1);
}

/* Random runs, from which the search learns what is shared: it begins anew less often then. One
 * that fails is a random run that fails, with its seed. */
static enum xp_result warm_up(uint64_t *seed)
{
	enum xp_result r = XP_OK;

	xp_config.strategy = &xp_random;
	for (uint64_t n = 1; r == XP_OK && n <= opt.warm_up; n++) {
		*seed = n;
		r = xp_run(n);
	}
	xp_steps_all = 0;
	if (r != XP_FAILED)
		xp_config.strategy = &xp_exhaustive;
	return r;
}

static enum xp_result runs(uint64_t *seed)
{
	enum xp_result r = XP_OK;
	double now = seconds(), told = now;

	for (uint64_t n = 0; r != XP_FAILED; n++) {
		if ((n & 63) == 0) {
			now = seconds();
			if (over(now))
				break;
			if (now - told >= 1 && !opt.quiet) {
				told = now;
				progress(false);
			}
		}
		if (opt.runs != 0 && cov.runs >= opt.runs)
			break;
		*seed = seed_of(n);
		r = xp_run(*seed);
		if (xp_exhausted)
			break;
		cov.runs++;
		say_full(false);
		if (xp_config.exact && xp_learnt)
			forget_traces();
		cov.cut += r == XP_PRUNED;
		if (r == XP_OK)
			count(traces, xp_fingerprint, &cov.traces, &cov.sum);
		if (r == XP_OK && xp_config.exact)
			count(ends, xp_end, &cov.ends, &cov.ends_sum);
	}
	return r;
}

enum xp_result campaign(uint64_t *seed)
{
	enum xp_result r = XP_OK;

	signal(SIGINT, on_stop);
	signal(SIGTERM, on_stop);
	traces = calloc(TRACES, sizeof(*traces));
	ends = calloc(TRACES, sizeof(*ends));
	if (traces == NULL || ends == NULL) {
		fprintf(stderr, "sim: no memory to count traces\n");
		exit(2);
	}
	cov.began = seconds();
	if (xp_config.strategy == &xp_exhaustive)
		r = warm_up(seed);
	if (r != XP_FAILED)
		r = runs(seed);
	cov.took = seconds() - cov.began;
	say_full(true);
	cov.points = xp_steps_all;
	if (r == XP_FAILED)
		snprintf(cov.message, sizeof(cov.message), "%s", xp_message());
	if (!opt.quiet)
		progress(true);
	return r == XP_FAILED ? XP_FAILED : XP_OK;
}

/* Has the search not seen how this run went, or what it left? */
static const char *unknown(enum xp_result r, bool merged)
{
	if (r != XP_OK)
		return xp_message();
	if (xp_learnt)
		return "shares what the search has not seen shared";
	if (!merged && *place_of(traces, xp_fingerprint) == 0)
		return "a trace that the search has not found";
	if (*place_of(ends, xp_end) == 0)
		return "an end that the search has not found";
	return NULL;
}

bool cross(void)
{
	bool merged = xp_merges;
	const char *what;

	if (!xp_exhausted || cov.ends > TRACES_MAX || (!merged && cov.traces > TRACES_MAX)) {
		printf("%s: not exhausted, or too many traces to compare\n", scenario->name);
		return false;
	}
	xp_config.strategy = &xp_random;
	for (uint64_t n = 1; n <= opt.cross && !stop; n++) {
		what = unknown(xp_run(opt.warm_up + n), merged);
		if (what == NULL)
			continue;
		printf("%s: random seed %llu: %s\n", scenario->name,
		    (unsigned long long)(opt.warm_up + n), what);
		return false;
	}
	printf("%s: %u random executions, no %s that the search has not found\n", scenario->name,
	    opt.cross, merged ? "end" : "trace");
	return true;
}
