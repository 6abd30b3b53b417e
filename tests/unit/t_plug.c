/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_plug.c - addresses for cards that come while the system runs (sys/bus/pci_plug.c), and the list
 * of functions that come and go (pci.c), over configuration spaces made in fake_pci.h. Read next:
 * pci_plug.c.
 */
#include "fake_pci.h"

#include "../../sys/bus/pci_plug.h"

#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <sim/sim.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY 0xe0000000u
#define MIB 0x100000u
#define BIG 0x800000000ull

static struct fake *bridge;

static struct pci_access plug_access = {.pa_read = fake_read,
    .pa_write = fake_write,
    .pa_cookie = &plug_access,
    .pa_bus_last = 31,
    .pa_size = PCI_CONFIG_SIZE_EXT};

/* Windows of a bridge; limit 0: shut. */
static void windows(struct fake *f, uint32_t base, uint32_t limit, uint64_t pbase, uint64_t plimit)
{
	bool wide = plimit >> 32 != 0;

	put(f, 0x20, limit != 0 ? base >> 16 : 0xfff0, 2);
	put(f, 0x22, limit >> 16, 2);
	put(f, 0x24, (plimit != 0 ? (uint32_t)pbase >> 16 : 0xfff0) | wide, 2);
	put(f, 0x26, (uint32_t)plimit >> 16 | wide, 2);
	put(f, 0x28, (uint32_t)(pbase >> 32), 4);
	put(f, 0x2c, (uint32_t)(plimit >> 32), 4);
}

static void begin(uint32_t size, uint64_t psize)
{
	bridge = add_bridge(0, 6, 1, 1);
	windows(bridge, MEMORY, size != 0 ? MEMORY + size - 1 : 0, BIG,
	    psize != 0 ? BIG + psize - 1 : 0);
	CHECK_EQ(pci_scan(&plug_access), 0);
	sim_console_clear();
}

static int plug(void)
{
	struct pci_dev *pd = pci_at(0, 6, 0);

	CHECK_EQ(pci_rescan(pd), 0);
	return pci_assign(pd);
}

static uint64_t base_of(unsigned func, unsigned n)
{
	const struct pci_bar *pb = &pci_at(1, 0, func)->pd_bar[n];
	const struct fake *f = fake_at(PCI_BDF(1, 0, func));
	uint64_t is = 0;

	CHECK(f != NULL);
	if (f != NULL)
		memcpy(&is, f->reg + PCI_BAR0 + 4 * n, pb->pb_64 ? 8 : 4);
	CHECK_EQ(is & ~15ull, pb->pb_base);
	return pb->pb_base;
}

SIM_TEST(plug_largest_first_and_aligned, 1, 0)
{
	struct fake *f;

	begin(2 * MIB, 0);
	f = add(1, 0, 0, 0x10c98086);
	bar(f, 0, 0x1000, 0x1000, 0); /* an address from before the power went is forgotten */
	bar(f, 1, 0, MIB, 0);
	bar(f, 2, 0, 32, 1); /* I/O: not given */
	bar(f, 3, 0, 0x4000, 0);
	CHECK_EQ(plug(), 0);
	CHECK_EQ(base_of(0, 1), MEMORY);
	CHECK_EQ(base_of(0, 3), MEMORY + MIB);
	CHECK_EQ(base_of(0, 0), MEMORY + MIB + 0x4000);
	CHECK_EQ(pci_at(1, 0, 0)->pd_bar[2].pb_base, 0);
	CHECK_EQ(f->reg[PCI_COMMAND] & 7, 0);
	CHECK_EQ(bridge->reg[PCI_COMMAND] & 6, 6);
	CHECK_EQ(decoding_while_sized, 0);
	CHECK_STR(sim_console(), "");
}

SIM_TEST(plug_prefetchable_above_4g, 1, 0)
{
	struct fake *f;

	begin(2 * MIB, 0x100000000ull);
	f = add(1, 0, 0, 0x10411af4);
	bar(f, 0, 0, 0x4000, 0xc); /* 64 bits, prefetchable */
	bar(f, 2, 0, 0x4000, 0x4); /* 64 bits, not prefetchable */
	bar(f, 4, 0, 0x4000, 0x8); /* prefetchable, and cannot reach there */
	CHECK_EQ(plug(), 0);
	CHECK_EQ(base_of(0, 0), BIG);
	CHECK_EQ(base_of(0, 2), MEMORY);
	CHECK_EQ(base_of(0, 4), MEMORY + 0x4000);
}

