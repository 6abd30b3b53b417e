/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iperf.h - what a test of iperf 3 (iperf.c) and its streams over UDP (iperf_udp.c) tell each
 * other. All with the core lock held.
 */
#ifndef NET_IPERF_H
#define NET_IPERF_H

#include <stdbool.h>
#include <stdint.h>

#define IPERF_PORT 5201
#define IPERF_STREAMS_MAX 16

struct iperf_udp_plan {
	unsigned up_parallel;  /* streams, 1 to IPERF_STREAMS_MAX */
	bool up_reverse;       /* from here to the client */
	bool up_wide;          /* datagrams are numbered with 64 bits, not 32 */
	uint64_t up_length;    /* bytes of data in a datagram */
	uint64_t up_bandwidth; /* bits of data a second and stream; 0: as fast as can be */
};

/* What a stream has to show. */
struct iperf_udp_counts {
	uint64_t uc_bytes;
	uint64_t uc_packets;   /* sent, or the highest number that came */
	uint64_t uc_lost;      /* numbers that did not come */
	uint64_t uc_jitter_ns; /* RFC 3550, 6.4.1 */
};

/* Bytes of all tests, also over TCP. */
extern uint64_t iperf_bytes_in, iperf_bytes_out;

/* iperf_udp_init - listen. ENOMEM. Once, in thread context. */
int iperf_udp_init(void);

/* iperf_udp_begin - a test's streams may come; all_here() is called when they all have. EINVAL: no
 * datagram can be like this. iperf_udp_run - the test has begun; iperf_udp_stop - nothing is sent
 * any more; what comes late is counted. iperf_udp_end - it is over, also without the two before; no
 * harm if there was none. */
int iperf_udp_begin(const struct iperf_udp_plan *plan, void (*all_here)(void));
void iperf_udp_run(void);
void iperf_udp_stop(void);
void iperf_udp_end(void);

/* iperf_udp_counts - of a stream, in the order in which they came; false: there is none. */
bool iperf_udp_counts(unsigned n, struct iperf_udp_counts *uc);

#endif
