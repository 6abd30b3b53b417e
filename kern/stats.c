/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats.c - the core's own named values: hw.intr.*, hw.ncpu, kern.*.
 *
 * What is counted stands where it is counted (struct cpu, struct intr_handler); this file only
 * gives it names. Contexts: thread. No locks of its own. Not for: tables for people, which the
 * reference system's shell makes. Read sysctl.c.
 */
#include <ithaca/stats.h>

#include <ithaca/cpu.h>
#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

static uint64_t threads_get(struct sysctl *sy)
{
	struct ithread_counts counts;

	(void)sy;
	ithread_count(&counts);
	return counts.target;
}

static int threads_set(struct sysctl *sy, uint64_t value)
{
	(void)sy;
	return ithread_resize(value > 1u << 20 ? 1u << 20 : (unsigned)value);
}

static uint64_t threads_min(struct sysctl *sy)
{
	unsigned min, max;

	(void)sy;
	ithread_limits(&min, &max);
	return min;
}

static uint64_t threads_max(struct sysctl *sy)
{
	unsigned min, max;

	(void)sy;
	ithread_limits(&min, &max);
	return max;
}

static void pool_text(struct sysctl *sy, char *buf, size_t size)
{
	struct ithread_counts c;

	(void)sy;
	ithread_count(&c);
	ksnprintf(buf, size, "total %u free %u spare %u active %u divorced %u", c.total, c.free,
	    c.spare, c.active, c.divorced);
}

static uint64_t acct_get(struct sysctl *sy)
{
	(void)sy;
	return cpu_lookup(0)->ci_acct;
}

/* On the CPU itself, interrupts off: whom to charge is worked out anew. */
static void acct_switch(void *arg)
{
	struct cpu *ci = curcpu();

	ci->ci_acct_last = port_counter();
	ci->ci_acct_to = lwp_acct(ci, curlwp);
	ci->ci_acct = *(bool *)arg;
}

static int acct_set(struct sysctl *sy, uint64_t value)
{
	bool on = value != 0;
	unsigned i;

	(void)sy;
	for (i = 0; i < cpu_count(); i++)
		cpu_call(cpu_lookup(i), acct_switch, &on);
	return 0;
}

/* A sum over the CPUs of the counter at sy_arg in struct cpu. */
static uint64_t sum_get(struct sysctl *sy)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < cpu_count(); i++)
		sum += atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)((char *)cpu_lookup(i) +
						sy->sy_arg),
		    memory_order_relaxed);
	return sum;
}

static void model_text(struct sysctl *sy, char *buf, size_t size)
{
	(void)sy;
	kstrlcpy(buf, intr_model(), size);
}

static uint64_t ncpu_get(struct sysctl *sy)
{
	(void)sy;
	return cpu_count();
}

#define SUM(name, doc, field)                                                                      \
	{                                                                                          \
		.sy_name = (name), .sy_doc = (doc), .sy_get = sum_get,                             \
		.sy_arg = offsetof(struct cpu, field)                                              \
	}

static struct sysctl nodes[] = {
    {.sy_name = "hw.ncpu", .sy_doc = "CPUs running", .sy_get = ncpu_get},
    {.sy_name = "hw.intr.threads",
	.sy_doc = "ithreads in the pool (between threads_min and threads_max)",
	.sy_get = threads_get,
	.sy_set = threads_set},
    {.sy_name = "hw.intr.threads_min",
	.sy_doc = "lower limit of hw.intr.threads: 2 a CPU",
	.sy_get = threads_min},
    {.sy_name = "hw.intr.threads_max",
	.sy_doc = "upper limit of hw.intr.threads: thread handlers established",
	.sy_get = threads_max},
    {.sy_name = "hw.intr.pool", .sy_doc = "where the ithreads are", .sy_text = pool_text},
    {.sy_name = "hw.intr.model", .sy_doc = "how handlers are run", .sy_text = model_text},
    {.sy_name = "hw.intr.acct",
	.sy_doc = "1: charge time to handlers and lwps; 0: do not",
	.sy_get = acct_get,
	.sy_set = acct_set,
	.sy_max = 1},
    SUM("hw.intr.handoffs", "ithreads and softints started by handoff", ci_handoffs),
    SUM("hw.intr.nested", "handoffs on top of an ithread or softint", ci_nested),
    SUM("hw.intr.divorces", "ithreads and softints that blocked or were preempted", ci_divorces),
    SUM("hw.intr.starvations", "times that no ithread was to be had", ci_starvations),
    SUM("hw.intr.rescues", "ithreads that came from another CPU", ci_rescues),
    SUM("hw.intr.migrated", "runs that another CPU took over from one that could not get to them",
	ci_migrated),
    SUM("hw.intr.ipis", "interrupts from CPU to CPU", ci_ipis),
    SUM("kern.switches", "scheduler switches", ci_switches),
};

void stats_init(void)
{
	sysctl_publish(nodes, sizeof(nodes) / sizeof(nodes[0]));
}