SIM_TEST(plug_prefetchable_where_there_is_no_such_window, 1, 0)
{
	begin(2 * MIB, 0);
	bar(add(1, 0, 0, 0x10411af4), 0, 0, 0x4000, 0xc);
	CHECK_EQ(plug(), 0);
	CHECK_EQ(base_of(0, 0), MEMORY);
}

SIM_TEST(plug_no_room_is_said, 1, 0)
{
	struct fake *f;

	begin(2 * MIB, 0);
	f = add(1, 0, 0, 0x10c98086);
	bar(f, 0, 0, 4 * MIB, 0);
	bar(f, 1, 0, 0x1000, 0);
	CHECK_EQ(plug(), ENOSPC);
	CHECK_EQ(pci_at(1, 0, 0)->pd_bar[0].pb_base, 0);
	CHECK_EQ(base_of(0, 1), MEMORY);
	CHECK_HAS(sim_console(),
	    "pci 01:00.0: no room for BAR 0 of 0x400000 bytes: its bridge "
	    "00:06.0 forwards 0x200000, and 0x0 prefetchable");
}

SIM_TEST(plug_fills_its_window_to_the_end, 1, 0)
{
	begin(2 * MIB, 0);
	for (unsigned func = 0; func < 8; func++) {
		struct fake *f = add(1, 0, func, 0x10c98086);

		f->reg[PCI_HEADER] = 0x80;
		for (unsigned n = 0; n < 4; n++)
			bar(f, n, 0, 0x10000, 0);
	}
	CHECK_EQ(plug(), 0);
	for (unsigned i = 0; i < 32; i++)
		CHECK_EQ(base_of(i / 4, i % 4), MEMORY + i * 0x10000);
}

SIM_TEST(plug_one_more_than_fits, 1, 0)
{
	begin(MIB, 0);
	for (unsigned func = 0; func < 5; func++) {
		struct fake *f = add(1, 0, func, 0x10c98086);

		f->reg[PCI_HEADER] = 0x80;
		bar(f, 0, 0, MIB / 4, 0);
	}
	CHECK_EQ(plug(), ENOSPC);
	CHECK_EQ(base_of(3, 0), MEMORY + 3 * (MIB / 4));
	CHECK_EQ(pci_at(1, 0, 4)->pd_bar[0].pb_base, 0);
	CHECK_HAS(sim_console(), "pci 01:00.4: no room");
}

SIM_TEST(plug_window_over_a_neighbour, 1, 0)
{
	struct fake *f = add(0, 9, 0, 0x11e81234);

	bar(f, 0, MEMORY + MIB, MIB, 0);
	begin(2 * MIB, 0);
	bar(add(1, 0, 0, 0x10c98086), 0, 0, 0x1000, 0);
	CHECK_EQ(plug(), ENOSPC);
	CHECK_HAS(sim_console(),
	    "pci 00:06.0: memory window 0xe0000000 to 0xe01fffff lies over "
	    "00:09.0, not used");
	CHECK_EQ(pci_at(1, 0, 0)->pd_bar[0].pb_base, 0);
}

SIM_TEST(plug_window_over_a_neighbours_window, 1, 0)
{
	windows(add_bridge(0, 7, 2, 2), MEMORY + MIB, MEMORY + 4 * MIB - 1, 0, 0);
	begin(2 * MIB, 0);
	bar(add(1, 0, 0, 0x10c98086), 0, 0, 0x1000, 0);
	CHECK_EQ(plug(), ENOSPC);
	CHECK_HAS(sim_console(), "lies over 00:07.0, not used");
}

SIM_TEST(plug_window_over_main_memory, 1, 0)
{
	bridge = add_bridge(0, 6, 1, 1);
	windows(bridge, 0, 2 * MIB - 1, 0, 0);
	CHECK_EQ(pci_scan(&plug_access), 0);
	bar(add(1, 0, 0, 0x10c98086), 0, 0, 0x1000, 0);
	CHECK_EQ(plug(), ENOSPC);
	CHECK_HAS(sim_console(), "lies over main memory, not used");
}

SIM_TEST(plug_bar_that_does_not_keep_its_address, 1, 0)
{
	struct fake *f;

	begin(2 * MIB, 0);
	f = add(1, 0, 0, 0x10c98086);
	bar(f, 0, 0, 0x1000, 0);
	CHECK_EQ(pci_rescan(pci_at(0, 6, 0)), 0);
	f->bar_mask[0] = 0; /* from now on it takes nothing */
	CHECK_EQ(pci_assign(pci_at(0, 6, 0)), EIO);
	CHECK_HAS(sim_console(), "BAR 0 was given 0xe0000000 and says 0x0, not used");
	CHECK_EQ(pci_at(1, 0, 0)->pd_bar[0].pb_base, 0);
}

