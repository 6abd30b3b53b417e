/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spl.h - interrupt priority levels, and raising and lowering the CPU's own.
 *
 * A level belongs to the running lwp (l_ipl), so it travels with it and needs no save or
 * restore at a switch; the level of a CPU is the level of the lwp that runs there.
 *
 * Rules:
 * - Up to IPL_TTY a level is a thread level: what runs there is an lwp and may block.
 * - From IPL_VM up it is a hard level: interrupts are off, nothing blocks.
 * - splx() takes back what splraise() returned, innermost first.
 */
#ifndef ITHACA_SPL_H
#define ITHACA_SPL_H

#include <stdint.h>

enum ipl {
	IPL_NONE,
	IPL_SOFTCLOCK,
	IPL_SOFTBIO,
	IPL_SOFTNET,
	IPL_SOFTSERIAL,
	IPL_BIO,
	IPL_NET,
	IPL_TTY,
	IPL_VM,
	IPL_SCHED,
	IPL_HIGH,
	IPL_COUNT
};

/* Thread levels are those below IPL_VM; softint levels are the first four above IPL_NONE. */
#define IPL_IS_HARD(ipl) ((ipl) >= IPL_VM)
#define IPL_IS_SOFT(ipl) ((ipl) > IPL_NONE && (ipl) <= IPL_SOFTSERIAL)

/*
 * splraise - keep ithreads and softints at or below `ipl` off this CPU; from IPL_VM up, filters
 * too.
 * Context: any. Never blocks. Raising to a level below the current one changes nothing.
 * Returns the level before, for splx(). While the level is raised the lwp is not preempted by
 * other lwps, and it stays on its CPU; if it blocks all the same, the level is let go while it
 * sleeps (as BSD's tsleep always did).
 */
int splraise(int ipl);

/*
 * splx - go back to the level that splraise() returned.
 * Context: that of the splraise(). Handlers that became pending meanwhile run before it returns
 * if their level is above the one gone back to. Never blocks by itself.
 */
void splx(int ipl);

/* spl_name - the name of a level, "none" to "high"; "?" for a number that is no level. */
const char *spl_name(int ipl);

#endif
