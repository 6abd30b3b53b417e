/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_http.c - requests and chunked bodies (sys/net/http_parse.c), whole and in pieces, right and
 * wrong, and a hundred thousand that chance made.
 *
 * Whatever a request is cut into, the answer must be that of the whole: the random test holds one
 * against the other. Its inputs are put together from what HTTP is made of, so that most of them
 * come far. With gcc's AddressSanitizer the same file is run by tests/system/test_dashboard.py.
 */
#include "unit.h"

#include "../../sys/net/http_parse.h"

#include <ithaca/errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST "Host: a\r\n"
#define RANDOM 100000

static struct http_request hr;

static int parse(const char *text, size_t len, size_t *used)
{
	http_begin(&hr);
	return http_parse(&hr, text, len, used);
}

static int ask(const char *text)
{
	size_t used;

	return parse(text, strlen(text), &used);
}

static int field(const char *text)
{
	char all[4096];

	(void)snprintf(all, sizeof(all), "GET / HTTP/1.1\r\n" HOST "%s\r\n\r\n", text);
	return ask(all);
}

/* ---- Requests ---- */

TEST(http_a_plain_request)
{
	const char *text = "GET /a%20b?x=1&bytes=77 HTTP/1.1\r\nHost: h\r\n\r\nrest";
	uint64_t n;
	size_t used;

	CHECK_EQ(parse(text, strlen(text), &used), HTTP_COMPLETE);
	CHECK_STR(text + used, "rest");
	CHECK_EQ(hr.hr_method, HTTP_GET);
	CHECK_STR(hr.hr_path, "/a b");
	CHECK_STR(hr.hr_query, "x=1&bytes=77");
	CHECK(!hr.hr_close && !hr.hr_gzip && !hr.hr_chunked && !hr.hr_head);
	CHECK_EQ(http_query(&hr, "bytes", &n), 0);
	CHECK_EQ(n, 77);
	CHECK_EQ(http_query(&hr, "byte", &n), ENOENT);
	CHECK_EQ(ask("HEAD http://host:80/x HTTP/1.1\n" HOST "\n"), HTTP_COMPLETE);
	CHECK_STR(hr.hr_path, "/x");
	CHECK(hr.hr_head);
	CHECK_EQ(ask("\r\n\r\nGET http://host HTTP/1.1\r\n" HOST "\r\n"), HTTP_COMPLETE);
	CHECK_STR(hr.hr_path, "/");
	CHECK_EQ(ask("GET /?bytes=1x HTTP/1.0\r\n\r\n"), HTTP_COMPLETE);
	CHECK(hr.hr_close);
	CHECK_EQ(http_query(&hr, "bytes", &n), EINVAL);
}

TEST(http_what_is_refused)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {{"GET / HTTP/1.1\r\n\r\n", 400}, {"GET /\r\n\r\n", 400},
	    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400}, {" GET / HTTP/1.1\r\n", 400},
	    {"GET / HTTP/1.1 \r\n", 400}, {"GET / HTTP/2.0\r\n", 505}, {"PRI * HTTP/2.0\r\n", 505},
	    {"GET / http/1.1\r\n", 400}, {"GET / HTTP/1.10\r\n", 400}, {"GET x HTTP/1.1\r\n", 400},
	    {"GET /%zz HTTP/1.1\r\n", 400}, {"GET /%0 HTTP/1.1\r\n", 400},
	    {"GET /%00 HTTP/1.1\r\n", 400}, {"GET /a#b HTTP/1.1\r\n", 400},
	    {"GET /\x7f HTTP/1.1\r\n", 400}, {"GET /\x80 HTTP/1.1\r\n", 400},
	    {"G\x01T / HTTP/1.1\r\n", 400}, {"GET / HTTP/1.1\rX", 400},
	    {"GET http:// HTTP/1.1\r\n", 400}, {"\x16\x03\x01\x02", 400}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (ask(cases[i].text) != cases[i].status)
			FAIL("case %u: %d", i, ask(cases[i].text));
}

