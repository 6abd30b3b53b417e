/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * f_http.c - requests and chunked bodies (sys/net/http_parse.c).
 *
 * The first byte of an input says into how large pieces the rest is cut. Whatever that is, the
 * answer must be that of the whole, and what is pointed at must lie where it may. Read next:
 * tests/unit/t_http.c.
 */
#include "fuzz.h"

#include "../../sys/net/http_parse.h"

#include <string.h>

static struct http_request whole, cut;

/* The request, `step` bytes at a time; what was used of it. */
static int request(struct http_request *hr, const char *text, size_t len, size_t step, size_t *used)
{
	int status = HTTP_MORE;
	size_t at, n, u;

	http_begin(hr);
	for (at = 0; at < len && status == HTTP_MORE; at += u) {
		n = len - at < step ? len - at : step;
		status = http_parse(hr, text + at, n, &u);
		FUZZ_CHECK(u <= n && (u == n || status != HTTP_MORE) && u > 0);
	}
	*used = at;
	return status;
}

static void same_request(size_t used)
{
	uint64_t n;

	FUZZ_CHECK(whole.hr_method == cut.hr_method && whole.hr_length == cut.hr_length);
	FUZZ_CHECK(whole.hr_close == cut.hr_close && whole.hr_chunked == cut.hr_chunked);
	FUZZ_CHECK(strcmp(whole.hr_path, cut.hr_path) == 0);
	FUZZ_CHECK(strcmp(whole.hr_query, cut.hr_query) == 0);
	FUZZ_CHECK(strlen(whole.hr_path) <= HTTP_TARGET_MAX && used <= HTTP_HEAD_MAX);
	FUZZ_CHECK(!(whole.hr_chunked && whole.hr_length != 0));
	(void)http_query(&whole, "bytes", &n);
	(void)http_query(&whole, "", &n);
	(void)http_tag_listed(&whole, "\"abc\"");
}

/* The body's bytes as a sum, which does not mind how they were cut. */
static int body(const char *text, size_t len, size_t step, size_t *used, uint64_t *sum)
{
	struct http_chunks ch = {0};
	const char *data;
	int status = HTTP_MORE;
	size_t at = 0, n, got, u;

	*sum = 0;
	while (at < len && status == HTTP_MORE) {
		n = len - at < step ? len - at : step;
		status = http_chunk(&ch, text + at, n, &u, &data, &got);
		FUZZ_CHECK(u > 0 && u <= n && got <= u);
		FUZZ_CHECK(got == 0 || (data >= text + at && data + got <= text + at + u));
		for (size_t i = 0; i < got; i++)
			*sum = *sum * 31 + (uint8_t)data[i] + 1;
		at += u;
	}
	*used = at;
	return status;
}

static void run(const uint8_t *in, size_t len)
{
	const char *text = (const char *)in + 1;
	size_t step, used, used_cut;
	uint64_t sum, sum_cut;
	int status;

	if (len < 2)
		return;
	step = 1 + in[0] % 32;
	len--;
	status = request(&whole, text, len, len, &used);
	FUZZ_CHECK(request(&cut, text, len, step, &used_cut) == status && used == used_cut);
	if (status == HTTP_COMPLETE)
		same_request(used);
	/* What follows a request, or all of it, as a body. */
	if (status != HTTP_COMPLETE || used == len)
		used = 0;
	status = body(text + used, len - used, len, &used_cut, &sum);
	FUZZ_CHECK(body(text + used, len - used, step, &step, &sum_cut) == status);
	FUZZ_CHECK(step == used_cut && sum == sum_cut);
}

static void seeds(void)
{
	static const char *const texts[] = {"\x05GET /a%20b?x=1&bytes=77 HTTP/1.1\r\nHost: h\r\n"
					    "Accept-Encoding: br, gzip;q=0.5\r\n\r\n",
	    "\x01POST http://h:80/ HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n"
	    "Expect: 100-continue\n\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
	    "\x09PUT /x HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive, close\r\n"
	    "If-None-Match: W/\"x\", \"abc\"\r\n\r\nabc",
	    "\x03"
	    "a\r\n0123456789\r\n0\r\n\r\n"};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		fuzz_seed(texts[i], strlen(texts[i]));
}

static const char *const words[] = {"GET ", "HEAD ", "POST ", "/", "?", "&", "bytes=", "%41", "%00",
    " HTTP/1.1", " HTTP/1.0", "\r\n", "\n", "\r", "Host: a\r\n", "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n", "Accept-Encoding: gzip", ";q=0", ", ",
    "Connection: close\r\n", "If-None-Match: \"", "Expect: 100-continue\r\n", ":", " ", "\t",
    "0\r\n\r\n", "ffffffff", "http://", NULL};

FUZZ_TARGET(http) = {.ft_run = run,
    .ft_seeds = seeds,
    .ft_words = words,
    .ft_max = 1024,
    .ft_runs = 300000};
