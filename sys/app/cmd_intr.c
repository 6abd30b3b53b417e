/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_intr.c - intrstat: what each source, handler and CPU has to do with interrupts.
 *
 * Three tables with an empty line between: a row for each source ("dispatch": its interrupts, and
 * the time in hard-interrupt context) and one for each of its handlers (runs of the thread
 * function and the time they took; of one that is a filter alone, calls of it, whose time is in
 * the dispatch); a row for each CPU; one line about the pool. With -l also a row for each handler
 * whose waits are counted (latency.h), by percentiles: a bucket's end, so up to a half above.
 * Rates and shares are since the intrstat before; counts since the start of the system or the last
 * -z. A share is of one CPU.
 *
 * Contexts: the shell's lwp. No locks: sample.c copies the counts. Read next: sample.c.
 */
#include "app/sample.h"
#include "app/shell.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/string.h>

#define COLUMNS_MAX 8 /* CPUs side by side */

struct cpu_counts {
	uint64_t handoffs, nested, divorces, starvations, rescues, ipis, switches;
};

static struct sample zero; /* counts are shown from here on */
static struct cpu_counts zero_cpu[CPU_MAX];
static struct sample before; /* rates are since this */

/* ---- Sources and handlers ---- */

static void print_row(const struct sample_row *row, const struct sample *now)
{
	const struct sample_row *first = sample_find(&zero, row);
	const struct sample_row *last = sample_find(&before, row);
	uint64_t span = now->sa_when - before.sa_when, span_ns = port_counter_to_ns(span);
	uint64_t count = row->sr_count - (last != NULL ? last->sr_count : 0);
	uint64_t ticks = row->sr_ticks - (last != NULL ? last->sr_ticks : 0);
	unsigned share = sample_share(ticks, span);
	char name[SHELL_WORD_SIZE], source[SHELL_WORD_SIZE], took[SHELL_TIME_SIZE];
	uint64_t rate;

	/* In microseconds, so that the product cannot overflow. */
	rate = span_ns >= NS_PER_US ? count * (NS_PER_S / NS_PER_US) / (span_ns / NS_PER_US) : 0;
	tty_printf("%-12s %-14s %-5s %3u %10llu %8llu %8s %3u.%u %5llu %6llu\n",
	    row->sr_kind == SAMPLE_SOURCE ? "dispatch" : shell_word(row->sr_name, name),
	    shell_word(row->sr_source, source),
	    row->sr_kind == SAMPLE_SOURCE ? "hard" : spl_name(row->sr_level), row->sr_cpu,
	    (unsigned long long)(row->sr_count - (first != NULL ? first->sr_count : 0)),
	    (unsigned long long)rate,
	    shell_time(port_counter_to_ns(row->sr_ticks - (first != NULL ? first->sr_ticks : 0)),
		took),
	    share / 10, share % 10,
	    (unsigned long long)(row->sr_stray - (first != NULL ? first->sr_stray : 0)),
	    (unsigned long long)(row->sr_moved - (first != NULL ? first->sr_moved : 0)));
}

static void print_rows(const struct sample *now)
{
	tty_printf("%-12s %-14s %-5s %3s %10s %8s %8s %5s %5s %6s\n", "name", "source", "level",
	    "cpu", "count", "rate/s", "time", "%cpu", "stray", "moved");
	for (size_t i = 0; i < now->sa_rows; i++)
		print_row(&now->sa_row[i], now);
}

/* print_by_cpu - the counts of a group of CPUs, a column each. */
static void print_by_cpu(const struct sample *now, unsigned from, unsigned to)
{
	const struct sample_row *row, *first;
	char name[SHELL_WORD_SIZE], source[SHELL_WORD_SIZE], title[16];

	tty_printf("\n%-12s %-14s", "name", "source");
	for (unsigned cpu = from; cpu < to; cpu++) {
		ksnprintf(title, sizeof(title), "cpu%u", cpu);
		tty_printf(" %9s", title);
	}
	tty_printf("\n");
	for (row = now->sa_row; row < now->sa_row + now->sa_rows; row++) {
		first = sample_find(&zero, row);
		tty_printf("%-12s %-14s",
		    row->sr_kind == SAMPLE_SOURCE ? "dispatch" : shell_word(row->sr_name, name),
		    shell_word(row->sr_source, source));
		for (unsigned cpu = from; cpu < to; cpu++)
			tty_printf(" %9llu",
			    (unsigned long long)(row->sr_by_cpu[cpu] -
				(first != NULL ? first->sr_by_cpu[cpu] : 0)));
		tty_printf("\n");
	}
}

/* ---- How long handlers waited ---- */

/* below - what so many of a thousand waits were shorter than: a bucket's edge. */
static const char *below(const struct sample_row *row, uint64_t total, unsigned permille,
    char text[SHELL_TIME_SIZE])
{
	uint64_t left = (total * permille + 999) / 1000;
	unsigned b = 0;

	while (b + 1 < LATENCY_BUCKETS && row->sr_waited[b] < left)
		left -= row->sr_waited[b++];
	return shell_time(port_counter_to_ns(latency_edge(b)), text);
}

