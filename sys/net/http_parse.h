/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_parse.h - HTTP/1.1 requests out of bytes, however they are cut.
 *
 * Pure functions over a struct: nothing is allocated, nothing waited for. The rules are those of
 * RFC 9110 and RFC 9112; where they leave it to the server, the stricter way is taken.
 */
#ifndef NET_HTTP_PARSE_H
#define NET_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_TARGET_MAX 1000 /* bytes of a request's target: 414 above */
#define HTTP_LINE_MAX 1100   /* kept of one line; what matters in it must fit: 431 */
#define HTTP_HEAD_MAX 16384  /* bytes of request line and header: 431 above */
#define HTTP_TAG_MAX 160     /* kept of If-None-Match */

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_PUT, HTTP_POST, HTTP_KNOWN, HTTP_UNKNOWN };

struct http_request {
	/* What was asked, once http_parse() has said HTTP_COMPLETE. */
	enum http_method hr_method; /* HTTP_KNOWN: another one of RFC 9110 */
	bool hr_head;               /* the answer has no body, as far as is known by now */
	bool hr_close;              /* no more requests on this connection */
	bool hr_gzip;               /* gzip is welcome */
	bool hr_expect;             /* 100-continue is waited for */
	bool hr_chunked;            /* the body comes in chunks; else it has hr_length bytes */
	uint64_t hr_length;
	const char *hr_query;              /* what stood after the `?`, undecoded; or "" */
	char hr_path[HTTP_TARGET_MAX + 1]; /* decoded, from its first `/` on */
	char hr_tag[HTTP_TAG_MAX];         /* of If-None-Match; "" */

	/* The parser's own. */
	bool hr_begun, hr_have_length, hr_have_host, hr_cut, hr_cr;
	uint8_t hr_minor;  /* of HTTP/1.x */
	uint32_t hr_total; /* bytes so far */
	uint32_t hr_len;   /* of hr_line */
	char hr_line[HTTP_LINE_MAX + 1];
};

/* What http_parse() answers else is the status of the refusal: 400, 414, 417, 431, 501, 505. */
#define HTTP_MORE 0
#define HTTP_COMPLETE 1

/* http_begin - ready for a request. http_parse - some bytes of it: *used of them were; the rest, if
 * it is complete, are its body's or the next one's. After a refusal nothing more can be read from
 * the connection. Any context. */
void http_begin(struct http_request *hr);
int http_parse(struct http_request *hr, const char *data, size_t len, size_t *used);

/* http_query - the number that the query gives `name`; ENOENT: it does not; EINVAL, ERANGE: it is
 * none. Any context. */
int http_query(const struct http_request *hr, const char *name, uint64_t *value);

/* http_tag_listed - does If-None-Match name the tag (with its quotes), or everything? */
bool http_tag_listed(const struct http_request *hr, const char *tag);

/* A body in chunks. Zeroed to begin with. */
struct http_chunks {
	uint64_t ch_left; /* bytes of this chunk to come */
	uint32_t
	    ch_extra; /* bytes of sizes, extensions and trailers so far: 4096 at most in a row */
	uint8_t ch_state;
	uint8_t ch_digits;
	bool ch_line; /* a trailer's line has something in it */
};

/* http_chunk - some bytes of the body: *used of them were, and of those *n at *data are the body's
 * own. HTTP_MORE, HTTP_COMPLETE, or 400. Any context. */
int http_chunk(struct http_chunks *ch, const char *in, size_t len, size_t *used, const char **data,
    size_t *n);

#endif
