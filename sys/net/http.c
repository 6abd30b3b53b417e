/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http.c - the web server's connections: from accept to the last byte, and every way to end.
 *
 * A connection is in one state at a time (http_impl.h), and turn() takes it from one to the next
 * for as long as there is something to do: bytes to read, an answer to queue, the next request of
 * a pipeline. It runs where the packets come in, in the handler that pulled them. Only texts that
 * must be made first come from elsewhere (http_channel.c).
 *
 * Nobody is waited for without end. What is bounded: connections (net.http.max), the bytes of a
 * request (http_parse.h) and the seconds that it may take, bytes received and not yet looked at
 * (AHEAD, in AHEAD_BUFS buffers; above it lwIP keeps the piece and closes the window), bytes queued
 * and not acknowledged (room.c), and the seconds without progress in either direction. A body may
 * take as long as it needs, if it comes at some pace: net.http.body_s seconds, and one more for
 * every net.http.body_rate bytes of it; else a byte a minute would hold a connection. A refusal
 * closes the connection, since what follows cannot be told apart; before that it lingers, reading
 * and throwing away, because a reset would overtake the answer (RFC 9112, 9.6).
 *
 * Contexts: callbacks of lwIP, and http_channel_send()'s lwp. Lock: the core lock. Not for:
 * what the answers are. Read next: http_answer.c, http_channel.c.
 */
#include "http.h"

#include "core.h"
#include "http_impl.h"
#include "mem/kmem.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

#define AHEAD 8192                 /* bytes received while something else goes on */
#define AHEAD_BUFS 8               /* buffers of cards that they may lie in */
#define CONNS_MAX 1200             /* unless net.http.max says otherwise */
#define PIECE 32768                /* bytes that are queued at once */
#define REQUEST_NS (10 * NS_PER_S) /* for a request, once it has begun */
#define IDLE_NS (60 * NS_PER_S)    /* between two, and without progress */
#define LINGER_NS (5 * NS_PER_S)

struct http_counts http_counts;
static _Atomic uint64_t conns_max = CONNS_MAX; /* (~) relaxed: a limit */
static _Atomic uint64_t body_s = 20;           /* (~) the same */
static _Atomic uint64_t body_rate = 500;       /* (~) the same */

/* ---- The end of a connection ---- */

static void forget_answer(struct http_conn *hc)
{
	if (hc->hc_own != NULL)
		kmem_free(hc->hc_own, hc->hc_own_len);
	hc->hc_own = NULL;
	hc->hc_data = NULL;
	hc->hc_left = 0;
	hc->hc_turn = 0;
	hc->hc_head_len = hc->hc_head_at = 0;
}

/* discard - the connection's memory; lwIP has let go of it, or will not come back. */
static void discard(struct http_conn *hc)
{
	http_channel_leave(hc);
	forget_answer(hc);
	if (hc->hc_in != NULL)
		pbuf_free(hc->hc_in);
	http_counts.ct_conns_now--;
	kmem_free(hc, sizeof(*hc));
}

static void let_go(struct tcp_pcb *pcb)
{
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
}

void http_drop(struct http_conn *hc)
{
	struct tcp_pcb *pcb = hc->hc_pcb;

	let_go(pcb);
	discard(hc);
	tcp_abort(pcb);
}

/* close_now - both ends have said all. False: as always, it is no more; *aborted: lwIP is to be
 * told so. */
static bool close_now(struct http_conn *hc, bool *aborted)
{
	struct tcp_pcb *pcb = hc->hc_pcb;

	let_go(pcb);
	discard(hc);
	if (tcp_close(pcb) != ERR_OK) {
		tcp_abort(pcb);
		*aborted = true;
	}
	return false;
}

/* ---- Out ---- */

void http_data(struct http_conn *hc, const char *data, uint64_t len)
{
	hc->hc_data = data;
	hc->hc_left = hc->hc_request.hr_head ? 0 : len;
}

void http_give(struct http_conn *hc, char *data, size_t len)
{
	http_data(hc, data, len);
	hc->hc_own = data;
	hc->hc_own_len = len;
}

