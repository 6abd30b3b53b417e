/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_edu.c - edu: have QEMU's teaching devices interrupt, compute, move memory and misbehave.
 *
 * Contexts: the shell's lwp. What a unit does is in dev/edu.c and dev/edu_intr.c; here are words
 * and numbers. A long raise is done in pieces, so that Ctrl-C ends it between two of them. The
 * mutex of mode "block" is shell_edu_mutex(), which `hold` and `divorce` (cmd_load.c) take.
 * Read next: dev/edu.h.
 */
#include "app/shell.h"
#include "dev/edu.h"
#include "mem/kmem.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>

#define RAISE_MAX 1000000000ull
#define PIECE 1000 /* raises between two looks at Ctrl-C */

static struct mutex block_mutex;

struct mutex *shell_edu_mutex(void)
{
	static bool ready; /* the shell's lwp alone comes here first */

	if (!ready)
		mutex_init(&block_mutex, "edu block", IPL_TTY);
	ready = true;
	return &block_mutex;
}

static int failed(unsigned unit, int error)
{
	switch (error) {
	case 0:
		return 0;
	case ENXIO:
		if (unit < edu_count())
			return shell_error("unit %u: not attached", unit);
		return shell_error("no unit %u: there are %u", unit, edu_count());
	case EBUSY:
		return shell_error("unit %u: busy, or attached already", unit);
	case ETIMEDOUT:
		return shell_error("unit %u: no interrupt in time", unit);
	case EOPNOTSUPP:
		return shell_error("unit %u: not in this mode", unit);
	default:
		return shell_error("unit %u: %s", unit, errno_name(error));
	}
}

/* ---- Counts ---- */

static const char *mean(uint64_t sum, uint64_t n, char *buf)
{
	return shell_time(n > 0 ? port_counter_to_ns(sum / n) : 0, buf);
}

static int list(void)
{
	struct edu_info ei;

	tty_printf("%4s %-8s %-5s %-8s %5s %-5s %-14s %s\n", "unit", "function", "irq", "mode",
	    "arg", "level", "source", "cpu");
	for (unsigned unit = 0; unit < edu_count(); unit++) {
		char source[SHELL_WORD_SIZE] = "-";
		unsigned cpu = 0;
		bool held = edu_hold(unit) == 0;

		(void)edu_get(unit, &ei);
		if (held) {
			shell_word(ei.ei_source->is_name, source);
			cpu = atomic_load_explicit(&ei.ei_source->is_cpu, memory_order_relaxed)
				  ->ci_index;
			edu_release(unit);
		}
		if (!ei.ei_there)
			continue;
		tty_printf("%4u %-8s %-5s %-8s %5llu %-5s %-14s %u\n", unit, ei.ei_pci,
		    !ei.ei_attached            ? "-"
			: ei.ei_irq == EDU_MSI ? "msi"
					       : "intx",
		    edu_mode_name(ei.ei_mode), (unsigned long long)ei.ei_arg, spl_name(ei.ei_ipl),
		    source, cpu);
	}
	return 0;
}

static int stats(void)
{
	tty_printf("%4s %10s %10s %10s %8s %8s %7s %8s %8s\n", "unit", "raises", "filters",
	    "threads", "strays", "manual", "works", "overlaps", "mismatch");
	for (unsigned unit = 0; unit < edu_count(); unit++) {
		struct edu_stats es;

		if (edu_stats(unit, &es) != 0)
			continue;
		tty_printf("%4u %10llu %10llu %10llu %8llu %8llu %7llu %8llu %8llu\n", unit,
		    (unsigned long long)es.es_raises, (unsigned long long)es.es_filters,
		    (unsigned long long)es.es_threads, (unsigned long long)es.es_strays,
		    (unsigned long long)es.es_manual, (unsigned long long)es.es_works,
		    (unsigned long long)es.es_overlaps, (unsigned long long)es.es_mismatch);
	}
	return 0;
}

/* ---- Interrupts ---- */

