/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * edu_1.c - docs/writing-a-driver.md, which shows it: a filter that quiets the device and counts.
 * Run by tests/unit/t_edu_1.c.
 */
#include <ithaca/intr.h>

#define EDU_IRQ_STATUS 0x24 /* why it interrupts; the line is up while this is not 0 */
#define EDU_IRQ_RAISE 0x60  /* sets bits of it */
#define EDU_IRQ_ACK 0x64    /* clears them */

struct edu {
	volatile uint8_t *e_regs;
	struct intr_handler *e_ih;
	_Atomic uint64_t e_count; /* interrupts; relaxed: orders nothing */
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
	atomic_fetch_add_explicit(&e->e_count, 1, memory_order_relaxed);
	return FILTER_HANDLED;
}

static int edu_attach(struct edu *e, volatile uint8_t *regs, struct intr_source *is)
{
	e->e_regs = regs;
	atomic_init(&e->e_count, 0);
	edu_write(e, EDU_IRQ_ACK, edu_read(e, EDU_IRQ_STATUS));
	return intr_establish(is, "edu", IPL_VM, 0, edu_filter, NULL, e, &e->e_ih);
}

static void edu_raise(struct edu *e)
{
	edu_write(e, EDU_IRQ_RAISE, 0x10);
}

static void edu_detach(struct edu *e)
{
	(void)intr_disestablish(e->e_ih);
}