/* queue - as much of the answer as TCP takes; true: all of it. */
static bool queue(struct http_conn *hc)
{
	struct tcp_pcb *pcb = hc->hc_pcb;
	uint64_t n, room;
	u8_t flags = hc->hc_own != NULL ? TCP_WRITE_FLAG_COPY : 0;

	if (hc->hc_head_at < hc->hc_head_len) {
		n = hc->hc_head_len - hc->hc_head_at;
		if (net_room(pcb) < n ||
		    tcp_write(pcb, hc->hc_head + hc->hc_head_at, (u16_t)n,
			TCP_WRITE_FLAG_COPY | (hc->hc_left > 0 ? TCP_WRITE_FLAG_MORE : 0)) !=
			ERR_OK)
			return false;
		hc->hc_head_at = hc->hc_head_len;
	}
	while (hc->hc_left > 0) {
		n = hc->hc_left < PIECE ? hc->hc_left : PIECE;
		if (hc->hc_turn > 0 && n > hc->hc_turn - hc->hc_turn_at)
			n = hc->hc_turn - hc->hc_turn_at;
		room = net_room(pcb);
		if (n > room)
			n = room;
		if (n == 0 ||
		    tcp_write(pcb, hc->hc_data + hc->hc_turn_at, (u16_t)n,
			(u8_t)(flags | (hc->hc_left > n ? TCP_WRITE_FLAG_MORE : 0))) != ERR_OK)
			return false;
		hc->hc_left -= n;
		hc->hc_turn_at += n;
		if (hc->hc_turn > 0 && hc->hc_turn_at == hc->hc_turn)
			hc->hc_turn_at = 0;
	}
	return true;
}

/* sent_all - the answer is queued: what comes next? */
static void sent_all(struct http_conn *hc)
{
	forget_answer(hc);
	hc->hc_turn_at = 0;
	hc->hc_since_ns = clock_ns();
	if (hc->hc_channel != NULL) {
		hc->hc_state = HTTP_WATCHING;
		return;
	}
	hc->hc_state = hc->hc_request.hr_close || hc->hc_eof ? HTTP_LINGERING : HTTP_READING;
	if (hc->hc_state == HTTP_READING)
		http_begin(&hc->hc_request);
}

/* ---- In ---- */

/* go_on - the request is there: the answer, or its body first. */
static void go_on(struct http_conn *hc)
{
	static const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct http_request *hr = &hc->hc_request;
	int status = http_route(hc);

	http_counts.ct_requests++;
	if (status == 0 && hr->hr_length > hc->hc_body_max)
		status = 413;
	if (status != 0) {
		http_refuse(hc, status);
		return;
	}
	hc->hc_body = 0;
	hc->hc_body_ns = clock_ns();
	hc->hc_crc = 0;
	memset(&hc->hc_chunks, 0, sizeof(hc->hc_chunks));
	if (!hr->hr_chunked && hr->hr_length == 0) {
		http_answer(hc);
		return;
	}
	hc->hc_state = HTTP_BODY;
	/* If there is no room for it, he sends the body all the same after a while. */
	if (hr->hr_expect)
		(void)tcp_write(hc->hc_pcb, go, sizeof(go) - 1, 0);
}

static size_t read_request(struct http_conn *hc, const char *data, size_t len)
{
	size_t used;
	int status = http_parse(&hc->hc_request, data, len, &used);

	if (status == HTTP_COMPLETE)
		go_on(hc);
	else if (status != HTTP_MORE)
		http_refuse(hc, status);
	return used;
}

static size_t read_body(struct http_conn *hc, const char *data, size_t len)
{
	struct http_request *hr = &hc->hc_request;
	const char *body = data;
	size_t used = len, n;
	int status = HTTP_MORE;

	if (hr->hr_chunked) {
		status = http_chunk(&hc->hc_chunks, data, len, &used, &body, &n);
	} else {
		if (used > hr->hr_length - hc->hc_body)
			used = (size_t)(hr->hr_length - hc->hc_body);
		n = used;
		if (hc->hc_body + n == hr->hr_length)
			status = HTTP_COMPLETE;
	}
	if (status == HTTP_MORE && hc->hc_body + n > hc->hc_body_max)
		status = 413;
	if (n > 0)
		http_body(hc, body, n);
	if (status == HTTP_COMPLETE)
		http_answer(hc);
	else if (status != HTTP_MORE)
		http_refuse(hc, status);
	return used;
}

/* take - some of what was received, as the state has it; false: nothing can be done with it now. */
static bool take(struct http_conn *hc)
{
	struct pbuf *p = hc->hc_in;
	const char *data;
	size_t len, used;

	if (p == NULL)
		return false;
	data = (const char *)p->payload + hc->hc_in_at;
	len = used = (size_t)p->len - hc->hc_in_at;
	if (hc->hc_state == HTTP_READING && len > 0)
		used = read_request(hc, data, len);
	else if (hc->hc_state == HTTP_BODY && len > 0)
		used = read_body(hc, data, len);
	else if (hc->hc_state == HTTP_SENDING || hc->hc_state == HTTP_ASKING)
		return false;
	http_counts.ct_in_bytes += used;
	tcp_recved(hc->hc_pcb, (u16_t)used);
	hc->hc_in_at = (uint16_t)(hc->hc_in_at + used);
	if (hc->hc_in_at == p->len) {
		hc->hc_in = p->next;
		hc->hc_in_at = 0;
		if (p->next != NULL)
			pbuf_ref(p->next);
		pbuf_free(p);
	}
	return true;
}

/* ---- The turn ---- */

