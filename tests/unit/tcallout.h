/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcallout.h - a callout that watches itself, for the tests of callout.c and callout_stop.c: its
 * function fails the test when it runs beside itself, early, or in the wrong context.
 */
#ifndef TCALLOUT_H
#define TCALLOUT_H

#include "unit.h"

#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/spl.h>
#include <sim/sim.h>
#include <string.h>

#define SLACK_NS (100 * NS_PER_US) /* of the simulated machine: points between clock and softint */

struct probe {
	struct callout p_callout;
	uint64_t p_due_ns;
	uint64_t p_ran_ns;
	uint64_t p_work_ns; /* how long the function takes, asleep */
	unsigned p_runs;
	unsigned p_again; /* so many times it arms itself again */
	uint64_t p_period_ns;
	bool p_running;
	struct cpu *p_cpu;
	struct mutex *p_mutex; /* what the function takes, or NULL */
};

static inline void probe_run(void *arg)
{
	struct probe *p = arg;

	CHECK(!p->p_running);
	p->p_running = true;
	CHECK_EQ(curlwp->l_ipl, IPL_SOFTCLOCK);
	CHECK(port_intr_enabled());
	p->p_ran_ns = clock_ns();
	CHECK(p->p_ran_ns >= p->p_due_ns);
	p->p_cpu = curcpu();
	p->p_runs++;
	if (p->p_mutex != NULL)
		mutex_enter(p->p_mutex);
	sim_point(SIM_TEST);
	if (p->p_work_ns != 0)
		lwp_sleep_ns(p->p_work_ns);
	sim_point(SIM_TEST);
	if (p->p_again > 0) {
		p->p_again--;
		p->p_due_ns = clock_ns() + p->p_period_ns;
		callout_schedule(&p->p_callout, p->p_period_ns);
	}
	if (p->p_mutex != NULL)
		mutex_exit(p->p_mutex);
	p->p_running = false;
}

static inline void probe_init(struct probe *p)
{
	memset(p, 0, sizeof(*p));
	callout_init(&p->p_callout);
	callout_setfunc(&p->p_callout, probe_run, p);
}

static inline bool probe_arm(struct probe *p, uint64_t ns)
{
	p->p_due_ns = clock_ns() + ns;
	return callout_schedule(&p->p_callout, ns);
}

static inline void on_cpu(unsigned cpu, void (*fn)(void *), void *arg, struct lwp **out)
{
	CHECK_EQ(lwp_create("other", PRI_KERNEL, cpu_lookup(cpu), LWP_JOINABLE, fn, arg, out), 0);
}

static inline void on_cpu_done(unsigned cpu, void (*fn)(void *), void *arg)
{
	struct lwp *l;

	on_cpu(cpu, fn, arg, &l);
	lwp_join(l);
}

static inline void arm_5ms(void *arg)
{
	probe_arm(arg, 5 * NS_PER_MS);
}

#endif
