/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_review.c - defects of the core's concurrency that were found by reading it, one test each, so
 * that they stay away. They cross files: who runs next is decided by ithread.c, sched.c and
 * turnstile.c together.
 */
#include "tdev.h"

#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/sched.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>

static volatile bool stop, seen;
static volatile unsigned turns;

static struct lwp *make(int pri, struct cpu *ci, void (*fn)(void *), void *arg)
{
	struct lwp *l;

	CHECK_EQ(lwp_create("lwp", pri, ci, LWP_JOINABLE, fn, arg, &l), 0);
	return l;
}

/* ---- Levels and priorities of attached and divorced ithreads ---- */

static int cell;

/* Woken before it sleeps: the ithread was about to leave and stays. */
static void hook_nearly_sleeps(struct tdev *td)
{
	bool intr = sleepq_lock(&cell);

	(void)td;
	sleepq_enqueue(&cell, "nearly");
	sleepq_unlock(&cell, intr);
	CHECK_EQ(sleepq_wake(&cell, 1), 1);
	CHECK_EQ(sleepq_block(SLEEP_FOREVER), 0);
	CHECK(curlwp->l_pinned != NULL);
}

static struct tdev net;

static void hook_is_interrupted(struct tdev *td)
{
	tdev_raise(&net);
	sim_point(SIM_TEST);
	CHECK_EQ(net.td_runs, td->td_runs);
}

/* A higher level nests, whatever the ithread beneath did for the handler before. */
SIM_TEST(level_of_an_ithread_is_that_of_its_handler, 1, 0)
{
	static struct tdev tty = {.td_hook = hook_nearly_sleeps};
	static struct tdev bio = {.td_hook = hook_is_interrupted};
	int s;

	tdev_init(&tty, "tty", INTR_EDGE, 0, IPL_TTY, true);
	tdev_init(&bio, "bio", INTR_EDGE, 0, IPL_BIO, true);
	tdev_init(&net, "net", INTR_EDGE, 0, IPL_NET, true);
	s = splraise(IPL_TTY);
	tdev_raise(&tty);
	tdev_raise(&bio);
	sim_point(SIM_TEST);
	splx(s);
	CHECK_EQ(tty.td_runs, 1);
	CHECK_EQ(bio.td_runs, 1);
	tdev_raise(&bio); /* with the spare, another time */
	sim_point(SIM_TEST);
	CHECK_EQ(bio.td_runs, 2);
	CHECK_EQ(curcpu()->ci_divorces, 0);
}

static void hook_sleeps(struct tdev *td)
{
	(void)td;
	lwp_sleep_ns(100 * NS_PER_US);
	seen = true;
}

static void hook_never_done(struct tdev *td)
{
	sim_work(10 * NS_PER_US);
	if (!seen && ++turns < 1000)
		hwi_sched(td->td_ih);
}

/* A handler that slept goes on before another of its level begins: else a busy one of that level
 * would keep it, and its line, for ever. */
SIM_TEST(divorced_comes_before_the_pending_of_its_level, 1, 0)
{
	static struct tdev slow = {.td_hook = hook_sleeps};
	static struct tdev busy = {.td_hook = hook_never_done};

	tdev_init(&slow, "slow", INTR_LEVEL, 0, IPL_NET, true);
	tdev_init(&busy, "busy", INTR_EDGE, 0, IPL_NET, true);
	tdev_raise(&slow);
	sim_point(SIM_TEST);
	tdev_raise(&busy);
	sim_settle();
	CHECK(seen);
	CHECK(turns > 3 && turns < 100);
	tdev_check(&slow);
	tdev_check(&busy);
}

static struct lwp *raised;

static void hook_wakes_tty(struct tdev *td)
{
	(void)td;
	sleepq_wake(&cell, 1);
	sim_work(50 * NS_PER_US);
	CHECK(curlwp->l_pinned == raised); /* went through, undivorced */
}

static void hook_waits_for_cell(struct tdev *td)
{
	bool intr = sleepq_lock(&cell);

	(void)td;
	sleepq_wait(&cell, "cell", SLEEP_FOREVER, intr);
}

/* The lwp beneath may not be preempted: to put the handler above it off would let it run before
 * both. */
