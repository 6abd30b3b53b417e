/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * callout.c - the example of callout(9), which shows it: a transmitter whose chip may swallow a
 * packet, with a watchdog and a link that is polled. Compiled and run by tests/unit/t_examples.c,
 * with a chip.
 */
#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>

struct tx {
	struct intr_handler *t_ih;
	struct mutex t_mutex;
	struct callout t_watchdog;
	struct callout t_poll;
	bool t_busy; /* t_mutex, as all below */
	bool t_link;
	unsigned t_sent;
	unsigned t_resets;
};

/* The chip. */
static bool tx_chip_done(struct tx *t); /* a packet has gone; its interrupt is quiet now */
static bool tx_chip_link(struct tx *t);
static void tx_chip_start(struct tx *t);
static void tx_chip_reset(struct tx *t);

/* In a thread, so it may take the mutex. */
static void tx_timeout(void *arg)
{
	struct tx *t = arg;

	mutex_enter(&t->t_mutex);
	if (t->t_busy) { /* tx_intr() may have been here first */
		tx_chip_reset(t);
		t->t_busy = false;
		t->t_resets++;
	}
	mutex_exit(&t->t_mutex);
}

static void tx_poll(void *arg)
{
	struct tx *t = arg;

	mutex_enter(&t->t_mutex);
	t->t_link = tx_chip_link(t);
	mutex_exit(&t->t_mutex);
}

static int tx_send(struct tx *t)
{
	bool busy;

	mutex_enter(&t->t_mutex);
	busy = t->t_busy;
	if (!busy) {
		t->t_busy = true;
		tx_chip_start(t);
		callout_schedule(&t->t_watchdog, 5 * NS_PER_MS);
	}
	mutex_exit(&t->t_mutex);
	return busy ? EBUSY : 0;
}

static bool tx_intr(void *arg)
{
	struct tx *t = arg;
	bool done;

	mutex_enter(&t->t_mutex);
	done = tx_chip_done(t);
	if (done && t->t_busy) {
		t->t_busy = false;
		t->t_sent++;
		callout_stop(&t->t_watchdog); /* if it runs already, it finds t_busy false */
	}
	mutex_exit(&t->t_mutex);
	return done;
}

static int tx_attach(struct tx *t, struct intr_source *is)
{
	mutex_init(&t->t_mutex, "tx", IPL_NET);
	callout_init(&t->t_watchdog);
	callout_setfunc(&t->t_watchdog, tx_timeout, t);
	callout_init(&t->t_poll);
	callout_setfunc(&t->t_poll, tx_poll, t);
	callout_tolerance(&t->t_poll, 20 * NS_PER_MS); /* no hurry: with others, if there are */
	callout_schedule_periodic(&t->t_poll, 100 * NS_PER_MS);
	return intr_establish(is, "tx", IPL_NET, 0, NULL, tx_intr, t, &t->t_ih);
}

/* The same after a tx_attach() that failed. */
static void tx_detach(struct tx *t)
{
	if (t->t_ih != NULL)
		(void)intr_disestablish(t->t_ih);
	/* From here on tx_send() arms nothing. tx_timeout() may want the mutex, which is let go
	 * of while it does. */
	mutex_enter(&t->t_mutex);
	callout_shutdown(&t->t_watchdog, &t->t_mutex);
	callout_shutdown(&t->t_poll, &t->t_mutex);
	mutex_exit(&t->t_mutex);
	callout_destroy(&t->t_watchdog);
	callout_destroy(&t->t_poll);
	mutex_destroy(&t->t_mutex);
}
