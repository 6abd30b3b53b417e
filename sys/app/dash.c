/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dash.c - the dashboard's figures: what the machine has counted, as JSON.
 *
 * /metrics.json is one text; /events is one a second for those who watch. Everything in it is a
 * count since the start of the system: rates are the reader's business, who knows when he looked
 * before, and no two readers disturb each other. man/dash.4 describes the text.
 *
 * One lwp makes it, and sleeps when nobody wants it. While somebody watches, the CPUs' latency is
 * probed (probe.c), and for LAST_NS after the last one has gone.
 *
 * Contexts: its own lwp. Locks: those of what it reads, one at a time; the core lock, to send.
 * Not for: history, which the page keeps. Read next: web/app.js.
 */
#include "dash.h"

#include "app/probe.h"
#include "app/sample.h"
#include "dev/nic.h"
#include "mem/kmem.h"
#include "net/http.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

#define PERIOD_NS NS_PER_S
#define LAST_NS (2 * NS_PER_S)

/* The text that is being made. */
struct text {
	char *te_buf;
	size_t te_len;
	bool te_full; /* it did not fit */
};

static struct http_channel channel = {.hn_path = "/metrics.json",
    .hn_events = "/events",
    .hn_period_ns = PERIOD_NS};
static uint64_t boot_id; /* tells one start of the machine from another */

static void put(struct text *te, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *te, const char *fmt, ...)
{
	size_t room = HTTP_TEXT_MAX - te->te_len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(te->te_buf + te->te_len, room, fmt, ap);
	va_end(ap);
	if ((size_t)n >= room)
		te->te_full = true;
	else
		te->te_len += (size_t)n;
}

/* put_name - in quotes; what JSON or a page could trip over is a `?`. */
static void put_name(struct text *te, const char *key, const char *name)
{
	put(te, "\"%s\":\"", key);
	for (; *name != '\0'; name++)
		put(te, "%c", *name < ' ' || *name > '~' || strchr("\"\\<>&", *name) ? '?' : *name);
	put(te, "\"");
}

static void put_count(struct text *te, const char *key, uint64_t value)
{
	put(te, ",\"%s\":%llu", key, (unsigned long long)value);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* ---- Parts ---- */

/* put_histogram - up to its last bucket that is not empty. */
static void put_histogram(struct text *te, const char *key, const uint64_t *counts, unsigned end)
{
	while (end > 0 && counts[end - 1] == 0)
		end--;
	put(te, ",\"%s\":[", key);
	for (unsigned i = 0; i < end; i++)
		put(te, "%s%llu", i > 0 ? "," : "", (unsigned long long)counts[i]);
	put(te, "]");
}

static void put_row(struct text *te, const struct sample_row *row)
{
	put(te, "{");
	put_name(te, "name", row->sr_name);
	put(te, ",");
	put_name(te, "source", row->sr_source);
	put(te, ",\"kind\":\"%s\",\"level\":\"%s\"",
	    row->sr_kind == SAMPLE_SOURCE ? "source" : "handler",
	    row->sr_kind == SAMPLE_SOURCE ? "hard" : spl_name(row->sr_level));
	put_count(te, "id", row->sr_id);
	put_count(te, "cpu", row->sr_cpu);
	put_count(te, "count", row->sr_count);
	put_count(te, "ns", port_counter_to_ns(row->sr_ticks));
	put_count(te, "stray", row->sr_stray);
	put(te, ",\"by_cpu\":[");
	for (unsigned i = 0; i < cpu_count(); i++)
		put(te, "%s%llu", i > 0 ? "," : "", (unsigned long long)row->sr_by_cpu[i]);
	put(te, "]");
	if (row->sr_waits)
		put_histogram(te, "waited", row->sr_waited, LATENCY_BUCKETS);
	put(te, "}");
}

static void put_cpu(struct text *te, unsigned index, struct probe_counts *pc)
{
	const struct cpu *ci = cpu_lookup(index);

	put(te, "{\"cpu\":%u", index);
	put_count(te, "idle_ns", port_counter_to_ns(load(&ci->ci_idle->l_ticks)));
	put_count(te, "handoffs", load(&ci->ci_handoffs));
	put_count(te, "nested", load(&ci->ci_nested));
	put_count(te, "divorces", load(&ci->ci_divorces));
	put_count(te, "starvations", load(&ci->ci_starvations));
	put_count(te, "rescues", load(&ci->ci_rescues));
	put_count(te, "ipis", load(&ci->ci_ipis));
	put_count(te, "switches", load(&ci->ci_switches));
	if (probe_get(index, pc)) {
		put_histogram(te, "raise", pc->pc_raise, PROBE_BUCKETS);
		put_count(te, "raise_max_ns", pc->pc_raise_max_ns);
		put_histogram(te, "thread", pc->pc_thread, PROBE_BUCKETS);
		put_count(te, "thread_max_ns", pc->pc_thread_max_ns);
		put_count(te, "missed", pc->pc_missed);
	}
	put(te, "}");
}

static void put_queue(struct text *te, unsigned q, const struct nic_queue_stats *qs)
{
	put(te, "%s{\"queue\":%u", q > 0 ? "," : "", q);
	put_count(te, "in", qs->qs_rx_packets);
	put_count(te, "in_bytes", qs->qs_rx_bytes);
	put_count(te, "in_dropped", qs->qs_rx_nobuf + qs->qs_rx_missed);
	put_count(te, "in_errors", qs->qs_rx_errors);
	put_count(te, "out", qs->qs_tx_packets);
	put_count(te, "out_bytes", qs->qs_tx_bytes);
	put_count(te, "out_full", qs->qs_tx_full);
	put_count(te, "out_errors", qs->qs_tx_errors);
	put_count(te, "rounds", qs->qs_rounds);
	put_count(te, "yields", qs->qs_yields);
	put_count(te, "interrupts", qs->qs_interrupts);
	put(te, "}");
}

/* put_card - called with the list of cards held still. */
static bool put_card(struct nic *nic, void *arg)
{
	struct text *te = arg;
	struct nic_queue_stats qs;

	put(te, "%s{", te->te_buf[te->te_len - 1] == '[' ? "" : ",");
	put_name(te, "name", nic->nic_name);
	put(te, ",\"link\":%s",
	    atomic_load_explicit(&nic->nic_link, memory_order_relaxed) ? "true" : "false");
	put_count(te, "mbps", atomic_load_explicit(&nic->nic_mbps, memory_order_relaxed));
	put(te, ",\"queues\":[");
	for (unsigned q = 0; q < nic->nic_queues; q++) {
		memset(&qs, 0, sizeof(qs));
		nic->nic_ops->no_stats(nic, q, &qs);
		put_queue(te, q, &qs);
	}
	put(te, "]}");
	return true;
}

/* put_settings - nodes that are numbers, under their own names; one that is not there is left
 * out. */
static void put_settings(struct text *te)
{
	static const char *const names[] = {"hw.intr.acct", "hw.intr.storms", "net.lock.enters",
	    "net.lock.contended", "net.lock.wait_us", "net.bufs", "net.bufs_free", "net.http.open",
	    "net.http.requests", "net.http.events", "net.http.dropped", "net.http.errors",
	    "net.http.refused", "net.http.timeouts"};
	struct sysctl *sy;
	bool first = true;

	put(te, ",\"sysctl\":{");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		sy = sysctl_find(names[i]);
		if (sy == NULL || sy->sy_text != NULL)
			continue;
		put(te, "%s\"%s\":%llu", first ? "" : ",", names[i],
		    (unsigned long long)sysctl_number(sy));
		first = false;
	}
	put(te, "}");
}

