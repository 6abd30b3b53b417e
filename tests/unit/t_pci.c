/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_pci.c - the PCI walk, BARs, capabilities and wiring (sys/bus/pci*.c) over configuration spaces
 * made here (fake_pci.h), honest ones and lying ones. Read next: pci.c, pci_cap.c.
 */
#include "fake_pci.h"

#include <ithaca/errno.h>
#include <sim/sim.h>
#include <stdlib.h>
#include <string.h>

static uint16_t ich9_register; /* what a read of physical memory answers */
static uint64_t ich9_phys;

static uint16_t fake_phys16(uint64_t phys)
{
	ich9_phys = phys;
	return ich9_register;
}

static struct pci_access access_fake;

static int scan(unsigned size)
{
	access_fake = (struct pci_access){.pa_read = fake_read,
	    .pa_write = fake_write,
	    .pa_phys16 = fake_phys16,
	    .pa_cookie = &access_fake,
	    .pa_bus_first = 0,
	    .pa_bus_last = 31,
	    .pa_size = size};
	sim_console_clear();
	return pci_scan(&access_fake);
}

static unsigned order[FAKES], norder;

static bool note(struct pci_dev *pd, void *arg)
{
	(void)arg;
	if (norder < FAKES)
		order[norder++] = pd->pd_bdf;
	return true;
}

/* ---- The walk ---- */

SIM_TEST(pci_walk_lists_all_in_order, 1, 0)
{
	add(0, 31, 3, 0x29308086);
	add(0, 31, 0, 0x29188086)->reg[PCI_HEADER] = 0x80;
	add(0, 0, 0, 0x29c08086);
	add(0, 4, 1, 0x11111111); /* behind a function 0 that has no others */
	add(0, 4, 0, 0x11e81234);
	add(0, 9, 2, 0x22222222); /* without function 0 */
	add_bridge(0, 2, 2, 3);
	add_bridge(0, 3, 1, 1);
	add_bridge(2, 0, 3, 3);
	add(1, 0, 0, 0x11e81234);
	add(3, 7, 0, 0x11e81234);
	CHECK_EQ(scan(4096), 0);
	pci_each(note, NULL);
	CHECK_EQ(norder, 9);
	for (unsigned i = 1; i < norder; i++)
		CHECK(order[i - 1] < order[i]);
	CHECK(pci_at(0, 31, 3) != NULL && pci_at(0, 4, 1) == NULL && pci_at(0, 9, 2) == NULL);
	CHECK(pci_find(0x1234, 0x11e8, 0) == pci_at(0, 4, 0));
	CHECK(pci_find(0x1234, 0x11e8, 2) == pci_at(3, 7, 0));
	CHECK(pci_find(0x1234, 0x11e8, 3) == NULL);
	CHECK(pci_at(3, 7, 0)->pd_bridge == pci_at(2, 0, 0));
	CHECK(pci_at(2, 0, 0)->pd_bridge == pci_at(0, 2, 0));
	CHECK(pci_at(0, 2, 0)->pd_bridge == NULL);
	CHECK_STR(pci_at(0, 31, 3)->pd_name, "00:1f.3");
	CHECK_STR(sim_console(), "");
}

SIM_TEST(pci_bridges_that_lie, 1, 0)
{
	static const uint8_t wrong[][2] = {{1, 1}, {5, 4}, {3, 200}, {40, 40}};

	add_bridge(0, 1, 1, 1);
	add_bridge(0, 2, 1, 1); /* the same bus again */
	add_bridge(1, 0, 1, 1); /* its own */
	for (unsigned i = 0; i < 4; i++)
		add_bridge(1, 1 + i, wrong[i][0], wrong[i][1]);
	add_bridge(0, 3, 0, 0); /* without a bus: nothing to say */
	CHECK_EQ(scan(4096), 0);
	pci_each(note, NULL);
	CHECK_EQ(norder, 8);
	CHECK_HAS(sim_console(), "pci 00:02.0: bridge to buses 1 to 1 makes no sense");
	CHECK_HAS(sim_console(), "pci 01:00.0: bridge to buses 1 to 1 makes no sense");
	CHECK_HAS(sim_console(), "pci 01:02.0: bridge to buses 5 to 4 makes no sense");
	CHECK_HAS(sim_console(), "pci 01:03.0: bridge to buses 3 to 200 makes no sense");
}

