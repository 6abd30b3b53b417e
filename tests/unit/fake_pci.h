/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_pci.h - configuration spaces made here, honest ones and lying ones, for the tests of
 * sys/bus/pci*.c and of slots.
 *
 * A fake function is its 4 KiB of registers and, for each BAR, the bits that can be written. An
 * access outside of a function, or misaligned, fails the test.
 */
#ifndef FAKE_PCI_H
#define FAKE_PCI_H

#include "unit.h"

#include "../../sys/bus/pci.h"

#include <string.h>

#define FAKES 64u

struct fake {
	unsigned bdf;
	uint8_t reg[PCI_CONFIG_SIZE_EXT];
	uint32_t bar_mask[PCI_BARS]; /* bits that a write can change */
	bool hidden;                 /* reads as ones, writes are lost */
	/* For a write elsewhere than to a BAR; true: it has been done. NULL: plain memory. */
	bool (*write)(struct fake *f, unsigned reg, unsigned width, uint32_t value);
};

static struct fake fakes[FAKES];
static unsigned nfakes;
static unsigned decoding_while_sized;

/* ---- Configuration space ---- */

static inline struct fake *fake_at(unsigned bdf)
{
	for (unsigned i = 0; i < nfakes; i++) {
		if (fakes[i].bdf == bdf)
			return &fakes[i];
	}
	return NULL;
}

static inline uint32_t fake_read(void *cookie, unsigned bdf, unsigned reg, unsigned width)
{
	const struct pci_access *pa = cookie;
	struct fake *f = fake_at(bdf);
	uint32_t value = 0xffffffff;

	CHECK(width == 1 || width == 2 || width == 4);
	CHECK(reg % width == 0 && reg + width <= pa->pa_size);
	if (f != NULL && !f->hidden)
		memcpy(&value, f->reg + reg, width);
	return value & (uint32_t)(0xffffffffu >> (32 - 8 * width));
}

static inline void fake_write(void *cookie, unsigned bdf, unsigned reg, unsigned width,
    uint32_t value)
{
	const struct pci_access *pa = cookie;
	struct fake *f = fake_at(bdf);
	unsigned bar = (reg - PCI_BAR0) / 4;
	uint32_t old, mask = 0xffffffff;

	CHECK(f != NULL && reg % width == 0 && reg + width <= pa->pa_size);
	if (f->hidden)
		return;
	if (reg >= PCI_BAR0 && bar < PCI_BARS) {
		CHECK_EQ(width, 4);
		if (value == 0xffffffff && (f->reg[PCI_COMMAND] & 3) != 0)
			decoding_while_sized++;
		mask = f->bar_mask[bar];
	} else if (f->write != NULL && f->write(f, reg, width, value)) {
		return;
	}
	memcpy(&old, f->reg + reg, width);
	value = (old & ~mask) | (value & mask);
	memcpy(f->reg + reg, &value, width);
}

/* ---- Making functions ---- */

static inline void put(struct fake *f, unsigned reg, uint32_t value, unsigned width)
{
	memcpy(f->reg + reg, &value, width);
}

static inline struct fake *add(unsigned bus, unsigned slot, unsigned func, uint32_t id)
{
	struct fake *f = &fakes[nfakes++];

	CHECK(nfakes <= FAKES);
	f->bdf = PCI_BDF(bus, slot, func);
	put(f, PCI_ID, id, 4);
	return f;
}

static inline struct fake *add_bridge(unsigned bus, unsigned slot, unsigned secondary,
    unsigned last)
{
	struct fake *f = add(bus, slot, 0, 0x00011b36);

	f->reg[PCI_HEADER] = 1;
	f->reg[PCI_SECONDARY] = (uint8_t)secondary;
	f->reg[PCI_SUBORDINATE] = (uint8_t)last;
	return f;
}

/* A BAR of `size` at `base`; `type` are its low bits. */
static inline void bar(struct fake *f, unsigned n, uint64_t base, uint64_t size, uint32_t type)
{
	put(f, PCI_BAR0 + 4 * n, (uint32_t)base | type, 4);
	f->bar_mask[n] = (uint32_t) ~(size - 1) & ((type & 1) != 0 ? ~3u : ~15u);
	if ((type & 7) != 4)
		return;
	put(f, PCI_BAR0 + 4 * n + 4, (uint32_t)(base >> 32), 4);
	f->bar_mask[n + 1] = (uint32_t)(~(size - 1) >> 32);
}

static inline void cap(struct fake *f, unsigned at, unsigned id, unsigned next)
{
	put(f, PCI_STATUS, PCI_STATUS_CAPS, 2);
	f->reg[at] = (uint8_t)id;
	f->reg[at + 1] = (uint8_t)next;
}

static inline void ecap(struct fake *f, unsigned at, unsigned id, unsigned next)
{
	put(f, at, id | 1u << 16 | next << 20, 4);
}

#endif
