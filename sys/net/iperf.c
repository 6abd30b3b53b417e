/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iperf.c - the other end of `iperf3 -c`: how fast is TCP, or UDP, from here or to here.
 *
 * The protocol is what iperf 3 does, written down from what it sends. All connections come to one
 * port and begin with a cookie of 37 bytes. The first is the control connection of a test; those
 * that bring the same cookie later are its streams. On the control connection single bytes say how
 * far the test is, and twice a text in JSON goes over, with its length in four bytes before it:
 *
 *	client				server
 *	cookie				PARAM_EXCHANGE
 *	parameters			CREATE_STREAMS
 *	(streams, with the cookie)	TEST_START, TEST_RUNNING
 *	TEST_END			EXCHANGE_RESULTS
 *	results				results, DISPLAY_RESULTS
 *	IPERF_DONE			(the end)
 *
 * Either the client's streams bring bytes, which are thrown away, or (-R) they are sent zeros for
 * as long as they take them. Streams over UDP (-u) are iperf_udp.c's. One test at a time, up to
 * IPERF_STREAMS_MAX streams: anything else is refused in the protocol's own words. A client who
 * says nothing for IDLE_MAX seconds when it is his turn is dropped.
 *
 * Contexts: callbacks of lwIP, the core lock held. Lock: the core lock; all that is here is under
 * it. Not for: both ways at once. Read next: iperf_udp.c; services.c, for a smaller one.
 */
#include "iperf.h"

#include "core.h"
#include "mem/kmem.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>
#include <lwip/tcp.h>
#include <stdlib.h>

#define COOKIE 37
#define TEXT_MAX 8192 /* of a text of JSON; results have at most 300 bytes a stream */
#define IDLE_MAX 30   /* seconds */
#define ZEROS 16384

enum {
	TEST_START = 1,
	TEST_RUNNING = 2,
	TEST_END = 4,
	PARAM_EXCHANGE = 9,
	CREATE_STREAMS = 10,
	CLIENT_TERMINATE = 12,
	EXCHANGE_RESULTS = 13,
	DISPLAY_RESULTS = 14,
	IPERF_DONE = 16,
	SERVER_ERROR = 0xfe,
	ACCESS_DENIED = 0xff
};

/* The client's words for why not. */
#define WHY_TOO_MANY 6
#define WHY_NOT_HERE 13

/* What the control connection is to bring next. */
enum phase { PARAMETERS, STREAMS, END, RESULTS, DONE };

struct conn {
	struct tcp_pcb *co_pcb;
	struct conn *co_next; /* of the test's streams, in the order that they came */
	unsigned co_have;     /* bytes of the cookie */
	unsigned co_idle;     /* seconds without a byte */
	bool co_stream;
	uint64_t co_bytes;
	char co_cookie[COOKIE];
};

static struct {
	struct conn *control; /* NULL: no test */
	struct conn *streams;
	unsigned count;
	enum phase phase;
	unsigned parallel;
	bool reverse, udp;
	uint64_t begun_ns, ended_ns;
	uint32_t have, want; /* of the text: bytes that came; its length once 4 have */
	char text[TEXT_MAX + 1];
} test;

static const char zeros[ZEROS];
static uint64_t tests_done, tests_refused;
uint64_t iperf_bytes_in, iperf_bytes_out;

/* ---- Connections ---- */

/* hang_up - its connection goes; what it has counted stays. */
static err_t hang_up(struct conn *co)
{
	struct tcp_pcb *pcb = co->co_pcb;
	err_t err = ERR_OK;

	co->co_pcb = NULL;
	if (pcb != NULL) {
		tcp_arg(pcb, NULL);
		tcp_recv(pcb, NULL);
		tcp_sent(pcb, NULL);
		tcp_err(pcb, NULL);
		tcp_poll(pcb, NULL, 0);
		if (tcp_close(pcb) != ERR_OK) {
			tcp_abort(pcb);
			err = ERR_ABRT;
		}
	}
	return err;
}

static err_t drop(struct conn *co)
{
	err_t err = hang_up(co);

	kmem_free(co, sizeof(*co));
	return err;
}

/* end_test - all of its connections but `self`, who was called and drops itself. */
static void end_test(const struct conn *self)
{
	struct conn *co, *next = test.streams, *control = test.control;

	test.control = NULL;
	test.streams = NULL;
	while ((co = next) != NULL) {
		next = co->co_next;
		if (co != self)
			(void)drop(co);
	}
	iperf_udp_end();
	if (control != self)
		(void)drop(control);
}