TEST(http_fields)
{
	CHECK_EQ(field("Accept-Encoding: br, gzip;q=0.5"), HTTP_COMPLETE);
	CHECK(hr.hr_gzip);
	CHECK_EQ(field("accept-encoding:gzip;q=0.00"), HTTP_COMPLETE);
	CHECK(!hr.hr_gzip);
	CHECK_EQ(field("Connection: upgrade ,\tClose"), HTTP_COMPLETE);
	CHECK(hr.hr_close);
	CHECK_EQ(ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), HTTP_COMPLETE);
	CHECK(!hr.hr_close);
	CHECK_EQ(field("Content-Length: 123456789012345678"), HTTP_COMPLETE);
	CHECK_EQ(hr.hr_length, 123456789012345678u);
	CHECK_EQ(field("Transfer-Encoding: Chunked\r\nExpect: 100-Continue"), HTTP_COMPLETE);
	CHECK(hr.hr_chunked && hr.hr_expect);
	CHECK_EQ(field("If-None-Match: W/\"x\", \"abc\""), HTTP_COMPLETE);
	CHECK(http_tag_listed(&hr, "\"abc\"") && !http_tag_listed(&hr, "\"ab\""));
	CHECK_EQ(field("If-None-Match: *"), HTTP_COMPLETE);
	CHECK(http_tag_listed(&hr, "\"anything\""));
}

TEST(http_fields_that_are_refused)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {{"Content-Length: 1\r\nContent-Length: 1", 400}, {"Content-Length: ", 400},
	    {"Content-Length: -1", 400}, {"Content-Length: 1 2", 400},
	    {"Content-Length: 1234567890123456789", 400},
	    {"Content-Length: 1\r\nTransfer-Encoding: chunked", 400},
	    {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400},
	    {"Transfer-Encoding: gzip, chunked", 501}, {"Expect: miracles", 417},
	    {"Host: again", 400}, {"X : y", 400}, {": y", 400}, {"nothing", 400},
	    {"X: a\r\n folded", 400}, {"X: a\x01", 400}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (field(cases[i].text) != cases[i].status)
			FAIL("case %u: %d", i, field(cases[i].text));
	CHECK_EQ(ask("GET / HTTP/1.1\r\nHost: a b\r\n"), 400);
	CHECK_EQ(ask("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"), 400);
}

/* of_length - a request with a target, or a field of that name, of so many characters. */
static int of_length(const char *name, size_t n)
{
	static char text[40000];
	size_t at = (size_t)sprintf(text, name == NULL ? "GET /" : "GET / HTTP/1.1\r\nHost: a\r\n");

	if (name != NULL)
		at += (size_t)sprintf(text + at, "%s: ", name);
	memset(text + at, 'x', n);
	(void)strcpy(text + at + n, name == NULL ? " HTTP/1.1\r\nHost: a\r\n\r\n" : "\r\n\r\n");
	return ask(text);
}

TEST(http_limits)
{
	CHECK_EQ(of_length(NULL, HTTP_TARGET_MAX - 1), HTTP_COMPLETE);
	CHECK_EQ(strlen(hr.hr_path), HTTP_TARGET_MAX);
	CHECK_EQ(of_length(NULL, HTTP_TARGET_MAX), 414);
	CHECK_EQ(of_length(NULL, 5000), 414);
	CHECK_EQ(of_length(NULL, 30000), 414);
	CHECK_EQ(of_length("Cookie", 8000), HTTP_COMPLETE); /* nobody reads it */
	CHECK_EQ(of_length("Cookie", HTTP_HEAD_MAX), 431);
	CHECK_EQ(of_length("Host", HTTP_LINE_MAX), 431);
	CHECK_EQ(of_length("If-None-Match", HTTP_LINE_MAX), 431);
	CHECK_EQ(of_length("If-None-Match", 1000), HTTP_COMPLETE);
	CHECK_STR(hr.hr_tag, "");
}

/* ---- Chunks ---- */

/* unchunk - the body's bytes, fed `step` at a time; the answer, and how much was used. */
static int unchunk(const char *in, size_t len, size_t step, char *out, size_t *used)
{
	struct http_chunks ch = {0};
	const char *data;
	size_t at = 0, n, u, outs = 0;
	int status = HTTP_MORE;

	while (at < len && status == HTTP_MORE) {
		n = len - at < step ? len - at : step;
		status = http_chunk(&ch, in + at, n, &u, &data, &n);
		CHECK(u > 0 && u <= len - at);
		CHECK(n == 0 || (data >= in + at && data + n <= in + at + u));
		memcpy(out + outs, data, n);
		outs += n;
		at += u;
	}
	out[outs] = '\0';
	*used = at;
	return status;
}

