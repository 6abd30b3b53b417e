/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread_metric.c - `bench metric`: the eight categories of the Thread-Metric suite, by which
 * real-time kernels are compared, after its published description.
 *
 * The suite lets each test run for 30 seconds and counts its events. Here a reporter, the most
 * urgent lwp, sleeps while the test runs, and takes the counters and the clock before and after.
 * As the test's lwps are on the reporter's CPU, nothing moves while it reads. From the two come
 * three figures: events in 10^9 ticks (instructions, under ./ithaca bench: exact), ticks an event,
 * and what the suite itself would print, events in 30 s by the machine's clock.
 *
 * The suite's own checks are made at both readings: there was progress, and the counters of lwps
 * that take turns are within one of their average. Tests that have something to compare (the
 * message that arrived, the memory) compare it besides. If one fails, so does the command.
 *
 * What is different: there is no tick (the suite asks for one of 10 ms), and an interrupt comes
 * from a device, whose handler runs in a thread (the suite: a trap). Accounting stays as it is
 * set (hw.intr.acct).
 *
 * Contexts: the shell's lwp, the reporter, those of the tests. No locks. Read
 * thread_metric_tests.c next.
 */
#include "thread_metric.h"

#include "bench.h"
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

#define NS_WARM (5 * NS_PER_MS)
#define NS_EXACT (50 * NS_PER_MS) /* where a tick is an instruction, that is enough */
#define NS_CLOCK NS_PER_S         /* where it is not */

_Atomic uint64_t metric_counter[METRIC_COUNTERS];
_Atomic bool metric_is_over;

struct reading {
	uint64_t r_ticks;
	uint64_t r_ns;
	uint64_t r_counter[METRIC_COUNTERS];
};

static const struct metric_test *test;
static struct lwp *lwps[METRIC_LWPS];
static bool dismissed[METRIC_LWPS]; /* set before it is unparked, which orders the two */
static struct reading before, after;
static uint64_t period_ns;

/* ---- What the tests call ---- */

bool metric_suspend(unsigned self)
{
	lwp_park();
	return !dismissed[self];
}

void metric_resume(unsigned n)
{
	lwp_unpark(lwps[n]);
}

void metric_dismiss(unsigned n)
{
	dismissed[n] = true;
	lwp_unpark(lwps[n]);
}

/* ---- The lwps ---- */

/* `arg` points at the role. All are made suspended. */
static void worker_main(void *arg)
{
	const struct metric_role *role = arg;

	lwp_park();
	if (!dismissed[role - test->mt_role])
		role->mr_fn((unsigned)(role - test->mt_role));
}

static void take(struct reading *r)
{
	unsigned i;

	r->r_ticks = port_counter();
	r->r_ns = clock_ns();
	for (i = 0; i < METRIC_COUNTERS; i++)
		r->r_counter[i] = atomic_load_explicit(&metric_counter[i], memory_order_relaxed);
}

static void reporter_main(void *arg)
{
	unsigned n;

	(void)arg;
	for (n = 0; n < test->mt_nlwps; n++)
		if (test->mt_role[n].mr_starts)
			metric_resume(n);
	lwp_sleep_ns(NS_WARM);
	take(&before);
	lwp_sleep_ns(period_ns);
	take(&after);
	atomic_store_explicit(&metric_is_over, true, memory_order_relaxed);
}

/* Make them all; the reporter last, who sets them going. What was made when one cannot be made is
 * dismissed. */
static int lwps_run(void)
{
	struct cpu *ci = cpu_lookup(0);
	struct lwp *reporter;
	unsigned n, made;
	int error = 0;

	memset(dismissed, 0, sizeof(dismissed));
	for (made = 0; made < test->mt_nlwps && error == 0; made += error == 0)
		error = lwp_create(test->mt_name, PRI_KERNEL - test->mt_role[made].mr_pri, ci,
		    LWP_JOINABLE, worker_main, (void *)(uintptr_t)&test->mt_role[made],
		    &lwps[made]);
	if (error == 0)
		error = lwp_create("reporter", PRI_MAX, ci, LWP_JOINABLE, reporter_main, NULL,
		    &reporter);
	if (error == 0)
		lwp_join(reporter);
	for (n = 0; n < made; n++) {
		if (error != 0)
			metric_dismiss(n);
		lwp_join(lwps[n]);
	}
	return error;
}

