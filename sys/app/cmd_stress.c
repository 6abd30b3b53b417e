/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_stress.c - stress: everything at once, and every single thing checked.
 *
 * For each edu device an lwp that raises interrupts, each after the handler of the one before has
 * run, and an lwp that has it compute factorials and move memory, comparing the results; two lwps
 * that hand a token to and fro under a mutex and a condition variable; on each CPU one that burns
 * time at a low priority. With -r the raisers alone: an interrupt storm to do something else under.
 *
 * There is one set of workers at a time. It runs in the foreground until it is over, or in the
 * background, where `stress` alone shows how it fares and `stress stop` ends it. What went wrong is
 * counted, and makes the command fail.
 *
 * Contexts: the shell's lwp (commands) and the workers. Locks: token_mutex; all else is atomic. The
 * shell starts no second set before st_workers is 0. Read next: dev/edu.c.
 */
#include "app/shell.h"
#include "dev/edu.h"
#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>

#define PRI_STRESS 24
#define PRI_BURN 8
#define PIECE 100 /* raises between two looks at the clock */
#define DMA_BYTES 512

static struct {
	uint64_t until_ns;        /* (a) */
	bool stoppable;           /* (a) by Ctrl-C */
	_Atomic bool stop;        /* (~) told by `stress stop`; nothing else is published by it */
	_Atomic unsigned workers; /* (~) release by who ends, acquire by the shell */
	_Atomic uint64_t raises, works, tokens; /* (~) what was done */
	_Atomic uint64_t errors;                /* (~) operations that failed */
	_Atomic uint64_t wrong;                 /* (~) results that were not what they should be */
	_Atomic int last_error;                 /* (~) errno of the last that failed */
} st;