SIM_TEST(handler_is_not_put_off_for_the_raised_lwp_beneath, 1, 0)
{
	static struct tdev tty = {.td_hook = hook_waits_for_cell};
	static struct tdev dev = {.td_hook = hook_wakes_tty};
	int s;

	raised = curlwp;
	tdev_init(&tty, "tty", INTR_EDGE, 0, IPL_TTY, true);
	tdev_init(&dev, "net", INTR_EDGE, 0, IPL_NET, true);
	tdev_raise(&tty);
	sim_point(SIM_TEST);
	CHECK(tty.td_running);
	s = splraise(IPL_BIO);
	tdev_raise(&dev);
	sim_point(SIM_TEST);
	CHECK_EQ(dev.td_runs, 1);
	CHECK(!dev.td_running);
	CHECK(tty.td_running);
	splx(s);
	CHECK(!tty.td_running);
	sim_settle();
}

static struct tdev *first_awake;

static void hook_sleeps_in_line(struct tdev *td)
{
	bool intr = sleepq_lock(&cell);

	sleepq_wait(&cell, "line", SLEEP_FOREVER, intr);
	if (first_awake == NULL)
		first_awake = td;
}

/* A sleeping handler stands in line at its level from the beginning. */
SIM_TEST(sleeping_handler_stands_at_its_level, 1, 0)
{
	static struct tdev bio = {.td_hook = hook_sleeps_in_line};
	static struct tdev tty = {.td_hook = hook_sleeps_in_line};

	tdev_init(&bio, "bio", INTR_EDGE, 0, IPL_BIO, true);
	tdev_init(&tty, "tty", INTR_EDGE, 0, IPL_TTY, true);
	tdev_raise(&bio);
	sim_point(SIM_TEST);
	tdev_raise(&tty);
	sim_point(SIM_TEST);
	CHECK(bio.td_running && tty.td_running);
	CHECK_EQ(sleepq_wake(&cell, 1), 1);
	CHECK(first_awake == &tty);
	CHECK_EQ(sleepq_wake(&cell, 1), 1);
}

static struct mutex gate;

static void hook_takes_gate(struct tdev *td)
{
	(void)td;
	mutex_enter(&gate);
	seen = true;
	mutex_exit(&gate);
}

static void hook_turns(struct tdev *td)
{
	sim_work(10 * NS_PER_US);
	port_pause();
	if (turns == 20)
		tdev_raise(td->td_arg);
	if (!seen && ++turns < 1000)
		hwi_sched(td->td_ih);
}

/* The lwp beneath was lent more than the next handler's level: the draining ends for it (I9). */
SIM_TEST(drain_ends_for_what_is_lent_to_the_lwp_beneath, 2, 0)
{
	static struct tdev tty = {.td_hook = hook_takes_gate};
	static struct tdev bio = {.td_hook = hook_turns};

	mutex_init(&gate, "gate", IPL_NONE);
	tdev_init(&tty, "tty", INTR_EDGE, 1, IPL_TTY, true);
	tdev_init(&bio, "bio", INTR_EDGE, 0, IPL_BIO, true);
	bio.td_arg = &tty;
	mutex_enter(&gate);
	tdev_raise(&bio);
	sim_point(SIM_TEST);
	mutex_exit(&gate);
	sim_settle();
	CHECK(seen);
	CHECK(turns < 100);
}

/* ---- Time slices, offers ---- */

static uint64_t took[2];

static void burn(void *arg)
{
	uint64_t *t = arg, last = clock_ns(), now;

	while (!stop) {
		sim_work(10 * NS_PER_US);
		now = clock_ns();
		if (now - last < 20 * NS_PER_US) /* not if another ran meanwhile */
			*t += now - last;
		last = now;
	}
}

/* Preempted again and again by one more urgent, a slice goes on and comes to its end. */
SIM_TEST(slice_goes_on_after_preemption, 1, 0)
{
	struct lwp *l[2];

	for (unsigned i = 0; i < 2; i++)
		l[i] = make(10, NULL, burn, &took[i]);
	for (unsigned i = 0; i < 100; i++)
		lwp_sleep_ns(2 * NS_PER_MS);
	stop = true;
	lwp_join(l[0]);
	lwp_join(l[1]);
	CHECK(took[0] > 50 * NS_PER_MS);
	CHECK(took[1] > 50 * NS_PER_MS);
}

static struct lwp *waiter, *equal;

static void takes_gate(void *arg)
{
	(void)arg;
	mutex_enter(&gate);
	mutex_exit(&gate);
}

static void says_seen(void *arg)
{
	(void)arg;
	seen = true;
}