static uint32_t everywhere_read(void *cookie, unsigned bdf, unsigned reg, unsigned width)
{
	(void)cookie, (void)bdf;
	if (width == 1)
		return reg == PCI_HEADER ? 0x80 : 0x55;
	return width == 2 ? 0x5555 : 0x55555555;
}

static void everywhere_write(void *cookie, unsigned bdf, unsigned reg, unsigned w, uint32_t value)
{
	(void)cookie, (void)bdf, (void)reg, (void)w, (void)value;
}

static unsigned count;

static bool count_one(struct pci_dev *pd, void *arg)
{
	(void)pd, (void)arg;
	count++;
	return true;
}

/* Reads answer the same everywhere, so there are functions without end. */
SIM_TEST(pci_a_function_everywhere, 1, 0)
{
	static const struct pci_access pa = {.pa_read = everywhere_read,
	    .pa_write = everywhere_write,
	    .pa_bus_last = 255,
	    .pa_size = 256};

	CHECK_EQ(pci_scan(&pa), 0);
	pci_each(count_one, NULL);
	CHECK(count == 256);
}

/* ---- BARs ---- */

SIM_TEST(pci_bars_of_each_kind, 1, 0)
{
	struct fake *f = add(0, 4, 0, 0x11e81234);
	const struct pci_bar *pb;
	uint8_t before[64];

	bar(f, 0, 0xfea00000, 0x100000, 0);
	bar(f, 1, 0x7000000000ull, 0x400000000ull, 4 | 8);
	bar(f, 3, 0xc040, 32, 1);
	bar(f, 4, 0, 4096, 0);
	put(f, PCI_COMMAND, 0x0503, 2);
	memcpy(before, f->reg, 64);
	CHECK_EQ(scan(4096), 0);
	CHECK(memcmp(before, f->reg, 64) == 0);
	CHECK_EQ(decoding_while_sized, 0);
	pb = pci_at(0, 4, 0)->pd_bar;
	CHECK(pb[0].pb_base == 0xfea00000 && pb[0].pb_size == 0x100000 && !pb[0].pb_io);
	CHECK(pb[1].pb_base == 0x7000000000ull && pb[1].pb_size == 0x400000000ull);
	CHECK(pb[1].pb_64 && pb[1].pb_prefetch && pb[2].pb_size == 0);
	CHECK(pb[3].pb_io && pb[3].pb_base == 0xc040 && pb[3].pb_size == 32);
	CHECK(pb[4].pb_base == 0 && pb[4].pb_size == 4096);
	CHECK_EQ(pb[5].pb_size, 0);
	CHECK_STR(sim_console(), "");
}

SIM_TEST(pci_bars_that_lie, 1, 0)
{
	struct fake *f = add(0, 4, 0, 0x11e81234);
	const struct pci_bar *pb;

	bar(f, 0, 0xfea00100, 0x1000, 0); /* set below */
	put(f, PCI_BAR0, 0xfea00100, 4);  /* not aligned to its size */
	f->bar_mask[1] = 0xf0f0f000;      /* size is no power of two */
	bar(f, 2, 0xd0000000, 0x1000, 6); /* a type that there is not */
	bar(f, 5, 0xe0000000, 0x1000, 0);
	put(f, PCI_BAR0 + 20, 0xe0000004, 4); /* 64 bits, but the last */
	CHECK_EQ(scan(256), 0);
	pb = pci_at(0, 4, 0)->pd_bar;
	for (unsigned i = 0; i < PCI_BARS; i++)
		CHECK_EQ(pb[i].pb_size, 0);
	CHECK_HAS(sim_console(), "pci 00:04.0: BAR 0 makes no sense");
	CHECK_HAS(sim_console(), "pci 00:04.0: BAR 1 makes no sense");
	CHECK_HAS(sim_console(), "pci 00:04.0: BAR 2 makes no sense");
	CHECK_HAS(sim_console(), "pci 00:04.0: BAR 5 makes no sense");
}

