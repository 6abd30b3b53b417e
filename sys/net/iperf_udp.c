/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iperf_udp.c - streams of `iperf3 -u`: datagrams with a time and a number, from here or to here.
 *
 * iperf.c makes the test, by TCP. A stream is then a port of the client's: its first datagram, of
 * four bytes, is answered with four others, and says no more than that it is there. All streams
 * come to one port of ours and are told apart by where they come from. A datagram of the test is
 *
 *	seconds (4), microseconds (4), number from 1 on (4 or 8), anything
 *
 * in network order. Who receives counts bytes, numbers that were left out, and how unevenly they
 * came. Sent ones are due by the bandwidth that the client asked for: every TICK_NS each stream
 * sends what it owes, at most BURST; when there is no memory the rest is not made up for but
 * forgotten, as a sender does whose socket is full.
 *
 * Contexts: a callback of lwIP; the callout's function, and a softint at IPL_SOFTNET which it
 * schedules, as in timers.c. Lock: the core lock; all but the callout's function is under it.
 * Not for: both ways at once. Read next: iperf.c.
 */
#include "iperf.h"

#include "core.h"
#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/softint.h>
#include <ithaca/string.h>
#include <lwip/udp.h>

#define HELLO 4
#define HEAD_MAX 16
#define LENGTH_MAX 65507 /* what IPv4 has room for */
#define TICK_NS (2 * NS_PER_MS)
#define BURST 64 /* datagrams a tick and stream */

struct stream {
	ip_addr_t st_addr;
	uint16_t st_port;
	struct iperf_udp_counts st_counts;
	int64_t st_transit_ns; /* of the last one; its zero is the clocks' difference */
};

static struct {
	struct iperf_udp_plan plan;
	void (*all_here)(void); /* NULL: no test */
	bool running, sending;
	unsigned count;
	uint64_t begun_ns;
	struct stream stream[IPERF_STREAMS_MAX];
} udp;

static struct udp_pcb *pcb;
static struct callout tick;
static struct softint *softint;

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static unsigned head(void)
{
	return udp.plan.up_wide ? 16 : 12;
}

/* ---- From the client ---- */

static struct stream *find(const ip_addr_t *from, uint16_t port)
{
	for (unsigned i = 0; i < udp.count; i++) {
		if (udp.stream[i].st_port == port && ip_addr_cmp(&udp.stream[i].st_addr, from))
			return &udp.stream[i];
	}
	return NULL;
}

/* answer - to a hello: what iperf 3 says there, in the byte order of its makers' machines. */
static void answer(const ip_addr_t *to, uint16_t port)
{
	struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, HELLO, PBUF_RAM);

	if (p == NULL)
		return; /* as if it were lost: the client gives up */
	memcpy(p->payload, "6789", HELLO);
	(void)udp_sendto(pcb, p, to, port);
	pbuf_free(p);
}

/* hello - from a port that is new, or again. */
static void hello(struct stream *st, const ip_addr_t *from, uint16_t port)
{
	if (udp.running || (st == NULL && udp.count == udp.plan.up_parallel))
		return;
	answer(from, port);
	if (st != NULL)
		return;
	st = &udp.stream[udp.count++];
	memset(st, 0, sizeof(*st));
	ip_addr_copy(st->st_addr, *from);
	st->st_port = port;
	if (udp.count == udp.plan.up_parallel)
		udp.all_here();
}

/* jitter - a datagram that was sent then came now. */
static void jitter(struct stream *st, uint64_t sent_ns, bool first)
{
	int64_t transit = (int64_t)(clock_ns() - sent_ns);
	int64_t d = transit - st->st_transit_ns;
	int64_t j = (int64_t)st->st_counts.uc_jitter_ns;

	if (d < 0)
		d = -d;
	if (!first && d < (int64_t)NS_PER_S * 3600) /* else no clock, but nonsense */
		st->st_counts.uc_jitter_ns = (uint64_t)(j + (d - j) / 16);
	st->st_transit_ns = transit;
}

static void take(struct stream *st, const struct pbuf *p)
{
	struct iperf_udp_counts *uc = &st->st_counts;
	uint8_t bytes[HEAD_MAX];
	uint64_t number;

	if (pbuf_copy_partial(p, bytes, (u16_t)head(), 0) != head())
		return; /* too short for a number */
	number = get32(bytes + 8);
	if (udp.plan.up_wide)
		number = number << 32 | get32(bytes + 12);
	jitter(st, get32(bytes) * NS_PER_S + get32(bytes + 4) * NS_PER_US, uc->uc_bytes == 0);
	uc->uc_bytes += p->tot_len;
	iperf_bytes_in += p->tot_len;
	if (number > uc->uc_packets) {
		uc->uc_lost += number - uc->uc_packets - 1;
		uc->uc_packets = number;
	} else if (uc->uc_lost > 0) {
		uc->uc_lost--; /* it was late, not lost */
	}
}