static void holds_gate(void *arg)
{
	(void)arg;
	mutex_enter(&gate);
	waiter = make(PRI_KERNEL + 2, cpu_lookup(1), takes_gate, NULL);
	while (curlwp->l_pri == PRI_KERNEL)
		lwp_sleep_ns(NS_PER_MS); /* off the CPU: the waiter blocks, and lends */
	equal = make(PRI_KERNEL, cpu_lookup(0), says_seen, NULL);
	mutex_exit(&gate);
	CHECK_EQ(curlwp->l_pri, PRI_KERNEL);
	while (!seen && !stop)
		sim_work(10 * NS_PER_US);
}

/* What was lent is given back, and an equal waits since before: a slice begins. */
SIM_TEST(slice_begins_when_a_loan_ends, 2, 0)
{
	struct lwp *l;

	mutex_init(&gate, "gate", IPL_NONE);
	l = make(PRI_KERNEL, cpu_lookup(0), holds_gate, NULL);
	sim_limit(5 * NS_PER_S);
	lwp_join(l);
	CHECK(seen);
	CHECK(sim_now() < 100 * NS_PER_MS);
}

static void hook_long(struct tdev *td)
{
	(void)td;
	while (!stop) {
		sim_work(10 * NS_PER_US);
		port_pause();
	}
}

static bool is_busy(void *arg)
{
	return ((struct tdev *)arg)->td_running;
}

/* A CPU that was idle when it was offered an lwp, and is at an interrupt's work when it hears of
 * it, passes the offer on. */
SIM_TEST(offer_is_passed_on_by_a_cpu_at_interrupt_work, 3, 0)
{
	static struct tdev td = {.td_hook = hook_long};
	struct lwp *l;
	uint64_t end;

	tdev_init(&td, "dev", INTR_EDGE, 1, IPL_NET, true);
	sim_settle();
	tdev_raise(&td);
	sim_run_until(1, is_busy, &td);
	l = make(PRI_KERNEL, NULL, says_seen, NULL);
	end = clock_ns() + 5 * NS_PER_MS;
	while (clock_ns() < end)
		port_pause();
	CHECK(seen);
	stop = true;
	lwp_join(l);
}

/* ---- Sleep queues ---- */

static struct condvar cv;
static char order[8];
static unsigned norder;

static void cv_waits(void *arg)
{
	mutex_enter(&gate);
	cv_wait(&cv, &gate);
	order[norder++] = *(const char *)arg;
	mutex_exit(&gate);
}

static void cv_waits_while_lent(void *arg)
{
	mutex_enter(&gate);
	while (curlwp->l_pri != PRI_MAX)
		lwp_sleep_ns(NS_PER_MS); /* off the CPU: the waiter blocks, and lends */
	cv_wait(&cv, &gate);
	order[norder++] = *(const char *)arg;
	mutex_exit(&gate);
}

/* cv_wait() gives back what was lent with the mutex: the waiter's place is that of its own
 * priority. */
SIM_TEST(cv_waiter_stands_at_its_own_priority, 2, 0)
{
	struct lwp *low, *mid, *high;

	mutex_init(&gate, "gate", IPL_NONE);
	cv_init(&cv, "cv");
	mid = make(20, cpu_lookup(1), cv_waits, (void *)(uintptr_t) "m");
	sim_settle();
	low = make(10, cpu_lookup(1), cv_waits_while_lent, (void *)(uintptr_t) "l");
	while (mutex_owner(&gate) != low)
		port_pause();
	high = make(PRI_MAX, cpu_lookup(0), takes_gate, NULL);
	lwp_join(high);
	sim_settle();
	mutex_enter(&gate);
	cv_signal(&cv);
	mutex_exit(&gate);
	sim_settle();
	CHECK_STR(order, "m");
	mutex_enter(&gate);
	cv_signal(&cv);
	mutex_exit(&gate);
	lwp_join(mid);
	lwp_join(low);
	CHECK_STR(order, "ml");
}

static void sleeps_for_ever(void *arg)
{
	(void)arg;
	lwp_sleep_ns(UINT64_MAX);
	seen = true;
}

SIM_TEST(longest_sleep_is_not_the_shortest, 1, 0)
{
	CHECK_EQ(lwp_create("sleeper", PRI_KERNEL, NULL, 0, sleeps_for_ever, NULL, NULL), 0);
	lwp_sleep_ns(NS_PER_MS);
	CHECK(!seen);
}

/* ---- The pool ---- */

static void hook_maybe_waits(struct tdev *td)
{
	bool intr;

	if (td->td_arg == NULL)
		return;
	intr = sleepq_lock(&cell);
	if (stop)
		sleepq_unlock(&cell, intr);
	else
		sleepq_wait(&cell, "gate", SLEEP_FOREVER, intr);
}