static err_t leave(struct conn *co)
{
	/* Streams may go when their time is over; the results are still to come. */
	if (co->co_stream && (test.phase == RESULTS || test.phase == DONE))
		return hang_up(co);
	if (co->co_stream || co == test.control)
		end_test(co);
	return drop(co);
}

static void say(struct conn *co, const void *what, size_t len)
{
	/* No memory for it: the client waits, and gives up; so do we, by IDLE_MAX. */
	(void)tcp_write(co->co_pcb, what, (u16_t)len, TCP_WRITE_FLAG_COPY);
	(void)tcp_output(co->co_pcb);
}

static void say_state(struct conn *co, unsigned state)
{
	uint8_t byte = (uint8_t)state;

	say(co, &byte, 1);
}

/* refuse - with the client's number for the reason. */
static err_t refuse(struct conn *co, unsigned why)
{
	uint8_t words[9] = {SERVER_ERROR, 0, 0, 0, (uint8_t)why};

	tests_refused++;
	say(co, words, sizeof(words));
	return leave(co);
}

/* ---- JSON, as much as is needed ---- */

/* value - what stands behind "name": in a text; NULL: nothing does. */
static const char *value(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (; *text != '\0'; text++) {
		if (*text != '"' || strncmp(text + 1, name, len) != 0 || text[len + 1] != '"')
			continue;
		for (text += len + 2; *text == ' ' || *text == ':' || *text == '\t'; text++)
			continue;
		return text;
	}
	return NULL;
}

static uint64_t number(const char *text, const char *name, uint64_t otherwise)
{
	const char *v = value(text, name);
	uint64_t n = 0;

	if (v == NULL || *v < '0' || *v > '9')
		return otherwise;
	for (; *v >= '0' && *v <= '9' && n < UINT64_MAX / 100; v++)
		n = n * 10 + (unsigned)(*v - '0');
	return n;
}

static bool is_true(const char *text, const char *name)
{
	const char *v = value(text, name);

	return v != NULL && strncmp(v, "true", 4) == 0;
}

/* counts - of the n-th stream; `co` is it, unless it is by UDP. False: there is none. */
static bool counts(unsigned n, const struct conn *co, struct iperf_udp_counts *uc)
{
	if (test.udp)
		return iperf_udp_counts(n, uc);
	*uc = (struct iperf_udp_counts){.uc_bytes = co != NULL ? co->co_bytes : 0};
	return co != NULL;
}

/* results - ours, in the room of theirs, whose names for the streams are taken over. */
static void results(struct conn *co)
{
	static char out[TEXT_MAX];
	uint64_t ms = (test.ended_ns - test.begun_ns) / NS_PER_MS;
	const char *at = value(test.text, "streams");
	const struct conn *st = test.streams;
	struct iperf_udp_counts uc;
	unsigned id = 0;
	uint8_t head[4];
	size_t n = (size_t)ksnprintf(out, sizeof(out),
	    "{\"cpu_util_total\":0,\"cpu_util_user\":0,\"cpu_util_system\":0,"
	    "\"sender_has_retransmits\":0,\"streams\":[");

	for (unsigned i = 0; counts(i, st, &uc); i++) {
		/* Each stream of theirs has its "id"; where that lacks, the next in a row. */
		at = at != NULL ? value(at, "id") : NULL;
		id = at != NULL && *at >= '0' && *at <= '9' ? (unsigned)atoi(at) : id + 1;
		n += (size_t)ksnprintf(out + n, sizeof(out) - n,
		    "%s{\"id\":%u,\"bytes\":%llu,\"retransmits\":-1,\"jitter\":%llu.%09llu,"
		    "\"errors\":%llu,\"omitted_errors\":0,\"packets\":%llu,\"omitted_packets\":0,"
		    "\"start_time\":0,\"end_time\":%llu.%03llu}",
		    i == 0 ? "" : ",", id, (unsigned long long)uc.uc_bytes,
		    (unsigned long long)(uc.uc_jitter_ns / NS_PER_S),
		    (unsigned long long)(uc.uc_jitter_ns % NS_PER_S),
		    (unsigned long long)uc.uc_lost, (unsigned long long)uc.uc_packets,
		    (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000));
		st = st != NULL ? st->co_next : NULL;
	}
	n += (size_t)ksnprintf(out + n, sizeof(out) - n, "]}");
	KASSERT(n < sizeof(out), "results of %zu bytes", n);
	for (unsigned i = 0; i < 4; i++)
		head[i] = (uint8_t)(n >> (24 - 8 * i));
	say(co, head, sizeof(head));
	say(co, out, n);
}

