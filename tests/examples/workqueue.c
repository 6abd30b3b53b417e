/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workqueue.c - the example of workqueue(9), which shows it: a hot-plug slot whose interrupt's
 * filter queues work that sleeps. Compiled and run by tests/unit/t_examples.c, with a chip.
 */
#include <ithaca/clock.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/sleepq.h>
#include <ithaca/workqueue.h>

struct slot {
	struct intr_handler *s_ih;
	struct workqueue *s_wq;
	struct work s_scan;
	bool s_present;
};

/* The chip: something has changed, and the interrupt is quiet now; there is a card in it. */
static bool slot_changed(struct slot *s);
static bool slot_card(struct slot *s);

static void slot_scan(void *arg)
{
	struct slot *s = arg;

	lwp_sleep_ns(20 * NS_PER_MS); /* until the contacts have settled */
	s->s_present = slot_card(s);
}

static unsigned slot_filter(void *arg)
{
	struct slot *s = arg;

	if (!slot_changed(s))
		return FILTER_STRAY;
	/* Queued already: one scan does for both. Under way: another follows. */
	(void)workqueue_enqueue(s->s_wq, &s->s_scan);
	return FILTER_HANDLED;
}

static int slot_attach(struct slot *s, struct intr_source *is)
{
	int error = workqueue_create("slot", PRI_KERNEL, 0, 1, 0, &s->s_wq);

	if (error != 0)
		return error;
	work_init(&s->s_scan, slot_scan, s);
	error = intr_establish(is, "slot", IPL_VM, 0, slot_filter, NULL, s, &s->s_ih);
	if (error != 0)
		(void)workqueue_destroy(s->s_wq);
	return error;
}

static void slot_detach(struct slot *s)
{
	(void)intr_disestablish(s->s_ih); /* from here on nobody queues it */
	(void)workqueue_halt(&s->s_scan); /* taken back, or waited for */
	(void)workqueue_destroy(s->s_wq);
}
