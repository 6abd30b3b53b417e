/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * edu.h - QEMU's teaching device (docs/specs/edu.rst) as a driver: it raises interrupts on demand,
 * computes factorials, moves memory, and can be told to misbehave.
 *
 * Rules: all functions are for thread context and may block. A unit that is not attached answers
 * ENXIO. One operation of a kind at a time a unit: others wait their turn.
 */
#ifndef SYS_DEV_EDU_H
#define SYS_DEV_EDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intr_source;
struct mutex;
struct pci_dev;

#define EDU_MAX 8
#define EDU_FACT_MAX 1000000u
#define EDU_DMA_MAX 4096       /* bytes of the device's own buffer */
#define EDU_BURN_MAX 10000000u /* microseconds */

/* What the handler does; "raised" means that the device shows an interrupt. */
enum edu_mode {
	EDU_BOTH,     /* filter quiets the device and schedules the thread function (the default) */
	EDU_FILTER,   /* filter only */
	EDU_THREAD,   /* no filter: the thread function quiets the device */
	EDU_SCHEDULE, /* filter says SCHEDULE_THREAD alone; the thread function quiets and claims */
	EDU_LIAR,     /* filter says STRAY although raised, and leaves it so */
	EDU_LIAR_LOUD,   /* filter says HANDLED but leaves the device raised */
	EDU_LIAR_GREEDY, /* as EDU_BOTH, and claims its neighbours' interrupts too */
	EDU_SLEEP,       /* as EDU_SCHEDULE; the thread function sleeps `arg` ms before it quiets */
	EDU_BLOCK,       /* as EDU_BOTH; the thread function enters and exits `mutex` */
	EDU_MANUAL,  /* as EDU_BOTH, by a second INTR_MANUAL handler that the filter hwi_sched()s */
	EDU_AGAIN,   /* as EDU_BOTH; the thread function hwi_sched()s itself `arg` times a raise */
	EDU_BURN,    /* as EDU_BOTH; the thread function burns `arg` microseconds, then is done */
	EDU_EXCL,    /* as EDU_BOTH, and nobody else on its source (INTR_EXCL) */
	EDU_MIGRATE, /* as EDU_BOTH, and a CPU that idles may run it (INTR_MIGRATE) */
	EDU_MODES
};

enum edu_irq { EDU_MSI, EDU_INTX };

/* Counts since attach or edu_stats_clear(); times in counter ticks (port_counter()). */
struct edu_stats {
	uint64_t es_raises;     /* writes of the raise register */
	uint64_t es_filters;    /* calls of the filter */
	uint64_t es_taken;      /* calls of whoever quiets the device that found it raised */
	uint64_t es_threads;    /* runs of the thread function */
	uint64_t es_strays;     /* calls of the filter that found the device quiet */
	uint64_t es_manual;     /* runs of the INTR_MANUAL handler */
	uint64_t es_works;      /* completions of factorial and DMA */
	uint64_t es_overlaps;   /* two runs of a thread function at a time: must be 0 */
	uint64_t es_mismatch;   /* lock-step raises whose token came back wrong: must be 0 */
	uint64_t es_filter_max; /* raise to filter */
	uint64_t es_filter_sum;
	uint64_t es_thread_max; /* raise to thread function */
	uint64_t es_thread_sum;
};

struct edu_info {
	char ei_pci[12]; /* "00:04.0"; "-": see ei_there */
	bool ei_there;   /* it has a device; false: that was taken out of its slot */
	bool ei_attached;
	enum edu_irq ei_irq;
	enum edu_mode ei_mode;
	uint64_t ei_arg;
	int ei_ipl;
	struct intr_source *ei_source; /* NULL when not attached; stays while edu_hold() lasts */
};

/* edu_probe - a device was found: it becomes the next unit, or that of one that has gone. ENOSPC
 * past EDU_MAX, ENOMEM. One at a time. edu_remove - it goes for good: detached, if it was attached,
 * as by edu_detach(); the unit stays without a device. */
int edu_probe(struct pci_dev *pd, unsigned *unit);
void edu_remove(struct pci_dev *pd);