/* ---- Streams ---- */

static void fill(struct conn *co)
{
	while (tcp_sndbuf(co->co_pcb) >= ZEROS &&
	    tcp_sndqueuelen(co->co_pcb) + 2u * (ZEROS / TCP_MSS + 1) < TCP_SND_QUEUELEN) {
		if (tcp_write(co->co_pcb, zeros, ZEROS, 0) != ERR_OK)
			break;
	}
	(void)tcp_output(co->co_pcb);
}

static err_t sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	struct conn *co = arg;

	(void)pcb;
	co->co_bytes += len;
	iperf_bytes_out += len;
	if (test.phase == END)
		fill(co);
	return ERR_OK;
}

static void start(void)
{
	say_state(test.control, TEST_START);
	say_state(test.control, TEST_RUNNING);
	test.phase = END;
	test.begun_ns = clock_ns();
	if (test.udp)
		iperf_udp_run();
	for (struct conn *co = test.streams; co != NULL && test.reverse; co = co->co_next) {
		tcp_sent(co->co_pcb, sent);
		fill(co);
	}
}

static err_t join(struct conn *co)
{
	struct conn **at = &test.streams;

	while (*at != NULL)
		at = &(*at)->co_next;
	*at = co;
	co->co_stream = true;
	if (++test.count == test.parallel)
		start();
	return ERR_OK;
}

/*
 * stop - the client says that the time is over. Where we sent, our side is closed: he may wait for
 * a whole block of a stream, and would only then look for what we say on the control connection.
 */
static void stop(void)
{
	test.ended_ns = clock_ns();
	iperf_udp_stop();
	for (struct conn *co = test.streams; co != NULL && test.reverse; co = co->co_next)
		(void)tcp_shutdown(co->co_pcb, 0, 1); /* without memory lwIP tries again */
}

/* ---- Control ---- */

static err_t parameters(struct conn *co)
{
	uint64_t parallel = number(test.text, "parallel", 1);
	struct iperf_udp_plan plan = {.up_reverse = is_true(test.text, "reverse"),
	    .up_wide = number(test.text, "udp_counters_64bit", 0) != 0,
	    .up_length = number(test.text, "len", 1448),
	    .up_bandwidth = number(test.text, "bandwidth", 0)};

	test.udp = is_true(test.text, "udp");
	if (test.udp == is_true(test.text, "tcp") || is_true(test.text, "bidirectional"))
		return refuse(co, WHY_NOT_HERE);
	if (parallel < 1 || parallel > IPERF_STREAMS_MAX)
		return refuse(co, WHY_TOO_MANY);
	plan.up_parallel = test.parallel = (unsigned)parallel;
	test.reverse = plan.up_reverse;
	if (test.udp && iperf_udp_begin(&plan, start) != 0)
		return refuse(co, WHY_NOT_HERE);
	test.phase = STREAMS;
	say_state(co, CREATE_STREAMS);
	return ERR_OK;
}

/* text_byte - one more of a text and its length; true: it is whole. */
static bool text_byte(uint8_t byte)
{
	if (test.have < 4) {
		test.want = test.want << 8 | byte;
		test.have++;
		return test.have == 4 && test.want == 0;
	}
	test.text[test.have++ - 4] = (char)byte;
	return test.have - 4 == test.want;
}

static void expect_text(enum phase phase)
{
	test.phase = phase;
	test.have = test.want = 0;
	memset(test.text, 0, sizeof(test.text));
}

/* control_byte - returns ERR_OK as long as the connection is there. */
static err_t control_byte(struct conn *co, uint8_t byte, bool *gone)
{
	err_t err = ERR_OK;

	switch (test.phase) {
	case PARAMETERS:
	case RESULTS:
		if (!text_byte(byte)) {
			*gone = test.have == 4 && test.want > TEXT_MAX;
			return *gone ? refuse(co, WHY_NOT_HERE) : ERR_OK;
		}
		if (test.phase == PARAMETERS) {
			err = parameters(co);
			*gone = test.control != co;
			return err;
		}
		results(co);
		say_state(co, DISPLAY_RESULTS);
		test.phase = DONE;
		tests_done++;
		return ERR_OK;
	case END:
		if (byte == TEST_END) {
			stop();
			expect_text(RESULTS);
			say_state(co, EXCHANGE_RESULTS);
			return ERR_OK;
		}
		break;
	case STREAMS:
	case DONE:
		break;
	}
	*gone = true; /* IPERF_DONE, CLIENT_TERMINATE, or nonsense: it is over */
	return leave(co);
}

