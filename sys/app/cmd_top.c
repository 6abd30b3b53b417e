/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_top.c - top and ps: who takes the CPUs' time.
 *
 * In top, handlers and lwps stand in one list. An ithread's time is charged to the handler that it
 * runs, so "how much CPU does this interrupt take" has a row of its own: the handler's, beside that
 * of its source ("dispatch", the time in hard-interrupt context). What is left on an ithread's own
 * row is the queueing. All rows together make up the time of all CPUs.
 *
 * Contexts: the shell's lwp. No locks: sample.c copies the counts. Read next: sample.c.
 */
#include "app/sample.h"
#include "app/shell.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/port.h>
#include <ithaca/string.h>

#define SCREEN_ROWS 20 /* shown by -w */

static struct sample before; /* shares are since this */

static const char *kind(const struct sample_row *row)
{
	if (row->sr_kind == SAMPLE_SOURCE)
		return "source";
	if (row->sr_kind == SAMPLE_HANDLER)
		return "handler";
	return row->sr_flags & LWP_ITHREAD ? "ithread"
	    : row->sr_flags & LWP_SOFTINT  ? "softint"
	    : row->sr_flags & LWP_IDLE     ? "idle"
					   : "lwp";
}

static uint64_t since(const struct sample_row *row)
{
	const struct sample_row *last = sample_find(&before, row);

	return row->sr_ticks - (last != NULL ? last->sr_ticks : 0);
}

/* ---- top ---- */

/* sort - by the time since the last top, which takes the place of sr_stray (not shown here). */
static void sort(struct sample *sa)
{
	size_t gap, i, j;

	for (i = 0; i < sa->sa_rows; i++)
		sa->sa_row[i].sr_stray = since(&sa->sa_row[i]);
	for (gap = sa->sa_rows / 2; gap > 0; gap /= 2) {
		for (i = gap; i < sa->sa_rows; i++) {
			for (j = i; j >= gap; j -= gap) {
				struct sample_row *a = &sa->sa_row[j - gap], *b = &sa->sa_row[j];
				static struct sample_row swap; /* too big for a stack */

				if (a->sr_stray >= b->sr_stray)
					break;
				swap = *a;
				*a = *b;
				*b = swap;
			}
		}
	}
}

static void print_row(const struct sample_row *row, uint64_t span)
{
	unsigned share = sample_share(row->sr_stray, span);
	char name[SHELL_WORD_SIZE], took[SHELL_TIME_SIZE], level[16];

	if (row->sr_kind == SAMPLE_SOURCE)
		kstrlcpy(level, "hard", sizeof(level));
	else if (row->sr_kind == SAMPLE_HANDLER)
		kstrlcpy(level, spl_name(row->sr_level), sizeof(level));
	else
		ksnprintf(level, sizeof(level), "%u", row->sr_pri);
	tty_printf("%3u.%u %8s %3u %-8s %-10s %-8s %10llu %s\n", share / 10, share % 10,
	    shell_time(port_counter_to_ns(row->sr_ticks), took), row->sr_cpu, kind(row), level,
	    row->sr_kind == SAMPLE_LWP ? row->sr_state : "-", (unsigned long long)row->sr_count,
	    shell_word(row->sr_name, name));
}

/* print_summary - how busy the CPUs were altogether. */
static void print_summary(const struct sample *now, uint64_t span)
{
	uint64_t idle = 0, hard = 0, threads = 0;
	uint64_t whole = span * cpu_count();
	unsigned i_share, h_share, t_share;
	char up[SHELL_TIME_SIZE], over[SHELL_TIME_SIZE];

	for (size_t i = 0; i < now->sa_rows; i++) {
		const struct sample_row *row = &now->sa_row[i];

		if (row->sr_kind == SAMPLE_SOURCE)
			hard += row->sr_stray;
		else if (row->sr_kind == SAMPLE_HANDLER)
			threads += row->sr_stray;
		else if (row->sr_flags & LWP_IDLE)
			idle += row->sr_stray;
	}
	i_share = sample_share(idle, whole);
	h_share = sample_share(hard, whole);
	t_share = sample_share(threads, whole);
	tty_printf("up %s, %u CPUs, in the last %s: %u.%u%% idle, %u.%u%% dispatch, "
		   "%u.%u%% handlers\n\n",
	    shell_time(clock_ns(), up), cpu_count(), shell_time(port_counter_to_ns(span), over),
	    i_share / 10, i_share % 10, h_share / 10, h_share % 10, t_share / 10, t_share % 10);
}

