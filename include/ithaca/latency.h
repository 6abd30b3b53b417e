/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * latency.h - how long each handler's thread function waited since its interrupt was dispatched.
 *
 * The essay is in kern/latency.c. Nothing is counted until somebody wants it, nor without
 * accounting (hw.intr.acct).
 */
#ifndef ITHACA_LATENCY_H
#define ITHACA_LATENCY_H

#include <ithaca/intr.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Bucket i counts what took less than latency_edge(i), and not less than the one before; the last
 * one also what took longer. Two to a power of two. */
#define LATENCY_BUCKETS 48

/* latency_edge - the end of a bucket, in ticks of port_counter(). Any context. */
uint64_t latency_edge(unsigned bucket);

/*
 * latency_want - count from now on (from nought), or no longer. One caller at a time. Thread
 * context; may block. ENOMEM: not for want of trying, and nothing is counted.
 */
int latency_want(bool on);

/* latency_sum - what all CPUs have counted for `ih`, into out[LATENCY_BUCKETS]; false: nothing is
 * counted for it. For the function of intr_source_each(), which keeps `ih` there. */
bool latency_sum(const struct intr_handler *ih, uint64_t *out);

/* ---- For intr.c, ithread.c and the models; interrupts off ---- */

extern _Atomic bool latency_on;

/* latency_wanted - is the rest to be called? Where a wrong answer for a moment does no harm. */
static inline bool latency_wanted(void)
{
	return atomic_load_explicit(&latency_on, memory_order_relaxed);
}

/* latency_asks - the source's filters are about to be asked, just after the entry was charged.
 * latency_asked - they were; who does not want a run is not waited for. */
void latency_asks(const struct cpu *ci, const struct intr_source *is);
void latency_asked(const struct intr_source *is);

/* latency_begun - a run of `ih` begins on `ci`. */
void latency_begun(const struct cpu *ci, struct intr_handler *ih);

/* latency_attach - for a handler that is about to be linked, with the list of sources held still;
 * without memory it has no counts. latency_detach - nobody runs it any more. Thread context. */
void latency_attach(struct intr_handler *ih);
void latency_detach(struct intr_handler *ih);

#endif
