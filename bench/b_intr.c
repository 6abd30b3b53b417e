/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_intr.c - what one interrupt costs: from the raise to the filter, to the thread function, and
 * back to the lwp that was interrupted.
 *
 * The device is an edu that no driver has, with a message of its own. A raise is one store, and is
 * followed by a read of the counter; the interrupt is taken between the two, so their difference,
 * less that of the same store to a register that does nothing, is what the interrupted lwp loses.
 * The direct handler quiets the device (one load, one store) in its filter; the threaded one does
 * the same there and runs a thread function besides, so the difference of the two is the price of
 * the thread. Whoever reads the counter costs a few instructions itself: so each kind of handler
 * is raised twice, once with handlers that take the time and once with some that do not, and only
 * the second gives the loss. Measured with accounting (hw.intr.acct) on and off.
 *
 * Contexts: one lwp. No locks but the ones that the handlers take.
 */
#include "bench.h"

#include "bench_edu.h"
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/softint.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

#define WARM 8 /* raises that do not count: translated code, caches */

static struct bench_edu edu;
static struct softint *soft, *timed_soft;
static struct mutex held;
static uint64_t filter_at, begun_at, ended_at; /* counter */
static volatile uint64_t ended;                /* runs of a thread function or a softint */

/* ---- Handlers, with and without a look at the time ---- */

static unsigned direct_filter(void *arg)
{
	bench_edu_quiet(arg);
	return FILTER_HANDLED;
}

