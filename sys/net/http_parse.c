/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_parse.c - HTTP/1.1 requests and chunked bodies, a byte at a time.
 *
 * A request comes in pieces of any size, so it is read by lines: bytes are gathered in hr_line
 * until the line ends, and the line is then understood or refused. A line may end with a line feed
 * alone (RFC 9112, 2.2); a carriage return stands nowhere else. Of a line that is longer than
 * hr_line the beginning is kept, which does for fields that nobody here reads (cookies), and is
 * refused for those that somebody does.
 *
 * What two programs could read in two ways is refused, since between them stands somebody's
 * firewall: two lengths, a length beside chunks, a blank before a colon, folded lines, control
 * characters, a missing or second Host.
 *
 * Contexts: any; no locks, no memory. Not for: answers, nor what the path means.
 * Read next: http.c; tests/unit/t_http.c, which feeds it rubbish.
 */
#include "http_parse.h"

#include <ithaca/errno.h>
#include <ithaca/string.h>

#define EXTRA_MAX 4096

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* same - are the `n` characters at `a` the word `b` (in lower case)? */
static bool same(const char *a, size_t n, const char *b)
{
	size_t i;

	for (i = 0; i < n && b[i] != '\0'; i++)
		if (lower(a[i]) != b[i])
			return false;
	return i == n && b[i] == '\0';
}