/* ended - the connection has come to its end, or to where it waits for the other's. */
static bool ended(struct http_conn *hc, bool *aborted)
{
	if (hc->hc_eof && hc->hc_in == NULL && hc->hc_state != HTTP_SENDING &&
	    hc->hc_state != HTTP_ASKING)
		return true;
	if (hc->hc_state != HTTP_LINGERING || hc->hc_pcb->state != ESTABLISHED)
		return false;
	if (tcp_shutdown(hc->hc_pcb, 0, 1) == ERR_OK)
		return false;
	*aborted = true;
	return true;
}

/* turn - all that can be done now. False: the connection is no more. */
static bool turn(struct http_conn *hc, bool *aborted)
{
	*aborted = false;
	for (;;) {
		if (hc->hc_state == HTTP_SENDING) {
			if (!queue(hc))
				break;
			sent_all(hc);
		} else if (!take(hc)) {
			break;
		}
	}
	(void)tcp_output(hc->hc_pcb); /* what does not go now goes with the next timer */
	if (!ended(hc, aborted))
		return true;
	if (*aborted) {
		http_drop(hc);
		return false;
	}
	return close_now(hc, aborted);
}

bool http_pump(struct http_conn *hc)
{
	bool aborted;

	return turn(hc, &aborted);
}

/* ---- lwIP's callbacks ---- */

static err_t turned(struct http_conn *hc)
{
	bool aborted;

	return turn(hc, &aborted) || !aborted ? ERR_OK : ERR_ABRT;
}

static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct http_conn *hc = arg;

	(void)err;
	if (p == NULL) {
		hc->hc_eof = true;
		if (hc->hc_state == HTTP_WATCHING) {
			http_channel_leave(hc);
			hc->hc_state = HTTP_LINGERING;
		}
		return turned(hc);
	}
	if (hc->hc_in != NULL && (hc->hc_in->tot_len > AHEAD || pbuf_clen(hc->hc_in) > AHEAD_BUFS))
		return ERR_MEM; /* it comes again */
	/* A request has its time from its first byte on, a body from its last. */
	if (hc->hc_state == HTTP_BODY ||
	    (hc->hc_state == HTTP_READING && hc->hc_request.hr_total == 0))
		hc->hc_since_ns = clock_ns();
	if (hc->hc_in == NULL)
		hc->hc_in = p;
	else
		pbuf_cat(hc->hc_in, p);
	(void)pcb;
	return turned(hc);
}

static err_t sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	struct http_conn *hc = arg;

	(void)pcb;
	http_counts.ct_out_bytes += len;
	if (hc->hc_state >= HTTP_SENDING)
		hc->hc_since_ns = clock_ns();
	return hc->hc_state == HTTP_SENDING ? turned(hc) : ERR_OK;
}

static void failed(void *arg, err_t err)
{
	(void)err;
	if (arg != NULL)
		discard(arg);
}

/* slow - has a body had more time than is due to what came of it? */
static bool slow(const struct http_conn *hc)
{
	uint64_t s = (clock_ns() - hc->hc_body_ns) / NS_PER_S, free_s, rate;

	/* Relaxed, both: limits. */
	free_s = atomic_load_explicit(&body_s, memory_order_relaxed);
	rate = atomic_load_explicit(&body_rate, memory_order_relaxed);
	return rate > 0 && s > free_s && s - free_s > hc->hc_body / rate;
}

/* late - has this connection been at the same thing for too long? */
static bool late(const struct http_conn *hc)
{
	uint64_t ns = clock_ns() - hc->hc_since_ns;

	switch (hc->hc_state) {
	case HTTP_READING:
		return ns > (hc->hc_request.hr_total > 0 ? REQUEST_NS : IDLE_NS);
	case HTTP_BODY:
		return ns > IDLE_NS || slow(hc);
	case HTTP_LINGERING: /* what is on its way would be lost with a reset */
		return ns > (hc->hc_pcb->snd_queuelen > 0 ? IDLE_NS : LINGER_NS);
	case HTTP_ASKING:
		return ns > REQUEST_NS;
	case HTTP_WATCHING:
		return false; /* http_channel_send() sees to those */
	default:
		return ns > IDLE_NS;
	}
}

/* refuse_late - he is told what his time ran out at. */
static void refuse_late(struct http_conn *hc)
{
	char why[80];

	if (hc->hc_state == HTTP_ASKING) {
		http_refuse(hc, 503);
		return;
	}
	if (hc->hc_state == HTTP_READING)
		(void)ksnprintf(why, sizeof(why), "the request had no end after %llu s",
		    REQUEST_NS / NS_PER_S);
	else if (slow(hc))
		(void)ksnprintf(why, sizeof(why),
		    "after %llu s the body must have come at %llu bytes a second",
		    /* Relaxed, both: limits. */
		    (unsigned long long)atomic_load_explicit(&body_s, memory_order_relaxed),
		    (unsigned long long)atomic_load_explicit(&body_rate, memory_order_relaxed));
	else
		(void)ksnprintf(why, sizeof(why), "nothing of the body came for %llu s",
		    IDLE_NS / NS_PER_S);
	http_refuse_why(hc, 408, why);
}

