/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci.c - find every function on the PCI buses, and what it has.
 *
 * The walk starts at the first bus of the range that the firmware names and follows bridges by the
 * bus numbers that the firmware gave them; numbers and BARs are not assigned here. Each bus
 * is visited once whatever the bridges say, and each has a bounded number of functions, so a lying
 * configuration space ends the walk early but never keeps it going.
 *
 * A BAR's size is learnt by writing ones to it; decoding is off meanwhile, because for that moment
 * the function would answer at the wrong address.
 *
 * Source: PCI Local Bus Specification 3.0, 6.1, 6.2.5; PCI-to-PCI Bridge Architecture 1.2, 3.2.
 *
 * Functions come and go with the cards in a slot. Each has a count of those who hold it, one of
 * them the list; a function that has gone stays linked, and is passed over, until the last lets it
 * go. So whoever walks the list needs to keep no more than the one function that he stands at, and
 * runs with no lock held. A function holds the bridge that it is behind.
 *
 * Contexts: pci_scan() once, pci_rescan() one at a time (pci_plug.h), both thread context; the
 * rest: any below IPL_VM, configuration space any. Locks: devs_lock, a leaf. Not for: getting at
 * configuration space (pci_map.c), capabilities (pci_cap.c), interrupts (pci_intr.c), resources
 * (pci_plug.c). Read next: pci_cap.c.
 */
#include "pci.h"

#include "pci_plug.h"
#include <ithaca/errno.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/spin.h>
#include <ithaca/string.h>

#define BUSES 256u
#define NOT_YET 0x0001u /* the vendor of a device that is still at its reset (PCIe 3.1, 2.3.2) */
#define DEVS_MAX 1024u  /* functions; more than any machine has, fewer than a lie would make */

static struct spin devs_lock;
static struct list pci_devs = LIST_INIT(pci_devs); /* (m: devs_lock) */
static unsigned devs_count;                        /* (m: devs_lock) */

/* What the walk needs to remember; gone when it is over. */
struct walk {
	const struct pci_access *wk_access;
	struct pci_dev *wk_bridge[BUSES]; /* that leads to the bus */
	uint8_t wk_queue[BUSES];          /* buses to be visited, each at most once */
	unsigned wk_head, wk_tail;
	bool wk_seen[BUSES];
};

/* ---- Configuration space ---- */

static uint32_t config_read(const struct pci_dev *pd, unsigned reg, unsigned width)
{
	const struct pci_access *pa = pd->pd_access;

	KASSERT(reg % width == 0 && reg + width <= pa->pa_size, "pci %s: register 0x%x, %u bytes",
	    pd->pd_name, reg, width);
	return pa->pa_read(pa->pa_cookie, pd->pd_bdf, reg, width);
}

static void config_write(const struct pci_dev *pd, unsigned reg, unsigned width, uint32_t value)
{
	const struct pci_access *pa = pd->pd_access;

	KASSERT(reg % width == 0 && reg + width <= pa->pa_size, "pci %s: register 0x%x, %u bytes",
	    pd->pd_name, reg, width);
	pa->pa_write(pa->pa_cookie, pd->pd_bdf, reg, width, value);
}

uint8_t pci_read8(const struct pci_dev *pd, unsigned reg)
{
	return (uint8_t)config_read(pd, reg, 1);
}

uint16_t pci_read16(const struct pci_dev *pd, unsigned reg)
{
	return (uint16_t)config_read(pd, reg, 2);
}

uint32_t pci_read32(const struct pci_dev *pd, unsigned reg)
{
	return config_read(pd, reg, 4);
}

void pci_write16(const struct pci_dev *pd, unsigned reg, uint16_t value)
{
	config_write(pd, reg, 2, value);
}

void pci_write32(const struct pci_dev *pd, unsigned reg, uint32_t value)
{
	config_write(pd, reg, 4, value);
}

bool pci_present(const struct pci_dev *pd)
{
	return pci_read16(pd, PCI_ID) == pd->pd_vendor;
}

void pci_command(const struct pci_dev *pd, uint16_t set, uint16_t clear)
{
	uint16_t command = pci_read16(pd, PCI_COMMAND);

	/* A write of 16 bits: the status register beside it is cleared by ones. */
	pci_write16(pd, PCI_COMMAND, (uint16_t)((command & ~clear) | set));
}

/* ---- BARs ---- */

static uint32_t bar_probe(const struct pci_dev *pd, unsigned reg, uint32_t *old)
{
	uint32_t mask;

	*old = pci_read32(pd, reg);
	pci_write32(pd, reg, 0xffffffff);
	mask = pci_read32(pd, reg);
	pci_write32(pd, reg, *old);
	return mask;
}