/* report - what the unit counted while `done` interrupts were raised. */
static void report(unsigned unit, uint64_t done, const struct edu_stats *from, uint64_t ns)
{
	char took[SHELL_TIME_SIZE], each[SHELL_TIME_SIZE];
	struct edu_stats es;

	if (edu_stats(unit, &es) != 0)
		return;
	tty_printf("edu%u: raised %llu, filter %llu, thread %llu, stray %llu in %s\n", unit,
	    (unsigned long long)done, (unsigned long long)(es.es_taken - from->es_taken),
	    (unsigned long long)(es.es_threads - from->es_threads),
	    (unsigned long long)(es.es_strays - from->es_strays), shell_time(ns, took));
	tty_printf("edu%u: raise to filter %s, to thread %s on average\n", unit,
	    mean(es.es_filter_sum - from->es_filter_sum, es.es_taken - from->es_taken, took),
	    mean(es.es_thread_sum - from->es_thread_sum, es.es_threads - from->es_threads, each));
}

static int raise_many(unsigned unit, uint64_t n,
    int (*raise)(unsigned unit, uint64_t n, uint64_t *done), uint64_t piece)
{
	struct edu_stats from;
	uint64_t sum = 0, done, begun = clock_ns();
	int error = edu_stats(unit, &from);

	while (error == 0 && sum < n && !shell_interrupted()) {
		error = raise(unit, n - sum < piece ? n - sum : piece, &done);
		sum += done;
	}
	if (error == 0 || sum > 0)
		report(unit, sum, &from, clock_ns() - begun);
	return error != 0 ? failed(unit, error) : 0;
}

static int raise(unsigned unit, const char *text)
{
	uint64_t n;

	if (!shell_number(text, "number of raises", 1, RAISE_MAX, &n))
		return 1;
	return raise_many(unit, n, edu_raise, PIECE);
}

static int burst(unsigned unit, const char *text)
{
	uint64_t n;

	if (!shell_number(text, "number of raises", 1, RAISE_MAX, &n))
		return 1;
	return raise_many(unit, n, edu_burst, 100 * PIECE);
}

static int post(unsigned unit, const char *text)
{
	uint64_t n;
	int error = 0;

	if (!shell_number(text, "number of raises", 1, RAISE_MAX, &n))
		return 1;
	for (; n > 0 && error == 0 && !shell_interrupted(); n--)
		error = edu_post(unit);
	return failed(unit, error);
}

/* fire - N raises by an lwp of the driver's; `wait` until they are done, `stop` them sooner. */
static int fire(unsigned unit, const char *text)
{
	uint64_t n;
	int error;

	if (strcmp(text, "wait") != 0 && strcmp(text, "stop") != 0) {
		if (!shell_number(text, "number of raises", 1, RAISE_MAX, &n))
			return 1;
		return failed(unit, edu_fire(unit, n));
	}
	while (text[0] == 'w' && edu_firing(unit) && !shell_interrupted())
		lwp_sleep_ns(10 * NS_PER_MS);
	error = edu_fire_end(unit, &n);
	if (error == ENOENT)
		return shell_error("unit %u: nothing fires", unit);
	tty_printf("edu%u: fired %llu\n", unit, (unsigned long long)n);
	return failed(unit, error);
}

/* ---- Work ---- */

static int fact(unsigned unit, const char *text)
{
	uint32_t result, want = 1;
	uint64_t n;
	int error;

	if (!shell_number(text, "factorial of", 0, EDU_FACT_MAX, &n))
		return 1;
	error = edu_factorial(unit, (uint32_t)n, &result);
	if (error != 0)
		return failed(unit, error);
	for (uint32_t i = 2; i <= n; i++)
		want *= i;
	tty_printf("edu%u: %u! = %u (modulo 2^32)\n", unit, (unsigned)n, result);
	if (result != want)
		return shell_error("unit %u: computed %u, should be %u", unit, result, want);
	return 0;
}