/* poll - every second, as long as it lives. */
static err_t poll(void *arg, struct tcp_pcb *pcb)
{
	struct http_conn *hc = arg;
	enum http_state state = hc->hc_state;

	(void)pcb;
	if (!late(hc))
		return turned(hc);
	if (state == HTTP_READING && hc->hc_request.hr_total == 0) {
		hc->hc_state = HTTP_LINGERING; /* nothing was asked: nothing to say */
		hc->hc_since_ns = clock_ns();
		return turned(hc);
	}
	if (state != HTTP_LINGERING)
		http_counts.ct_timeouts++;
	if (state == HTTP_SENDING || state == HTTP_LINGERING) {
		http_drop(hc);
		return ERR_ABRT;
	}
	http_channel_leave(hc);
	refuse_late(hc);
	return turned(hc);
}

/* full - one too many; what he has to say is not waited for. */
static err_t full(struct tcp_pcb *pcb)
{
	static const char text[] = "HTTP/1.1 503 Service Unavailable\r\n"
				   "Connection: close\r\nContent-Length: 0\r\n\r\n";

	http_counts.ct_refused++;
	(void)tcp_write(pcb, text, sizeof(text) - 1, 0);
	if (tcp_close(pcb) == ERR_OK)
		return ERR_OK;
	tcp_abort(pcb);
	return ERR_ABRT;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct http_conn *hc;

	(void)arg;
	if (err != ERR_OK || pcb == NULL)
		return ERR_VAL;
	if (http_counts.ct_conns_now >= atomic_load_explicit(&conns_max, memory_order_relaxed))
		return full(pcb);
	hc = kmem_alloc(sizeof(*hc));
	if (hc == NULL)
		return full(pcb);
	http_counts.ct_conns++;
	http_counts.ct_conns_now++;
	hc->hc_pcb = pcb;
	hc->hc_since_ns = clock_ns();
	http_begin(&hc->hc_request);
	tcp_nagle_disable(pcb);
	tcp_arg(pcb, hc);
	tcp_recv(pcb, received);
	tcp_sent(pcb, sent);
	tcp_err(pcb, failed);
	tcp_poll(pcb, poll, 2);
	return ERR_OK;
}

/* ---- Start ---- */

#define NODE(name, doc, field) NET_COUNT(name, doc, http_counts.field)
static struct sysctl nodes[] = {
    NODE("net.http.connections", "connections accepted", ct_conns),
    NODE("net.http.open", "connections that are open", ct_conns_now),
    NODE("net.http.requests", "requests understood", ct_requests),
    NODE("net.http.refused", "connections refused: too many, no memory", ct_refused),
    NODE("net.http.errors", "answers that were a refusal (4xx, 5xx)", ct_errors),
    NODE("net.http.timeouts", "connections whose time ran out", ct_timeouts),
    NODE("net.http.events", "events sent to those who watch", ct_events),
    NODE("net.http.dropped", "connections let go, as they were too slow to watch", ct_dropped),
    NODE("net.http.in_bytes", "bytes of requests", ct_in_bytes),
    NODE("net.http.out_bytes", "bytes of answers that arrived", ct_out_bytes),
    {.sy_name = "net.http.max",
	.sy_doc = "connections open at once, at most",
	.sy_value = &conns_max,
	.sy_min = 1,
	.sy_max = MEMP_NUM_TCP_PCB},
    {.sy_name = "net.http.body_s",
	.sy_doc = "seconds that the body of a request may take, whatever its rate",
	.sy_value = &body_s,
	.sy_min = 1,
	.sy_max = 3600},
    {.sy_name = "net.http.body_rate",
	.sy_doc = "bytes a second that it must have come at after them; 0: any",
	.sy_value = &body_rate,
	.sy_max = 1000000000},
};

static bool listen(void)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);

	if (pcb == NULL || tcp_bind(pcb, IP_ANY_TYPE, HTTP_PORT) != ERR_OK)
		return false;
	pcb = tcp_listen_with_backlog(pcb, TCP_DEFAULT_LISTEN_BACKLOG);
	if (pcb == NULL)
		return false;
	tcp_accept(pcb, accepted);
	return true;
}

void http_start(void)
{
	bool listening;

	http_answer_init();
	net_enter();
	listening = listen();
	net_exit();
	if (!listening)
		kprintf("http: port %u: no memory to listen\n", HTTP_PORT);
	sysctl_publish(nodes, sizeof(nodes) / sizeof(nodes[0]));
}