/* I6: while a CPU starves, no ithread lies idle anywhere. */
SIM_TEST(nobody_starves_beside_an_idle_ithread, 3, 1000)
{
	static struct tdev td[12];
	struct ithread_counts c;
	bool starves = false;

	for (unsigned i = 0; i < 12; i++) {
		td[i].td_hook = hook_maybe_waits;
		td[i].td_arg = i < 6 ? &td[i] : NULL;
		tdev_init(&td[i], "dev", INTR_EDGE, (unsigned)sim_random(3),
		    IPL_BIO + (int)sim_random(3), true);
		tdev_traffic(&td[i], i < 6 ? 1 : 20, 1 + sim_random(2000));
	}
	lwp_sleep_ns(NS_PER_MS); /* sim_settle() would wait for ever: what starves is pending */
	ithread_count(&c);
	for (unsigned i = 0; i < 3; i++)
		starves |= (cpu_lookup(i)->ci_pending & PENDING_LEVELS) >> IPL_BIO != 0;
	if (starves)
		CHECK_EQ(c.free + c.spare, 0);
	stop = true;
	sleepq_wake(&cell, -1);
	sim_settle();
	for (unsigned i = 0; i < 12; i++)
		tdev_check(&td[i]);
}

/* The pool's upper limit follows the handlers, down too. */
SIM_TEST(pool_shrinks_with_the_handlers, 1, 0)
{
	static struct tdev td[6];
	struct ithread_counts c;

	for (unsigned i = 0; i < 6; i++)
		tdev_init(&td[i], "dev", INTR_EDGE, 0, IPL_NET, true);
	CHECK_EQ(ithread_resize(6), 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(intr_disestablish(td[i].td_ih), 0);
	ithread_count(&c);
	CHECK_EQ(c.target, 3);
	CHECK_EQ(c.total, 3);
	for (unsigned i = 3; i < 6; i++)
		CHECK_EQ(intr_disestablish(td[i].td_ih), 0);
	ithread_count(&c);
	CHECK_EQ(c.total, 2);
}

/* ---- The set ---- */

static struct intr_handler *many[INTR_HANDLERS_MAX + 31];
static volatile unsigned gone;

static bool thread_nothing(void *arg)
{
	(void)arg;
	return true;
}

static void disestablishes(void *arg)
{
	CHECK_EQ(intr_disestablish(arg), 0);
	gone++;
}

/* Handlers that go keep their bits until they are idle; new ones never get those of storm.c and of
 * "nobody established". */
SIM_TEST(bits_of_the_set_run_out_with_an_error, 2, 0)
{
	struct sim_line *sl = sim_line_create("line", INTR_LEVEL, 0, 0);
	unsigned i;
	int s;

	for (i = 0; i < INTR_HANDLERS_MAX; i++)
		CHECK_EQ(intr_establish(sl->sl_source, "h", IPL_BIO, 0, NULL, thread_nothing, NULL,
			     &many[i]),
		    0);
	s = splraise(IPL_TTY);
	sim_line_raise(sl);
	sim_point(SIM_TEST);
	sim_line_lower(sl);
	for (i = 0; i < INTR_HANDLERS_MAX; i++)
		CHECK_EQ(lwp_create("d", PRI_KERNEL, cpu_lookup(1), 0, disestablishes, many[i],
			     NULL),
		    0);
	while (sl->sl_source->is_nhandlers != 0)
		port_pause();
	for (i = INTR_HANDLERS_MAX; i < 62; i++)
		CHECK_EQ(intr_establish(sl->sl_source, "h", IPL_BIO, 0, NULL, thread_nothing, NULL,
			     &many[i]),
		    0);
	CHECK_EQ(intr_establish(sl->sl_source, "h", IPL_BIO, 0, NULL, thread_nothing, NULL,
		     &many[62]),
	    ENOSPC);
	splx(s);
	while (gone < INTR_HANDLERS_MAX)
		lwp_sleep_ns(NS_PER_MS);
	CHECK_EQ(intr_establish(sl->sl_source, "h", IPL_BIO, 0, NULL, thread_nothing, NULL,
		     &many[62]),
	    0);
	sim_settle();
	CHECK(!sl->sl_masked);
}

static void hook_splx(struct tdev *td)
{
	(void)td;
	splx(IPL_NONE);
}

/* It would be started again upon itself. */
SIM_PANIC(splx_below_the_level_of_what_runs, 1, "splx(none)")
{
	static struct tdev td = {.td_hook = hook_splx};

	tdev_init(&td, "dev", INTR_EDGE, 0, IPL_NET, true);
	tdev_raise(&td);
	sim_point(SIM_TEST);
}