/* dma - a pattern to the device and back, in pieces of its buffer's size. */
static int dma(unsigned unit, const char *text)
{
	uint64_t n, done = 0;
	uint8_t *buf;
	size_t len, bad = 0;
	int error = 0;

	if (!shell_number(text, "bytes", 1, 1 << 30, &n))
		return 1;
	buf = kmem_alloc(EDU_DMA_MAX);
	if (buf == NULL)
		return shell_error("no memory for a buffer");
	for (; done < n && error == 0 && bad == 0 && !shell_interrupted(); done += len) {
		len = n - done < EDU_DMA_MAX ? (size_t)(n - done) : EDU_DMA_MAX;
		for (size_t i = 0; i < len; i++)
			buf[i] = (uint8_t)(done / EDU_DMA_MAX + i * 7);
		error = edu_dma(unit, buf, len, true);
		memset(buf, 0, len);
		if (error == 0)
			error = edu_dma(unit, buf, len, false);
		for (size_t i = 0; i < len && error == 0; i++)
			bad += buf[i] != (uint8_t)(done / EDU_DMA_MAX + i * 7);
	}
	kmem_free(buf, EDU_DMA_MAX);
	if (error != 0)
		return failed(unit, error);
	if (bad > 0)
		return shell_error("unit %u: %u bytes came back wrong", unit, (unsigned)bad);
	tty_printf("edu%u: %llu bytes there and back\n", unit, (unsigned long long)done);
	return 0;
}

/* ---- Attaching, modes ---- */

static int attach(unsigned unit, const char *irq)
{
	if (strcmp(irq, "msi") != 0 && strcmp(irq, "intx") != 0)
		return shell_error("'%s': must be msi or intx", irq);
	return failed(unit, edu_attach(unit, irq[0] == 'm' ? EDU_MSI : EDU_INTX));
}

static bool level(const char *name, int *out)
{
	for (int ipl = IPL_BIO; ipl <= IPL_TTY; ipl++) {
		if (strcmp(spl_name(ipl), name) == 0) {
			*out = ipl;
			return true;
		}
	}
	return false;
}

/* mode - NAME [ARG] [LEVEL]. */
static int mode(unsigned unit, int argc, char **argv)
{
	uint64_t arg = 0, max = 0;
	enum edu_mode m;
	struct edu_info ei;
	int error = edu_get(unit, &ei), ipl, i = 1;

	if (error != 0)
		return failed(unit, error);
	ipl = ei.ei_ipl;
	if (edu_mode_find(argv[0], &m) != 0) {
		shell_error("no mode '%s'", argv[0]);
		return shell_usage();
	}
	max = m == EDU_SLEEP ? 60000 : m == EDU_AGAIN ? 100000 : m == EDU_BURN ? EDU_BURN_MAX : 0;
	if (max > 0) {
		if (argc < 2)
			return shell_error("mode %s: needs a number, 1 to %u", argv[0],
			    (unsigned)max);
		if (!shell_number(argv[i++], argv[0], 1, max, &arg))
			return 1;
	}
	if (i < argc && !level(argv[i++], &ipl))
		return shell_error("'%s': must be a level: bio, net or tty", argv[i - 1]);
	if (i < argc)
		return shell_usage();
	error = edu_set_mode(unit, m, arg, shell_edu_mutex(), ipl);
	if (error == EOPNOTSUPP)
		return shell_error("mode %s: handlers may not %s under the model %s",
		    edu_mode_name(m), m == EDU_MIGRATE ? "migrate" : "block", intr_model());
	return failed(unit, error);
}

static int timeout(unsigned unit, const char *text)
{
	uint64_t ms;

	if (!shell_number(text, "milliseconds", 1, 60000, &ms))
		return 1;
	return failed(unit, edu_set_timeout(unit, ms * NS_PER_MS));
}

/* ---- The command ---- */

/* take_unit - cut "-u UNIT" out of the words, wherever it stands. */
static bool take_unit(int *argc, char **argv, unsigned *unit)
{
	uint64_t n;

	*unit = 0;
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "-u") != 0)
			continue;
		if (i + 1 == *argc) {
			shell_error("-u: needs a unit");
			return false;
		}
		if (edu_count() == 0) {
			shell_error("this machine has no edu device");
			return false;
		}
		if (!shell_number(argv[i + 1], "unit", 0, edu_count() - 1, &n))
			return false;
		*unit = (unsigned)n;
		for (; i + 2 < *argc; i++)
			argv[i] = argv[i + 2];
		*argc -= 2;
	}
	return true;
}

