/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci_plug.c - addresses for a card that comes while the system runs.
 *
 * Which addresses are free nobody knows but the firmware, and it has gone. But for a bridge with a
 * slot it leaves windows: ranges that the bridge forwards, kept free for what may be put in. So a
 * card gets what fits into the windows of its own bridge, and nothing else is touched; a card that
 * wants more than the windows have cannot be used, which is said with both figures.
 *
 * A bridge has two windows for memory, and either may be shut (its base above its limit):
 *
 *	memory		below 4 GiB; any BAR below 4 GiB may lie in it
 *	prefetchable	perhaps above 4 GiB, then for 64-bit BARs alone; for prefetchable BARs
 *
 * The windows are the firmware's word, and a device may write it: one that lies over main memory,
 * or over what a neighbour on the bridge's own bus has, is not used. The bus behind a slot holds
 * one card, which came all at once, so all of its BARs are placed together: the largest first,
 * each at the next multiple of its size, which wastes nothing as sizes are powers of two. Each is
 * read back: a BAR that did not keep its address would answer somewhere else.
 *
 * I/O ranges are not assigned: no driver here wants one. Nor are the buses behind a bridge on a
 * card; that is said, and its BARs get addresses.
 *
 * Source: PCI-to-PCI Bridge Architecture 1.2, 3.2.5.6 to 3.2.5.10; PCI Express Base Specification
 * 3.1, 7.5.3. Contexts: thread; the caller sees to it that slots come one at a time. Locks: none.
 * Not for: the slot itself (pci_slot.c), who drives the card. Read next: sys/dev/pcieslot.c.
 */
#include "pci_plug.h"

#include "mem/page.h"
#include "pci.h"
#include <ithaca/errno.h>
#include <ithaca/print.h>

#define MEMORY_BASE 0x20u /* 16 bits each: base, limit */
#define PREFETCH_BASE 0x24u
#define PREFETCH_BASE_HIGH 0x28u
#define PREFETCH_LIMIT_HIGH 0x2cu
#define WINDOW_64 0x1u /* low bits of a prefetchable window's base */
#define LOW_MEMORY 0x100000u
#define LIMIT_32 0xffffffffull

#define FUNCTIONS 8u
#define WANTS_MAX (FUNCTIONS * PCI_BARS)

enum { MEMORY, PREFETCH, WINDOWS };

/* What a bridge forwards. w_next is the first address not yet given away. */
struct window {
	const char *w_name;
	uint64_t w_base, w_limit; /* both within; shut: base above limit */
	uint64_t w_next;
};

/* A BAR that wants an address. */
struct want {
	struct pci_dev *wa_dev;
	unsigned wa_bar;
};

struct wants {
	const struct pci_dev *ws_bridge;
	struct want ws_want[WANTS_MAX]; /* by size, the largest first */
	unsigned ws_count;
};

/* ---- Windows ---- */

static void window_read(const struct pci_dev *bridge, unsigned which, struct window *w)
{
	unsigned reg = which == MEMORY ? MEMORY_BASE : PREFETCH_BASE;
	uint16_t base = pci_read16(bridge, reg), limit = pci_read16(bridge, reg + 2);

	w->w_name = which == MEMORY ? "memory" : "prefetchable";
	w->w_base = (uint64_t)(base & 0xfff0u) << 16;
	w->w_limit = (uint64_t)(limit & 0xfff0u) << 16 | 0xfffff;
	if (which == PREFETCH && (base & WINDOW_64) != 0) {
		w->w_base |= (uint64_t)pci_read32(bridge, PREFETCH_BASE_HIGH) << 32;
		w->w_limit |= (uint64_t)pci_read32(bridge, PREFETCH_LIMIT_HIGH) << 32;
	}
	w->w_next = w->w_base;
}

static bool window_shut(const struct window *w)
{
	return w->w_base > w->w_limit;
}

/* Does [base, limit] meet the window? */
static bool meets(const struct window *w, uint64_t base, uint64_t limit)
{
	return base <= w->w_limit && w->w_base <= limit;
}

struct clash {
	const struct pci_dev *c_bridge;
	const struct window *c_window;
	const struct pci_dev *c_found;
};

/* Has this function, on the bridge's own bus, something within the window? */
static bool clash_with(struct pci_dev *pd, void *arg)
{
	struct clash *c = arg;
	struct window w;
	bool met = false;

	if (PCI_BUS(pd) != PCI_BUS(c->c_bridge))
		return true;
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *pb = &pd->pd_bar[i];

		met |= pb->pb_base != 0 && !pb->pb_io &&
		    meets(c->c_window, pb->pb_base, pb->pb_base + (pb->pb_size - 1));
	}
	for (unsigned i = 0; i < WINDOWS && pd->pd_header == 1 && pd != c->c_bridge; i++) {
		window_read(pd, i, &w);
		met |= !window_shut(&w) && meets(c->c_window, w.w_base, w.w_limit);
	}
	if (met)
		c->c_found = pd;
	return !met;
}

/* A window that cannot be believed is shut. */
static void window_check(const struct pci_dev *bridge, struct window *w)
{
	struct clash c = {.c_bridge = bridge, .c_window = w};
	const char *over = NULL;

	if (window_shut(w))
		return;
	pci_each(clash_with, &c);
	if (w->w_base < LOW_MEMORY || page_of(w->w_base) != NULL || page_of(w->w_limit) != NULL)
		over = "main memory";
	else if (c.c_found != NULL)
		over = c.c_found->pd_name;
	if (over == NULL)
		return;
	kprintf("pci %s: %s window 0x%llx to 0x%llx lies over %s, not used\n", bridge->pd_name,
	    w->w_name, (unsigned long long)w->w_base, (unsigned long long)w->w_limit, over);
	w->w_base = w->w_next = 1;
	w->w_limit = 0;
}