struct view {
	bool vi_all;
	uint64_t vi_period_ns; /* 0: shown once */
};

static int show(void *arg)
{
	const struct view *vi = arg;
	size_t limit = vi->vi_period_ns != 0 ? SCREEN_ROWS : SIZE_MAX;
	struct sample now = {0};
	uint64_t span;

	if (sample_intr(&now) != 0 || sample_lwps(&now) != 0) {
		sample_free(&now);
		return shell_error("no memory for the counts");
	}
	span = now.sa_when - before.sa_when;
	sort(&now);
	print_summary(&now, span);
	tty_printf("%5s %8s %3s %-8s %-10s %-8s %10s %s\n", "%cpu", "time", "cpu", "kind",
	    "level/pri", "state", "runs", "name");
	for (size_t i = 0; i < now.sa_rows && i < limit; i++) {
		if (vi->vi_all || now.sa_row[i].sr_stray != 0)
			print_row(&now.sa_row[i], span);
	}
	sample_free(&before);
	before = now;
	return 0;
}

static int cmd_top(int argc, char **argv)
{
	struct view vi = {0};

	if (!shell_watch_options(argc, argv, "a", &vi.vi_all, &vi.vi_period_ns))
		return 1;
	return shell_watch(vi.vi_period_ns, show, &vi);
}

/* ---- ps ---- */

static int cmd_ps(int argc, char **argv)
{
	struct sample now = {0};
	char name[SHELL_WORD_SIZE], wait[SHELL_WORD_SIZE], took[SHELL_TIME_SIZE];

	(void)argv;
	if (argc != 1)
		return shell_usage();
	if (sample_lwps(&now) != 0)
		return shell_error("no memory for the list");
	tty_printf("%5s %-8s %3s %3s %-10s %-7s %8s %10s %-12s %s\n", "id", "kind", "pri", "cpu",
	    "level", "state", "time", "switches", "wait", "name");
	for (size_t i = 0; i < now.sa_rows; i++) {
		const struct sample_row *row = &now.sa_row[i];

		tty_printf("%5u %-8s %3u %3u %-10s %-7s %8s %10llu %-12s %s\n", row->sr_id,
		    kind(row), row->sr_pri, row->sr_cpu, spl_name(row->sr_level), row->sr_state,
		    shell_time(port_counter_to_ns(row->sr_ticks), took),
		    (unsigned long long)row->sr_count,
		    shell_word(row->sr_wait != NULL ? row->sr_wait : "", wait),
		    shell_word(row->sr_name, name));
	}
	sample_free(&now);
	return 0;
}

static void complete_top(struct line_editor *le, int arg, char **argv)
{
	(void)arg;
	(void)argv;
	line_offer(le, "-a");
	line_offer(le, "-w");
}

const struct shell_cmd shell_top_cmds[] = {
    {"top", "[-a] [-w [SECONDS]]", "who takes the CPUs' time: handlers and lwps together",
	"  %cpu is of one CPU, since the top before (the first: since the start of the system);\n"
	"  a handler's row has the time of its thread function, whichever ithread ran it, a\n"
	"  source's row the time in hard-interrupt context.\n"
	"  -a  also those that took none\n"
	"  -w  again every second, or every SECONDS (1 to 3600), until Ctrl-C\n",
	cmd_top, complete_top},
    {"ps", "", "all lwps",
	"  kind   lwp, ithread (out of the pool), softint, idle\n"
	"  pri    what it runs at, lent priority included; level: its IPL\n"
	"  wait   what it sleeps on, or the mutex that it wants\n",
	cmd_ps, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
