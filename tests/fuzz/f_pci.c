/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * f_pci.c - configuration spaces that lie: the walk, BARs, capabilities, messages, slots, cards
 * that come (sys/bus/pci*.c), and the registers of virtio devices (sys/dev/virtio_pci.c).
 *
 * Every run begins with a machine that is in order: a root port with a slot, a bridge, functions
 * with all kinds of capabilities, and more that are hidden. An input is what is wrong with it:
 * three bytes for the run (vectors, and how the port is found; which allocation fails; what BARs
 * read as), then records of
 *
 *	kind << 4 | function, register (two bytes), number of bytes, bytes
 *
 * which overwrite registers, or say which bits of a BAR can be written, or that a register reads
 * otherwise each time, or that the function is not there. BARs are mapped to memory of their size,
 * so that a window or table that does not fit is seen. What the last run had is all given back; of
 * the registers only the rows that it changed are put back.
 * Read next: tests/unit/fake_pci.h.
 */
#include "arena.h"
#include "fuzz.h"

#include "../../sys/bus/acpi.h"
#include "../../sys/bus/pci.h"
#include "../../sys/bus/pci_plug.h"
#include "../../sys/bus/pci_slot.h"
#include "../../sys/dev/virtio_pci.h"
#include "../../sys/mem/kmem.h"
#include "../../sys/mem/page.h"

#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/machine.h>
#include <ithaca/sleepq.h>
#include <stdalign.h>
#include <string.h>

#define FAKES 16u
#define BAR_MAX 0x2000u /* that is mapped */
#define VIRTQUEUE_MAX 64u

enum { WRITE, BAR_MASK, UNSTEADY, HIDDEN };

/* What a function is beside its registers. */
struct trait {
	uint32_t bar_mask[PCI_BARS];
	uint16_t unsteady; /* this register changes with every read; 0: none */
	uint8_t unsteady_by;
	bool hidden;
};

struct fake {
	alignas(uint64_t) uint8_t reg[PCI_CONFIG_SIZE_EXT];
	uint64_t changed; /* a bit a row: it is no longer as it was at the beginning */
	struct trait trait;
};

#define ROW (PCI_CONFIG_SIZE_EXT / 64)

static struct fake honest[FAKES], fakes[FAKES];
static uint8_t fake_by_bdf[4096]; /* number + 1 */
static unsigned vectors;          /* left */
static uint8_t bar_fill;

static const uint16_t places[FAKES] = {PCI_BDF(0, 0, 0), PCI_BDF(0, 1, 0), PCI_BDF(0, 2, 0),
    PCI_BDF(0, 2, 1), PCI_BDF(0, 3, 0), PCI_BDF(2, 0, 0), PCI_BDF(3, 0, 0), PCI_BDF(1, 0, 0),
    PCI_BDF(1, 0, 1), PCI_BDF(0, 31, 0), PCI_BDF(0, 4, 0), PCI_BDF(0, 31, 3), PCI_BDF(3, 9, 0),
    PCI_BDF(1, 7, 0), PCI_BDF(0, 4, 7), PCI_BDF(4, 0, 0)};

/* ---- What the code under test asks of the system ---- */

int machine_msi_source(const char *name, uint32_t index, const struct machine_msi_ops *ops,
    void *cookie, struct intr_source **out)
{
	const struct machine_msi msi = {0xfee01000, 0x20 + index};
	const struct machine_msi_ops **is;

	FUZZ_CHECK(strlen(name) < INTR_NAME_MAX);
	if (vectors == 0)
		return ENOSPC;
	is = arena_alloc(sizeof(const void *));
	if (is == NULL)
		return ENOMEM;
	vectors--;
	*is = ops;
	if (ops->msi_mask != NULL)
		ops->msi_mask(cookie, true);
	ops->msi_write(cookie, &msi);
	if (ops->msi_mask != NULL)
		ops->msi_mask(cookie, false);
	*out = (struct intr_source *)(void *)is;
	return 0;
}

int machine_msi_destroy(struct intr_source *is)
{
	arena_free(is);
	return 0;
}

int machine_line_source(uint32_t gsi, enum intr_trigger trigger, bool active_low,
    struct intr_source **out)
{
	static char line;