/* A token's characters: RFC 9110, 5.6.2. */
static bool is_token(char c)
{
	if ((c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static int hex(char c)
{
	c = lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- The request line ---- */

static enum http_method method_of(const char *s, size_t n)
{
	static const struct {
		const char *name;
		enum http_method method;
	} methods[] = {{"GET", HTTP_GET}, {"HEAD", HTTP_HEAD}, {"PUT", HTTP_PUT},
	    {"POST", HTTP_POST}, {"DELETE", HTTP_KNOWN}, {"CONNECT", HTTP_KNOWN},
	    {"OPTIONS", HTTP_KNOWN}, {"TRACE", HTTP_KNOWN}, {"PATCH", HTTP_KNOWN}};

	for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strlen(methods[i].name) == n && strncmp(methods[i].name, s, n) == 0)
			return methods[i].method;
	return HTTP_UNKNOWN;
}

/* decode - the path of the target into hr_path; the query after it. */
static int decode(struct http_request *hr, const char *s, size_t n)
{
	size_t at = 0, i;
	int c;

	for (i = 0; i < n && s[i] != '?'; i++) {
		c = (unsigned char)s[i];
		if (c == '%') {
			if (i + 2 >= n || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
				return 400;
			c = hex(s[i + 1]) * 16 + hex(s[i + 2]);
			i += 2;
		}
		if (c == '\0' || c == '#')
			return 400;
		hr->hr_path[at++] = (char)c;
	}
	hr->hr_path[at++] = '\0';
	hr->hr_query = &hr->hr_path[at - 1];
	if (i == n)
		return HTTP_MORE;
	/* It takes a place less than it did in the target, with its `?`. */
	hr->hr_query = &hr->hr_path[at];
	memcpy(&hr->hr_path[at], &s[i + 1], n - i - 1);
	hr->hr_path[at + n - i - 1] = '\0';
	return HTTP_MORE;
}

/* take_target - `/path`, `http://host/path`, or `*`, which is nothing that we have. */
static int take_target(struct http_request *hr, const char *s, size_t n)
{
	size_t skip = 0;

	if (n == 0)
		return 400;
	if (n > HTTP_TARGET_MAX)
		return 414;
	if (n >= 7 && same(s, 7, "http://")) {
		for (skip = 7; skip < n && s[skip] != '/' && s[skip] != '?';)
			skip++;
		if (skip == 7)
			return 400;
		if (skip == n || s[skip] == '?') {
			hr->hr_path[0] = '/';
			hr->hr_path[1] = '\0';
			hr->hr_query = &hr->hr_path[1];
			return HTTP_MORE;
		}
	} else if (s[0] != '/' && hr->hr_method != HTTP_KNOWN) {
		return 400;
	}
	return decode(hr, s + skip, n - skip);
}

/* take_version - HTTP/1.x; 1 and what is above it are the same to us. */
static int take_version(struct http_request *hr, const char *s, size_t n)
{
	if (n != 8 || strncmp(s, "HTTP/", 5) != 0 || s[6] != '.' || s[5] < '0' || s[5] > '9' ||
	    s[7] < '0' || s[7] > '9')
		return 400;
	if (s[5] != '1')
		return 505;
	hr->hr_minor = s[7] == '0' ? 0 : 1;
	hr->hr_close = hr->hr_minor == 0;
	return HTTP_MORE;
}

static int take_request(struct http_request *hr)
{
	const char *s = hr->hr_line, *first, *second;
	size_t n = hr->hr_len;
	int status;

	if (hr->hr_cut)
		return 414;
	for (first = s; first < s + n && is_token(*first);)
		first++;
	if (first == s || first == s + n || *first != ' ')
		return 400;
	for (second = first + 1; second < s + n && *second != ' ';) {
		if (*second < '!' || *second > '~')
			return 400;
		second++;
	}
	if (second == s + n)
		return 400;
	hr->hr_method = method_of(s, (size_t)(first - s));
	hr->hr_head = hr->hr_method == HTTP_HEAD;
	status = take_version(hr, second + 1, (size_t)(s + n - second - 1));
	if (status != HTTP_MORE)
		return status;
	hr->hr_begun = true;
	return take_target(hr, first + 1, (size_t)(second - first - 1));
}

/* ---- Fields ---- */

/* each_word - fn for each of the words between commas, without the blanks around it. */
static void each_word(struct http_request *hr, const char *s, size_t n,
    void (*fn)(struct http_request *hr, const char *s, size_t n))
{
	size_t from, to, end;

	for (from = 0; from < n; from = end + 1) {
		for (end = from; end < n && s[end] != ',';)
			end++;
		for (to = end; from < to && (s[from] == ' ' || s[from] == '\t');)
			from++;
		while (to > from && (s[to - 1] == ' ' || s[to - 1] == '\t'))
			to--;
		if (to > from)
			fn(hr, s + from, to - from);
	}
}

static void connection_word(struct http_request *hr, const char *s, size_t n)
{
	if (same(s, n, "close"))
		hr->hr_close = true;
	else if (same(s, n, "keep-alive") && hr->hr_minor == 0)
		hr->hr_close = false;
}

/* coding_word - `gzip`, but for one of weight nothing: `gzip;q=0`, `gzip; q=0.000`. */
static void coding_word(struct http_request *hr, const char *s, size_t n)
{
	size_t end = 0;
	bool nothing;

	while (end < n && s[end] != ';' && s[end] != ' ')
		end++;
	if (!same(s, end, "gzip") && !same(s, end, "*"))
		return;
	while (end < n && s[end] != '=')
		end++;
	nothing = end < n;
	for (end++; end < n; end++)
		if (s[end] != '0' && s[end] != '.')
			nothing = false;
	hr->hr_gzip = !nothing;
}

static int take_length(struct http_request *hr, const char *s, size_t n)
{
	uint64_t value = 0;

	if (n == 0 || n > 18 || hr->hr_have_length)
		return 400;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return 400;
		value = value * 10 + (uint64_t)(s[i] - '0');
	}
	hr->hr_length = value;
	hr->hr_have_length = true;
	return HTTP_MORE;
}

static int take_coding(struct http_request *hr, const char *s, size_t n)
{
	if (hr->hr_minor == 0 || hr->hr_chunked)
		return 400;
	if (!same(s, n, "chunked"))
		return 501;
	hr->hr_chunked = true;
	return HTTP_MORE;
}

static int take_host(struct http_request *hr, const char *s, size_t n)
{
	if (hr->hr_have_host)
		return 400;
	for (size_t i = 0; i < n; i++)
		if (s[i] == ' ' || s[i] == '/' || s[i] == '@' || s[i] == ',')
			return 400;
	hr->hr_have_host = true;
	return HTTP_MORE;
}

static int take_expect(struct http_request *hr, const char *s, size_t n)
{
	if (!same(s, n, "100-continue"))
		return 417;
	hr->hr_expect = hr->hr_minor > 0;
	return HTTP_MORE;
}

static int take_connection(struct http_request *hr, const char *s, size_t n)
{
	each_word(hr, s, n, connection_word);
	return HTTP_MORE;
}

static int take_accepted(struct http_request *hr, const char *s, size_t n)
{
	each_word(hr, s, n, coding_word);
	return HTTP_MORE;
}

/* take_tag - one that does not fit matches nothing, and costs the body. */
static int take_tag(struct http_request *hr, const char *s, size_t n)
{
	if (n < sizeof(hr->hr_tag)) {
		memcpy(hr->hr_tag, s, n);
		hr->hr_tag[n] = '\0';
	}
	return HTTP_MORE;
}

static const struct field {
	const char *fi_name;
	int (*fi_take)(struct http_request *hr, const char *s, size_t n);
} fields[] = {{"connection", take_connection}, {"content-length", take_length},
    {"transfer-encoding", take_coding}, {"host", take_host}, {"expect", take_expect},
    {"accept-encoding", take_accepted}, {"if-none-match", take_tag}};

static int take_field(struct http_request *hr)
{
	const char *s = hr->hr_line;
	size_t n = hr->hr_len, name = 0, from;

	while (name < n && is_token(s[name]))
		name++;
	if (name == 0 || name == n || s[name] != ':')
		return name == n && name > 0 && hr->hr_cut ? 431 : 400;
	for (from = name + 1; from < n && (s[from] == ' ' || s[from] == '\t');)
		from++;
	while (n > from && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (same(s, name, fields[i].fi_name))
			return hr->hr_cut ? 431 : fields[i].fi_take(hr, s + from, n - from);
	return HTTP_MORE;
}

/* ---- The whole ---- */

/* take_end - the empty line: do the fields agree? */
static int take_end(struct http_request *hr)
{
	if (!hr->hr_begun)
		return HTTP_MORE; /* empty lines before the request: RFC 9112, 2.2 */
	if (!hr->hr_have_host && hr->hr_minor > 0)
		return 400;
	if (hr->hr_chunked && hr->hr_have_length)
		return 400;
	return HTTP_COMPLETE;
}

static int take_line(struct http_request *hr)
{
	int status;

	if (hr->hr_len == 0)
		return take_end(hr);
	status = hr->hr_begun ? take_field(hr) : take_request(hr);
	hr->hr_len = 0;
	hr->hr_cut = false;
	return status;
}

static int take_byte(struct http_request *hr, char c)
{
	if (++hr->hr_total > HTTP_HEAD_MAX)
		return !hr->hr_begun && hr->hr_len > 0 ? 414 : 431;
	if (c == '\n') {
		hr->hr_cr = false;
		return take_line(hr);
	}
	if (hr->hr_cr || ((unsigned char)c < ' ' && c != '\r' && c != '\t') || c == 0x7f)
		return 400;
	if (c == '\r') {
		hr->hr_cr = true;
	} else if (hr->hr_len < HTTP_LINE_MAX) {
		hr->hr_line[hr->hr_len++] = c;
	} else {
		hr->hr_cut = true;
	}
	return HTTP_MORE;
}

void http_begin(struct http_request *hr)
{
	memset(hr, 0, offsetof(struct http_request, hr_line));
	hr->hr_query = "";
}

int http_parse(struct http_request *hr, const char *data, size_t len, size_t *used)
{
	int status = HTTP_MORE;
	size_t i;

	for (i = 0; i < len && status == HTTP_MORE; i++)
		status = take_byte(hr, data[i]);
	*used = i;
	return status;
}

int http_query(const struct http_request *hr, const char *name, uint64_t *value)
{
	const char *s = hr->hr_query, *end;
	size_t n = strlen(name);
	char text[24];

	for (;; s = end + 1) {
		for (end = s; *end != '\0' && *end != '&';)
			end++;
		if ((size_t)(end - s) > n && strncmp(s, name, n) == 0 && s[n] == '=')
			break;
		if (*end == '\0')
			return ENOENT;
	}
	s += n + 1;
	if ((size_t)(end - s) >= sizeof(text))
		return EINVAL;
	memcpy(text, s, (size_t)(end - s));
	text[end - s] = '\0';
	return kstrtou64(text, value);
}

bool http_tag_listed(const struct http_request *hr, const char *tag)
{
	size_t n = strlen(tag);
	const char *s;

	if (strcmp(hr->hr_tag, "*") == 0)
		return true;
	for (s = hr->hr_tag; *s != '\0'; s++)
		if (*s == '"' && strncmp(s, tag, n) == 0)
			return true;
	return false;
}

/* ---- Chunks ---- */

enum { SIZE, EXTENSION, SIZE_END, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_LF, DONE };

/* size_byte - of a line that says how long a chunk is. */
static int size_byte(struct http_chunks *ch, char c)
{
	if (ch->ch_state == SIZE_END || c == '\n') {
		if (c != '\n' || ch->ch_digits == 0)
			return 400;
		ch->ch_state = ch->ch_left > 0 ? DATA : TRAILER;
		ch->ch_digits = 0;
		if (ch->ch_left > 0)
			ch->ch_extra = 0;
	} else if (c == '\r') {
		ch->ch_state = SIZE_END;
	} else if (ch->ch_state == EXTENSION || c == ';' || c == ' ' || c == '\t') {
		ch->ch_state = EXTENSION;
	} else {
		if (hex(c) < 0 || ++ch->ch_digits > 15)
			return 400;
		ch->ch_left = ch->ch_left * 16 + (uint64_t)hex(c);
	}
	return HTTP_MORE;
}

/* trailer_byte - fields after the last chunk, which nobody reads. */
static int trailer_byte(struct http_chunks *ch, char c)
{
	if (c == '\n') {
		if (!ch->ch_line) {
			ch->ch_state = DONE;
			return HTTP_COMPLETE;
		}
		ch->ch_line = false;
		ch->ch_state = TRAILER;
		return HTTP_MORE;
	}
	if (ch->ch_state == TRAILER_LF)
		return 400;
	if (c == '\r')
		ch->ch_state = TRAILER_LF;
	else
		ch->ch_line = true;
	return HTTP_MORE;
}

/* between_byte - one that is not the body's own. */
static int between_byte(struct http_chunks *ch, char c)
{
	if (++ch->ch_extra > EXTRA_MAX)
		return 400;
	switch (ch->ch_state) {
	case SIZE:
	case EXTENSION:
	case SIZE_END:
		return size_byte(ch, c);
	case DATA_CR:
		if (c == '\r') {
			ch->ch_state = DATA_LF;
			return HTTP_MORE;
		}
		/* FALLTHROUGH */
	case DATA_LF:
		ch->ch_state = SIZE;
		return c == '\n' ? HTTP_MORE : 400;
	case TRAILER:
	case TRAILER_LF:
		return trailer_byte(ch, c);
	default:
		return 400;
	}
}

int http_chunk(struct http_chunks *ch, const char *in, size_t len, size_t *used, const char **data,
    size_t *n)
{
	int status = HTTP_MORE;
	size_t i = 0;

	*n = 0;
	*data = in;
	while (i < len && status == HTTP_MORE && ch->ch_state != DATA)
		status = between_byte(ch, in[i++]);
	if (status == HTTP_MORE && ch->ch_state == DATA) {
		*data = in + i;
		*n = len - i < ch->ch_left ? len - i : (size_t)ch->ch_left;
		ch->ch_left -= *n;
		i += *n;
		if (ch->ch_left == 0)
			ch->ch_state = DATA_CR;
	}
	*used = i;
	return status;
}
