/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * edu_2.c - docs/writing-a-driver.md, which shows it: the device works, whoever wants the result
 * sleeps, a thread function wakes him. Run by tests/unit/t_edu_2.c.
 */
#include <ithaca/condvar.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>

#define EDU_FACT 0x08        /* a number, and when it is done its factorial */
#define EDU_STATUS 0x20      /* what it is about */
#define EDU_STATUS_IRQ 0x80u /* interrupt when it is done */
#define EDU_IRQ_STATUS 0x24
#define EDU_IRQ_ACK 0x64

struct edu {
	volatile uint8_t *e_regs;
	struct intr_handler *e_ih;
	struct mutex e_lock;     /* what follows */
	struct condvar e_change; /* of these two */
	bool e_busy;             /* somebody has the device */
	bool e_done;             /* it has done what he asked for */
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

static bool edu_thread(void *arg)
{
	struct edu *e = arg;

	mutex_enter(&e->e_lock);
	e->e_done = true;
	cv_broadcast(&e->e_change);
	mutex_exit(&e->e_lock);
	return true;
}

static int edu_attach(struct edu *e, volatile uint8_t *regs, struct intr_source *is)
{
	e->e_regs = regs;
	e->e_busy = false;
	mutex_init(&e->e_lock, "edu", IPL_BIO);
	cv_init(&e->e_change, "edu");
	edu_write(e, EDU_IRQ_ACK, edu_read(e, EDU_IRQ_STATUS));
	edu_write(e, EDU_STATUS, EDU_STATUS_IRQ);
	return intr_establish(is, "edu", IPL_BIO, 0, edu_filter, edu_thread, e, &e->e_ih);
}

static uint32_t edu_factorial(struct edu *e, uint32_t n)
{
	uint32_t result;

	mutex_enter(&e->e_lock);
	while (e->e_busy)
		cv_wait(&e->e_change, &e->e_lock);
	e->e_busy = true;
	e->e_done = false;
	edu_write(e, EDU_FACT, n);
	while (!e->e_done)
		cv_wait(&e->e_change, &e->e_lock);
	result = edu_read(e, EDU_FACT);
	e->e_busy = false;
	cv_broadcast(&e->e_change);
	mutex_exit(&e->e_lock);
	return result;
}