	FUZZ_CHECK(trigger == INTR_LEVEL || trigger == INTR_EDGE);
	(void)active_low;
	*out = (struct intr_source *)(void *)&line;
	return gsi < 24 ? 0 : ENXIO;
}

int pci_map_bar(struct pci_dev *pd, unsigned bar, size_t min, void **out, size_t *size)
{
	const struct pci_bar *pb = &pd->pd_bar[bar];

	FUZZ_CHECK(bar < PCI_BARS);
	if (pb->pb_size < min || pb->pb_size == 0 || pb->pb_io || pb->pb_base == 0)
		return ENXIO;
	*out = pb->pb_size <= BAR_MAX ? arena_alloc(pb->pb_size) : NULL;
	if (*out == NULL)
		return ENOMEM;
	memset(*out, bar_fill, pb->pb_size);
	if (size != NULL)
		*size = pb->pb_size;
	return 0;
}

void pci_unmap_bar(void *p)
{
	arena_free(p);
}

struct page *page_of(uint64_t phys)
{
	return phys < 0x10000000 ? (struct page *)(void *)fakes : NULL;
}

void *kmem_alloc(size_t size)
{
	return arena_alloc(size);
}

void kmem_free(void *p, size_t size)
{
	(void)size;
	arena_free(p);
}

uint64_t machine_virt_to_phys(const void *virt)
{
	return (uintptr_t)virt;
}

void lwp_sleep_ns(uint64_t ns)
{
	host_counter += ns;
}

/* ---- Configuration space ---- */

static struct fake *fake_at(unsigned bdf)
{
	unsigned n = bdf < sizeof(fake_by_bdf) ? fake_by_bdf[bdf] : 0;

	return n != 0 && !fakes[n - 1].trait.hidden ? &fakes[n - 1] : NULL;
}

/* Registers of its own: `n` bytes at `reg` are about to be another's. */
static uint8_t *fake_change(struct fake *f, unsigned reg, size_t n)
{
	for (unsigned row = reg / ROW; n > 0 && row <= (reg + n - 1) / ROW; row++)
		f->changed |= (uint64_t)1 << row;
	return f->reg + reg;
}

static void fake_restore(struct fake *f, const struct fake *as)
{
	for (; f->changed != 0; f->changed &= f->changed - 1) {
		size_t at = (size_t)__builtin_ctzll(f->changed) * ROW;

		memcpy(f->reg + at, as->reg + at, ROW);
	}
	f->trait = as->trait;
}

/* A number of 1, 2 or 4 bytes; with sizes that the compiler knows, as it is done hundreds of times
 * a run. */
static uint32_t get(const uint8_t *p, unsigned width)
{
	uint32_t v4;
	uint16_t v2;

	if (width == 1)
		return *p;
	if (width == 2) {
		memcpy(&v2, p, 2);
		return v2;
	}
	memcpy(&v4, p, 4);
	return v4;
}

static void set(uint8_t *p, uint32_t value, unsigned width)
{
	uint16_t v2 = (uint16_t)value;

	if (width == 1)
		*p = (uint8_t)value;
	else if (width == 2)
		memcpy(p, &v2, 2);
	else
		memcpy(p, &value, 4);
}

static uint32_t fake_read(void *cookie, unsigned bdf, unsigned reg, unsigned width)
{
	struct fake *f = fake_at(bdf);

	(void)cookie;
	FUZZ_CHECK(width == 1 || width == 2 || width == 4);
	FUZZ_CHECK((reg & (width - 1)) == 0 && reg + width <= PCI_CONFIG_SIZE_EXT);
	if (f == NULL)
		return 0xffffffffu >> (32 - 8 * width);
	if (f->trait.unsteady != 0 && f->trait.unsteady - reg < width)
		*fake_change(f, f->trait.unsteady, 1) ^= f->trait.unsteady_by;
	return get(f->reg + reg, width);
}

static void fake_write(void *cookie, unsigned bdf, unsigned reg, unsigned width, uint32_t value)
{
	struct fake *f = fake_at(bdf);
	unsigned bar = (reg - PCI_BAR0) / 4;
	uint32_t old, mask = 0xffffffff;

	(void)cookie;
	FUZZ_CHECK((reg & (width - 1)) == 0 && reg + width <= PCI_CONFIG_SIZE_EXT);
	if (f == NULL || reg < PCI_COMMAND)
		return;
	if (reg >= PCI_BAR0 && bar < PCI_BARS)
		mask = f->trait.bar_mask[bar];
	old = get(f->reg + reg, width);
	set(fake_change(f, reg, width), (old & ~mask) | (value & mask), width);
}

