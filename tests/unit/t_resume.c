/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_resume.c - a divorced ithread or softint that is let go of by the lwp it waits for goes on upon
 * that lwp, at once and past the scheduler, if it would be the next to run; else it is woken as any
 * other. ithread_resume() in kern/ithread.c, in set scenes; races are in the scenarios.
 */
#include "tdev.h"

#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>

static struct mutex first, second;
static struct lwp *interrupted;
static char ran[32];
static unsigned nran;

static void note(char c)
{
	CHECK(nran < sizeof(ran) - 1);
	ran[nran++] = c;
	ran[nran] = '\0';
}

static void setup(struct tdev *td, const char *letter, int ipl, void (*hook)(struct tdev *td))
{
	*td = (struct tdev){.td_hook = hook, .td_arg = (void *)(uintptr_t)letter};
	tdev_init(td, letter, INTR_LEVEL, 0, ipl, true);
	interrupted = curlwp;
	mutex_init(&first, "first", IPL_NET);
	mutex_init(&second, "second", IPL_NET);
}

static void raise(struct tdev *td)
{
	tdev_raise(td);
	sim_point(SIM_TEST);
}

static struct ithread_counts counts(void)
{
	struct ithread_counts c;

	ithread_count(&c);
	CHECK_EQ(c.free + c.spare + c.active + c.divorced, c.total);
	return c;
}

/* ---- Whom it runs upon ---- */

static void hook_first(struct tdev *td)
{
	mutex_enter(&first);
	note(*(const char *)td->td_arg);
	if (curlwp->l_pinned != NULL) {
		CHECK(curlwp->l_pinned == interrupted);
		CHECK_EQ(counts().active, 1);
		CHECK_EQ(counts().divorced, 0);
		note('+');
	}
	mutex_exit(&first);
}

SIM_TEST(goes_on_upon_who_lets_go, 1, 0)
{
	struct tdev td, other;
	uint64_t switches, handoffs;
	int s;

	setup(&other, "b", IPL_NET, hook_first);
	setup(&td, "a", IPL_NET, hook_first);
	mutex_enter(&first);
	raise(&td);
	CHECK_EQ(nran, 0);
	CHECK_EQ(counts().divorced, 1);
	CHECK_EQ(td.td_lwp->l_pri, PRI_IPL(IPL_NET));
	CHECK_EQ(interrupted->l_pri, PRI_IPL(IPL_NET));
	switches = atomic_load(&curcpu()->ci_switches);
	mutex_exit(&first);
	CHECK_STR(ran, "a+");
	CHECK_EQ(atomic_load(&interrupted->l_running), 1); /* nobody steals it off its stack */
	CHECK_EQ(atomic_load(&curcpu()->ci_switches), switches);
	CHECK_EQ(interrupted->l_pri, PRI_KERNEL);
	CHECK_EQ(td.td_lwp->l_pri, PRI_IPL(IPL_BIO)); /* as of any in the pool */
	CHECK_EQ(td.td_lwp->l_basepri, PRI_IPL(IPL_BIO));
	CHECK(!td.td_line->sl_masked);
	CHECK_EQ(counts().active + counts().divorced, 0);
	tdev_check(&td);
	/* And again, by the same ithread, from its beginning. */
	mutex_enter(&first);
	raise(&td);
	mutex_exit(&first);
	CHECK_STR(ran, "a+a+");
	raise(&td);
	CHECK_STR(ran, "a+a+a+");
	/* It drains again, too. */
	handoffs = atomic_load(&curcpu()->ci_handoffs);
	s = splraise(IPL_NET);
	raise(&td);
	raise(&other);
	splx(s);
	CHECK_STR(ran, "a+a+a+a+b+");
	CHECK_EQ(atomic_load(&curcpu()->ci_handoffs), handoffs + 1);
	CHECK_EQ(curcpu()->ci_divorces, 2);
	CHECK_EQ(counts().spare + counts().free, 2);
}

static void hook_both(struct tdev *td)
{
	mutex_enter(&first);
	note(*(const char *)td->td_arg);
	mutex_enter(&second);
	note('2');
	mutex_exit(&second);
	mutex_exit(&first);
}

SIM_TEST(is_divorced_anew, 1, 0)
{
	struct tdev td;

	setup(&td, "1", IPL_NET, hook_both);
	mutex_enter(&first);
	mutex_enter(&second);
	raise(&td);
	CHECK_EQ(nran, 0);
	mutex_exit(&first);
	CHECK_STR(ran, "1");
	CHECK_EQ(curcpu()->ci_divorces, 2);
	CHECK_EQ(counts().divorced, 1);
	CHECK(td.td_lwp->l_pinned == NULL);
	CHECK_EQ(interrupted->l_pri, PRI_IPL(IPL_NET));
	mutex_exit(&second);
	CHECK_STR(ran, "12");
	CHECK_EQ(counts().divorced, 0);
	tdev_check(&td);
}

/* A lwp of another CPU lets go: the ithread is bound to its own. */
static void lets_go(void *arg)
{
	bool intr;

	mutex_enter(&first);
	intr = sleepq_lock(arg);
	(void)sleepq_wait(arg, "waits", SLEEP_FOREVER, intr);
	mutex_exit(&first);
}

SIM_TEST(not_on_another_cpu, 2, 0)
{
	struct tdev td;
	struct lwp *l;

	setup(&td, "a", IPL_NET, hook_first);
	CHECK_EQ(lwp_create("holds", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, lets_go, &first, &l),
	    0);
	sim_settle();
	CHECK(sleepq_waiters(&first));
	raise(&td);
	CHECK_EQ(counts().divorced, 1);
	CHECK_EQ(sleepq_wake(&first, 1), 1);
	sim_settle();
	lwp_join(l);
	CHECK_EQ(ran[0], 'a');
	CHECK(td.td_cpu == cpu_lookup(0));
	tdev_check(&td);
}

