/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storm.h - watches sources: nobody's interrupts, sources that eat their CPU, lines held masked.
 * The essay is in kern/storm.c. For intr.c and those who look.
 *
 * Settings: sysctl hw.intr.storm_percent (of its CPU, over half a second, or five where the clock
 * is late; 0: off; needs hw.intr.acct), hw.intr.stuck_ms (0: off). Count: hw.intr.storms.
 */
#ifndef ITHACA_STORM_H
#define ITHACA_STORM_H

#include <ithaca/intr.h>

/* storm_unclaimed - so many interrupts in a row that nobody claimed: the source is held. Hard or
 * thread context, interrupts off, is_lock not held. */
#define STORM_UNCLAIMED 1000
void storm_unclaimed(struct intr_source *is);

/* storm_attach - for intr.c: a source comes; makes its is_storm. Thread context; may block. ENOMEM.
 * storm_detach - it goes: returns when no CPU looks at it, and frees. Thread context, blocks. */
int storm_attach(struct intr_source *is);
void storm_detach(struct intr_source *is);

/* storm_tick - for clock.c: look at this CPU's sources if it is time; returns when to look again
 * (ns), UINT64_MAX: no need. Interrupts off. */
uint64_t storm_tick(struct cpu *ci, uint64_t now_ns);

/* storm_late - has that CPU taken a clock interrupt late within `within_ns` before `now_ns`? It may
 * have stood still, and what ran on it took less time than was counted. Known only while the watch
 * runs. Any context. */
bool storm_late(const struct cpu *ci, uint64_t now_ns, uint64_t within_ns);

/* storm_init - start the watch, and recovery from storms with it; once, thread context, after the
 * CPUs were started (one that comes later joins at its first clock interrupt). ENOMEM. */
int storm_init(void);

enum storm_state {
	STORM_CALM,
	STORM_HELD, /* masked, or not dispatched, until the back-off is over */
	STORM_TRIAL /* let in again, and watched */
};

enum storm_cause {
	STORM_BY_TIME,  /* took too much of its CPU */
	STORM_BY_NOBODY /* no handler claimed it */
};

/* What is known of a source. */
struct storm_info {
	enum storm_state state;
	enum storm_cause cause; /* of the last storm, if there was one */
	unsigned percent;       /* of its CPU, when last looked at */
	uint64_t storms;        /* so far */
	uint64_t holds;         /* times it was held, in all storms */
	uint64_t backoff_ns;    /* how long it is held, or was */
	bool stuck;             /* handlers hold it masked for longer than hw.intr.stuck_ms */
};

/* storm_info - the source may not go meanwhile. Any context. */
void storm_info(struct intr_source *is, struct storm_info *out);

#endif