static uint16_t fake_phys16(uint64_t phys)
{
	return (uint16_t)(phys ^ 0x3210);
}

static const struct pci_access access_fake = {.pa_read = fake_read,
    .pa_write = fake_write,
    .pa_phys16 = fake_phys16,
    .pa_bus_last = 15,
    .pa_size = PCI_CONFIG_SIZE_EXT};

/* ---- The machine in order ---- */

static void put(struct fake *f, unsigned reg, uint32_t value, unsigned width)
{
	set(f->reg + reg, value, width);
}

static void bar(struct fake *f, unsigned n, uint32_t base, uint32_t size, uint32_t type)
{
	put(f, PCI_BAR0 + 4 * n, base | type, 4);
	f->trait.bar_mask[n] = ~(size - 1) & ~15u;
	if ((type & 6) == 4)
		f->trait.bar_mask[n + 1] = 0xffffffff;
}

static void cap(struct fake *f, unsigned at, unsigned id, unsigned next)
{
	put(f, PCI_STATUS, PCI_STATUS_CAPS, 2);
	f->reg[at] = (uint8_t)id;
	f->reg[at + 1] = (uint8_t)next;
}

static void bridge(struct fake *f, unsigned secondary, unsigned last)
{
	f->reg[PCI_HEADER] = 1;
	f->reg[PCI_SECONDARY] = (uint8_t)secondary;
	f->reg[PCI_SUBORDINATE] = (uint8_t)last;
	put(f, 0x20, 0xfe10fe00, 4); /* memory 0xfe000000 to 0xfe1fffff */
	put(f, 0x24, 0x0011fff1, 4); /* prefetchable, 64 bits */
	put(f, 0x28, 0x8, 4);
	put(f, 0x2c, 0x9, 4);
}

/* A PCI Express port whose slot can all that there is. */
static void slot(struct fake *f)
{
	f->reg[PCI_CAPS] = 0x40;
	cap(f, 0x40, PCI_CAP_EXPRESS, 0x80);
	put(f, 0x42, 0x0142, 2);
	put(f, 0x4c, 0x00100000, 4);
	put(f, 0x52, 0x2000, 2);
	put(f, 0x54, 0x0008005b, 4);
	put(f, 0x5a, 0x0149, 2);
	cap(f, 0x80, PCI_CAP_MSI, 0);
	put(f, 0x82, 0x0180, 2);
}

/* MSI, MSI-X, PCI Express, four virtio windows, extended capabilities. */
static void function(struct fake *f, uint32_t base)
{
	f->reg[PCI_PIN] = 1;
	f->reg[PCI_LINE] = 11;
	f->reg[PCI_CAPS] = 0x40;
	bar(f, 0, base, 0x100, 0);
	bar(f, 2, base + 0x4000, 0x400, 4 | 8);
	cap(f, 0x40, PCI_CAP_MSIX, 0x50);
	put(f, 0x42, 4, 2);
	put(f, 0x48, 0x80, 4);
	cap(f, 0x50, PCI_CAP_MSI, 0x70);
	put(f, 0x52, 0x0180, 2);
	cap(f, 0x70, PCI_CAP_EXPRESS, 0xa0);
	for (unsigned i = 0; i < 4; i++) {
		unsigned at = 0xa0 + 0x14 * i;

		cap(f, at, 0x09, i < 3 ? at + 0x14 : 0);
		f->reg[at + 2] = 0x14;
		f->reg[at + 3] = (uint8_t)(i + 1);
		f->reg[at + 4] = 2;
		put(f, at + 8, 0x100 * i, 4);
		put(f, at + 12, 0x100, 4);
	}
	put(f, 0x100, 0x20010001, 4);
	put(f, 0x200, 0x00010003, 4);
}