SIM_TEST(plug_nobody_there, 1, 0)
{
	begin(2 * MIB, 0);
	CHECK(!pci_answers(pci_at(0, 6, 0)));
	CHECK_EQ(pci_rescan(pci_at(0, 6, 0)), ENOENT);
	add(1, 0, 0, 0xffff0001); /* not over its reset */
	CHECK(!pci_answers(pci_at(0, 6, 0)));
	bridge->reg[PCI_SECONDARY] = 0;
	CHECK_EQ(pci_rescan(pci_at(0, 6, 0)), ENXIO);
	bridge->reg[PCI_SECONDARY] = 200; /* no such bus here */
	CHECK_EQ(pci_rescan(pci_at(0, 6, 0)), ENXIO);
	CHECK(!pci_answers(pci_at(0, 6, 0)));
}

SIM_TEST(plug_bridge_on_a_card, 1, 0)
{
	struct fake *f;

	begin(2 * MIB, 0);
	f = add_bridge(1, 0, 0, 0);
	bar(f, 0, 0, 0x1000, 0);
	CHECK_EQ(plug(), 0);
	CHECK_EQ(base_of(0, 0), MEMORY);
	CHECK_HAS(sim_console(),
	    "pci 01:00.0: a bridge on a card: what is behind it is not reached");
}

/* ---- The list ---- */

static bool count_one(struct pci_dev *pd, void *arg)
{
	(void)pd;
	++*(unsigned *)arg;
	return true;
}

static unsigned count(void)
{
	unsigned n = 0;

	pci_each(count_one, &n);
	return n;
}

static bool remove_behind(struct pci_dev *pd, void *arg)
{
	if (pci_below(pd, arg)) {
		pci_remove(pd);
		CHECK(pd->pd_gone && pd->pd_holds > 0); /* ours, as long as we look at it */
	}
	return true;
}

/* The same where others hold it too. */
static bool remove_behind_quietly(struct pci_dev *pd, void *arg)
{
	if (pci_below(pd, arg))
		pci_remove(pd);
	return true;
}

SIM_TEST(plug_functions_stay_while_they_are_held, 1, 0)
{
	struct pci_dev *pd;
	size_t bytes;

	begin(2 * MIB, 0);
	bytes = sim_mem_bytes();
	for (unsigned func = 0; func < 3; func++)
		add(1, 0, func, 0x10c98086)->reg[PCI_HEADER] = 0x80;
	CHECK_EQ(plug(), 0);
	CHECK_EQ(count(), 4);
	pd = pci_at(1, 0, 1);
	pci_hold(pd);
	pci_each(remove_behind, pci_at(0, 6, 0));
	CHECK_EQ(count(), 1);
	CHECK(pci_at(1, 0, 1) == NULL && sim_mem_bytes() > bytes);
	/* The same place again, while the one that had it is still held. */
	CHECK_EQ(plug(), 0);
	CHECK_EQ(count(), 4);
	CHECK(pci_at(1, 0, 1) != pd && pd->pd_gone);
	pci_release(pd);
	CHECK_EQ(count(), 4);
	pci_each(remove_behind, pci_at(0, 6, 0));
	CHECK_EQ(sim_mem_bytes(), bytes);
}

static void walker(void *arg)
{
	unsigned *rounds = arg;

	while ((*rounds)-- > 0)
		CHECK(count() >= 1);
}

SIM_TEST(plug_walks_beside_comings_and_goings, 2, 50)
{
	unsigned rounds = 20;
	struct lwp *l;

	begin(2 * MIB, 0);
	for (unsigned func = 0; func < 3; func++)
		add(1, 0, func, 0x10c98086)->reg[PCI_HEADER] = 0x80;
	CHECK_EQ(lwp_create("walker", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, walker, &rounds, &l),
	    0);
	for (unsigned i = 0; i < 5; i++) {
		CHECK_EQ(plug(), 0);
		pci_each(remove_behind_quietly, pci_at(0, 6, 0));
	}
	lwp_join(l);
	CHECK_EQ(count(), 1);
}

SIM_PANIC(plug_removed_twice, 1, "removed twice")
{
	struct pci_dev *pd;

	begin(2 * MIB, 0);
	add(1, 0, 0, 0x10c98086);
	CHECK_EQ(plug(), 0);
	pd = pci_at(1, 0, 0);
	pci_hold(pd);
	pci_remove(pd);
	pci_remove(pd);
}