/* `size` bytes, aligned to that, below or at `last`; 0: no room. */
static uint64_t window_take(struct window *w, uint64_t size, uint64_t last)
{
	uint64_t base = (w->w_next + (size - 1)) & ~(size - 1);
	uint64_t limit = w->w_limit < last ? w->w_limit : last;

	if (window_shut(w) || base < w->w_next || base > limit || size - 1 > limit - base)
		return 0;
	/* At the end of all addresses it wraps to 0, and nothing fits any more: limit - base. */
	w->w_next = base + size;
	if (w->w_next == 0)
		w->w_limit = w->w_base - 1;
	return base;
}

/* ---- What a card wants ---- */

static void want_add(struct wants *ws, struct pci_dev *pd, unsigned bar)
{
	uint64_t size = pd->pd_bar[bar].pb_size;
	unsigned at = ws->ws_count++;

	for (; at > 0; at--) {
		const struct want *before = &ws->ws_want[at - 1];

		if (before->wa_dev->pd_bar[before->wa_bar].pb_size >= size)
			break;
		ws->ws_want[at] = *before;
	}
	ws->ws_want[at] = (struct want){pd, bar};
}

static bool want_all(struct pci_dev *pd, void *arg)
{
	struct wants *ws = arg;

	if (pd->pd_bridge != ws->ws_bridge)
		return true;
	if (pd->pd_header == 1)
		kprintf("pci %s: a bridge on a card: what is behind it is not reached\n",
		    pd->pd_name);
	pci_command(pd, 0, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	for (unsigned i = 0; i < PCI_BARS; i++) {
		struct pci_bar *pb = &pd->pd_bar[i];

		pb->pb_base = 0;
		if (pb->pb_size != 0 && !pb->pb_io && ws->ws_count < WANTS_MAX)
			want_add(ws, pd, i);
	}
	return true;
}

/* ---- Giving ---- */

static int bar_write(struct pci_dev *pd, unsigned bar, uint64_t base)
{
	struct pci_bar *pb = &pd->pd_bar[bar];
	unsigned reg = PCI_BAR0 + 4 * bar;
	uint64_t is;

	pci_write32(pd, reg, (uint32_t)base);
	is = pci_read32(pd, reg) & ~15u;
	if (pb->pb_64) {
		pci_write32(pd, reg + 4, (uint32_t)(base >> 32));
		is |= (uint64_t)pci_read32(pd, reg + 4) << 32;
	}
	if (is == base) {
		pb->pb_base = base;
		return 0;
	}
	kprintf("pci %s: BAR %u was given 0x%llx and says 0x%llx, not used\n", pd->pd_name, bar,
	    (unsigned long long)base, (unsigned long long)is);
	return EIO;
}

static uint64_t room_of(const struct window *w)
{
	return window_shut(w) ? 0 : w->w_limit - w->w_base + 1;
}

static int give(struct window *w, struct pci_dev *pd, unsigned bar)
{
	const struct pci_bar *pb = &pd->pd_bar[bar];
	uint64_t base = 0;

	if (pb->pb_prefetch)
		base = window_take(&w[PREFETCH], pb->pb_size, pb->pb_64 ? UINT64_MAX : LIMIT_32);
	if (base == 0)
		base = window_take(&w[MEMORY], pb->pb_size, LIMIT_32);
	if (base != 0)
		return bar_write(pd, bar, base);
	kprintf("pci %s: no room for BAR %u of 0x%llx bytes%s: its bridge %s forwards 0x%llx, and "
		"0x%llx prefetchable\n",
	    pd->pd_name, bar, (unsigned long long)pb->pb_size,
	    pb->pb_prefetch ? ", prefetchable" : "", pd->pd_bridge->pd_name,
	    (unsigned long long)room_of(&w[MEMORY]), (unsigned long long)room_of(&w[PREFETCH]));
	return ENOSPC;
}

int pci_assign(struct pci_dev *bridge)
{
	struct wants ws = {.ws_bridge = bridge};
	struct window w[WINDOWS];
	int error = 0, one;

	for (unsigned i = 0; i < WINDOWS; i++) {
		window_read(bridge, i, &w[i]);
		window_check(bridge, &w[i]);
	}
	pci_each(want_all, &ws);
	for (unsigned i = 0; i < ws.ws_count; i++) {
		one = give(w, ws.ws_want[i].wa_dev, ws.ws_want[i].wa_bar);
		error = error != 0 ? error : one;
	}
	pci_command(bridge, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
	return error;
}

/* ---- What is there ---- */

bool pci_below(const struct pci_dev *pd, const struct pci_dev *bridge)
{
	/* Bounded: each bridge is on a bus of a lower number. */
	for (pd = pd->pd_bridge; pd != NULL; pd = pd->pd_bridge) {
		if (pd == bridge)
			return true;
	}
	return false;
}

bool pci_kept(const struct pci_dev *pd)
{
	if (!pci_present(pd) || pci_read16(pd, PCI_ID + 2) != pd->pd_device)
		return false;
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *pb = &pd->pd_bar[i];

		if (pb->pb_base != 0 && !pb->pb_io)
			return (pci_read32(pd, PCI_BAR0 + 4 * i) & ~15u) == (uint32_t)pb->pb_base;
	}
	return true;
}
