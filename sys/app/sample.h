/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sample.h - what sources, handlers and lwps have counted at one moment, for commands that show it.
 * For the shell's lwp; all functions may block.
 */
#ifndef SYS_APP_SAMPLE_H
#define SYS_APP_SAMPLE_H

#include <ithaca/cpu.h>
#include <ithaca/intr.h>
#include <ithaca/latency.h>
#include <ithaca/lwp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sample_kind {
	SAMPLE_SOURCE,  /* interrupts; the time is that of the dispatch, filters included */
	SAMPLE_HANDLER, /* runs of the thread function, and the time they took */
	SAMPLE_LWP      /* switches, and the time, handlers that it ran excluded */
};

struct sample_row {
	enum sample_kind sr_kind;
	char sr_name[LWP_NAME_MAX];    /* of the source itself: its own name again */
	char sr_source[INTR_NAME_MAX]; /* "" for an lwp */
	int sr_level;    /* of a handler; of a source IPL_VM; of an lwp that it is at */
	unsigned sr_cpu; /* where it is delivered, runs or ran last */
	uint64_t sr_count;
	uint64_t sr_ticks; /* of the counter */
	uint64_t sr_moved; /* runs that another CPU could not get to */
	uint64_t sr_stray;
	uint64_t sr_by_cpu[CPU_MAX];         /* sr_count of each CPU (not of an lwp) */
	bool sr_waits;                       /* of a handler: its waits are counted (latency.h) */
	uint64_t sr_waited[LATENCY_BUCKETS]; /* same: so far */
	/* of an lwp */
	uint32_t sr_id; /* also of a handler */
	uint8_t sr_pri, sr_flags;
	const char *sr_state, *sr_wait;
};

struct sample {
	uint64_t sa_when; /* counter */
	struct sample_row *sa_row;
	size_t sa_rows;
	size_t sa_room;
	int sa_error;
};

/* sample_intr, sample_lwps - add the sources and handlers, or the lwps, to `sa`, zeroed at first.
 * ENOMEM: nothing is held. Every CPU's accounts are brought up to date before. */
int sample_intr(struct sample *sa);
int sample_lwps(struct sample *sa);

/* sample_free - `sa` is empty again. */
void sample_free(struct sample *sa);

/* sample_find - what `sa` has of the same source, handler or lwp as `row`; NULL: nothing. */
const struct sample_row *sample_find(const struct sample *sa, const struct sample_row *row);

/* sample_share - `ticks` out of `span`, in tenths of a percent; at most 9999. */
unsigned sample_share(uint64_t ticks, uint64_t span);

#endif