static struct mutex token_mutex;
static struct condvar token_cv;
static uint64_t token; /* token_mutex */

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t counted(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static bool over(void)
{
	return clock_ns() >= st.until_ns || (st.stoppable && shell_interrupted()) ||
	    atomic_load_explicit(&st.stop, memory_order_relaxed);
}

static void failed(int error)
{
	count(&st.errors, 1);
	atomic_store_explicit(&st.last_error, error, memory_order_relaxed);
}

/* ---- Workers: each is given a number ---- */

static void raiser(unsigned unit)
{
	uint64_t done;
	int error;

	while (!over()) {
		error = edu_raise(unit, PIECE, &done);
		count(&st.raises, done);
		if (error != 0) {
			failed(error);
			return;
		}
	}
}

/* work - one factorial, one transfer to and fro; false: not possible in the unit's mode. */
static bool work(unsigned unit, unsigned round)
{
	uint8_t buf[DMA_BYTES];
	uint32_t n = round % 50, result = 0, want = 1;
	int error = edu_factorial(unit, n, &result);

	if (error == EOPNOTSUPP)
		return false;
	for (uint32_t i = 2; i <= n; i++)
		want *= i;
	if (error != 0)
		failed(error);
	else if (result != want)
		count(&st.wrong, 1);
	memset(buf, (int)(round & 0xff), sizeof(buf));
	error = edu_dma(unit, buf, sizeof(buf), true);
	memset(buf, 0, sizeof(buf));
	if (error == 0)
		error = edu_dma(unit, buf, sizeof(buf), false);
	if (error != 0)
		failed(error);
	for (size_t i = 0; i < sizeof(buf) && error == 0; i++) {
		if (buf[i] != (uint8_t)round) {
			count(&st.wrong, 1);
			break;
		}
	}
	count(&st.works, 3);
	return error == 0;
}

static void worker(unsigned unit)
{
	for (unsigned round = 0; !over(); round++) {
		if (!work(unit, round))
			return;
	}
}

/* passer - waits until the token is odd (even), and passes it on. Wakes up to look at the clock. */
static void passer(unsigned odd)
{
	while (!over()) {
		mutex_enter(&token_mutex);
		while ((token & 1) != odd && !over())
			(void)cv_timedwait(&token_cv, &token_mutex, 100 * NS_PER_MS);
		if ((token & 1) == odd) {
			token++;
			count(&st.tokens, 1);
			cv_signal(&token_cv);
		}
		mutex_exit(&token_mutex);
	}
}

static void burner(unsigned unused)
{
	(void)unused;
	while (!over()) {
		for (unsigned i = 0; i < 1000; i++)
			port_pause();
	}
}

/* ---- Starting and ending ---- */

static const struct kind {
	const char *name;
	void (*fn)(unsigned number);
	int pri;
} kinds[] = {
    {"raise", raiser, PRI_STRESS},
    {"work", worker, PRI_STRESS},
    {"token", passer, PRI_STRESS},
    {"burn", burner, PRI_BURN},
};
enum { RAISE, WORK, TOKEN, BURN };

/* What a worker is told: kind and number, in one word, so that nobody owns memory for it. */
static void worker_main(void *arg)
{
	uintptr_t what = (uintptr_t)arg;

	kinds[what >> 16].fn(what & 0xffff);
	atomic_fetch_sub_explicit(&st.workers, 1, memory_order_release);
}

static int start(unsigned kind, unsigned number)
{
	const struct kind *k = &kinds[kind];
	char name[LWP_NAME_MAX];
	int error;

	ksnprintf(name, sizeof(name), "%s%u", k->name, number);
	atomic_fetch_add_explicit(&st.workers, 1, memory_order_relaxed);
	error = lwp_create(name, k->pri, NULL, 0, worker_main,
	    (void *)((uintptr_t)kind << 16 | number), NULL);
	if (error != 0)
		atomic_fetch_sub_explicit(&st.workers, 1, memory_order_relaxed);
	return error;
}

static int start_all(bool raisers_only)
{
	struct edu_info ei;
	int error = 0;

	for (unsigned unit = 0; unit < edu_count() && error == 0; unit++) {
		if (edu_get(unit, &ei) != 0 || !ei.ei_attached)
			continue;
		error = start(RAISE, unit);
		if (error == 0 && !raisers_only)
			error = start(WORK, unit);
	}
	for (unsigned i = 0; i < 2 && error == 0 && !raisers_only; i++)
		error = start(TOKEN, i);
	for (unsigned i = 0; i < cpu_count() && error == 0 && !raisers_only; i++)
		error = start(BURN, i);
	return error;
}

static bool running(void)
{
	return atomic_load_explicit(&st.workers, memory_order_acquire) > 0;
}

static int result(void)
{
	uint64_t errors = counted(&st.errors), wrong = counted(&st.wrong), overlaps = 0;
	struct edu_stats es;

	for (unsigned unit = 0; unit < edu_count(); unit++) {
		if (edu_stats(unit, &es) == 0)
			overlaps += es.es_overlaps + es.es_mismatch;
	}
	tty_printf(
	    "stress: %llu interrupts one by one, %llu computed or moved, %llu tokens passed%s\n",
	    (unsigned long long)counted(&st.raises), (unsigned long long)counted(&st.works),
	    (unsigned long long)counted(&st.tokens), running() ? ", still running" : "");
	if (errors + wrong + overlaps == 0)
		return 0;
	return shell_error("%llu operations failed (%s), %llu results wrong, %llu runs overlapped",
	    (unsigned long long)errors,
	    errno_name(atomic_load_explicit(&st.last_error, memory_order_relaxed)),
	    (unsigned long long)wrong, (unsigned long long)overlaps);
}

static int wait_end(void)
{
	while (running())
		lwp_sleep_ns(10 * NS_PER_MS);
	return result();
}

static int begin(uint64_t seconds, bool raisers_only, bool background)
{
	static bool ready;
	int error;

	if (running())
		return shell_error("runs already; `stress stop` ends it");
	if (!ready) {
		mutex_init(&token_mutex, "stress token", IPL_NONE);
		cv_init(&token_cv, "token");
		ready = true;
	}
	memset(&st, 0, sizeof(st));
	st.until_ns = clock_ns() + seconds * NS_PER_S;
	st.stoppable = !background;
	error = start_all(raisers_only);
	if (error != 0) {
		shell_error("workers: %s", errno_name(error));
		atomic_store_explicit(&st.stop, true, memory_order_relaxed);
	}
	return background && error == 0 ? 0 : wait_end() | (error != 0);
}

static int cmd_stress(int argc, char **argv)
{
	bool background = false, raisers_only = false;
	uint64_t seconds;
	int i;

	if (argc == 1)
		return result();
	if (argc == 2 && strcmp(argv[1], "stop") == 0) {
		atomic_store_explicit(&st.stop, true, memory_order_relaxed);
		return wait_end();
	}
	for (i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "-b") == 0)
			background = true;
		else if (strcmp(argv[i], "-r") == 0)
			raisers_only = true;
		else
			return shell_usage();
	}
	if (!shell_number(argv[i], "seconds", 1, 86400, &seconds))
		return 1;
	return begin(seconds, raisers_only, background);
}

static void complete(struct line_editor *le, int arg, char **argv)
{
	(void)arg;
	(void)argv;
	line_offer(le, "-b");
	line_offer(le, "-r");
	line_offer(le, "stop");
}

const struct shell_cmd shell_stress_cmds[] = {
    {"stress", "[[-b] [-r] SECONDS | stop]", "all devices, locks and CPUs at once, all checked",
	"  -b    in the background; then `stress` alone shows the counts, `stress stop` ends it\n"
	"  -r    interrupts alone\n",
	cmd_stress, complete},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
