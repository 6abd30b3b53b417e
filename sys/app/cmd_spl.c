/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_spl.c - spl: an lwp raises its level, is interrupted, and lowers it again.
 *
 * What splraise() keeps out and what it lets in, seen in the counts of an edu device whose
 * interrupt is raised in the midst of it:
 *
 *	level of the lwp		filter			thread function
 *	below the handler's		at once			at once, on top of the lwp
 *	the handler's or above		at once			in splx()
 *	hard				at splx()		at splx()
 *
 * The lwp is bound to the CPU that the interrupt goes to. It takes no lock while its level is
 * raised, for at a hard level nothing could be waited for; so the device is poked.
 *
 * Contexts: the shell's lwp and the one it makes. The shell is also who detaches units, so none
 * goes while this runs. Read next: kern/spl.c.
 */
#include "app/shell.h"
#include "dev/edu.h"
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/sleepq.h>
#include <ithaca/spl.h>
#include <ithaca/string.h>

#define MS_MAX 500 /* nothing else runs on that CPU meanwhile; the heartbeat wakes at 750 */
#define SETTLE_NS (10 * NS_PER_MS)

struct moment {
	uint64_t filters, threads;
};

struct raised {
	unsigned unit;
	int level;
	uint64_t ns;
	int error;
	struct moment before, raised, lowered, after;
};

static void look(unsigned unit, struct moment *m)
{
	struct edu_stats es = {0};

	(void)edu_stats(unit, &es);
	m->filters = es.es_filters;
	m->threads = es.es_threads;
}

static void raised_main(void *arg)
{
	struct raised *r = arg;
	uint64_t until;
	int s;

	look(r->unit, &r->before);
	s = splraise(r->level);
	r->error = edu_poke(r->unit);
	until = clock_ns() + r->ns;
	while (clock_ns() < until) {
		for (unsigned i = 0; i < 100; i++)
			atomic_signal_fence(memory_order_relaxed);
	}
	look(r->unit, &r->raised);
	splx(s);
	look(r->unit, &r->lowered);
}

static void print(const char *when, const struct raised *r, const struct moment *m)
{
	tty_printf("%-8s %-10s %8llu %8llu\n", when, when[0] == 'r' ? spl_name(r->level) : "none",
	    (unsigned long long)(m->filters - r->before.filters),
	    (unsigned long long)(m->threads - r->before.threads));
}

static int play(struct raised *r, struct cpu *ci)
{
	struct lwp *l;
	int error = lwp_create("spl", PRI_KERNEL, ci, LWP_JOINABLE, raised_main, r, &l);

	if (error != 0)
		return shell_error("lwp: %s", errno_name(error));
	lwp_join(l);
	if (r->error != 0)
		return shell_error("edu%u: %s", r->unit, errno_name(r->error));
	lwp_sleep_ns(SETTLE_NS);
	look(r->unit, &r->after);
	tty_printf("%-8s %-10s %8s %8s\n", "when", "level", "filters", "threads");
	print("raised", r, &r->raised);
	print("lowered", r, &r->lowered);
	print("after", r, &r->after);
	return 0;
}

static int cmd_spl(int argc, char **argv)
{
	struct raised r = {0};
	struct edu_info ei;
	uint64_t ms, unit = 0;
	struct cpu *cpu;

	if (argc < 3 || argc > 4)
		return shell_usage();
	for (r.level = IPL_SOFTCLOCK; r.level < IPL_COUNT; r.level++) {
		if (strcmp(spl_name(r.level), argv[1]) == 0)
			break;
	}
	if (r.level == IPL_COUNT)
		return shell_error("'%s': must be a level, softclock to high", argv[1]);
	if (!shell_number(argv[2], "milliseconds", 1, MS_MAX, &ms))
		return 1;
	if (edu_count() == 0)
		return shell_error("this machine has no edu device");
	if (argc > 3 && !shell_number(argv[3], "unit", 0, edu_count() - 1, &unit))
		return 1;
	r.unit = (unsigned)unit;
	r.ns = ms * NS_PER_MS;
	if (edu_hold(r.unit) != 0)
		return shell_error("edu%u: not attached", r.unit);
	(void)edu_get(r.unit, &ei); /* it is there: it is held */
	cpu = atomic_load_explicit(&ei.ei_source->is_cpu, memory_order_relaxed);
	edu_release(r.unit);
	return play(&r, cpu);
}

static void complete(struct line_editor *le, int arg, char **argv)
{
	(void)argv;
	for (int ipl = IPL_SOFTCLOCK; ipl < IPL_COUNT && arg == 1; ipl++)
		line_offer(le, spl_name(ipl));
}

const struct shell_cmd shell_spl_cmds[] = {
    {"spl", "LEVEL MS [UNIT]", "raise an lwp's level, have it interrupted, lower it again",
	"  On the CPU of the edu device UNIT (0) an lwp raises its level, makes the device\n"
	"  interrupt, and burns MS milliseconds (1 to 1000). How often filter and thread function\n"
	"  have run is shown for the end of that time, for right after splx(), and for later.\n",
	cmd_spl, complete},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