/* edu_count - units are 0 to edu_count() - 1. edu_get - about one; ENXIO: no such unit. */
unsigned edu_count(void);
int edu_get(unsigned unit, struct edu_info *out);

/*
 * edu_attach - take the device with that kind of interrupt, in mode EDU_BOTH at IPL_BIO. EBUSY:
 * attached already. ENXIO: no such unit, BAR or interrupt; EIO: the device does not answer as it
 * should; ENOMEM, ENOSPC. edu_detach - give it back, also in the midst of interrupts: waits for
 * operations under way and for handlers. Later operations get ENXIO. EBUSY: another detach is on
 * its way.
 */
int edu_attach(unsigned unit, enum edu_irq irq);
int edu_detach(unsigned unit);

/* edu_hold - until edu_release() the unit's source is not given back, whoever detaches it: he
 * waits. ENXIO: not attached. Not beyond a detach of one's own. */
int edu_hold(unsigned unit);
void edu_release(unsigned unit);

/*
 * edu_set_mode - misbehave from now on; also `ipl`, IPL_BIO to IPL_TTY. The handler is re-
 * established. `arg` is used by EDU_SLEEP (1 to 60000 ms), EDU_AGAIN (1 to 100000) and EDU_BURN (1
 * to 10,000,000 us), `m` by EDU_BLOCK (must outlive the mode). EINVAL, ERANGE; EOPNOTSUPP: handlers
 * may not block here (intr_may_block()); what intr_establish() answers: then there is no handler
 * and the unit is left as EDU_BOTH if possible, else detached.
 */
int edu_set_mode(unsigned unit, enum edu_mode mode, uint64_t arg, struct mutex *m, int ipl);

/* edu_mode_name - "both", "filter", ...; edu_mode_find - EINVAL: no such name. */
const char *edu_mode_name(enum edu_mode mode);
int edu_mode_find(const char *name, enum edu_mode *out);

/*
 * edu_raise - raise n interrupts, each after the handler of the one before has begun a run later
 * than its raise; so runs and raises must count the same. ETIMEDOUT: one was not handled within
 * the time-out; it is named on the console and withdrawn from the device. edu_burst - raise n as
 * fast as it goes; waits for a run later than the last. `done` (if wanted): how many raises were
 * handled (raise) or done (burst).
 */
int edu_raise(unsigned unit, uint64_t n, uint64_t *done);
int edu_burst(unsigned unit, uint64_t n, uint64_t *done);

/* edu_post - raise one and do not wait for anything. */
int edu_post(unsigned unit);

/* edu_poke - raise one without any lock, at whatever level; for a caller who knows that nobody
 * detaches the unit meanwhile. No number is given to it: edu_raise() and edu_burst() of others do
 * not hear of it. ENXIO. */
int edu_poke(unsigned unit);

/*
 * edu_fire - have an lwp of its own do edu_raise() n times, while the caller goes on. EBUSY: one
 * does already, or was not ended; ENOMEM. edu_firing - it has not come to its end.
 * edu_fire_end - stop it, wait for it; *done is how many were handled. ENOENT: there is none; else
 * what edu_raise() answered it.
 */
int edu_fire(unsigned unit, uint64_t n);
bool edu_firing(unsigned unit);
int edu_fire_end(unsigned unit, uint64_t *done);

/* edu_set_timeout - how long an operation waits for its interrupt; 5 s at first. 1 ms to 60 s.
 * ERANGE. */
int edu_set_timeout(unsigned unit, uint64_t ns);

/* edu_factorial - n! modulo 2^32, computed by the device; its interrupt wakes the caller.
 * ETIMEDOUT; EOPNOTSUPP in EDU_FILTER, which has nobody to wake the caller; ERANGE: n above
 * EDU_FACT_MAX. */
int edu_factorial(unsigned unit, uint32_t n, uint32_t *result);

/* edu_dma - move len (1 to EDU_DMA_MAX) bytes between `buf` and the device's buffer. Errors as
 * edu_factorial(), ERANGE. */
int edu_dma(unsigned unit, void *buf, size_t len, bool to_device);

/* edu_stats - copy of the counts; edu_stats_clear - from 0 again. */
int edu_stats(unsigned unit, struct edu_stats *out);
int edu_stats_clear(unsigned unit);

#endif
