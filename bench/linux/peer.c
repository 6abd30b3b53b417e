/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * peer.c - a Linux module that measures what ./ithaca bench measures of Ithaca: samples, their
 * order, one line of JSON a figure.
 *
 * Loaded by init.c in a machine of one CPU that tools/peers boots in QEMU. What it does is chosen
 * by its parameter `run`:
 *
 *	figures          every group, in a kernel thread of nice 19, and nothing stays behind
 *	rate             interrupts a second, by the wall's clock
 *	user-direct      a handler stays until the module goes, for a process to interrupt itself
 *	user-threaded    the same with a threaded handler
 *
 * The thread that measures is an ordinary one, as the interrupted thread is in the run of a day.
 * It is of nice 19 so that what is woken beside it, a kernel worker or ksoftirqd, is chosen before
 * it at the next scheduling. Lines go to the I/O port of QEMU's debug console, because the serial
 * console carries the kernel's own messages.
 *
 * The licence is a choice of two because Linux gives some of its functions only to modules under
 * its own. Contexts: process context. No locks: one thread measures. Not for machines other than
 * QEMU: the port is written without asking. Read p_intr.c for what an interrupt costs.
 */
#include "peer.h"

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sort.h>
#include <linux/string.h>

#define DEBUGCON 0xe9
#define LOOP_TURNS 100000 /* of two instructions */

static char *run = "figures";
module_param(run, charp, 0444);
MODULE_PARM_DESC(run, "figures, rate, user-direct or user-threaded");
static char *model = "linux";
module_param(model, charp, 0444);
MODULE_PARM_DESC(model, "what the lines call this kernel and how it was booted");
module_param_named(hard_at, peer_hard_at, ullong, 0444);
module_param_named(thread_at, peer_thread_at, ullong, 0444);

unsigned long peer_ended;

static DECLARE_COMPLETION(measured);
static int result;

/* ---- Samples ---- */

void peer_print(const char *format, ...)
{
	static char line[320];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vscnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	outsb(DEBUGCON, line, n);
}

void figure_begin(struct figure *f, const char *group, const char *name)
{
	f->f_group = group;
	f->f_name = name;
	f->f_unit = "instructions";
	f->f_turns = 1;
	f->f_n = 0;
}

void figure_add(struct figure *f, u64 ticks)
{
	if (f->f_n < PEER_EVENTS)
		f->f_sample[f->f_n++] = ticks < S32_MAX ? (s32)ticks : S32_MAX;
}

static int less(const void *a, const void *b)
{
	s32 x = *(const s32 *)a, y = *(const s32 *)b;

	return x < y ? -1 : x > y;
}

s32 figure_median(struct figure *f)
{
	sort(f->f_sample, f->f_n, sizeof(f->f_sample[0]), less, NULL);
	return f->f_n == 0 ? 0 : f->f_sample[f->f_n / 2];
}

/* Sample number `i` less the base, for one turn, rounded. */
static s32 figure_at(const struct figure *f, u32 i, s32 base)
{
	s32 sum = f->f_sample[i] - base, turns = (s32)f->f_turns;

	return (sum < 0 ? sum - turns / 2 : sum + turns / 2) / turns;
}

s32 figure_end(struct figure *f, s32 base)
{
	s32 median;

	if (f->f_n == 0)
		return 0;
	figure_median(f);
	median = figure_at(f, f->f_n / 2, base);
	peer_print("{\"group\":\"%s\",\"name\":\"%s\",\"model\":\"%s\",\"cpus\":1,\"unit\":\"%s\","
		   "\"n\":%u,\"min\":%d,\"median\":%d,\"p99\":%d,\"max\":%d}\n",
	    f->f_group, f->f_name, model, f->f_unit, f->f_n, figure_at(f, 0, base), median,
	    figure_at(f, f->f_n * 99 / 100, base), figure_at(f, f->f_n - 1, base));
	return median;
}

/* ---- What is run ---- */

/* A loop of two instructions a turn, so that the reader sees what one tick is. */
static void calibrate(void)
{
	static struct figure f;
	unsigned long flags, n;
	unsigned int i;
	u64 before;

	figure_begin(&f, "calibration", "loop of 200000 instructions");
	f.f_unit = "ticks";
	for (i = 0; i < PEER_EVENTS / 10; i++) {
		n = LOOP_TURNS;
		local_irq_save(flags);
		before = rdtsc();
		asm volatile("1: dec %0\n\tjnz 1b" : "+r"(n) : : "cc");
		figure_add(&f, rdtsc() - before);
		local_irq_restore(flags);
	}
	figure_end(&f, 0);
}

static int figures(void)
{
	static int (*const groups[])(
	    void) = {peer_intr, peer_work, peer_lock, peer_sched, peer_timer};
	unsigned int i;
	int error = 0;

	calibrate();
	for (i = 0; i < ARRAY_SIZE(groups) && error == 0; i++)
		error = groups[i]();
	return error;
}

static int measure_main(void *arg)
{
	int (*what)(void) = arg;

	sched_set_normal(current, 19);
	result = what();
	complete(&measured);
	return 0;
}

/* In a thread of its own, so that no process's address space takes part. */
static int measure(int (*what)(void))
{
	struct task_struct *t = kthread_run(measure_main, what, "measure");

	if (IS_ERR(t)) {
		pr_err("ithaca_peer: no thread to measure in: %ld\n", PTR_ERR(t));
		return PTR_ERR(t);
	}
	wait_for_completion(&measured);
	return result;
}

static int __init peer_init(void)
{
	int error = peer_device_get();

	if (error != 0)
		return error;
	if (strcmp(run, "figures") == 0)
		error = measure(figures);
	else if (strcmp(run, "rate") == 0)
		error = measure(peer_rate);
	else if (strncmp(run, "user-", 5) == 0)
		error = peer_user(run + 5);
	else
		error = -EINVAL;
	if (error != 0) {
		pr_err("ithaca_peer: run=%s: error %d\n", run, error);
		peer_device_put();
	}
	return error;
}

static void __exit peer_exit(void)
{
	peer_user_end();
	peer_device_put();
}

module_init(peer_init);
module_exit(peer_exit);
MODULE_DESCRIPTION("What interrupts, locks and switches cost, in instructions");
MODULE_LICENSE("Dual BSD/GPL");