SIM_TEST(pci_bridge_has_two_bars, 1, 0)
{
	struct fake *f = add_bridge(0, 1, 0, 0);

	bar(f, 0, 0xfea00000, 0x1000, 0);
	f->bar_mask[2] = 0xffffffff; /* bus numbers, not to be written */
	CHECK_EQ(scan(4096), 0);
	CHECK_EQ(pci_at(0, 1, 0)->pd_bar[0].pb_size, 0x1000);
	CHECK_EQ(pci_at(0, 1, 0)->pd_bar[2].pb_size, 0);
}

/* ---- Capabilities ---- */

SIM_TEST(pci_caps_found, 1, 0)
{
	struct fake *f = add(0, 4, 0, 0x11e81234);
	struct pci_dev *pd;

	f->reg[PCI_CAPS] = 0x40 | 3; /* the low bits are reserved */
	cap(f, 0x40, PCI_CAP_MSI, 0xe0);
	cap(f, 0xe0, PCI_CAP_EXPRESS, 0x80);
	cap(f, 0x80, 0x01, 0);
	ecap(f, 0x100, 0x0001, 0x148);
	ecap(f, 0x148, 0x0019, 0);
	CHECK_EQ(scan(4096), 0);
	pd = pci_at(0, 4, 0);
	CHECK(pd->pd_msi == 0x40 && pd->pd_express == 0xe0 && pd->pd_msix == 0);
	CHECK_EQ(pci_cap_find(pd, 0x01, true), 0x80);
	CHECK_EQ(pci_ecap_find(pd, 0x0019, true), 0x148);
	CHECK_EQ(pci_ecap_find(pd, 0x0002, true), 0);
	CHECK_STR(sim_console(), "");
}

/* Several of a kind, one after the other; behind one that is not in the list there is nothing. */
SIM_TEST(pci_caps_of_one_kind, 1, 0)
{
	struct fake *f = add(0, 4, 0, 0x10411af4);
	struct pci_dev *pd;

	f->reg[PCI_CAPS] = 0x40;
	cap(f, 0x40, 0x09, 0x84);
	cap(f, 0x84, 0x01, 0x60);
	cap(f, 0x60, 0x09, 0x70);
	cap(f, 0x70, 0x09, 0);
	CHECK_EQ(scan(4096), 0);
	pd = pci_at(0, 4, 0);
	CHECK_EQ(pci_cap_next(pd, 0x09, 0, true), 0x40);
	CHECK_EQ(pci_cap_next(pd, 0x09, 0x40, true), 0x60);
	CHECK_EQ(pci_cap_next(pd, 0x09, 0x60, true), 0x70);
	CHECK_EQ(pci_cap_next(pd, 0x09, 0x70, true), 0);
	CHECK_EQ(pci_cap_next(pd, 0x09, 0x50, true), 0);
	CHECK_STR(sim_console(), "");
}

SIM_TEST(pci_caps_need_the_status_bit, 1, 0)
{
	struct fake *f = add(0, 4, 0, 0x11e81234);

	f->reg[PCI_CAPS] = 0x40;
	cap(f, 0x40, PCI_CAP_MSI, 0);
	put(f, PCI_STATUS, 0, 2);
	CHECK_EQ(scan(4096), 0);
	CHECK_EQ(pci_at(0, 4, 0)->pd_msi, 0);
}