/* ---- What is right ---- */

/* Say what is wrong with a reading; `base` is what the counters must have left, or NULL. */
static bool reading_good(const struct reading *r, const struct reading *base)
{
	uint64_t sum = 0, average, c;
	unsigned i;

	for (i = 0; i < test->mt_ncounters; i++)
		sum += r->r_counter[i];
	average = sum / test->mt_ncounters;
	for (i = 0; i < test->mt_ncounters; i++) {
		c = r->r_counter[i];
		if (c + 1 < average || c > average + 1) {
			bench_say("%s: counter %u is %llu, the average of %u is %llu\n",
			    test->mt_name, i, (unsigned long long)c, test->mt_ncounters,
			    (unsigned long long)average);
			return false;
		}
		if (base != NULL && c == base->r_counter[i]) {
			bench_say("%s: counter %u stands still at %llu\n", test->mt_name, i,
			    (unsigned long long)c);
			return false;
		}
	}
	return true;
}

/* count * 10^power / per, in whole; count is below 2^60, and below per * 10^6. */
static uint64_t scaled(uint64_t count, uint64_t per, unsigned power)
{
	uint64_t whole = count / per, rest = count % per;

	for (; power != 0; power--) {
		rest *= 10;
		whole = whole * 10 + rest / per;
		rest %= per;
	}
	return whole;
}

static void show(void)
{
	uint64_t events = 0, ticks = after.r_ticks - before.r_ticks;
	char name[BENCH_NAME_MAX];
	unsigned i, n = test->mt_sum ? test->mt_ncounters : 1;

	for (i = 0; i < n; i++)
		events += after.r_counter[i] - before.r_counter[i];
	ksnprintf(name, sizeof(name), "%s, in 10^9 %s", test->mt_name, bench_unit());
	bench_value(name, "events", scaled(events, ticks, 9), 1, events);
	ksnprintf(name, sizeof(name), "%s, in 30 s", test->mt_name);
	bench_value(name, "events", scaled(3 * events, after.r_ns - before.r_ns, 10), 1, events);
	ksnprintf(name, sizeof(name), "%s, an event", test->mt_name);
	bench_value(name, bench_unit(), ticks, events, events);
}

static int metric_one(void)
{
	const char *wrong = NULL;
	unsigned i;
	int error = 0;

	for (i = 0; i < METRIC_COUNTERS; i++)
		atomic_store_explicit(&metric_counter[i], 0, memory_order_relaxed);
	atomic_store_explicit(&metric_is_over, false, memory_order_relaxed);
	if (test->mt_begin != NULL)
		error = test->mt_begin();
	if (error)
		return error;
	error = lwps_run();
	if (error == 0 && test->mt_wrong != NULL)
		wrong = test->mt_wrong();
	if (test->mt_end != NULL)
		test->mt_end();
	if (error)
		return error;
	if (wrong != NULL)
		bench_say("%s: %s\n", test->mt_name, wrong);
	if (wrong != NULL || !reading_good(&before, NULL) || !reading_good(&after, &before))
		return EIO;
	show();
	return 0;
}

int bench_metric(void)
{
	char percent[8];
	unsigned i;
	int error;

	/* A source that is raised in a loop is a storm, and would be held. */
	error = sysctl_read("hw.intr.storm_percent", percent, sizeof(percent));
	if (error)
		return error;
	sysctl_write("hw.intr.storm_percent", "0");
	period_ns = strcmp(bench_unit(), "instructions") == 0 ? NS_EXACT : NS_CLOCK;
	for (i = 0; i < METRIC_TESTS && error == 0; i++) {
		test = &metric_tests[i];
		error = metric_one();
	}
	sysctl_write("hw.intr.storm_percent", percent);
	return error;
}