TEST(http_chunked_bodies)
{
	static const struct {
		const char *text, *body;
		int status;
	} cases[] = {{"3\r\nabc\r\n0\r\n\r\nX", "abc", HTTP_COMPLETE},
	    {"3;a=b\nabc\n1\nd\n0\n\nX", "abcd", HTTP_COMPLETE},
	    {"0\r\nTrailer: x\r\nY: z\r\n\r\nX", "", HTTP_COMPLETE},
	    {"0000a\r\n0123456789\r\n0\r\n\r\nX", "0123456789", HTTP_COMPLETE},
	    {"3\r\nabcd\r\n", "abc", 400}, {"\r\n", "", 400}, {"x\r\n", "", 400},
	    {"-1\r\n", "", 400}, {"3\rabc", "", 400}, {"ffffffffffffffff\r\n", "", 400},
	    {"3\r\nab", "ab", HTTP_MORE}};
	char out[64];
	size_t used;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t step = 1; step < 40; step++) {
			if (unchunk(cases[i].text, strlen(cases[i].text), step, out, &used) !=
			    cases[i].status)
				FAIL("case %u in steps of %zu", i, step);
			CHECK_STR(out, cases[i].body);
			CHECK(cases[i].status != HTTP_COMPLETE || cases[i].text[used] == 'X');
		}
}

TEST(http_chunks_do_not_go_on_for_ever)
{
	static char text[10000], out[10000];
	size_t used;

	(void)sprintf(text, "1;");
	memset(text + 2, 'x', sizeof(text) - 2);
	CHECK_EQ(unchunk(text, sizeof(text), 100, out, &used), 400);
	CHECK(used < 5000);
	(void)sprintf(text, "0\r\nX: ");
	CHECK_EQ(unchunk(text, sizeof(text), 100, out, &used), 400);
}

/* ---- Chance ---- */

static uint32_t seed = 1;

static uint32_t chance(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % below;
}

static const char *const pieces[] = {"GET ", "POST ", "/", "/a%41", "?", "bytes=5", "&",
    " HTTP/1.1", " HTTP/1.0", "\r\n", "\r\n", "\r\n", "\n", "Host: a\r\n",
    "Host:", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Accept-Encoding: gzip",
    ";q=0", ", ", "Connection: close", "If-None-Match: \"", "Expect: 100-continue\r\n", ":", " ",
    "\t", "%", "\r", "3\r\nabc\r\n", "0\r\n\r\n", "1", "f;", "\x01", "\xff", "http://x", "*"};

/* make - rubbish with sense in it. */
static size_t make(char *out, size_t size)
{
	size_t n = 0, len;
	const char *piece;

	if (chance(2) != 0)
		n = (size_t)sprintf(out, "GET /%u HTTP/1.1\r\nHost: x\r\n", chance(100));
	for (unsigned i = chance(30); i > 0; i--) {
		piece = pieces[chance(sizeof(pieces) / sizeof(pieces[0]))];
		len = strlen(piece);
		if (n + len >= size)
			break;
		memcpy(out + n, piece, len);
		n += len;
	}
	if (chance(4) == 0 && n > 0)
		out[chance((uint32_t)n)] = (char)chance(256);
	return n;
}

TEST(http_rubbish_in_pieces_is_the_same_rubbish)
{
	static struct http_request whole;
	static char text[600], one[600], other[600];
	size_t len, used, at, n, u;
	unsigned complete = 0;
	int status, again;

	for (unsigned i = 0; i < RANDOM; i++) {
		len = make(text, sizeof(text));
		status = parse(text, len, &used);
		CHECK(used <= len && (status != HTTP_MORE || used == len));
		whole = hr;
		http_begin(&hr);
		again = HTTP_MORE;
		for (at = 0; at < len && again == HTTP_MORE; at += u) {
			n = 1 + chance(7);
			again = http_parse(&hr, text + at, n < len - at ? n : len - at, &u);
		}
		CHECK_EQ(again, status);
		CHECK_EQ(at, used);
		complete += status == HTTP_COMPLETE;
		if (status == HTTP_COMPLETE) {
			CHECK_STR(hr.hr_path, whole.hr_path);
			CHECK_EQ(hr.hr_length, whole.hr_length);
			CHECK(hr.hr_query >= hr.hr_path &&
			    hr.hr_query <= hr.hr_path + HTTP_TARGET_MAX);
		}
		n = unchunk(text, len, len + 1, one, &used) == HTTP_COMPLETE;
		u = unchunk(text, len, 1 + chance(5), other, &at) == HTTP_COMPLETE;
		CHECK_EQ(n, u);
		CHECK_EQ(used, at);
		CHECK_STR(one, other);
	}
	/* The test would be worth nothing if all of it were refused at once. */
	CHECK(complete > RANDOM / 50);
}