SIM_TEST(pci_caps_that_loop, 1, 0)
{
	struct fake *f = add(0, 4, 0, 0x11e81234);

	f->reg[PCI_CAPS] = 0x40;
	cap(f, 0x40, 0x01, 0x50);
	cap(f, 0x50, 0x09, 0x40);
	ecap(f, 0x100, 0x0001, 0x140);
	ecap(f, 0x140, 0x0003, 0x140);
	CHECK_EQ(scan(4096), 0);
	CHECK_EQ(pci_at(0, 4, 0)->pd_msi, 0);
	CHECK_HAS(sim_console(), "pci 00:04.0: capability list loops at 0x40");
	f->reg[0x40] = PCI_CAP_EXPRESS;
	pci_at(0, 4, 0)->pd_express = 0x40;
	CHECK_EQ(pci_ecap_find(pci_at(0, 4, 0), 0x19, true), 0);
	CHECK_HAS(sim_console(), "extended capability list loops at 0x140");
}

SIM_TEST(pci_caps_that_lead_into_the_header, 1, 0)
{
	struct fake *f = add(0, 4, 0, 0x11e81234);

	f->reg[PCI_CAPS] = 0x60;
	cap(f, 0x60, 0x01, 0x04);
	f->reg[0x04] = PCI_CAP_MSI;
	ecap(f, 0x100, 0x0001, 0x60);
	CHECK_EQ(scan(4096), 0);
	CHECK_EQ(pci_at(0, 4, 0)->pd_msi, 0);
	CHECK_HAS(sim_console(), "capability list leads into the header at 0x4,");
	pci_at(0, 4, 0)->pd_express = 0x60;
	CHECK_EQ(pci_ecap_find(pci_at(0, 4, 0), 0x19, true), 0);
	CHECK_HAS(sim_console(), "extended capability list leads into the header at 0x60,");
}

/* All 48 places in one list, the longest that there can be. */
SIM_TEST(pci_caps_longest_list, 1, 0)
{
	struct fake *f = add(0, 4, 0, 0x11e81234);

	f->reg[PCI_CAPS] = 0x40;
	for (unsigned at = 0x40; at < 0x100; at += 4)
		cap(f, at, at == 0xfc ? PCI_CAP_MSI : 1, (at + 4) & 0xff);
	CHECK_EQ(scan(256), 0);
	CHECK_EQ(pci_at(0, 4, 0)->pd_msi, 0xfc);
	CHECK_EQ(pci_ecap_find(pci_at(0, 4, 0), 0x19, true), 0);
	CHECK_STR(sim_console(), "");
}

SIM_TEST(pci_msi_forms, 1, 0)
{
	struct fake *f = add(0, 4, 0, 0x11e81234);
	struct pci_msi_info mi;
	struct pci_dev *pd;

	CHECK_EQ(scan(256), 0);
	pd = pci_at(0, 4, 0);
	CHECK_EQ(pci_msi_decode(pd, &mi), ENODEV);
	pd->pd_msi = 0x40;
	CHECK_EQ(pci_msi_decode(pd, &mi), 0);
	CHECK(!mi.mi_64 && !mi.mi_maskable && mi.mi_data == 0x48 && mi.mi_mask == 0);
	put(f, 0x42, 0x0180, 2);
	CHECK_EQ(pci_msi_decode(pd, &mi), 0);
	CHECK(mi.mi_64 && mi.mi_maskable && mi.mi_data == 0x4c && mi.mi_mask == 0x50);
	/* At the end: with 64 bits and mask bits it takes 24 bytes. */
	pd->pd_msi = 0xe8;
	put(f, 0xea, 0x0180, 2);
	CHECK_EQ(pci_msi_decode(pd, &mi), 0);
	pd->pd_msi = 0xec;
	put(f, 0xee, 0x0180, 2);
	CHECK_EQ(pci_msi_decode(pd, &mi), EIO);
	CHECK_HAS(sim_console(), "pci 00:04.0: MSI capability at 0xec does not fit");
	pd->pd_msi = 0xfc;
	put(f, 0xfe, 0, 2);
	CHECK_EQ(pci_msi_decode(pd, &mi), EIO);
}