static void print_waits(const struct sample *now)
{
	char name[SHELL_WORD_SIZE], source[SHELL_WORD_SIZE], t[4][SHELL_TIME_SIZE];
	const struct sample_row *row;
	uint64_t total;

	tty_printf("\n%-12s %-14s %10s %8s %8s %8s %8s\n", "handler", "source", "waits", "median",
	    "99%", "99.9%", "longest");
	for (row = now->sa_row; row < now->sa_row + now->sa_rows; row++) {
		total = 0;
		for (unsigned b = 0; b < LATENCY_BUCKETS; b++)
			total += row->sr_waited[b];
		if (total == 0)
			continue;
		tty_printf("%-12s %-14s %10llu %8s %8s %8s %8s\n", shell_word(row->sr_name, name),
		    shell_word(row->sr_source, source), (unsigned long long)total,
		    below(row, total, 500, t[0]), below(row, total, 990, t[1]),
		    below(row, total, 999, t[2]), below(row, total, 1000, t[3]));
	}
}

/* ---- CPUs and the pool ---- */

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void take_cpu(unsigned index, struct cpu_counts *out)
{
	const struct cpu *ci = cpu_lookup(index);

	out->handoffs = load(&ci->ci_handoffs);
	out->nested = load(&ci->ci_nested);
	out->divorces = load(&ci->ci_divorces);
	out->starvations = load(&ci->ci_starvations);
	out->rescues = load(&ci->ci_rescues);
	out->ipis = load(&ci->ci_ipis);
	out->switches = load(&ci->ci_switches);
}

static void print_cpus(void)
{
	tty_printf("\n%3s %11s %9s %9s %8s %8s %9s %11s\n", "cpu", "handoffs", "nested", "divorces",
	    "starved", "rescues", "ipis", "switches");
	for (unsigned i = 0; i < cpu_count(); i++) {
		const struct cpu_counts *z = &zero_cpu[i];
		struct cpu_counts c;

		take_cpu(i, &c);
		tty_printf("%3u %11llu %9llu %9llu %8llu %8llu %9llu %11llu\n", i,
		    (unsigned long long)(c.handoffs - z->handoffs),
		    (unsigned long long)(c.nested - z->nested),
		    (unsigned long long)(c.divorces - z->divorces),
		    (unsigned long long)(c.starvations - z->starvations),
		    (unsigned long long)(c.rescues - z->rescues),
		    (unsigned long long)(c.ipis - z->ipis),
		    (unsigned long long)(c.switches - z->switches));
	}
}

static void print_pool(void)
{
	struct ithread_counts ic;

	ithread_count(&ic);
	tty_printf("\npool: %u ithreads, %u wanted: %u free, %u spare, %u active, %u divorced\n",
	    ic.total, ic.target, ic.free, ic.spare, ic.active, ic.divorced);
}

/* ---- The command ---- */

enum { BY_CPU, WAITS, FLAGS };

static int show(void *arg)
{
	const bool *flags = arg;
	struct sample now = {0};
	unsigned cpus = cpu_count(), from;

	if (sample_intr(&now) != 0)
		return shell_error("no memory for the counts");
	print_rows(&now);
	for (from = 0; flags[BY_CPU] && from < cpus; from += COLUMNS_MAX)
		print_by_cpu(&now, from, from + COLUMNS_MAX < cpus ? from + COLUMNS_MAX : cpus);
	if (flags[WAITS])
		print_waits(&now);
	print_cpus();
	print_pool();
	sample_free(&before);
	before = now;
	return 0;
}

static int start_from_zero(void)
{
	struct sample now = {0}, copy = {0};

	if (sample_intr(&now) != 0 || sample_intr(&copy) != 0) {
		sample_free(&now);
		return shell_error("no memory for the counts");
	}
	for (unsigned i = 0; i < cpu_count(); i++)
		take_cpu(i, &zero_cpu[i]);
	sample_free(&zero);
	zero = now;
	sample_free(&before);
	before = copy;
	return 0;
}

static int cmd_intrstat(int argc, char **argv)
{
	bool flags[FLAGS] = {false};
	uint64_t period_ns;

	if (argc == 2 && strcmp(argv[1], "-z") == 0)
		return start_from_zero();
	if (!shell_watch_options(argc, argv, "cl", flags, &period_ns))
		return 1;
	return shell_watch(period_ns, show, flags);
}

static void complete(struct line_editor *le, int arg, char **argv)
{
	(void)arg;
	(void)argv;
	line_offer(le, "-c");
	line_offer(le, "-l");
	line_offer(le, "-w");
	line_offer(le, "-z");
}

const struct shell_cmd shell_intr_cmds[] = {
    {"intrstat", "[-c] [-l] [-w [SECONDS]] | -z", "interrupts by source, handler and CPU",
	"  -c  the counts of each CPU in columns as well\n"
	"  -l  how long handlers waited for their thread since the dispatch, counted while\n"
	"      hw.intr.latency is 1; half of them less than the median\n"
	"  -w  again every second, or every SECONDS (1 to 3600), until Ctrl-C\n"
	"  -z  count from zero, from now on; prints nothing\n"
	"  name   the handler; `dispatch`: the source itself, in hard-interrupt context\n"
	"  count  interrupts, or runs of the handler in its thread\n"
	"  rate/s and %cpu (of one CPU) are since the intrstat before\n"
	"  stray  interrupts that nobody claimed, or runs in vain\n"
	"  moved  runs that one CPU could not get to and another did (INTR_MIGRATE)\n"
	"  starved  times that no ithread was to be had; rescues: ithreads got from others\n",
	cmd_intrstat, complete},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