/* ---- What lwIP calls ---- */

/* introduced - the cookie is whole: who is it? */
static err_t introduced(struct conn *co, bool *gone)
{
	/* Of a test that has but its goodbye to say nobody needs the rest. */
	if (test.control != NULL && test.phase == DONE)
		end_test(NULL);
	if (test.control == NULL) {
		test.control = co;
		test.count = 0;
		expect_text(PARAMETERS);
		say_state(co, PARAM_EXCHANGE);
		return ERR_OK;
	}
	if (test.phase == STREAMS && !test.udp &&
	    memcmp(co->co_cookie, test.control->co_cookie, COOKIE) == 0)
		return join(co);
	*gone = true;
	tests_refused++;
	say_state(co, ACCESS_DENIED);
	return leave(co);
}

static err_t take(struct conn *co, const struct pbuf *p)
{
	const struct pbuf *q;
	bool gone = false;
	err_t err = ERR_OK;

	for (q = p; q != NULL; q = q->next) {
		for (u16_t i = 0; i < q->len; i++) {
			uint8_t byte = ((const uint8_t *)q->payload)[i];

			if (co->co_stream) {
				co->co_bytes += (u16_t)(q->len - i);
				iperf_bytes_in += (u16_t)(q->len - i);
				break;
			}
			if (co->co_have < COOKIE) {
				co->co_cookie[co->co_have++] = (char)byte;
				if (co->co_have == COOKIE)
					err = introduced(co, &gone);
			} else {
				err = control_byte(co, byte, &gone);
			}
			if (gone)
				return err;
		}
	}
	return err;
}

static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct conn *co = arg;

	(void)err;
	if (p == NULL)
		return leave(co);
	co->co_idle = 0;
	tcp_recved(pcb, p->tot_len);
	err = take(co, p);
	pbuf_free(p);
	return err;
}

static void failed(void *arg, err_t err)
{
	struct conn *co = arg;

	(void)err;
	co->co_pcb = NULL;
	(void)leave(co);
}

/* polled - every second. While the test runs it is the streams' turn, whom keep-alive watches. */
static err_t polled(void *arg, struct tcp_pcb *pcb)
{
	struct conn *co = arg;

	(void)pcb;
	if (co->co_stream && test.phase == END) {
		if (test.reverse)
			fill(co);
		return ERR_OK;
	}
	if (co->co_stream || (co == test.control && test.phase == END))
		return ERR_OK;
	return ++co->co_idle > IDLE_MAX ? leave(co) : ERR_OK;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct conn *co;

	(void)arg;
	if (err != ERR_OK || pcb == NULL)
		return ERR_VAL;
	co = kmem_alloc(sizeof(*co));
	if (co == NULL)
		return ERR_MEM;
	co->co_pcb = pcb;
	ip_set_option(pcb, SOF_KEEPALIVE);
	pcb->keep_idle = IDLE_MAX * 1000;
	tcp_nagle_disable(pcb);
	tcp_arg(pcb, co);
	tcp_recv(pcb, received);
	tcp_err(pcb, failed);
	tcp_poll(pcb, polled, 2);
	return ERR_OK;
}

static struct sysctl nodes[] = {
    NET_COUNT("net.iperf.tests", "tests that came to their end", tests_done),
    NET_COUNT("net.iperf.refused", "tests and connections refused", tests_refused),
    NET_COUNT("net.iperf.bytes_in", "bytes received in tests", iperf_bytes_in),
    NET_COUNT("net.iperf.bytes_out", "bytes sent in tests, and acknowledged if by TCP",
	iperf_bytes_out),
};

void net_iperf_start(void)
{
	struct tcp_pcb *pcb, *l = NULL;
	int error = iperf_udp_init();

	if (error != 0)
		kprintf("net: iperf's streams over UDP: %s\n", errno_name(error));
	net_enter();
	pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);
	if (pcb != NULL && tcp_bind(pcb, IP_ANY_TYPE, IPERF_PORT) == ERR_OK)
		l = tcp_listen_with_backlog(pcb, IPERF_STREAMS_MAX);
	if (l != NULL)
		tcp_accept(l, accepted);
	net_exit();
	if (l == NULL)
		kprintf("net: iperf's port cannot be listened at: no memory\n");
	sysctl_publish(nodes, sizeof(nodes) / sizeof(nodes[0]));
}
