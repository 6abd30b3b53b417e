/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_answer.c - what the web server answers: files, streams to measure with, refusals.
 *
 *	/ and other files	out of the kernel's image, packed for those who take gzip
 *	/zero?bytes=N		N bytes that are nothing
 *	/pattern?bytes=N	N bytes of a pattern, whose period is a prime: byte i is that of
 *				the 65,521 that a xorshift generator makes, i modulo 65,521
 *	/sink			counts what is PUT or POSTed, and answers with its length and CRC-32
 *	channels		http_channel.c
 *
 * Whoever may go on is decided before a body is read, so that a refusal costs nobody an upload.
 * There is no Date: the machine has no calendar (RFC 9110, 6.6.1). Scripts, styles and connections
 * of a page come from this server alone: the Content-Security-Policy says so to the browser.
 *
 * Contexts: as http.c. Lock: the core lock. Not for: when it is sent. Read next: http_channel.c.
 */
#include "http_impl.h"

#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/string.h>

#define STREAM_MAX ((uint64_t)1 << 40) /* bytes of one answer */
#define SINK_MAX ((uint64_t)1 << 40)   /* of one upload */
#define BODY_MAX 65536                 /* of a body that nobody wants */
#define PERIOD 65521
#define ZEROS 65536

#define GET_HEAD (1u << HTTP_GET | 1u << HTTP_HEAD)
#define PUT_POST (1u << HTTP_PUT | 1u << HTTP_POST)

static char pattern[PERIOD];       /* set once by http_answer_init() */
static char zeros[ZEROS];          /* nobody writes it */
static uint32_t crc_table[4][256]; /* set once by http_answer_init() */

/* ---- Heads ---- */

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {{200, "OK"}, {304, "Not Modified"}, {400, "Bad Request"}, {404, "Not Found"},
	    {405, "Method Not Allowed"}, {408, "Request Timeout"}, {413, "Content Too Large"},
	    {414, "URI Too Long"}, {417, "Expectation Failed"},
	    {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
	    {501, "Not Implemented"}, {503, "Service Unavailable"},
	    {505, "HTTP Version Not Supported"}};

	for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Unknown";
}

/* begin - status and the fields of every answer. */
static void begin(struct http_conn *hc, int status)
{
	hc->hc_state = HTTP_SENDING;
	hc->hc_head_at = 0;
	hc->hc_head_len = (unsigned)ksnprintf(hc->hc_head, sizeof(hc->hc_head),
	    "HTTP/1.1 %d %s\r\nServer: Ithaca\r\nConnection: %s\r\n"
	    "X-Content-Type-Options: nosniff\r\n",
	    status, reason(status), hc->hc_request.hr_close ? "close" : "keep-alive");
}

static void add(struct http_conn *hc, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct http_conn *hc, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(hc->hc_head + hc->hc_head_len, sizeof(hc->hc_head) - hc->hc_head_len, fmt,
	    ap);
	va_end(ap);
	hc->hc_head_len += (unsigned)n;
	KASSERT(hc->hc_head_len < sizeof(hc->hc_head), "a head of %u bytes", hc->hc_head_len);
}

void http_head(struct http_conn *hc, int status, const char *type, uint64_t len, const char *more)
{
	begin(hc, status);
	if (type != NULL)
		add(hc, "Content-Type: %s\r\nContent-Length: %llu\r\n", type,
		    (unsigned long long)len);
	add(hc, "%s\r\n", more != NULL ? more : "");
}

/* http_refuse - the connection goes, for what follows may be the rest of what was refused. */
void http_refuse(struct http_conn *hc, int status)
{
	http_refuse_why(hc, status, "");
}

void http_refuse_why(struct http_conn *hc, int status, const char *why)
{
	char text[160];
	int len = ksnprintf(text, sizeof(text), "%d %s%s%s\n", status, reason(status),
	    why[0] != '\0' ? ": " : "", why);

	hc->hc_request.hr_close = true;
	http_counts.ct_errors++;
	begin(hc, status);
	if (status == 405)
		add(hc, "Allow: %s\r\n",
		    strcmp(hc->hc_request.hr_path, "/sink") == 0 ? "PUT, POST" : "GET, HEAD");
	if (status == 503)
		add(hc, "Retry-After: 1\r\n");
	add(hc, "Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n", len);
	if (!hc->hc_request.hr_head)
		add(hc, "%s", text);
}

/* ---- Files ---- */

static const struct http_file *file_of(const char *path)
{
	const struct http_file *hf;

	if (strcmp(path, "/") == 0)
		path = "/index.html";
	for (hf = http_files; hf->hf_path != NULL; hf++)
		if (strcmp(hf->hf_path, path) == 0)
			return hf;
	return NULL;
}

