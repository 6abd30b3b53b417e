/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread_metric.h - between the driver of the eight tests (thread_metric.c) and the tests
 * themselves (thread_metric_tests.c).
 *
 * Rules: all lwps of a test are bound to CPU 0, and nothing else runs there for long; so an lwp
 * that runs knows that whoever is more urgent sleeps. Counters are written there only.
 */
#ifndef THREAD_METRIC_H
#define THREAD_METRIC_H

#include <ithaca/port.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define METRIC_LWPS 5
#define METRIC_COUNTERS 5

struct metric_role {
	int mr_pri; /* as the suite has it: 1 is the most urgent, 10 the least */
	void (*mr_fn)(unsigned self);
	bool mr_starts; /* by itself; the others when they are resumed */
};

struct metric_test {
	const char *mt_name;
	unsigned mt_nlwps;
	unsigned mt_ncounters; /* that agree within one */
	bool mt_sum;           /* the result is the sum of the counters, else the first */
	int (*mt_begin)(void); /* before the lwps are made: 0 or an errno; may be NULL */
	void (*mt_end)(void);  /* after they have ended; may be NULL */
	/* After they have ended: what is wrong, or NULL; may be NULL. */
	const char *(*mt_wrong)(void);
	struct metric_role mt_role[METRIC_LWPS];
};

#define METRIC_TESTS 8
extern const struct metric_test metric_tests[METRIC_TESTS];

extern _Atomic uint64_t metric_counter[METRIC_COUNTERS];
extern _Atomic bool metric_is_over;

static inline void metric_count(unsigned n)
{
	port_stat_add(&metric_counter[n], 1);
}

/* metric_over - the time has come: who would go on by himself ends. */
static inline bool metric_over(void)
{
	/* Relaxed: pairs with the store of the reporter, on the same CPU. */
	return atomic_load_explicit(&metric_is_over, memory_order_relaxed);
}

/*
 * metric_suspend - lwp `self`, the caller, sleeps until resumed; false: it is to end.
 * metric_resume - lwp `n` of the test, which is suspended, goes on; any context on CPU 0.
 * metric_dismiss - the same, to the end.
 */
bool metric_suspend(unsigned self);
void metric_resume(unsigned n);
void metric_dismiss(unsigned n);

#endif
