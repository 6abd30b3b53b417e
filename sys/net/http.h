/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http.h - the web server on port 80, for programs that have something to show there.
 *
 * Files come out of the kernel's image (tools/web puts them there). A program has a channel: a text
 * that it makes when somebody asks for it, and again and again for those who watch. Nothing of
 * lwIP shows. man/dash.4 says what the server does for its clients.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <ithaca/condvar.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_conn;

#define HTTP_PORT 80
#define HTTP_WATCHERS_MAX 16       /* of one channel: 503 above */
#define HTTP_TEXT_MAX (128u << 10) /* bytes of one text */
#define HTTP_CHANNELS_MAX 4

/* A file. tools/web writes these fields, in this order, as quadwords. */
struct http_file {
	const char *hf_path, *hf_type;
	const char *hf_tag, *hf_gzip_tag; /* ETag, with its quotes */
	const char *hf_plain;
	size_t hf_plain_len;
	const char *hf_gzip;
	size_t hf_gzip_len;
};

extern const struct http_file http_files[]; /* ends with one without a path */

/* Lock key: (n) the core lock (core.h); (a) set once before it is shared. */
struct http_channel {
	const char *hn_path;           /* (a) GET: one text */
	const char *hn_events;         /* (a) GET: a text a period, as server-sent events */
	uint64_t hn_period_ns;         /* (a) between two for those who watch */
	struct condvar hn_cv;          /* (n) somebody has come */
	struct http_conn *hn_asking;   /* (n) each waits for one text */
	struct http_conn *hn_watching; /* (n) */
	unsigned hn_watchers;          /* (n) */
	uint64_t hn_next_ns;           /* (n) when those who watch want the next one */
};

/* http_start - listen, with the files alone. Once, by net_services_start(). Thread context; may
 * block. */
void http_start(void);

/* http_channel_add - the program has something to show. It stays. ENOSPC: HTTP_CHANNELS_MAX. Thread
 * context; may block. */
int http_channel_add(struct http_channel *hn);

/* http_channel_wait - until a text is wanted: at once for who asks, at the period's end for those
 * who watch; `ns` (or SLEEP_FOREVER) at most: ETIMEDOUT. Thread context; blocks. */
int http_channel_wait(struct http_channel *hn, uint64_t ns);

/* http_channel_watched - is there somebody who watches? Thread context; may block. */
bool http_channel_watched(struct http_channel *hn);

/* http_channel_send - the text (JSON, at most HTTP_TEXT_MAX bytes, no line feeds), for all who ask
 * or watch; it is copied. Who watches and is far behind is let go. Thread context; may block. */
void http_channel_send(struct http_channel *hn, const char *text, size_t len);

#endif
