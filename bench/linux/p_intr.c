/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * p_intr.c - what one interrupt costs Linux: from the raise to the hard handler, to the threaded
 * handler, the tasklet or the work, and back to the thread that was interrupted.
 *
 * The counterpart of bench/b_intr.c, on the same device, with the same measure: a raise is one
 * store between two reads of the counter, and what it takes more than the same store to a register
 * that does nothing is what the interrupted thread loses. Every hard handler quiets the device
 * (one load, one store). Whoever reads the counter costs a few instructions itself: so each kind
 * of handler is raised twice, once with handlers that take the time and once with some that do
 * not, and only the second gives the loss.
 *
 * Where the kernel does not switch by itself to the thread that it woke (preempt=voluntary, the
 * default; and ksoftirqd and kernel workers everywhere) the interrupted thread calls the scheduler
 * at once, see peer_wait(). That is the soonest that it can be, and so it flatters.
 *
 * A tasklet stands beside our softint, the hard handler beside our filter. IRQF_NO_THREAD keeps the
 * hard handler hard under PREEMPT_RT.
 *
 * Contexts: the measuring thread; the handlers, in theirs. No locks but the one that a handler
 * takes: on one CPU, one event at a time.
 */
#include "peer.h"

#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

static u64 hard_at, begun_at, ended_at; /* TSC */
static unsigned long entered;           /* runs of a threaded handler that blocks */
static struct tasklet_struct tasklet, timed_tasklet;
static struct work_struct work, timed_work;
static DEFINE_MUTEX(held);

/* ---- Handlers, with and without a look at the time ---- */

static irqreturn_t direct_hard(int irq, void *arg)
{
	edu_quiet();
	peer_ended++;
	return IRQ_HANDLED;
}

static irqreturn_t thread_hard(int irq, void *arg)
{
	edu_quiet();
	return IRQ_WAKE_THREAD;
}

static irqreturn_t tasklet_hard(int irq, void *arg)
{
	edu_quiet();
	tasklet_schedule(&tasklet);
	return IRQ_HANDLED;
}

static irqreturn_t work_hard(int irq, void *arg)
{
	edu_quiet();
	queue_work(system_highpri_wq, &work);
	return IRQ_HANDLED;
}

static irqreturn_t timed_direct_hard(int irq, void *arg)
{
	hard_at = rdtsc();
	return direct_hard(irq, arg);
}

static irqreturn_t timed_thread_hard(int irq, void *arg)
{
	hard_at = rdtsc();
	return thread_hard(irq, arg);
}

static irqreturn_t timed_tasklet_hard(int irq, void *arg)
{
	hard_at = rdtsc();
	edu_quiet();
	tasklet_schedule(&timed_tasklet);
	return IRQ_HANDLED;
}

static irqreturn_t timed_work_hard(int irq, void *arg)
{
	hard_at = rdtsc();
	edu_quiet();
	queue_work(system_highpri_wq, &timed_work);
	return IRQ_HANDLED;
}

static irqreturn_t thread_fn(int irq, void *arg)
{
	peer_ended++;
	return IRQ_HANDLED;
}

static void tasklet_fn(struct tasklet_struct *t)
{
	peer_ended++;
}

static void work_fn(struct work_struct *w)
{
	peer_ended++;
}

static void timed_end(void)
{
	begun_at = rdtsc();
	peer_ended++;
	ended_at = rdtsc();
}

static irqreturn_t timed_thread_fn(int irq, void *arg)
{
	timed_end();
	return IRQ_HANDLED;
}

static void timed_tasklet_fn(struct tasklet_struct *t)
{
	timed_end();
}

static void timed_work_fn(struct work_struct *w)
{
	timed_end();
}

static irqreturn_t mutex_fn(int irq, void *arg)
{
	WRITE_ONCE(entered, entered + 1);
	mutex_lock(&held);
	mutex_unlock(&held);
	peer_ended++;
	return IRQ_HANDLED;
}

/* ---- Raises ---- */

/* One store to a register of the device, until the event that it begins is over. */
static noinline u64 store(unsigned int reg, unsigned long want, u64 *before)
{
	*before = rdtsc();
	writel(1, peer_regs + reg);
	peer_wait(want);
	return rdtsc() - *before;
}

static s32 store_base(void)
{
	static struct figure f;
	unsigned int i;
	u64 before;

	figure_begin(&f, "intr", "");
	for (i = 0; i < PEER_EVENTS; i++)
		figure_add(&f, store(EDU_LIVENESS, peer_ended, &before));
	return figure_median(&f);
}

static int establish(irq_handler_t hard, irq_handler_t thread)
{
	return request_threaded_irq(peer_irq, hard, thread, IRQF_NO_THREAD, "ithaca_peer",
	    &peer_irq);
}

struct kind {
	const char *k_name;  /* of the loss */
	const char *k_hard;  /* raise to hard handler; NULL: not to be measured */
	const char *k_entry; /* raise to what the hard handler starts; NULL: it starts nothing */
	const char *k_exit;  /* and from its end */
	irq_handler_t k_plain_hard, k_timed_hard, k_plain_thread, k_timed_thread;
};

