/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - what the benchmarks share: samples, and the lines that they print.
 *
 * A figure is in ticks of port_counter(). Under ./ithaca bench (QEMU's -icount shift=0) one tick is
 * one instruction; the first line printed is the proof.
 *
 * Rule: one lwp measures at a time, and it alone calls what prints.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

#define BENCH_EVENTS 1000   /* samples of a figure */
#define BENCH_NAME_MAX 48   /* of a figure, its NUL included */
#define BENCH_BUCKETS_MAX 8 /* to a doubling of the value */

struct bench {
	const char *b_name;
	const char *b_unit; /* bench_begin() says bench_unit() */
	unsigned b_turns;   /* a sample is the sum of so many; bench_begin() says 1 */
	uint32_t b_n;
	uint32_t b_sample[BENCH_EVENTS];
};

/* bench_begin - a figure, without samples. bench_add - one sample; those past BENCH_EVENTS are
 * dropped. bench_end - print name, min, median, p99 and max, each less `base` and divided by
 * b_turns; returns the median. */
void bench_begin(struct bench *b, const char *name);
void bench_add(struct bench *b, uint64_t ticks);
int32_t bench_end(struct bench *b, uint32_t base);

/* bench_median - of the samples so far, as they were added. */
uint32_t bench_median(struct bench *b);

/* bench_unit - "instructions" if the calibration found that a tick is one, else "ticks". */
const char *bench_unit(void);

/* bench_model - the interrupt model that this kernel was built with: "handoff" is the design's. */
const char *bench_model(void);

/* bench_value - print one value that is no sample but a count, `num` / `den`, to three decimals;
 * `n` is the number of events that it was counted over. den is not 0. */
void bench_value(const char *name, const char *unit, uint64_t num, uint64_t den, uint64_t n);

/* bench_histogram - print how the samples spread, BENCH_BUCKETS_MAX steps to a doubling; only for
 * programs (bench -j). After bench_end(). */
void bench_histogram(struct bench *b, uint32_t base);

/* bench_say - a line for people. */
void bench_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* bench_mark - does nothing. tools/fastpath stops the machine here: the path `name` begins; NULL:
 * it has ended. Any context. */
void bench_mark(const char *name);

/* bench_gauge - the command `gauge`, in the shell's lwp: how much of a CPU all others take. */
int bench_gauge(int argc, char **argv);

/* The groups. Each prints its figures; 0 or an errno. Thread context; they may block. */
int bench_callout(void);
int bench_cpus(void);
int bench_fastpath(void);
int bench_flooded(void);
int bench_intr(void);
int bench_latency(void);
int bench_lock(void);
int bench_metric(void);
int bench_path(void);
int bench_rate(void);
int bench_sched(void);
int bench_serial(void);
int bench_spin(void);
int bench_work(void);

#endif