static void answer_file(struct http_conn *hc, const struct http_file *hf)
{
	bool packed = hc->hc_request.hr_gzip && hf->hf_gzip_len > 0;
	const char *tag = packed ? hf->hf_gzip_tag : hf->hf_tag;
	size_t len = packed ? hf->hf_gzip_len : hf->hf_plain_len;
	bool known = http_tag_listed(&hc->hc_request, tag);

	begin(hc, known ? 304 : 200);
	add(hc, "ETag: %s\r\nCache-Control: no-cache\r\nVary: Accept-Encoding\r\n", tag);
	if (known) {
		add(hc, "\r\n");
		return;
	}
	add(hc,
	    "Content-Type: %s\r\nContent-Length: %llu\r\n%s"
	    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
	    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
	    "frame-ancestors 'none'\r\n\r\n",
	    hf->hf_type, (unsigned long long)len, packed ? "Content-Encoding: gzip\r\n" : "");
	http_data(hc, packed ? hf->hf_gzip : hf->hf_plain, len);
}

/* ---- Streams ---- */

static bool is_stream(const char *path)
{
	return strcmp(path, "/zero") == 0 || strcmp(path, "/pattern") == 0;
}

static int stream_length(const struct http_request *hr, uint64_t *len)
{
	return http_query(hr, "bytes", len) != 0 || *len > STREAM_MAX ? 400 : 0;
}

static void answer_stream(struct http_conn *hc)
{
	bool zero = strcmp(hc->hc_request.hr_path, "/zero") == 0;
	uint64_t len = 0;

	(void)stream_length(&hc->hc_request, &len); /* http_route() has seen that it is good */
	http_head(hc, 200, "application/octet-stream", len, "Cache-Control: no-store\r\n");
	http_data(hc, zero ? zeros : pattern, len);
	hc->hc_turn = zero ? ZEROS : PERIOD;
	hc->hc_turn_at = 0;
}

/* crc - of IEEE 802.3, four bytes at a time. */
static uint32_t crc(uint32_t c, const char *data, size_t n)
{
	const uint8_t *p = (const uint8_t *)data;

	c = ~c;
	for (; n >= 4; n -= 4, p += 4) {
		c ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		    (uint32_t)p[3] << 24;
		c = crc_table[3][c & 255] ^ crc_table[2][c >> 8 & 255] ^
		    crc_table[1][c >> 16 & 255] ^ crc_table[0][c >> 24];
	}
	for (; n > 0; n--, p++)
		c = crc_table[0][(c ^ *p) & 255] ^ c >> 8;
	return ~c;
}

void http_body(struct http_conn *hc, const char *data, size_t len)
{
	hc->hc_body += len;
	if (hc->hc_body_max == SINK_MAX)
		hc->hc_crc = crc(hc->hc_crc, data, len);
}

static void answer_sink(struct http_conn *hc)
{
	char text[80];
	int n = ksnprintf(text, sizeof(text), "{\"bytes\": %llu, \"crc32\": \"%08x\"}\n",
	    (unsigned long long)hc->hc_body, hc->hc_crc);

	http_head(hc, 200, "application/json", (uint64_t)n, "Cache-Control: no-store\r\n");
	add(hc, "%s", text);
}

/* ---- Which ---- */

int http_route(struct http_conn *hc)
{
	const struct http_request *hr = &hc->hc_request;
	unsigned allowed = GET_HEAD, method = 1u << hr->hr_method;
	const char *path = hr->hr_path;
	bool events = false;
	uint64_t len;

	if (hr->hr_method == HTTP_UNKNOWN)
		return 501;
	hc->hc_body_max = BODY_MAX;
	if (strcmp(path, "/sink") == 0) {
		allowed = PUT_POST;
		hc->hc_body_max = SINK_MAX;
	} else if (is_stream(path)) {
		if ((allowed & method) != 0 && stream_length(hr, &len) != 0)
			return 400;
	} else if (http_channel_of(path, &events) == NULL && file_of(path) == NULL) {
		return 404;
	}
	return (allowed & method) != 0 ? 0 : 405;
}

void http_answer(struct http_conn *hc)
{
	const char *path = hc->hc_request.hr_path;
	struct http_channel *hn;
	bool events = false;

	hn = http_channel_of(path, &events);
	if (hn != NULL)
		http_channel_join(hc, hn, events);
	else if (strcmp(path, "/sink") == 0)
		answer_sink(hc);
	else if (is_stream(path))
		answer_stream(hc);
	else
		answer_file(hc, file_of(path));
}

/* ---- Start ---- */

void http_answer_init(void)
{
	uint32_t x = 1, c;

	for (unsigned i = 0; i < PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		pattern[i] = (char)(x >> 24);
	}
	for (unsigned i = 0; i < 256; i++) {
		c = i;
		for (unsigned bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (0xedb88320u & -(c & 1));
		crc_table[0][i] = c;
	}
	for (unsigned t = 1; t < 4; t++)
		for (unsigned i = 0; i < 256; i++)
			crc_table[t][i] =
			    crc_table[0][crc_table[t - 1][i] & 255] ^ crc_table[t - 1][i] >> 8;
}
