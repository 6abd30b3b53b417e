/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_impl.h - a connection to the web server, for http.c, http_answer.c and http_channel.c.
 *
 * Rules: everything here is under the core lock. A function that may break a connection off says
 * so by its answer: then the connection's memory is gone, and lwIP must be told ERR_ABRT by whom
 * it called.
 */
#ifndef NET_HTTP_IMPL_H
#define NET_HTTP_IMPL_H

#include "http.h"
#include "http_parse.h"
#include <lwip/tcp.h>
#include <stdbool.h>
#include <stdint.h>

enum http_state {
	HTTP_READING, /* a request */
	HTTP_BODY,    /* its body */
	HTTP_SENDING, /* the answer */
	HTTP_ASKING,  /* waits for a channel's text */
	HTTP_WATCHING,
	HTTP_LINGERING /* all is said; what still comes in is not looked at */
};

struct http_conn {
	struct http_conn *hc_next; /* of those that ask or watch */
	struct http_channel *hc_channel;
	struct tcp_pcb *hc_pcb;
	enum http_state hc_state;
	bool hc_eof;          /* the other end has said all */
	struct pbuf *hc_in;   /* received, not looked at yet */
	uint16_t hc_in_at;    /* bytes of its first pbuf that were */
	uint64_t hc_since_ns; /* of the last thing that went on */
	uint64_t hc_body;     /* bytes of the body so far */
	uint64_t hc_body_ns;  /* when it began */
	uint64_t hc_body_max;
	uint32_t hc_crc; /* of them */
	struct http_chunks hc_chunks;
	unsigned hc_missed; /* events in a row that he was too slow for */
	unsigned hc_head_len, hc_head_at;
	const char *hc_data; /* what is sent after the head: hc_left bytes */
	uint64_t hc_left;
	uint64_t hc_turn; /* not 0: after so many bytes hc_data begins again */
	uint64_t hc_turn_at;
	char *hc_own; /* from kmem_alloc(), hc_own_len bytes: hc_data is within; or NULL */
	size_t hc_own_len;
	char hc_head[768];
	struct http_request hc_request;
};

/* Counted for sysctl. */
struct http_counts {
	uint64_t ct_conns, ct_conns_now, ct_requests, ct_refused, ct_errors, ct_timeouts;
	uint64_t ct_events, ct_dropped, ct_in_bytes, ct_out_bytes;
};
extern struct http_counts http_counts;

/* http_head - begin an answer: `len` bytes of `type` are to come; `more`, unless NULL, is another
 * field or several, each with its end. http_refuse - an answer that is its status alone;
 * http_refuse_why - and why, in less than 100 bytes. */
void http_head(struct http_conn *hc, int status, const char *type, uint64_t len, const char *more);
void http_refuse(struct http_conn *hc, int status);
void http_refuse_why(struct http_conn *hc, int status, const char *why);

/* http_data - and these bytes, which stay; http_give - from kmem_alloc(), which it frees. */
void http_data(struct http_conn *hc, const char *data, uint64_t len);
void http_give(struct http_conn *hc, char *data, size_t len);

/* http_route - the request is complete: may it go on? 0, with hc_body_max set; or the refusal.
 * http_answer - its body is there too: the answer begins, or it waits for a channel. */
int http_route(struct http_conn *hc);
void http_answer(struct http_conn *hc);

/* http_body - some bytes of the body. http_answer_init - tables. */
void http_body(struct http_conn *hc, const char *data, size_t len);
void http_answer_init(void);

/* http_pump - send what there is room for, and go on to the next request when all was queued. From
 * outside its callbacks too. False: the connection is no more. */
bool http_pump(struct http_conn *hc);

/* http_drop - break it off; its memory is gone. */
void http_drop(struct http_conn *hc);

/* http_channel_of - the channel with that path, or NULL; *events: it is that for watching.
 * http_channel_join - the connection asks or watches from now on; http_channel_leave - no more. */
struct http_channel *http_channel_of(const char *path, bool *events);
void http_channel_join(struct http_conn *hc, struct http_channel *hn, bool events);
void http_channel_leave(struct http_conn *hc);

#endif
