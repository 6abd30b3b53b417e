/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * edu_3.c - docs/writing-a-driver.md, which shows it: a device that does not answer, and a driver
 * that is taken away in the midst of work. Run by tests/unit/t_edu_3.c.
 */
#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/print.h>

#define EDU_FACT 0x08
#define EDU_STATUS 0x20
#define EDU_STATUS_COMPUTING 0x01u
#define EDU_STATUS_IRQ 0x80u
#define EDU_IRQ_STATUS 0x24
#define EDU_IRQ_ACK 0x64

#define EDU_LIMIT (50 * NS_PER_MS)

struct edu {
	volatile uint8_t *e_regs;
	struct intr_handler *e_ih;
	struct mutex e_lock;     /* what follows */
	struct condvar e_change; /* of any of these */
	bool e_busy;             /* somebody has the device */
	bool e_done;             /* it has done what he asked for */
	bool e_leaving;          /* no new work */
	bool e_gone;             /* nothing will be done any more */
	unsigned e_inside;       /* callers within edu_factorial() */
};

static uint32_t edu_read(struct edu *e, unsigned reg);
static void edu_write(struct edu *e, unsigned reg, uint32_t value);

static unsigned edu_filter(void *arg)
{
	struct edu *e = arg;
	uint32_t status = edu_read(e, EDU_IRQ_STATUS);

	if (status == 0)
		return FILTER_STRAY;
	edu_write(e, EDU_IRQ_ACK, status);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool edu_computes(struct edu *e)
{
	return (edu_read(e, EDU_STATUS) & EDU_STATUS_COMPUTING) != 0;
}

/* One that comes while the device computes is late: of work that was given up. */
static bool edu_thread(void *arg)
{
	struct edu *e = arg;

	mutex_enter(&e->e_lock);
	if (!edu_computes(e)) {
		e->e_done = true;
		cv_broadcast(&e->e_change);
	}
	mutex_exit(&e->e_lock);
	return true;
}

/* ENOMEM, ENOSPC and the like: nothing is held. */
static int edu_attach(struct edu *e, volatile uint8_t *regs, struct intr_source *is)
{
	int error;

	*e = (struct edu){.e_regs = regs};
	mutex_init(&e->e_lock, "edu", IPL_BIO);
	cv_init(&e->e_change, "edu");
	edu_write(e, EDU_IRQ_ACK, edu_read(e, EDU_IRQ_STATUS));
	edu_write(e, EDU_STATUS, EDU_STATUS_IRQ);
	error = intr_establish(is, "edu", IPL_BIO, 0, edu_filter, edu_thread, e, &e->e_ih);
	if (error != 0) {
		edu_write(e, EDU_STATUS, 0);
		cv_destroy(&e->e_change);
		mutex_destroy(&e->e_lock);
	}
	return error;
}

/* e_lock is held, and the device is ours. */
static int edu_compute(struct edu *e, uint32_t n, uint32_t *result)
{
	if (edu_computes(e))
		return EBUSY; /* still at what was given up */
	e->e_done = false;
	edu_write(e, EDU_FACT, n);
	while (!e->e_done && !e->e_gone) {
		if (cv_timedwait(&e->e_change, &e->e_lock, EDU_LIMIT) != 0 && !e->e_done) {
			kprintf("edu: factorial: no interrupt in time\n");
			return ETIMEDOUT;
		}
	}
	if (!e->e_done)
		return ENXIO;
	*result = edu_read(e, EDU_FACT);
	return 0;
}

/* ENXIO: it is being detached. ETIMEDOUT: it did not answer. EBUSY: it still has not. */
static int edu_factorial(struct edu *e, uint32_t n, uint32_t *result)
{
	int error = ENXIO;

	mutex_enter(&e->e_lock);
	e->e_inside++;
	while (e->e_busy && !e->e_leaving)
		cv_wait(&e->e_change, &e->e_lock);
	if (!e->e_leaving) {
		e->e_busy = true;
		error = edu_compute(e, n, result);
		e->e_busy = false;
	}
	e->e_inside--;
	cv_broadcast(&e->e_change);
	mutex_exit(&e->e_lock);
	return error;
}

/* Afterwards nothing of the driver runs. No new caller may come meanwhile. */
static void edu_detach(struct edu *e)
{
	mutex_enter(&e->e_lock);
	e->e_leaving = true;
	cv_broadcast(&e->e_change);
	mutex_exit(&e->e_lock);
	edu_write(e, EDU_STATUS, 0);
	(void)intr_disestablish(e->e_ih);
	mutex_enter(&e->e_lock);
	e->e_gone = true;
	cv_broadcast(&e->e_change);
	while (e->e_inside > 0)
		cv_wait(&e->e_change, &e->e_lock);
	mutex_exit(&e->e_lock);
	cv_destroy(&e->e_change);
	mutex_destroy(&e->e_lock);
}
