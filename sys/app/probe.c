/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.c - interrupt latency of each CPU, found out by interrupting it.
 *
 * When a device raised its interrupt nobody can tell. So while somebody wants to know (the
 * dashboard, or hw.intr.latency=1) probes run, and otherwise nothing of this is there: each CPU
 * has an lwp that every period sends its neighbour an interrupt, and the neighbour has a source
 * with one handler, at the level of a serial line. For as long the handlers of devices are
 * measured too, from their dispatch on (latency.h).
 *
 *	CPU 1's lwp		CPU 2
 *	counter -> pr_raised
 *	cpu_call() ----------->	hard context: counter -> pr_hard, hwi_sched()
 *				handoff: thread function: counter
 *
 * pr_hard - pr_raised is what a device's interrupt would wait for (interrupts off, a spin mutex);
 * the rest is what ithreads add: a handoff, and handlers of the same level before it. A CPU alone
 * calls itself in place and so learns only the second. A probe that finds the handler still
 * at the last one is left out and counted. With many CPUs each is probed more rarely, so that all
 * together it is no more than 800 times a second: an interrupt of another CPU is dear to a machine
 * whose host has fewer.
 *
 * Buckets are a quarter of a power of two wide, from 64 ns to 134 ms.
 *
 * Contexts: lwps of its own, hard context by cpu_call(), ithreads. Lock: probe_mutex, over start
 * and stop. Not for: one device's handlers (kern/latency.c).
 * Read next: dash.c.
 */
#include "probe.h"

#include "mem/kmem.h"
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/latency.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

#define PERIOD_NS (10 * NS_PER_MS) /* with up to SEVERAL CPUs; twice that with twice as many */
#define SEVERAL 8
#define FIRST_BIT 6 /* the first bucket ends at 64 ns */

/* Locking key: (a) set once before it is shared; (i) the probed CPU's; (~) atomic: one CPU writes,
 * anyone reads, relaxed. */
struct probe {
	struct cpu *pr_cpu;              /* (a) probed */
	struct intr_source *pr_source;   /* (a) */
	struct intr_handler *pr_handler; /* (a) */
	struct lwp *pr_lwp;              /* (a) that probes it: of the CPU before, or its own */
	uint64_t pr_raised;              /* the lwp's; read by the CPU while the lwp waits */
	bool pr_alone;                   /* (a) it probes itself */
	bool pr_under_way;               /* (i) */
	uint64_t pr_hard;                /* (i) counter */
	_Atomic uint64_t pr_raise[PROBE_BUCKETS], pr_thread[PROBE_BUCKETS]; /* (~) */
	_Atomic uint64_t pr_raise_max, pr_thread_max, pr_missed;            /* (~) */
};

static struct mutex probe_mutex;
static struct probe *probes; /* under probe_mutex: an array, one a CPU; NULL: none run */
static unsigned nprobes;     /* same */
static unsigned wanted;      /* same: PROBE_* */
static _Atomic bool ending;  /* (~) the lwps are to end; relaxed, they are joined */

static const struct intr_pic no_controller = {.pic_name = "probe"};

/* ---- Buckets ---- */

static unsigned bucket_of(uint64_t ns)
{
	unsigned bit, b;

	if (ns < (uint64_t)1 << FIRST_BIT)
		return 0;
	bit = 63 - (unsigned)__builtin_clzll(ns);
	b = (bit - FIRST_BIT) * 4 + (unsigned)(ns >> (bit - 2) & 3) + 1;
	return b < PROBE_BUCKETS ? b : PROBE_BUCKETS - 1;
}

uint64_t probe_edge_ns(unsigned bucket)
{
	return (uint64_t)(4 + bucket % 4) << (FIRST_BIT - 2 + bucket / 4);
}

/* note - only the probed CPU writes. */
static void note(_Atomic uint64_t *histogram, _Atomic uint64_t *max, uint64_t ticks)
{
	uint64_t ns = port_counter_to_ns(ticks);

	port_stat_add(&histogram[bucket_of(ns)], 1);
	if (ns > atomic_load_explicit(max, memory_order_relaxed))
		atomic_store_explicit(max, ns, memory_order_relaxed);
}

/* ---- A probe ---- */

/* hit - on the probed CPU, hard context. */
static void hit(void *arg)
{
	struct probe *pr = arg;

	if (pr->pr_under_way) {
		port_stat_add(&pr->pr_missed, 1);
		return;
	}
	pr->pr_hard = port_counter();
	if (!pr->pr_alone && pr->pr_hard > pr->pr_raised)
		note(pr->pr_raise, &pr->pr_raise_max, pr->pr_hard - pr->pr_raised);
	pr->pr_under_way = true;
	hwi_sched(pr->pr_handler);
}

static bool thread(void *arg)
{
	struct probe *pr = arg;
	uint64_t now = port_counter();

	if (now > pr->pr_hard)
		note(pr->pr_thread, &pr->pr_thread_max, now - pr->pr_hard);
	/* On the probed CPU, where hit() is: an interrupt comes before this or after it. */
	pr->pr_under_way = false;
	return true;
}