/* ---- When it is not the next to run ---- */

SIM_TEST(kept_out_by_the_level, 1, 0)
{
	struct tdev td;
	int s;

	setup(&td, "a", IPL_NET, hook_first);
	mutex_enter(&first);
	raise(&td);
	s = splraise(IPL_NET);
	mutex_exit(&first);
	CHECK_EQ(nran, 0);
	splx(s);
	CHECK_STR(ran, "a");
	tdev_check(&td);
}

SIM_TEST(kept_out_by_preemption_disabled, 1, 0)
{
	struct tdev td;

	setup(&td, "a", IPL_NET, hook_first);
	mutex_enter(&first);
	raise(&td);
	preempt_disable();
	mutex_exit(&first);
	CHECK_EQ(nran, 0);
	preempt_enable();
	CHECK_STR(ran, "a");
	tdev_check(&td);
}

SIM_TEST(kept_out_by_interrupts_off, 1, 0)
{
	struct tdev td;
	bool intr;

	setup(&td, "a", IPL_NET, hook_first);
	mutex_enter(&first);
	raise(&td);
	intr = port_intr_disable();
	mutex_exit(&first);
	CHECK_EQ(nran, 0);
	intr_return(intr);
	CHECK_STR(ran, "a");
	tdev_check(&td);
}

static void hook_second(struct tdev *td)
{
	mutex_enter(&second);
	note(*(const char *)td->td_arg);
	mutex_exit(&second);
}

static void hook_sleeps(struct tdev *td)
{
	bool intr = sleepq_lock(&nran);

	(void)sleepq_wait(&nran, "waits", SLEEP_FOREVER, intr);
	note(*(const char *)td->td_arg);
}

/* While more is lent to who lets go; and behind one of its own level that was woken before. */
SIM_TEST(behind_who_is_as_urgent, 1, 0)
{
	struct tdev net, tty, asleep;

	setup(&net, "n", IPL_NET, hook_first);
	setup(&tty, "t", IPL_TTY, hook_second);
	setup(&asleep, "s", IPL_TTY, hook_sleeps);
	CHECK_EQ(ithread_resize(3), 0);
	raise(&asleep);
	mutex_enter(&first);
	mutex_enter(&second);
	raise(&net);
	raise(&tty);
	CHECK_EQ(counts().divorced, 3);
	CHECK_EQ(interrupted->l_pri, PRI_IPL(IPL_TTY));
	CHECK_EQ(sleepq_wake(&nran, 1), 1);
	CHECK_EQ(nran, 0); /* an equal */
	mutex_exit(&first);
	CHECK_EQ(nran, 0); /* tty has still lent its own */
	mutex_exit(&second);
	CHECK_STR(ran, "stn");
	CHECK_EQ(counts().divorced, 0);
}

SIM_TEST(not_while_as_much_is_lent, 1, 0)
{
	struct tdev net, tty;

	setup(&net, "n", IPL_NET, hook_first);
	setup(&tty, "t", IPL_TTY, hook_second);
	mutex_enter(&first);
	mutex_enter(&second);
	raise(&net);
	raise(&tty);
	mutex_exit(&first);
	CHECK_EQ(nran, 0);
	CHECK_EQ(interrupted->l_pri, PRI_IPL(IPL_TTY));
	mutex_exit(&second);
	CHECK_STR(ran, "tn");
	CHECK_EQ(counts().divorced, 0);
}

/* What is pending was kept out by the priority that was lent. */
SIM_TEST(before_what_is_pending_below, 1, 0)
{
	struct tdev net, bio;

	setup(&bio, "b", IPL_BIO, hook_second);
	setup(&net, "n", IPL_NET, hook_first);
	mutex_enter(&first);
	raise(&net);
	raise(&bio);
	CHECK_EQ(nran, 0);
	mutex_exit(&first);
	CHECK_EQ(ran[0], 'n');
	CHECK_EQ(ran[nran - 1], 'b');
	tdev_check(&net);
	tdev_check(&bio);
}

/* ---- Softints ---- */

static void soft_first(void *arg)
{
	mutex_enter(&first);
	note(*(const char *)arg);
	CHECK(curlwp->l_pinned == NULL || curlwp->l_pinned == interrupted);
	mutex_exit(&first);
}

static void soft_notes(void *arg)
{
	note(*(const char *)arg);
}

SIM_TEST(softint_goes_on_too, 1, 0)
{
	struct softint *waits, *next;
	uint64_t switches;

	interrupted = curlwp;
	mutex_init(&first, "first", IPL_SOFTNET);
	CHECK_EQ(softint_establish("waits", IPL_SOFTNET, soft_first, (void *)(uintptr_t) "w",
		     &waits),
	    0);
	CHECK_EQ(softint_establish("next", IPL_SOFTNET, soft_notes, (void *)(uintptr_t) "x", &next),
	    0);
	mutex_enter(&first);
	softint_schedule(waits);
	softint_schedule(next); /* the level waits with it */
	CHECK_EQ(nran, 0);
	switches = atomic_load(&curcpu()->ci_switches);
	mutex_exit(&first);
	CHECK_STR(ran, "wx");
	CHECK_EQ(atomic_load(&curcpu()->ci_switches), switches);
	softint_schedule(next);
	CHECK_STR(ran, "wxx"); /* the level is as it was */
	softint_schedule(waits);
	CHECK_STR(ran, "wxxw");
	CHECK_EQ(softint_disestablish(waits), 0);
	CHECK_EQ(softint_disestablish(next), 0);
}