static const struct {
	const char *name;
	int (*fn)(unsigned unit, const char *text);
} with_number[] = {
    {"raise", raise},
    {"burst", burst},
    {"post", post},
    {"fire", fire},
    {"fact", fact},
    {"dma", dma},
    {"timeout", timeout},
};
#define WITH_NUMBER (sizeof(with_number) / sizeof(with_number[0]))

static int cmd_edu(int argc, char **argv)
{
	unsigned unit;

	if (!take_unit(&argc, argv, &unit))
		return 1;
	if (argc == 1 || (argc == 2 && strcmp(argv[1], "list") == 0))
		return list();
	if (argc == 2 && strcmp(argv[1], "stats") == 0)
		return stats();
	if (argc == 2 && strcmp(argv[1], "clear") == 0)
		return failed(unit, edu_stats_clear(unit));
	if (argc == 2 && strcmp(argv[1], "detach") == 0)
		return failed(unit, edu_detach(unit));
	if (argc == 3 && strcmp(argv[1], "attach") == 0)
		return attach(unit, argv[2]);
	if (argc >= 3 && strcmp(argv[1], "mode") == 0)
		return mode(unit, argc - 2, argv + 2);
	for (size_t i = 0; i < WITH_NUMBER && argc == 3; i++) {
		if (strcmp(argv[1], with_number[i].name) == 0)
			return with_number[i].fn(unit, argv[2]);
	}
	shell_error("'%s': no such form", argv[1]);
	return shell_usage();
}

static void complete(struct line_editor *le, int arg, char **argv)
{
	static const char *const words[] = {"attach", "clear", "detach", "list", "mode", "stats"};

	if (arg == 1) {
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			line_offer(le, words[i]);
		for (size_t i = 0; i < WITH_NUMBER; i++)
			line_offer(le, with_number[i].name);
	} else if (strcmp(argv[1], "mode") == 0) {
		for (int m = 0; m < EDU_MODES; m++)
			line_offer(le, edu_mode_name((enum edu_mode)m));
	} else if (strcmp(argv[1], "attach") == 0) {
		line_offer(le, "intx");
		line_offer(le, "msi");
	}
}

const struct shell_cmd shell_edu_cmds[] = {
    {"edu",
	"[-u UNIT] list | stats | clear | raise N | burst N | post N |\n"
	"           fire N|wait|stop | fact N | dma BYTES | mode MODE [ARG] [LEVEL] |\n"
	"           timeout MS | attach msi|intx | detach",
	"QEMU's teaching devices: raise, compute, move, misbehave",
	"  raise    N interrupts, each after the handler of the one before has run\n"
	"  burst    N as fast as it goes; the device merges them; the last must be handled\n"
	"  post     N, and wait for nothing\n"
	"  fire     as raise, in the background; wait for its end, or stop it\n"
	"  fact     N! modulo 2^32, computed by the device, whose interrupt wakes us\n"
	"  dma      BYTES to the device's buffer and back, compared\n"
	"  mode     what the handler does; LEVEL is bio, net or tty:\n"
	"    both filter thread schedule   who quiets the device, and what the filter answers\n"
	"    liar liar-loud liar-greedy    a filter that lies (see dev/edu.h)\n"
	"    sleep MS, again K, manual     a thread that sleeps, reschedules itself; INTR_MANUAL\n"
	"    block                         a thread that takes the mutex which `hold` holds\n"
	"    burn US                       a thread that computes for so long\n"
	"    excl                          nobody else on the source (INTR_EXCL)\n"
	"    migrate                       a CPU that idles may run the handler (INTR_MIGRATE)\n"
	"  timeout  how long raise, fact and dma wait for an interrupt\n"
	"  Without -u it is unit 0.\n",
	cmd_edu, complete},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