/* One BAR, MSI without mask bits, PCI Express. */
static void function_small(struct fake *f, uint32_t base)
{
	f->reg[PCI_PIN] = 2;
	f->reg[PCI_CAPS] = 0x50;
	bar(f, 0, base, 0x1000, 0);
	cap(f, 0x50, PCI_CAP_MSI, 0x70);
	cap(f, 0x70, PCI_CAP_EXPRESS, 0);
}

static const void *no_memory(uint64_t phys, size_t size)
{
	(void)phys, (void)size;
	return NULL;
}

static void start(void)
{
	static const struct acpi_mem none = {.am_map = no_memory};

	for (unsigned i = 0; i < FAKES; i++) {
		struct fake *f = &honest[i];

		fake_by_bdf[places[i]] = (uint8_t)(i + 1);
		put(f, PCI_ID, i == 9 ? 0x29188086 : 0x10411af4, 4);
		f->trait.hidden = i == 5 || i == 6 || i == 8 || i > 9;
		if (i == 3 || i == 6 || i == 8)
			function_small(f, 0xfd000000 + i * 0x10000);
		else if (i == 2 || i == 7 || i > 9)
			function(f, 0xfd000000 + i * 0x10000);
	}
	bridge(&honest[1], 1, 1);
	slot(&honest[1]);
	bridge(&honest[4], 2, 3);
	bridge(&honest[5], 3, 3);
	honest[2].reg[PCI_HEADER] = honest[7].reg[PCI_HEADER] = 0x80;
	put(&honest[9], 0xf0, 0xfed1c001, 4);
	(void)acpi_parse(0, &none);
	memcpy(fakes, honest, sizeof(fakes));
}

static void patch(const uint8_t *in, size_t len)
{
	for (unsigned i = 0; i < FAKES; i++)
		fake_restore(&fakes[i], &honest[i]);
	while (len >= 4) {
		struct fake *f = &fakes[in[0] & 15];
		unsigned reg = (in[1] | in[2] << 8) & (PCI_CONFIG_SIZE_EXT - 1);
		size_t n = in[3] % 33;

		n = n < len - 4 ? n : len - 4;
		n = n < PCI_CONFIG_SIZE_EXT - reg ? n : PCI_CONFIG_SIZE_EXT - reg;
		switch (in[0] >> 4 & 3) {
		case WRITE:
			memcpy(fake_change(f, reg, n), in + 4, n);
			break;
		case BAR_MASK:
			memcpy(&f->trait.bar_mask[reg % PCI_BARS], in + 4, n < 4 ? n : 4);
			break;
		case UNSTEADY:
			f->trait.unsteady = (uint16_t)reg;
			f->trait.unsteady_by = n > 0 ? in[4] : 1;
			break;
		case HIDDEN:
			f->trait.hidden = reg != 0;
			break;
		}
		in += 4 + n;
		len -= 4 + n;
	}
}

/* ---- A run ---- */

static void interrupts(struct pci_dev *pd)
{
	struct intr_source *sources[PCI_INTR_MAX];
	unsigned got, kind;

	for (unsigned kinds = 1; kinds < 8; kinds <<= 1) {
		if (pci_intr_alloc(pd, kinds, 1 + kinds * 9, sources, &got, &kind) != 0)
			continue;
		FUZZ_CHECK(got >= 1 && got <= 1 + kinds * 9 && kind == kinds);
		pci_intr_free(pd);
		vectors += kind == PCI_INTR_INTX ? 0 : got;
	}
}

static void virtio(struct pci_dev *pd)
{
	struct virtqueue vq = {0};
	struct virtio vi;

	if (virtio_map(&vi, pd) != 0)
		return;
	(void)virtio_begin(&vi, VIRTIO_F_VERSION_1 | 0xff);
	(void)virtio_config_vector(&vi, 0);
	(void)virtio_config32(&vi, 4);
	(void)virtio_isr(&vi);
	if (virtio_queue_start(&vi, &vq, virtio_queue_count(&vi), VIRTQUEUE_MAX, 1) == 0) {
		FUZZ_CHECK(vq.vq_size <= VIRTQUEUE_MAX);
		*vq.vq_notify = 0;
		virtio_queue_free(&vq);
	}
	(void)virtio_reset(&vi);
	virtio_unmap(&vi);
}