static unsigned thread_filter(void *arg)
{
	bench_edu_quiet(arg);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static unsigned soft_filter(void *arg)
{
	bench_edu_quiet(arg);
	softint_schedule(soft);
	return FILTER_HANDLED;
}

static unsigned timed_direct_filter(void *arg)
{
	filter_at = port_counter();
	return direct_filter(arg);
}

static unsigned timed_thread_filter(void *arg)
{
	filter_at = port_counter();
	return thread_filter(arg);
}

static unsigned timed_soft_filter(void *arg)
{
	filter_at = port_counter();
	bench_edu_quiet(arg);
	softint_schedule(timed_soft);
	return FILTER_HANDLED;
}

static bool thread_fn(void *arg)
{
	(void)arg;
	ended++;
	return true;
}

static void soft_fn(void *arg)
{
	(void)thread_fn(arg);
}

static bool timed_thread_fn(void *arg)
{
	(void)arg;
	begun_at = port_counter();
	ended++;
	ended_at = port_counter();
	return true;
}

static void timed_soft_fn(void *arg)
{
	(void)timed_thread_fn(arg);
}

static bool mutex_fn(void *arg)
{
	(void)arg;
	mutex_enter(&held);
	mutex_exit(&held);
	ended++;
	return true;
}

/* ---- Raises ---- */

/* One store to a register of the device, between two reads of the counter. */
static inline uint64_t store(unsigned reg, uint64_t *before)
{
	*before = port_counter();
	bench_edu_store(&edu, reg);
	return port_counter() - *before;
}

static uint32_t store_base(void)
{
	static struct bench b;
	uint64_t before;
	unsigned i;

	bench_begin(&b, "store");
	for (i = 0; i < BENCH_EVENTS; i++)
		bench_add(&b, store(EDU_LIVENESS, &before));
	return bench_median(&b);
}

struct kind {
	const char *k_name;   /* of the loss */
	const char *k_filter; /* raise to filter; NULL: not to be measured */
	const char *k_entry;  /* raise to what the filter starts; NULL: it starts nothing */
	const char *k_exit;   /* and from its end */
	intr_filter_t *k_plain_filter, *k_timed_filter;
	intr_thread_t *k_plain_thread, *k_timed_thread;
};

static int establish(intr_filter_t *filter, intr_thread_t *thread, struct intr_handler **ih)
{
	return intr_establish(edu.be_source, "bench", IPL_NET, 0, filter, thread, &edu, ih);
}

/* One raise, and all that it leads to; `later`: something is to run beside the filter. */
static inline uint64_t raise(bool later, uint64_t *before)
{
	uint64_t want = ended + 1, ticks = store(EDU_RAISE, before);

	while (later && ended < want)
		port_pause(); /* where the machine takes its time to interrupt */
	return ticks;
}

static void name_of(char *buf, const char *what, const char *suffix)
{
	ksnprintf(buf, BENCH_NAME_MAX, "%s%s", what, suffix);
}

/* Entries and exit, by handlers that take the time. */
static int kind_times(const struct kind *k, const char *suffix)
{
	static struct bench filter, entry, leave;
	char name[3][BENCH_NAME_MAX];
	struct intr_handler *ih;
	uint64_t before, ticks;
	unsigned i;
	int error = establish(k->k_timed_filter, k->k_timed_thread, &ih);

	if (error)
		return error;
	name_of(name[0], k->k_filter, suffix);
	bench_begin(&filter, name[0]);
	name_of(name[1], k->k_entry != NULL ? k->k_entry : "", suffix);
	bench_begin(&entry, name[1]);
	name_of(name[2], k->k_entry != NULL ? k->k_exit : "", suffix);
	bench_begin(&leave, name[2]);
	for (i = 0; i < BENCH_EVENTS + WARM; i++) {
		ticks = raise(k->k_entry != NULL, &before);
		if (i < WARM)
			continue;
		bench_add(&filter, filter_at - before);
		bench_add(&entry, begun_at - before);
		bench_add(&leave, before + ticks - ended_at);
	}
	bench_end(&filter, 0);
	if (k->k_entry != NULL) {
		bench_end(&entry, 0);
		bench_end(&leave, 0);
	}
	return intr_disestablish(ih);
}

/* What the interrupted lwp loses, by handlers that do not. Returns the median in *loss. */
static int kind_loss(const struct kind *k, const char *suffix, uint32_t base, int32_t *loss)
{
	static struct bench whole;
	char name[BENCH_NAME_MAX];
	struct intr_handler *ih;
	uint64_t before, ticks;
	unsigned i;
	int error = establish(k->k_plain_filter, k->k_plain_thread, &ih);

	if (error)
		return error;
	name_of(name, k->k_name, suffix);
	bench_begin(&whole, name);
	for (i = 0; i < BENCH_EVENTS + WARM; i++) {
		ticks = raise(k->k_entry != NULL, &before);
		if (i >= WARM)
			bench_add(&whole, ticks);
	}
	*loss = bench_end(&whole, base);
	return intr_disestablish(ih);
}

/* ---- A handler that blocks ---- */

/* Raise while the mutex is held that the handler wants: the handler blocks, the raiser goes on. */
static int divorce_measure(uint32_t base)
{
	static struct bench away, back, whole;
	struct intr_handler *ih;
	uint64_t before, released;
	unsigned i;
	int error = establish(thread_filter, mutex_fn, &ih);

	if (error)
		return error;
	bench_begin(&away, "divorce: raise to raiser resumed");
	bench_begin(&back, "divorce: release to raiser resumed, all done");
	bench_begin(&whole, "divorce: whole");
	for (i = 0; i < BENCH_EVENTS; i++) {
		mutex_enter(&held);
		bench_add(&away, store(EDU_RAISE, &before));
		released = port_counter();
		mutex_exit(&held);
		bench_add(&back, port_counter() - released);
		bench_add(&whole, port_counter() - before);
	}
	bench_end(&away, base);
	bench_end(&back, 0);
	bench_end(&whole, base);
	return intr_disestablish(ih);
}

/* ---- All of it ---- */

static const struct kind kinds[] = {
    {"whole loss, direct handler", "raise to filter", NULL, NULL, direct_filter,
	timed_direct_filter, NULL, NULL},
    {"whole loss, threaded handler", "raise to filter, thread follows", "raise to thread function",
	"thread function's end to interrupted lwp", thread_filter, timed_thread_filter, thread_fn,
	timed_thread_fn},
    {"whole loss, filter and softint", "raise to filter, softint follows", "raise to softint",
	"softint's end to interrupted lwp", soft_filter, timed_soft_filter, NULL, NULL},
    {"whole loss, thread takes a free mutex", NULL, "", NULL, thread_filter, NULL, mutex_fn, NULL},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static int intr_figures(void)
{
	static const char *const suffix[2] = {" (acct)", ""};
	char name[BENCH_NAME_MAX];
	int32_t loss[KINDS];
	uint32_t base = store_base();
	unsigned k, acct;
	int error = 0;

	for (acct = 0; acct < 2 && error == 0; acct++) {
		sysctl_write("hw.intr.acct", acct == 0 ? "1" : "0");
		for (k = 0; k < KINDS && error == 0; k++) {
			if (kinds[k].k_filter != NULL)
				error = kind_times(&kinds[k], suffix[acct]);
			if (error == 0)
				error = kind_loss(&kinds[k], suffix[acct], base, &loss[k]);
		}
		if (error == 0 && loss[1] >= loss[0]) {
			name_of(name, "price of the thread (threaded - direct)", suffix[acct]);
			bench_value(name, bench_unit(), (uint64_t)(loss[1] - loss[0]), 1,
			    BENCH_EVENTS);
		}
	}
	if (error == 0 && strcmp(bench_model(), "direct") == 0)
		bench_say("divorce: not under this model, whose handlers cannot block");
	else if (error == 0)
		error = divorce_measure(base);
	return error;
}

int bench_intr(void)
{
	int error = bench_edu_claim(&edu);

	if (error)
		return error;
	mutex_init(&held, "bench", IPL_NET);
	error = softint_establish("bench", IPL_SOFTNET, soft_fn, NULL, &soft);
	if (error == 0) {
		error = softint_establish("bench", IPL_SOFTNET, timed_soft_fn, NULL, &timed_soft);
		if (error == 0) {
			error = intr_figures();
			sysctl_write("hw.intr.acct", "1");
			softint_disestablish(timed_soft);
		}
		softint_disestablish(soft);
	}
	bench_edu_release(&edu);
	return error;
}