static void probe_main(void *arg)
{
	struct probe *pr = arg;
	uint64_t period = PERIOD_NS * ((cpu_count() + SEVERAL - 1) / SEVERAL);

	while (!atomic_load_explicit(&ending, memory_order_relaxed)) {
		pr->pr_raised = port_counter();
		cpu_call(pr->pr_cpu, hit, pr);
		lwp_sleep_ns(period);
	}
}

/* ---- Start and stop ---- */

/* stop - all that was started. */
static void stop(void)
{
	struct probe *pr;

	atomic_store_explicit(&ending, true, memory_order_relaxed);
	for (pr = probes; pr < probes + nprobes; pr++)
		if (pr->pr_lwp != NULL)
			lwp_join(pr->pr_lwp);
	for (pr = probes; pr < probes + nprobes; pr++) {
		if (pr->pr_handler != NULL && intr_disestablish(pr->pr_handler) != 0)
			panic("probe: a handler that will not go");
		if (pr->pr_source != NULL && intr_source_destroy(pr->pr_source) != 0)
			panic("probe: a source that will not go");
	}
	kmem_free(probes, nprobes * sizeof(*probes));
	probes = NULL;
}

static int start_one(struct probe *pr, unsigned index)
{
	char name[INTR_NAME_MAX];
	int error;

	pr->pr_cpu = cpu_lookup(index);
	pr->pr_alone = nprobes == 1;
	ksnprintf(name, sizeof(name), "probe%u", index);
	error =
	    intr_source_create(name, INTR_MESSAGE, &no_controller, pr, pr->pr_cpu, &pr->pr_source);
	if (error == 0)
		error = intr_establish(pr->pr_source, "probe", IPL_TTY, INTR_MANUAL, NULL, thread,
		    pr, &pr->pr_handler);
	if (error == 0)
		error = lwp_create(name, PRI_MAX, cpu_lookup((index + nprobes - 1) % nprobes),
		    LWP_JOINABLE, probe_main, pr, &pr->pr_lwp);
	return error;
}

static int start(void)
{
	int error = 0;

	nprobes = cpu_count();
	probes = kmem_alloc(nprobes * sizeof(*probes));
	if (probes == NULL)
		return ENOMEM;
	atomic_store_explicit(&ending, false, memory_order_relaxed);
	for (unsigned i = 0; i < nprobes && error == 0; i++)
		error = start_one(&probes[i], i);
	if (error != 0)
		stop();
	return error;
}

int probe_want(unsigned who, bool on)
{
	unsigned now;
	int error = 0;

	mutex_enter(&probe_mutex);
	now = on ? wanted | who : wanted & ~who;
	if (now != 0 && probes == NULL) {
		error = latency_want(true);
		if (error == 0 && (error = start()) != 0)
			(void)latency_want(false);
	} else if (now == 0 && probes != NULL) {
		stop();
		(void)latency_want(false);
	}
	if (error == 0)
		wanted = now;
	mutex_exit(&probe_mutex);
	return error;
}

bool probe_get(unsigned cpu, struct probe_counts *pc)
{
	struct probe *pr;
	bool running;

	mutex_enter(&probe_mutex);
	running = probes != NULL && cpu < nprobes;
	if (running) {
		pr = &probes[cpu];
		for (unsigned i = 0; i < PROBE_BUCKETS; i++) {
			pc->pc_raise[i] =
			    atomic_load_explicit(&pr->pr_raise[i], memory_order_relaxed);
			pc->pc_thread[i] =
			    atomic_load_explicit(&pr->pr_thread[i], memory_order_relaxed);
		}
		pc->pc_raise_max_ns = atomic_load_explicit(&pr->pr_raise_max, memory_order_relaxed);
		pc->pc_thread_max_ns =
		    atomic_load_explicit(&pr->pr_thread_max, memory_order_relaxed);
		pc->pc_missed = atomic_load_explicit(&pr->pr_missed, memory_order_relaxed);
	}
	mutex_exit(&probe_mutex);
	return running;
}

/* ---- The setting ---- */

static uint64_t latency_get(struct sysctl *sy)
{
	uint64_t on;

	(void)sy;
	mutex_enter(&probe_mutex);
	on = wanted != 0;
	mutex_exit(&probe_mutex);
	return on;
}

static int latency_set(struct sysctl *sy, uint64_t value)
{
	(void)sy;
	return probe_want(PROBE_SYSCTL, value != 0);
}

static struct sysctl node = {.sy_name = "hw.intr.latency",
    .sy_doc = "1: interrupt latency is probed and counted; set to 1, also when nobody watches",
    .sy_get = latency_get,
    .sy_set = latency_set,
    .sy_max = 1};

void probe_init(void)
{
	mutex_init(&probe_mutex, "probe", IPL_NONE);
	sysctl_publish(&node, 1);
}