/* ---- The whole ---- */

static void make(struct text *te, const struct sample *sa, struct probe_counts *pc)
{
	struct ithread_counts ic;

	ithread_count(&ic);
	te->te_len = 0;
	te->te_full = false;
	put(te, "{\"version\":1");
	put_count(te, "boot", boot_id);
	put_count(te, "uptime_ns", clock_ns());
	put_count(te, "ncpu", cpu_count());
	put(te,
	    ",\"pool\":{\"total\":%u,\"wanted\":%u,\"free\":%u,\"spare\":%u,\"active\":%u,"
	    "\"divorced\":%u}",
	    ic.total, ic.target, ic.free, ic.spare, ic.active, ic.divorced);
	put_settings(te);
	put(te, ",\"edges_ns\":[");
	for (unsigned i = 0; i < PROBE_BUCKETS; i++)
		put(te, "%s%llu", i > 0 ? "," : "", (unsigned long long)probe_edge_ns(i));
	put(te, "],\"waited_edges_ns\":[");
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		put(te, "%s%llu", i > 0 ? "," : "",
		    (unsigned long long)port_counter_to_ns(latency_edge(i)));
	put(te, "],\"cpus\":[");
	for (unsigned i = 0; i < cpu_count(); i++) {
		put(te, "%s", i > 0 ? "," : "");
		put_cpu(te, i, pc);
	}
	put(te, "],\"cards\":[");
	nic_each(put_card, te);
	put(te, "],\"rows\":[");
	for (size_t i = 0; i < sa->sa_rows; i++) {
		put(te, "%s", i > 0 ? "," : "");
		put_row(te, &sa->sa_row[i]);
	}
	put(te, "]}");
}

/* send - one text; what cannot be made is said in its place. */
static void send(struct text *te, struct probe_counts *pc)
{
	struct sample sa = {0};

	if (sample_intr(&sa) != 0) {
		te->te_len = 0;
		put(te, "{\"version\":1,\"error\":\"no memory for the counts\"}");
	} else {
		make(te, &sa, pc);
		if (te->te_full) {
			te->te_len = 0;
			put(te, "{\"version\":1,\"error\":\"more than %u bytes\"}", HTTP_TEXT_MAX);
		}
	}
	sample_free(&sa);
	http_channel_send(&channel, te->te_buf, te->te_len);
}

static void dash_main(void *arg)
{
	struct text *te = arg;
	struct probe_counts *pc = (struct probe_counts *)(void *)(te + 1);
	bool probing = false, failed = false;
	int error;

	for (;;) {
		error = http_channel_wait(&channel, probing ? LAST_NS : SLEEP_FOREVER);
		if (error != 0) {
			(void)probe_want(PROBE_DASH, false);
			probing = false;
			continue;
		}
		send(te, pc); /* first of all: with many CPUs the probes take a while to start */
		if (!probing && http_channel_watched(&channel)) {
			error = probe_want(PROBE_DASH, true);
			probing = error == 0;
			if (error != 0 && !failed)
				kprintf("dash: no latency: %s\n", errno_name(error));
			failed = error != 0;
		}
	}
}

void dash_start(void)
{
	struct text *te = kmem_alloc(sizeof(*te) + sizeof(struct probe_counts));
	int error = ENOMEM;

	boot_id = port_counter() & 0xffffffffffff; /* exact in a double */
	probe_init();
	if (te != NULL)
		te->te_buf = kmem_alloc(HTTP_TEXT_MAX);
	if (te != NULL && te->te_buf != NULL)
		error = http_channel_add(&channel);
	if (error == 0)
		error = lwp_create("dash", PRI_KERNEL, NULL, 0, dash_main, te, NULL);
	if (error != 0)
		kprintf("dash: %s: no figures for the dashboard\n", errno_name(error));
}