/* Size and base must be what a decoder can do: a power of two, aligned to it, no wrap. */
static bool bar_sane(const struct pci_bar *pb)
{
	return (pb->pb_size & (pb->pb_size - 1)) == 0 && (pb->pb_base & (pb->pb_size - 1)) == 0 &&
	    pb->pb_base + (pb->pb_size - 1) >= pb->pb_base;
}

/* Read BAR i of n; returns how many registers it takes. */
static unsigned bar_read(struct pci_dev *pd, unsigned i, unsigned n)
{
	struct pci_bar *pb = &pd->pd_bar[i];
	unsigned reg = PCI_BAR0 + 4 * i, regs = 1;
	uint32_t low, high = 0, mask = bar_probe(pd, reg, &low);
	uint64_t wide;

	if (mask == 0)
		return 1;
	pb->pb_io = (mask & 1) != 0;
	if (pb->pb_io) {
		/* The upper half may be hard-wired to zero. */
		wide = (mask & ~3u) | 0xffff0000u;
		pb->pb_base = low & ~3u;
		pb->pb_size = (uint32_t) - (uint32_t)wide;
	} else {
		pb->pb_64 = (mask & 6) == 4;
		pb->pb_prefetch = (mask & 8) != 0;
		wide = (mask & ~15u) | 0xffffffff00000000ull;
		if (pb->pb_64 && i + 1 < n) {
			wide = (wide & 0xffffffffu) | (uint64_t)bar_probe(pd, reg + 4, &high) << 32;
			regs = 2;
		}
		pb->pb_base = (low & ~15u) | (uint64_t)high << 32;
		pb->pb_size = -wide;
	}
	if ((mask & 7) == 6 || (pb->pb_64 && regs == 1) || pb->pb_size == 0 || !bar_sane(pb)) {
		kprintf("pci %s: BAR %u makes no sense (0x%x, mask 0x%x), ignored\n", pd->pd_name,
		    i, low, mask);
		*pb = (struct pci_bar){0};
	}
	return regs;
}