/* Entries and exit, by handlers that take the time. */
static int kind_times(const struct kind *k)
{
	static struct figure hard, entry, leave;
	u64 before, ticks;
	unsigned int i;
	int error = establish(k->k_timed_hard, k->k_timed_thread);

	if (error != 0)
		return error;
	figure_begin(&hard, "intr", k->k_hard);
	figure_begin(&entry, "intr", k->k_entry);
	figure_begin(&leave, "intr", k->k_exit);
	for (i = 0; i < PEER_EVENTS + PEER_WARM; i++) {
		ticks = store(EDU_RAISE, peer_ended + 1, &before);
		if (i < PEER_WARM)
			continue;
		figure_add(&hard, hard_at - before);
		figure_add(&entry, begun_at - before);
		figure_add(&leave, before + ticks - ended_at);
	}
	free_irq(peer_irq, &peer_irq);
	figure_end(&hard, 0);
	if (k->k_entry != NULL) {
		figure_end(&entry, 0);
		figure_end(&leave, 0);
	}
	return 0;
}

/* What the interrupted thread loses, by handlers that do not. Returns the median in *loss. */
static int kind_loss(const struct kind *k, s32 base, s32 *loss)
{
	static struct figure whole;
	unsigned int i;
	u64 before, ticks;
	int error = establish(k->k_plain_hard, k->k_plain_thread);

	if (error != 0)
		return error;
	figure_begin(&whole, "intr", k->k_name);
	for (i = 0; i < PEER_EVENTS + PEER_WARM; i++) {
		ticks = store(EDU_RAISE, peer_ended + 1, &before);
		if (i >= PEER_WARM)
			figure_add(&whole, ticks);
	}
	free_irq(peer_irq, &peer_irq);
	*loss = figure_end(&whole, base);
	return 0;
}

/* Raise while the mutex is held that the handler wants: the handler blocks, the raiser goes on. */
static int block_measure(s32 base)
{
	static struct figure away, back, whole;
	unsigned long entry, end;
	u64 before, released;
	unsigned int i;
	int error = establish(thread_hard, mutex_fn);

	if (error != 0)
		return error;
	figure_begin(&away, "intr", "divorce: raise to raiser resumed");
	figure_begin(&back, "intr", "divorce: release to raiser resumed, all done");
	figure_begin(&whole, "intr", "divorce: whole");
	for (i = 0; i < PEER_EVENTS; i++) {
		entry = READ_ONCE(entered) + 1;
		end = peer_ended + 1;
		mutex_lock(&held);
		before = rdtsc();
		writel(1, peer_regs + EDU_RAISE);
		while (READ_ONCE(entered) != entry)
			schedule();
		figure_add(&away, rdtsc() - before);
		released = rdtsc();
		mutex_unlock(&held);
		peer_wait(end);
		figure_add(&back, rdtsc() - released);
		figure_add(&whole, rdtsc() - before);
	}
	free_irq(peer_irq, &peer_irq);
	figure_end(&away, base);
	figure_end(&back, 0);
	figure_end(&whole, base);
	return 0;
}

/* ---- All of it ---- */

static const struct kind kinds[] = {
    {"whole loss, direct handler", "raise to filter", NULL, NULL, direct_hard, timed_direct_hard,
	NULL, NULL},
    {"whole loss, threaded handler", "raise to filter, thread follows", "raise to thread function",
	"thread function's end to interrupted lwp", thread_hard, timed_thread_hard, thread_fn,
	timed_thread_fn},
    {"whole loss, filter and softint", "raise to filter, softint follows", "raise to softint",
	"softint's end to interrupted lwp", tasklet_hard, timed_tasklet_hard, NULL, NULL},
    {"whole loss, filter and work", "raise to filter, work follows", "raise to work",
	"work's end to interrupted lwp", work_hard, timed_work_hard, NULL, NULL},
    {"whole loss, thread takes a free mutex", NULL, NULL, NULL, thread_hard, NULL, mutex_fn, NULL},
};

static int intr_figures(void)
{
	static struct figure price;
	s32 base = store_base(), loss[ARRAY_SIZE(kinds)];
	unsigned int i;
	int error = 0;

	for (i = 0; i < ARRAY_SIZE(kinds) && error == 0; i++) {
		if (kinds[i].k_hard != NULL)
			error = kind_times(&kinds[i]);
		if (error == 0)
			error = kind_loss(&kinds[i], base, &loss[i]);
	}
	if (error != 0)
		return error;
	figure_begin(&price, "intr", "price of the thread (threaded - direct)");
	figure_add(&price, loss[1] - loss[0]);
	figure_end(&price, 0);
	return block_measure(base);
}

int peer_intr(void)
{
	int error;

	tasklet_setup(&tasklet, tasklet_fn);
	tasklet_setup(&timed_tasklet, timed_tasklet_fn);
	INIT_WORK(&work, work_fn);
	INIT_WORK(&timed_work, timed_work_fn);
	error = intr_figures();
	tasklet_kill(&tasklet);
	tasklet_kill(&timed_tasklet);
	cancel_work_sync(&work);
	cancel_work_sync(&timed_work);
	return error;
}