SIM_TEST(pci_msix_forms, 1, 0)
{
	static const struct {
		uint16_t control;
		uint32_t table, pba;
		int error;
	} forms[] = {
	    {7, 0x2000 | 1, 0x3000 | 1, 0},
	    {255, 0x3000 | 1, 0x2000 | 1, 0},     /* ends with the BAR */
	    {256, 0x3000 | 1, 0x2000 | 1, EIO},   /* one entry past it */
	    {7, 0x4000 | 1, 0x2000 | 1, EIO},     /* behind it */
	    {7, 0xfffffff8 | 1, 0x2000 | 1, EIO}, /* would wrap */
	    {7, 0x2000 | 0, 0x2000 | 1, EIO},     /* no such BAR */
	    {7, 0x2000 | 3, 0x2000 | 1, EIO},     /* an I/O range */
	    {7, 0x2000 | 6, 0x2000 | 1, EIO},     /* not even a number of one */
	    {7, 0x2000 | 1, 0x4000 | 1, EIO},     /* pending bits behind the BAR */
	    {7, 0x2000 | 1, 0x2000 | 7, EIO},
	};
	struct fake *f = add(0, 4, 0, 0x11e81234);
	struct pci_msix_info mx;
	struct pci_dev *pd;

	bar(f, 1, 0xfea00000, 0x4000, 0);
	bar(f, 3, 0x4000, 0x4000, 1);
	CHECK_EQ(scan(256), 0);
	pd = pci_at(0, 4, 0);
	CHECK_EQ(pci_msix_decode(pd, &mx), ENODEV);
	pd->pd_msix = 0xf4;
	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		put(f, 0xf6, forms[i].control, 2);
		put(f, 0xf8, forms[i].table, 4);
		put(f, 0xfc, forms[i].pba, 4);
		CHECK_EQ(pci_msix_decode(pd, &mx), forms[i].error);
	}
	put(f, 0xf6, 7, 2);
	put(f, 0xf8, 0x2001, 4);
	put(f, 0xfc, 0x3001, 4);
	CHECK_EQ(pci_msix_decode(pd, &mx), 0);
	CHECK(mx.mx_entries == 8 && mx.mx_bar == 1 && mx.mx_offset == 0x2000);
	pd->pd_msix = 0xf8;
	CHECK_EQ(pci_msix_decode(pd, &mx), EIO);
	CHECK_HAS(sim_console(), "MSI-X capability at 0xf8 does not fit");
}

/* ---- Wiring ---- */

static uint32_t line_of(unsigned bus, unsigned slot, unsigned pin)
{
	struct pci_dev *pd = pci_at(bus, slot, 0);
	enum intr_trigger trigger;
	uint32_t gsi;
	bool low;

	pd->pd_pin = (uint8_t)pin;
	if (pci_intx_line(pd, &gsi, &trigger, &low) != 0)
		return 0;
	CHECK(trigger == INTR_LEVEL && low);
	return gsi;
}

SIM_TEST(pci_wiring_of_ich9, 1, 0)
{
	struct fake *lpc = add(0, 31, 0, 0x29188086);

	put(lpc, 0xf0, 0xfed1c001, 4);
	add(0, 4, 0, 0x11e81234);
	add(0, 8, 0, 0x11e81234);
	add(0, 7, 0, 0x11e81234);
	add(0, 30, 0, 0x11e81234);
	add(0, 26, 0, 0x11e81234);
	add_bridge(0, 3, 1, 2);
	add_bridge(1, 2, 2, 2);
	add(2, 5, 0, 0x11e81234);
	CHECK_EQ(scan(4096), 0);
	CHECK_EQ(line_of(0, 4, 1), 20);
	CHECK_EQ(line_of(0, 8, 1), 20); /* four slots further: the same line */
	CHECK_EQ(line_of(0, 7, 1), 23);
	CHECK_EQ(line_of(0, 7, 2), 20);
	CHECK_EQ(line_of(0, 30, 4), 23);
	/* Pin A of slot 5, behind slot 2, behind slot 3: 5 + 2 + 3 turns. */
	CHECK_EQ(line_of(2, 5, 1), 20 + (0 + 5 + 2 + 3) % 4);
	/* Slots 25 and up by register, four bits a pin: here pin C to PIRQD#. */
	ich9_register = 0x2345;
	CHECK_EQ(line_of(0, 26, 3), 16 + 3);
	CHECK_EQ(ich9_phys, 0xfed1f14c);
	CHECK_EQ(line_of(0, 26, 0), 0); /* no pin */
	/* The register block is off: nobody knows. */
	put(lpc, 0xf0, 0, 4);
	CHECK_EQ(line_of(0, 26, 3), 0);
	CHECK_HAS(sim_console(), "pci 00:1a.0: nobody knows where its interrupt pin leads");
}

