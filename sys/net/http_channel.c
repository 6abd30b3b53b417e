/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_channel.c - texts that a program makes for who asks, and for who watches.
 *
 * Such a text takes long to make (it is asked of every CPU) and wants locks that come before the
 * core lock, so it is not made where the request came in. The connection is put on a list, the
 * program's lwp is woken, makes the text without the core lock, and sends it to all on the list.
 * When nobody asks or watches, the lwp sleeps, and nothing is made.
 *
 * Who watches has his texts as server-sent events (WHATWG HTML, 9.2): a head without a length, and
 * then a text an event until either end goes. His queue is one event long: he who has not
 * acknowledged the last one when the next is made misses that one, and so never reads what is
 * old; he who misses MISSED_MAX in a row is let go of, and his browser comes back when it can.
 * Nobody else waits for him.
 *
 * Contexts: callbacks of lwIP; the program's lwp. Lock: the core lock. Not for: what is in the
 * texts. Read next: app/dash.c.
 */
#include "http.h"

#include "core.h"
#include "http_impl.h"
#include "mem/kmem.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>

#define MISSED_MAX 10 /* events in a row */

static struct http_channel *channels[HTTP_CHANNELS_MAX]; /* (n) */
static unsigned nchannels;                               /* (n) */

struct http_channel *http_channel_of(const char *path, bool *events)
{
	for (unsigned i = 0; i < nchannels; i++) {
		*events = strcmp(path, channels[i]->hn_events) == 0;
		if (*events || strcmp(path, channels[i]->hn_path) == 0)
			return channels[i];
	}
	return NULL;
}

/* ---- Who is there ---- */

void http_channel_leave(struct http_conn *hc)
{
	struct http_channel *hn = hc->hc_channel;
	struct http_conn **at;

	if (hn == NULL)
		return;
	for (at = &hn->hn_asking; *at != NULL && *at != hc;)
		at = &(*at)->hc_next;
	if (*at == NULL) {
		for (at = &hn->hn_watching; *at != hc;) {
			KASSERT(*at != NULL, "a connection is on neither list of %s", hn->hn_path);
			at = &(*at)->hc_next;
		}
		hn->hn_watchers--;
	}
	*at = hc->hc_next;
	hc->hc_next = NULL;
	hc->hc_channel = NULL;
}

static void watch(struct http_conn *hc, struct http_channel *hn)
{
	if (hn->hn_watchers == HTTP_WATCHERS_MAX) {
		http_refuse(hc, 503);
		return;
	}
	/* Without a length: it ends when the connection does. */
	hc->hc_request.hr_close = true;
	http_head(hc, 200, NULL, 0,
	    "Content-Type: text/event-stream\r\nCache-Control: no-store\r\n");
	if (hc->hc_request.hr_head)
		return;
	hc->hc_channel = hn;
	hc->hc_next = hn->hn_watching;
	hn->hn_watching = hc;
	if (hn->hn_watchers++ == 0)
		hn->hn_next_ns = 0;
	net_wake(&hn->hn_cv);
}

void http_channel_join(struct http_conn *hc, struct http_channel *hn, bool events)
{
	if (events) {
		watch(hc, hn);
		return;
	}
	hc->hc_state = HTTP_ASKING;
	hc->hc_since_ns = clock_ns();
	hc->hc_channel = hn;
	hc->hc_next = hn->hn_asking;
	hn->hn_asking = hc;
	net_wake(&hn->hn_cv);
}

/* ---- For the program ---- */

int http_channel_add(struct http_channel *hn)
{
	int error = ENOSPC;

	cv_init(&hn->hn_cv, "http channel");
	net_enter();
	if (nchannels < HTTP_CHANNELS_MAX) {
		channels[nchannels++] = hn;
		error = 0;
	}
	net_exit();
	return error;
}

/* left - nanoseconds until a text is wanted. */
static uint64_t left(const struct http_channel *hn)
{
	uint64_t now = clock_ns();

	if (hn->hn_asking != NULL)
		return 0;
	if (hn->hn_watching == NULL)
		return SLEEP_FOREVER;
	return hn->hn_next_ns > now ? hn->hn_next_ns - now : 0;
}

int http_channel_wait(struct http_channel *hn, uint64_t ns)
{
	uint64_t now = clock_ns(), until = ns < SLEEP_FOREVER - now ? now + ns : SLEEP_FOREVER;
	uint64_t wait;
	int error = 0;

	net_enter();
	while ((wait = left(hn)) > 0) {
		now = clock_ns();
		if (now >= until) {
			error = ETIMEDOUT;
			break;
		}
		if (until != SLEEP_FOREVER && wait > until - now)
			wait = until - now;
		(void)net_wait(&hn->hn_cv, wait);
	}
	net_exit();
	return error;
}

bool http_channel_watched(struct http_channel *hn)
{
	bool watched;

	net_enter();
	watched = hn->hn_watching != NULL;
	net_exit();
	return watched;
}

/* answer_one - the text is what he asked for. */
static void answer_one(struct http_conn *hc, const char *text, size_t len)
{
	char *copy = hc->hc_request.hr_head ? NULL : kmem_alloc(len);

	if (copy == NULL && !hc->hc_request.hr_head) {
		http_refuse(hc, 503);
	} else {
		http_head(hc, 200, "application/json", len, "Cache-Control: no-store\r\n");
		if (copy != NULL) {
			memcpy(copy, text, len);
			http_give(hc, copy, len);
		}
	}
	(void)http_pump(hc);
}

/* send_event - false: he has not taken one for too long. */
static bool send_event(struct http_conn *hc, const char *text, size_t len)
{
	static const char field[] = "data: ", end[] = "\n\n";
	size_t before = sizeof(field) - 1, after = sizeof(end) - 1;
	char *copy;

	if (hc->hc_state != HTTP_WATCHING || hc->hc_pcb->snd_queuelen > 0)
		return ++hc->hc_missed < MISSED_MAX;
	copy = kmem_alloc(before + len + after);
	if (copy == NULL)
		return ++hc->hc_missed < MISSED_MAX;
	hc->hc_missed = 0;
	memcpy(copy, field, before);
	memcpy(copy + before, text, len);
	memcpy(copy + before + len, end, after);
	http_counts.ct_events++;
	hc->hc_state = HTTP_SENDING;
	hc->hc_since_ns = clock_ns();
	http_give(hc, copy, before + len + after);
	(void)http_pump(hc);
	return true;
}

void http_channel_send(struct http_channel *hn, const char *text, size_t len)
{
	struct http_conn *hc, *next;

	KASSERT(len <= HTTP_TEXT_MAX, "%s: a text of %zu bytes", hn->hn_path, len);
	net_enter();
	while ((hc = hn->hn_asking) != NULL) {
		http_channel_leave(hc);
		answer_one(hc, text, len);
	}
	hn->hn_next_ns = clock_ns() + hn->hn_period_ns;
	for (hc = hn->hn_watching; hc != NULL; hc = next) {
		next = hc->hc_next;
		if (send_event(hc, text, len))
			continue;
		http_counts.ct_dropped++;
		http_drop(hc);
	}
	net_exit();
}
