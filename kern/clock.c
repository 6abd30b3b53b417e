/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.c - time, and the one-shot clock of each CPU.
 *
 * Tickless: no interrupt comes unless somebody asked for one. Those who may ask are few and each
 * keeps its own wishes: callout.c (the earliest callout of this CPU), sched.c (the end of a time
 * slice, when others wait), storm.c (a look at the sources), heartbeat.c (a beat). A wish is told
 * with clock_want(), which only ever brings the deadline nearer. When the interrupt comes it tells
 * nobody what it came for: all of them are asked what is due, and each answers when to look again.
 * So a wish that was taken back, or an interrupt that came early or for nothing, costs one round of
 * questions and changes nothing; and a deadline is never lost, because whoever is asked answers
 * from its own state.
 *
 * Contexts: clock_intr() is entered with interrupts off on the stack of the interrupted lwp;
 * clock_want() with interrupts off, on the CPU it is about; clock_ns() and clock_delay() anywhere.
 * Lock order: none here; whoever is asked takes its own.
 * Invariants: ci_clock_next is what the port was last told, UINT64_MAX when that has come.
 * Not for: timers of one's own: those are callouts. Read next: callout.c.
 */
#include <ithaca/clock.h>

#include <ithaca/callout.h>
#include <ithaca/cpu.h>
#include <ithaca/entry.h>
#include <ithaca/heartbeat.h>
#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sched.h>
#include <ithaca/storm.h>

void clock_want(struct cpu *ci, uint64_t deadline_ns)
{
	KASSERT(!port_intr_enabled() && ci == curcpu(), "clock_want for cpu%u on cpu%u",
	    ci->ci_index, curcpu()->ci_index);
	/* One that is armed for sooner is still to come, even if its time is past: its interrupt
	 * will ask everybody again. */
	if (deadline_ns >= ci->ci_clock_next)
		return;
	ci->ci_clock_next = deadline_ns;
	port_clock_arm(deadline_ns);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void clock_intr(void)
{
	struct cpu *ci = curcpu();
	struct lwp *l = curlwp;
	uint8_t ipl = l->l_ipl;
	uint64_t now_ns = clock_ns(), next_ns;

	KASSERT(!port_intr_enabled(), "clock_intr with interrupts on");
	l->l_ipl = IPL_SCHED;
	ci->ci_clock_next = UINT64_MAX; /* what was armed has come */
	next_ns = callout_tick(ci, now_ns);
	next_ns = sooner(next_ns, sched_slice(ci, now_ns));
	next_ns = sooner(next_ns, storm_tick(ci, now_ns));
	next_ns = sooner(next_ns, heartbeat_tick(ci, ipl, now_ns));
	/* Armed even if it is the deadline that just came: a clock may be early by its rounding. */
	next_ns = sooner(next_ns, ci->ci_clock_next);
	if (next_ns != UINT64_MAX) {
		ci->ci_clock_next = next_ns;
		port_clock_arm(next_ns);
	}
	l->l_ipl = ipl;
	ithread_exit();
}

void clock_delay(uint64_t ns)
{
	uint64_t end_ns = clock_ns() + ns;

	while (clock_ns() < end_ns)
		port_pause();
}