static void received(void *arg, struct udp_pcb *at, struct pbuf *p, const ip_addr_t *from,
    u16_t port)
{
	struct stream *st = find(from, port);

	(void)arg;
	(void)at;
	if (udp.all_here != NULL && p->tot_len == HELLO)
		hello(st, from, port);
	else if (udp.running && st != NULL && !udp.plan.up_reverse)
		take(st, p);
	pbuf_free(p);
}

/* ---- To the client ---- */

static bool send_one(struct stream *st, uint64_t now)
{
	uint16_t length = (uint16_t)udp.plan.up_length;
	struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, length, PBUF_RAM);
	uint64_t number = st->st_counts.uc_packets + 1;
	uint8_t *bytes;
	bool ok;

	if (p == NULL)
		return false;
	bytes = p->payload;
	memset(bytes, 0, length);
	put32(bytes, (uint32_t)(now / NS_PER_S));
	put32(bytes + 4, (uint32_t)(now % NS_PER_S / NS_PER_US));
	if (udp.plan.up_wide)
		put32(bytes + 8, (uint32_t)(number >> 32));
	put32(bytes + head() - 4, (uint32_t)number);
	ok = udp_sendto(pcb, p, &st->st_addr, st->st_port) == ERR_OK;
	pbuf_free(p);
	if (ok) {
		st->st_counts.uc_packets = number;
		st->st_counts.uc_bytes += length;
		iperf_bytes_out += length;
	}
	return ok;
}

/* send - what is due by now. */
static void send(struct stream *st)
{
	uint64_t now = clock_ns(), us = (now - udp.begun_ns) / NS_PER_US;
	/* Bits and microseconds; a bandwidth of more than 2**44 is none (iperf_udp_begin()). */
	uint64_t due = udp.plan.up_bandwidth / 8 * (us / 1000) / 1000;

	for (unsigned i = 0; i < BURST; i++) {
		if (udp.plan.up_bandwidth != 0 && st->st_counts.uc_bytes >= due)
			return;
		if (!send_one(st, now))
			return;
	}
}

/* run - the softint's. */
static void run(void *arg)
{
	(void)arg;
	net_enter();
	for (unsigned i = 0; udp.sending && i < udp.count; i++) {
		send(&udp.stream[i]);
		net_breathe(); /* it may end meanwhile, and another begin */
	}
	if (udp.sending)
		(void)callout_schedule(&tick, TICK_NS);
	net_exit();
}

static void ring(void *arg)
{
	(void)arg;
	softint_schedule(softint);
}

/* ---- What iperf.c calls ---- */

int iperf_udp_begin(const struct iperf_udp_plan *plan, void (*all_here)(void))
{
	if (plan->up_length < HEAD_MAX || plan->up_length > LENGTH_MAX)
		return EINVAL;
	udp.plan = *plan;
	if (udp.plan.up_bandwidth >> 44 != 0)
		udp.plan.up_bandwidth = 0;
	udp.all_here = all_here;
	udp.running = udp.sending = false;
	udp.count = 0;
	return 0;
}

void iperf_udp_run(void)
{
	udp.running = true;
	udp.sending = udp.plan.up_reverse;
	udp.begun_ns = clock_ns();
	if (udp.sending)
		(void)callout_schedule(&tick, TICK_NS);
}

void iperf_udp_stop(void)
{
	udp.sending = false;
}

void iperf_udp_end(void)
{
	udp.running = udp.sending = false;
	udp.all_here = NULL;
	udp.count = 0;
}

bool iperf_udp_counts(unsigned n, struct iperf_udp_counts *uc)
{
	if (n >= udp.count)
		return false;
	*uc = udp.stream[n].st_counts;
	return true;
}

int iperf_udp_init(void)
{
	int error;

	callout_init(&tick);
	callout_setfunc(&tick, ring, NULL);
	error = softint_establish("net iperf", IPL_SOFTNET, run, NULL, &softint);
	if (error != 0)
		return error;
	net_enter();
	pcb = udp_new_ip_type(IPADDR_TYPE_ANY);
	if (pcb != NULL && udp_bind(pcb, IP_ANY_TYPE, IPERF_PORT) == ERR_OK)
		udp_recv(pcb, received, NULL);
	else
		error = ENOMEM;
	net_exit();
	return error;
}