SIM_TEST(pci_wiring_by_line_register, 1, 0)
{
	struct fake *f = add(0, 4, 0, 0x11e81234);
	struct pci_dev *pd;

	f->reg[PCI_LINE] = 11;
	CHECK_EQ(scan(256), 0);
	pd = pci_at(0, 4, 0);
	CHECK_EQ(line_of(0, 4, 1), 11);
	pd->pd_line = 19;
	CHECK_EQ(line_of(0, 4, 1), 19);
	pd->pd_line = 0xff;
	CHECK_EQ(line_of(0, 4, 1), 0);
	pd->pd_line = 0;
	CHECK_EQ(line_of(0, 4, 1), 0);
}

SIM_TEST(pci_pin_that_is_none, 1, 0)
{
	add(0, 4, 0, 0x11e81234)->reg[PCI_PIN] = 5;
	CHECK_EQ(scan(256), 0);
	CHECK_EQ(pci_at(0, 4, 0)->pd_pin, 0);
	CHECK_HAS(sim_console(), "pci 00:04.0: interrupt pin 5 makes no sense");
}

/* ---- Anything ---- */

static bool decode_all(struct pci_dev *pd, void *arg)
{
	struct pci_msix_info mx;
	struct pci_msi_info mi;
	enum intr_trigger trigger;
	uint32_t gsi;
	bool low;

	(void)arg;
	if (pci_msi_decode(pd, &mi) == 0)
		CHECK(mi.mi_data + 2 <= PCI_CONFIG_SIZE);
	if (pci_msix_decode(pd, &mx) == 0)
		CHECK(mx.mx_bar < PCI_BARS && !pd->pd_bar[mx.mx_bar].pb_io &&
		    mx.mx_offset + 16ull * mx.mx_entries <= pd->pd_bar[mx.mx_bar].pb_size);
	for (unsigned id = 0; id < 32; id++) {
		(void)pci_cap_find(pd, (uint8_t)id, true);
		(void)pci_ecap_find(pd, (uint16_t)id, true);
	}
	(void)pci_intx_line(pd, &gsi, &trigger, &low);
	return true;
}

/* Sixty functions of random registers: no access outside, no endless list, nothing believed. */
static void random_spaces(unsigned seed)
{
	srand(seed);
	for (unsigned i = 0; i < 60; i++) {
		struct fake *f = add((unsigned)rand() % 4, (unsigned)rand() % 32,
		    (unsigned)rand() % 8, 0x11e81234);

		for (unsigned r = 4; r < PCI_CONFIG_SIZE_EXT; r++)
			f->reg[r] = (uint8_t)rand();
		f->reg[PCI_HEADER] &= 0x81;
		f->reg[PCI_STATUS] |= PCI_STATUS_CAPS;
		f->reg[PCI_SECONDARY] &= 7;
		for (unsigned b = 0; b < PCI_BARS; b++)
			f->bar_mask[b] = (unsigned)rand() % 2 ? (uint32_t)rand() * 2u : ~0xfffu;
	}
	CHECK_EQ(scan(4096), 0);
	CHECK_EQ(decoding_while_sized, 0);
	pci_each(decode_all, NULL);
}

SIM_TEST(pci_random_spaces_1, 1, 0)
{
	random_spaces(1);
}

SIM_TEST(pci_random_spaces_2, 1, 0)
{
	random_spaces(2);
}

SIM_TEST(pci_random_spaces_3, 1, 0)
{
	random_spaces(3);
}
