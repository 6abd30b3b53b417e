/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * edu_0.c - docs/writing-a-driver.md, which shows it: is that the device? Run by
 * tests/unit/t_edu_0.c.
 */
#include <ithaca/errno.h>
#include <ithaca/print.h>

#define EDU_ID 0x00   /* 0xRRrr00ed: the revision, and what it is */
#define EDU_LIVE 0x04 /* answers with the complement of what was written */

struct edu {
	volatile uint8_t *e_regs; /* BAR 0 */
};

/* One register of 32 bits. */
static uint32_t edu_read(struct edu *e, unsigned reg);
static void edu_write(struct edu *e, unsigned reg, uint32_t value);

static int edu_attach(struct edu *e, volatile uint8_t *regs)
{
	const uint32_t pattern = 0x1badcafe;
	uint32_t id;

	e->e_regs = regs;
	id = edu_read(e, EDU_ID);
	edu_write(e, EDU_LIVE, pattern);
	if ((id & 0xff) != 0xed || edu_read(e, EDU_LIVE) != ~pattern) {
		kprintf("edu: id 0x%x: not an edu device\n", id);
		return EIO;
	}
	return 0;
}