static void bars_read(struct pci_dev *pd)
{
	unsigned n = pd->pd_header == 0 ? PCI_BARS : pd->pd_header == 1 ? 2 : 0;
	uint16_t command = pci_read16(pd, PCI_COMMAND);

	if (n == 0)
		return;
	pci_write16(pd, PCI_COMMAND, command & (uint16_t) ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	for (unsigned i = 0; i < n;)
		i += bar_read(pd, i, n);
	pci_write16(pd, PCI_COMMAND, command);
}

/* ---- The walk ---- */

static void bus_queue(struct walk *wk, unsigned bus, struct pci_dev *bridge)
{
	wk->wk_seen[bus] = true;
	wk->wk_bridge[bus] = bridge;
	wk->wk_queue[wk->wk_tail++] = (uint8_t)bus;
}

static void bridge_follow(struct walk *wk, struct pci_dev *pd)
{
	unsigned secondary = pci_read8(pd, PCI_SECONDARY), last = pci_read8(pd, PCI_SUBORDINATE);

	if (secondary == 0)
		return; /* the firmware gave it no bus */
	if (secondary <= PCI_BUS(pd) || last < secondary || last > wk->wk_access->pa_bus_last ||
	    wk->wk_seen[secondary]) {
		kprintf("pci %s: bridge to buses %u to %u makes no sense, not followed\n",
		    pd->pd_name, secondary, last);
		return;
	}
	bus_queue(wk, secondary, pd);
}

static void dev_fill(struct pci_dev *pd, uint32_t id)
{
	uint32_t class = pci_read32(pd, PCI_CLASS);

	pd->pd_vendor = (uint16_t)id;
	pd->pd_device = (uint16_t)(id >> 16);
	pd->pd_class = class >> 8;
	pd->pd_revision = (uint8_t) class;
	pd->pd_header = pci_read8(pd, PCI_HEADER) & 0x7f;
	pd->pd_pin = pci_read8(pd, PCI_PIN);
	pd->pd_line = pci_read8(pd, PCI_LINE);
	if (pd->pd_pin > 4) {
		kprintf("pci %s: interrupt pin %u makes no sense, ignored\n", pd->pd_name,
		    pd->pd_pin);
		pd->pd_pin = 0;
	}
	bars_read(pd);
	if (pd->pd_header > 1)
		return; /* CardBus and unknown: their capabilities are elsewhere */
	/* The first walk tells what is wrong with the list; the others need not. */
	pd->pd_msi = (uint16_t)pci_cap_find(pd, PCI_CAP_MSI, true);
	pd->pd_msix = (uint16_t)pci_cap_find(pd, PCI_CAP_MSIX, pd->pd_msi != 0);
	pd->pd_express = (uint16_t)pci_cap_find(pd, PCI_CAP_EXPRESS, false);
}

static bool devs_enter(void)
{
	bool on = port_intr_disable();

	spin_lock(&devs_lock);
	return on;
}

static void devs_exit(bool on)
{
	spin_unlock(&devs_lock);
	port_intr_restore(on);
}

/* Functions are listed by place; buses may be visited in another order. */
static void dev_insert(struct pci_dev *pd)
{
	bool on = devs_enter();
	struct list *e = pci_devs.prev;

	while (e != &pci_devs && container_of(e, struct pci_dev, pd_all)->pd_bdf > pd->pd_bdf)
		e = e->prev;
	pd->pd_holds = 1;
	devs_count++;
	list_insert_before(e->next, &pd->pd_all);
	devs_exit(on);
}

/* Look at one place. *multi: its device has more functions. ENOENT: nobody there. */
static int function_scan(struct walk *wk, unsigned bdf, bool *multi)
{
	const struct pci_access *pa = wk->wk_access;
	uint32_t id = pa->pa_read(pa->pa_cookie, bdf, PCI_ID, 4);
	struct pci_dev *pd;

	if ((id & 0xffff) == 0xffff || (id & 0xffff) == 0)
		return ENOENT;
	if (devs_count == DEVS_MAX) /* read without the lock: one at a time makes it grow */
		return ENOSPC;
	pd = port_mem_alloc(sizeof(*pd));
	if (pd == NULL)
		return ENOMEM;
	pd->pd_access = pa;
	pd->pd_bdf = (uint16_t)bdf;
	pd->pd_bridge = wk->wk_bridge[bdf >> 8];
	if (pd->pd_bridge != NULL)
		pci_hold(pd->pd_bridge);
	ksnprintf(pd->pd_name, sizeof(pd->pd_name), "%02x:%02x.%x", bdf >> 8, bdf >> 3 & 0x1f,
	    bdf & 7);
	dev_fill(pd, id);
	dev_insert(pd);
	*multi = (pci_read8(pd, PCI_HEADER) & 0x80) != 0;
	if (pd->pd_header == 1)
		bridge_follow(wk, pd);
	return 0;
}

static int bus_scan(struct walk *wk, unsigned bus)
{
	for (unsigned slot = 0; slot < 32; slot++) {
		bool multi = false, ignored;
		int error = function_scan(wk, PCI_BDF(bus, slot, 0), &multi);

		for (unsigned func = 1; error == 0 && multi && func < 8; func++) {
			error = function_scan(wk, PCI_BDF(bus, slot, func), &ignored);
			if (error == ENOENT)
				error = 0;
		}
		if (error != 0 && error != ENOENT)
			return error;
	}
	return 0;
}

/* Walk the buses that are queued. */
static int walk(struct walk *wk)
{
	int error = 0;

	while (error == 0 && wk->wk_head < wk->wk_tail)
		error = bus_scan(wk, wk->wk_queue[wk->wk_head++]);
	if (error == ENOSPC) {
		kprintf("pci: more than %u functions, rest ignored\n", DEVS_MAX);
		error = 0;
	}
	return error;
}

int pci_scan(const struct pci_access *pa)
{
	struct walk *wk;
	int error;

	KASSERT(list_empty(&pci_devs), "pci: scanned twice");
	KASSERT(pa->pa_bus_first <= pa->pa_bus_last && pa->pa_bus_last < BUSES,
	    "pci: buses %u to %u", pa->pa_bus_first, pa->pa_bus_last);
	wk = port_mem_alloc(sizeof(*wk));
	if (wk == NULL)
		return ENOMEM;
	wk->wk_access = pa;
	bus_queue(wk, pa->pa_bus_first, NULL);
	error = walk(wk);
	port_mem_free(wk, sizeof(*wk));
	return error;
}

bool pci_answers(const struct pci_dev *bridge)
{
	const struct pci_access *pa = bridge->pd_access;
	unsigned bus = pci_read8(bridge, PCI_SECONDARY);
	uint32_t id = 0xffffffff;

	if (bus > PCI_BUS(bridge) && bus <= pa->pa_bus_last)
		id = pa->pa_read(pa->pa_cookie, PCI_BDF(bus, 0, 0), PCI_ID, 4);
	return (id & 0xffff) != 0xffff && (id & 0xffff) > NOT_YET;
}

int pci_rescan(struct pci_dev *bridge)
{
	unsigned bus = pci_read8(bridge, PCI_SECONDARY);
	struct walk *wk;
	bool multi = false, ignored;
	int error;

	if (bus <= PCI_BUS(bridge) || bus > bridge->pd_access->pa_bus_last)
		return ENXIO;
	wk = port_mem_alloc(sizeof(*wk));
	if (wk == NULL)
		return ENOMEM;
	wk->wk_access = bridge->pd_access;
	wk->wk_bridge[bus] = bridge;
	for (unsigned i = 0; i < BUSES; i++)
		wk->wk_seen[i] = true; /* nobody numbered what is behind a new bridge */
	error = function_scan(wk, PCI_BDF(bus, 0, 0), &multi);
	for (unsigned func = 1; error == 0 && multi && func < 8; func++) {
		error = function_scan(wk, PCI_BDF(bus, 0, func), &ignored);
		if (error == ENOENT)
			error = 0;
	}
	port_mem_free(wk, sizeof(*wk));
	return error;
}

/* ---- The list ---- */

void pci_hold(struct pci_dev *pd)
{
	bool on = devs_enter();

	KASSERT(pd->pd_holds > 0, "pci %s: held, and nobody had it", pd->pd_name);
	pd->pd_holds++;
	devs_exit(on);
}

/* One hold less; the bridge that it held in turn, if it was the last. */
static struct pci_dev *release_one(struct pci_dev *pd)
{
	struct pci_dev *bridge = pd->pd_bridge;
	bool on = devs_enter(), last;

	KASSERT(pd->pd_holds > 0, "pci %s: released once too often", pd->pd_name);
	last = --pd->pd_holds == 0;
	if (last) {
		KASSERT(pd->pd_gone, "pci %s: released by the list", pd->pd_name);
		list_remove(&pd->pd_all);
		devs_count--;
	}
	devs_exit(on);
	if (!last)
		return NULL;
	port_mem_free(pd, sizeof(*pd));
	return bridge;
}

void pci_release(struct pci_dev *pd)
{
	/* Bounded: a bridge is on a bus of a lower number. */
	while (pd != NULL)
		pd = release_one(pd);
}

void pci_remove(struct pci_dev *pd)
{
	bool on;

	KASSERT(pd->pd_driver == NULL && pd->pd_intr == NULL, "pci %s: removed, and %s has it",
	    pd->pd_name, pd->pd_driver);
	on = devs_enter();
	KASSERT(!pd->pd_gone, "pci %s: removed twice", pd->pd_name);
	pd->pd_gone = true;
	devs_exit(on);
	pci_release(pd);
}

/* The next one after `pd` (NULL: the first), held; `pd` is released. */
static struct pci_dev *dev_next(struct pci_dev *pd)
{
	bool on = devs_enter();
	struct list *e = pd != NULL ? pd->pd_all.next : pci_devs.next;
	struct pci_dev *next = NULL;

	while (e != &pci_devs && container_of(e, struct pci_dev, pd_all)->pd_gone)
		e = e->next;
	if (e != &pci_devs) {
		next = container_of(e, struct pci_dev, pd_all);
		next->pd_holds++;
	}
	devs_exit(on);
	if (pd != NULL)
		pci_release(pd);
	return next;
}

void pci_each(bool (*fn)(struct pci_dev *pd, void *arg), void *arg)
{
	struct pci_dev *pd = NULL;

	while ((pd = dev_next(pd)) != NULL) {
		if (!fn(pd, arg)) {
			pci_release(pd);
			return;
		}
	}
}

struct find {
	unsigned f_wanted; /* place, or vendor and device */
	bool f_by_place;
	unsigned f_nth;
	struct pci_dev *f_found;
};

static bool find_one(struct pci_dev *pd, void *arg)
{
	struct find *f = arg;
	unsigned is = f->f_by_place ? pd->pd_bdf : (unsigned)pd->pd_vendor << 16 | pd->pd_device;

	if (is == f->f_wanted && f->f_nth-- == 0)
		f->f_found = pd;
	return f->f_found == NULL;
}

struct pci_dev *pci_find(uint16_t vendor, uint16_t device, unsigned nth)
{
	struct find f = {.f_wanted = (unsigned)vendor << 16 | device, .f_nth = nth};

	pci_each(find_one, &f);
	return f.f_found;
}

struct pci_dev *pci_at(unsigned bus, unsigned slot, unsigned func)
{
	struct find f = {.f_wanted = PCI_BDF(bus, slot, func), .f_by_place = true};

	pci_each(find_one, &f);
	return f.f_found;
}
