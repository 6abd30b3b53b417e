/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * peer.h - what the parts of the module share: samples, the edu device, waiting.
 *
 * A figure is in ticks of the TSC. Under QEMU's -icount shift=0 one tick is one instruction; the
 * first line that the module prints is the proof. Figures bear the names that bench/ gives to their
 * counterparts of Ithaca, so that programs can lay one beside the other.
 *
 * Rule: one thread measures at a time, and it alone prints.
 */
#ifndef PEER_H
#define PEER_H

#include <asm/msr.h>
#include <linux/io.h>
#include <linux/sched.h>
#include <linux/types.h>

#define PEER_EVENTS 1000 /* samples of a figure */
#define PEER_WARM 16     /* events before the first sample: code translated, threads made */
#define PEER_NAME_MAX 64 /* of a figure, its NUL included */

struct figure {
	const char *f_group, *f_name;
	const char *f_unit; /* figure_begin() says "instructions" */
	u32 f_turns;        /* a sample is the sum of so many; figure_begin() says 1 */
	u32 f_n;
	s32 f_sample[PEER_EVENTS];
};

/* figure_begin - without samples. figure_add - one sample; those past PEER_EVENTS are dropped.
 * figure_end - print min, median, p99 and max, each less `base` and divided by f_turns; returns the
 * median so. figure_median - of the samples as they were added. Process context; no locks. */
void figure_begin(struct figure *f, const char *group, const char *name);
void figure_add(struct figure *f, u64 ticks);
s32 figure_median(struct figure *f);
s32 figure_end(struct figure *f, s32 base);

/* peer_print - to the port that QEMU writes to a file. Process context. */
__printf(1, 2) void peer_print(const char *format, ...);

/* ---- The device; p_edu.c ---- */

#define EDU_LIVENESS 0x04 /* a register that interrupts nobody */
#define EDU_STATUS 0x24
#define EDU_RAISE 0x60
#define EDU_ACK 0x64

/* One edu device and its message; `peer_irq` is for request_threaded_irq(). */
extern void __iomem *peer_regs;
extern int peer_irq;

/* peer_device_get - 0, or -errno, told on the console. Process context. */
int peer_device_get(void);
void peer_device_put(void);

static inline void edu_quiet(void)
{
	writel(readl(peer_regs + EDU_STATUS), peer_regs + EDU_ACK);
}

/* ---- Waiting ---- */

extern unsigned long peer_ended; /* events whose last step is over; written by that step */

/* peer_wait - until the event numbered `want` is over. Where the kernel has switched to its
 * thread by itself, that is so at once; where it has not, the CPU is given up. */
static inline void peer_wait(unsigned long want)
{
	while (READ_ONCE(peer_ended) != want)
		schedule();
}

/* ---- The groups: each prints its figures; 0 or -errno. In the measuring thread. ---- */

int peer_intr(void);
int peer_lock(void);
int peer_sched(void);
int peer_timer(void);
int peer_work(void);

/* peer_rate - interrupts a second, by the wall's clock, of a direct and of a threaded handler. */
int peer_rate(void);

/* peer_user - leave a handler of kind "direct" or "threaded" for a process that interrupts itself;
 * 0 or -errno. Its entries are noted in peer_hard_at and peer_thread_at, which are parameters of
 * the module. peer_user_end - take it away, if there is one. Process context. */
int peer_user(const char *kind);
void peer_user_end(void);

extern unsigned long long peer_hard_at, peer_thread_at; /* TSC */

#endif