/* The slot of a port is asked. */
static void slot_ask(struct pci_dev *pd)
{
	struct pci_slot sl;

	if (pci_slot_decode(pd, &sl) != 0)
		return;
	(void)pci_slot_events(&sl);
	pci_slot_listen(&sl, true);
	pci_slot_message(&sl);
	pci_slot_control(&sl, true, SLOT_LAMP_BLINK, true);
	(void)(pci_slot_present(&sl) + pci_slot_linked(&sl) + pci_slot_powered(&sl));
	pci_slot_listen(&sl, false);
}

static bool look(struct pci_dev *pd, void *arg)
{
	unsigned *n = arg, at;

	at = pci_cap_find(pd, 0xff, false); /* to the end */
	FUZZ_CHECK(at < PCI_CONFIG_SIZE);
	at = pci_ecap_find(pd, 3, true);
	FUZZ_CHECK(at == 0 || (at >= 0x100 && at <= PCI_CONFIG_SIZE_EXT - 4));
	if (pd->pd_header == 0) {
		interrupts(pd);
		virtio(pd);
	} else if (pd->pd_header == 1) {
		slot_ask(pd);
	}
	return ++*n < FAKES;
}

static bool note(struct pci_dev *pd, void *arg)
{
	struct pci_dev ***to = arg;

	*(*to)++ = pd;
	return true;
}

static struct pci_dev *all[4 * FAKES];

static unsigned list_all(void)
{
	struct pci_dev **end = all;

	pci_each(note, &end);
	FUZZ_CHECK(end <= all + 4 * FAKES);
	return (unsigned)(end - all);
}

/* The first function at 00:01.0, as the list has it or as the system finds it. */
static struct pci_dev *port_find(unsigned n, bool as_system)
{
	if (as_system)
		return pci_at(0, 1, 0);
	for (unsigned i = 0; i < n; i++)
		if (all[i]->pd_bdf == PCI_BDF(0, 1, 0))
			return all[i];
	return NULL;
}

/* What is in the port's slot goes, and comes anew. Returns how many there are then, in all[]. */
static unsigned cards_change(bool as_system)
{
	unsigned n = list_all();
	struct pci_dev *port = port_find(n, as_system);

	if (port == NULL || port->pd_header != 1)
		return n;
	for (unsigned i = 0; i < n; i++)
		if (pci_below(all[i], port))
			pci_remove(all[i]);
	(void)pci_answers(port);
	if (pci_rescan(port) == 0)
		(void)pci_assign(port);
	n = list_all();
	for (unsigned i = 0, looked = 0; i < n; i++) {
		(void)pci_kept(all[i]);
		if (pci_below(all[i], port))
			(void)look(all[i], &looked);
	}
	return n;
}

static void run(const uint8_t *in, size_t len)
{
	unsigned n = 0;

	if (len < 3)
		return;
	patch(in + 3, len - 3);
	vectors = in[0] % 8;
	bar_fill = in[2];
	arena_fail_after(in[1]);
	(void)pci_scan(&access_fake);
	pci_each(look, &n);
	for (n = cards_change((in[0] & 8) != 0); n-- > 0;)
		pci_remove(all[n]);
	arena_fail_after(0);
	FUZZ_CHECK(arena_live() == 0);
}

static void seeds(void)
{
	static const uint8_t some[][16] = {{7, 0, 0},
	    {7, 0, 0, 0x35, 0, 0, 0, 0x36, 0, 0, 0, 0x38, 0, 0, 0}, /* all of them */
	    {15, 0, 0xff, 0x12, 0, 0, 4, 0, 0xf0, 0xff, 0xff}, {7, 0, 1, 0x02, 0x41, 0, 1, 0x40},
	    {7, 0, 0, 0x22, 0x41, 0, 1, 0xff}, {7, 0, 0, 0x31, 0, 0, 0},
	    {7, 3, 0, 0x01, 0x19, 0, 2, 2, 3}, {7, 0, 0, 0x3a, 0, 0, 0, 0x0a, 0x0e, 0, 1, 0x80},
	    {2, 0, 2, 0x07, 0x10, 0, 4, 1, 2, 3, 4}};

	for (unsigned i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		fuzz_seed(some[i], sizeof(some[i]));
}

FUZZ_TARGET(
    pci) = {.ft_run = run, .ft_start = start, .ft_seeds = seeds, .ft_max = 512, .ft_runs = 40000};
