/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - what the benchmarks share: samples, and the lines that they print.
 *
 * A figure is in ticks of port_counter(). Under ./ithaca bench (QEMU's -icount shift=0) one tick is
 * one instruction; the first line printed is the proof.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

#define BENCH_EVENTS 1000 /* samples of a figure */

struct bench {
	const char *b_name;
	uint32_t b_n;
	uint32_t b_sample[BENCH_EVENTS];
};

/* bench_begin - a figure, without samples. bench_add - one sample; those past BENCH_EVENTS are
 * dropped. bench_end - print name, min, median, p99 and max less `base`; returns the median less
 * `base`. */
void bench_begin(struct bench *b, const char *name);
void bench_add(struct bench *b, uint64_t ticks);
uint32_t bench_end(struct bench *b, uint32_t base);

/* bench_median - of the samples so far. */
uint32_t bench_median(struct bench *b);

/* bench_mark - does nothing. tools/fastpath stops the machine here: the path `name` begins; NULL: it
 * has ended. Any context. */
void bench_mark(const char *name);

/* The groups. Each prints its figures; 0 or an errno. Thread context; they may block. */
int bench_callout(void);
int bench_fastpath(void);
int bench_intr(void);
int bench_lock(void);
int bench_sched(void);
int bench_work(void);

#endif
