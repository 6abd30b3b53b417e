/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci_intr.c - interrupt sources for PCI functions: MSI-X, MSI, or the pin.
 *
 * A message is a memory write that the function makes; its address and data say which CPU and
 * vector it reaches. Where they are kept differs: MSI in configuration space, MSI-X in a table in
 * a BAR, an entry a vector. The machine decides what is written (machine_msi_source()) and writes
 * it anew when the source is bound to another CPU. A pin leads to a line that others may share.
 *
 * While messages are on, the pin is switched off in the command register, and bus mastering is on:
 * without it the function could not write its messages.
 *
 * Rewriting address and data against the function sending: MSI-X and maskable MSI are masked
 * meanwhile and hold the message back. An MSI without mask bits is rewritten as it stands, because
 * switching it off would make the function use its pin, which nobody watches; a message that
 * leaves between the two stores is made good by the machine (port/x86_64/vector.c). Each write
 * is read back, so that it has arrived at the function when msi_write returns.
 *
 * Contexts: alloc and free: thread, one at a time a function (its driver). Writing and masking:
 * any, interrupts off. Lock order: is_lock -> pi_lock -> none. Invariants: I1, I12 as far as the
 * function's registers go. Read next: port/x86_64/vector.c, or sys/dev/edu.c, who uses it.
 */
#include "pci.h"

#include <ithaca/errno.h>
#include <ithaca/machine.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/spin.h>

#define CONTROL 2u /* the 16-bit control register of both capabilities */
#define MSI_ADDR_LOW 4u
#define MSI_ADDR_HIGH 8u
#define MSI_ENABLE 0x0001u
#define MSI_COUNT 0x0070u /* log2 of messages in use */
#define MSIX_FUNCTION_MASK 0x4000u
#define MSIX_ENABLE 0x8000u

/* An entry of the MSI-X table, in 32-bit words. */
#define ENTRY_WORDS 4u
#define ENTRY_ADDR_LOW 0u
#define ENTRY_ADDR_HIGH 1u
#define ENTRY_DATA 2u
#define ENTRY_CONTROL 3u
#define ENTRY_MASKED 0x1u

struct pci_vector {
	struct pci_intr *pv_intr;      /* (a) */
	struct intr_source *pv_source; /* (a) */
	unsigned pv_index;             /* (a) */
	bool pv_masked;                /* (m: pi_lock) */
};

/* What a function holds. Locking key: (a) set once before it is shared; (m) pi_lock. */
struct pci_intr {
	struct pci_dev *pi_dev;      /* (a) */
	unsigned pi_kind;            /* (a) PCI_INTR_* */
	unsigned pi_count;           /* (a) vectors */
	size_t pi_size;              /* (a) of this struct, as it was allocated */
	void *pi_bar;                /* (a) MSI-X: the mapped BAR */
	volatile uint32_t *pi_table; /* (m) MSI-X: the table in it */
	struct pci_msi_info pi_msi;  /* (a) */
	struct spin pi_lock;
	struct pci_vector pi_vector[]; /* pi_count, or more that were given up */
};

static size_t intr_size(unsigned count)
{
	return sizeof(struct pci_intr) + count * sizeof(struct pci_vector);
}

/* ---- MSI ---- */

/* pi_lock held. One vector is used, so the mask is bit 0. */
static void msi_mask_locked(struct pci_vector *pv, bool mask)
{
	struct pci_intr *pi = pv->pv_intr;

	if (!pi->pi_msi.mi_maskable)
		return;
	pci_write32(pi->pi_dev, pi->pi_msi.mi_mask, mask ? 1 : 0);
	(void)pci_read32(pi->pi_dev, pi->pi_msi.mi_mask);
}

static void msi_mask(void *cookie, bool mask)
{
	struct pci_vector *pv = cookie;
	bool on = port_intr_disable();

	spin_lock(&pv->pv_intr->pi_lock);
	pv->pv_masked = mask;
	msi_mask_locked(pv, mask);
	spin_unlock(&pv->pv_intr->pi_lock);
	port_intr_restore(on);
}

static void msi_write(void *cookie, const struct machine_msi *msi)
{
	struct pci_vector *pv = cookie;
	struct pci_intr *pi = pv->pv_intr;
	struct pci_dev *pd = pi->pi_dev;
	unsigned at = pd->pd_msi;
	bool on = port_intr_disable();

	spin_lock(&pi->pi_lock);
	msi_mask_locked(pv, true);
	pci_write32(pd, at + MSI_ADDR_LOW, (uint32_t)msi->addr);
	if (pi->pi_msi.mi_64)
		pci_write32(pd, at + MSI_ADDR_HIGH, (uint32_t)(msi->addr >> 32));
	else
		KASSERT(msi->addr >> 32 == 0, "pci %s: MSI address above 4 GiB", pd->pd_name);
	pci_write16(pd, pi->pi_msi.mi_data, (uint16_t)msi->data);
	(void)pci_read16(pd, pi->pi_msi.mi_data);
	msi_mask_locked(pv, pv->pv_masked);
	spin_unlock(&pi->pi_lock);
	port_intr_restore(on);
}

static const struct machine_msi_ops msi_ops = {.msi_write = msi_write};
static const struct machine_msi_ops msi_ops_maskable = {.msi_write = msi_write,
    .msi_mask = msi_mask};

static void msi_enable(struct pci_dev *pd, bool enable)
{
	unsigned at = pd->pd_msi + CONTROL;
	uint16_t control = pci_read16(pd, at) & (uint16_t) ~(MSI_ENABLE | MSI_COUNT);

	pci_write16(pd, at, enable ? control | MSI_ENABLE : control);
}

/* ---- MSI-X ---- */

static volatile uint32_t *msix_entry(struct pci_vector *pv)
{
	return pv->pv_intr->pi_table + pv->pv_index * ENTRY_WORDS;
}

/* pi_lock held; the read makes sure that the write has arrived. */
static void msix_mask_locked(struct pci_vector *pv, bool mask)
{
	volatile uint32_t *e = msix_entry(pv);

	e[ENTRY_CONTROL] = mask ? ENTRY_MASKED : 0;
	(void)e[ENTRY_CONTROL];
}

static void msix_mask(void *cookie, bool mask)
{
	struct pci_vector *pv = cookie;
	bool on = port_intr_disable();

	spin_lock(&pv->pv_intr->pi_lock);
	pv->pv_masked = mask;
	msix_mask_locked(pv, mask);
	spin_unlock(&pv->pv_intr->pi_lock);
	port_intr_restore(on);
}

/* An entry may be rewritten only while it is masked (PCI 3.0, 6.8.3.5). */
static void msix_write(void *cookie, const struct machine_msi *msi)
{
	struct pci_vector *pv = cookie;
	volatile uint32_t *e = msix_entry(pv);
	bool on = port_intr_disable();

	spin_lock(&pv->pv_intr->pi_lock);
	msix_mask_locked(pv, true);
	e[ENTRY_ADDR_LOW] = (uint32_t)msi->addr;
	e[ENTRY_ADDR_HIGH] = (uint32_t)(msi->addr >> 32);
	e[ENTRY_DATA] = msi->data;
	msix_mask_locked(pv, pv->pv_masked);
	spin_unlock(&pv->pv_intr->pi_lock);
	port_intr_restore(on);
}

static const struct machine_msi_ops msix_ops = {.msi_write = msix_write, .msi_mask = msix_mask};

static void msix_control(struct pci_dev *pd, uint16_t bits)
{
	unsigned at = pd->pd_msix + CONTROL;
	uint16_t control = pci_read16(pd, at) & (uint16_t) ~(MSIX_ENABLE | MSIX_FUNCTION_MASK);

	pci_write16(pd, at, control | bits);
}

/* Map the table and mask all of it; the function is masked as a whole until it is set up. */
static int msix_prepare(struct pci_intr *pi, const struct pci_msix_info *mx)
{
	struct pci_dev *pd = pi->pi_dev;
	int error = pci_map_bar(pd, mx->mx_bar, 1, &pi->pi_bar, NULL);

	if (error != 0)
		return error;
	pi->pi_table = (volatile uint32_t *)((char *)pi->pi_bar + mx->mx_offset);
	msix_control(pd, MSIX_ENABLE | MSIX_FUNCTION_MASK);
	for (unsigned i = 0; i < mx->mx_entries; i++)
		pi->pi_table[i * ENTRY_WORDS + ENTRY_CONTROL] = ENTRY_MASKED;
	return 0;
}

/* ---- Both ---- */

static void messages_off(struct pci_dev *pd, unsigned kind)
{
	if (kind == PCI_INTR_MSIX)
		msix_control(pd, 0);
	else
		msi_enable(pd, false);
	pci_command(pd, 0, PCI_COMMAND_INTX_OFF);
}

static void intr_destroy(struct pci_intr *pi, unsigned made)
{
	while (made-- > 0) {
		int error = machine_msi_destroy(pi->pi_vector[made].pv_source);

		KASSERT(error == 0, "pci %s: interrupt %u still has handlers", pi->pi_dev->pd_name,
		    made);
		(void)error;
	}
	if (pi->pi_bar != NULL)
		pci_unmap_bar(pi->pi_bar);
	port_mem_free(pi, pi->pi_size);
}

static const struct machine_msi_ops *intr_ops(const struct pci_intr *pi)
{
	if (pi->pi_kind == PCI_INTR_MSIX)
		return &msix_ops;
	return pi->pi_msi.mi_maskable ? &msi_ops_maskable : &msi_ops;
}

static int sources_make(struct pci_intr *pi, struct intr_source **sources)
{
	struct pci_dev *pd = pi->pi_dev;
	char name[INTR_NAME_MAX];
	int error = 0;
	unsigned i;

	ksnprintf(name, sizeof(name), "%s %s", pi->pi_kind == PCI_INTR_MSIX ? "msix" : "msi",
	    pd->pd_name);
	for (i = 0; i < pi->pi_count && error == 0; i++) {
		struct pci_vector *pv = &pi->pi_vector[i];

		pv->pv_intr = pi;
		pv->pv_index = i;
		pv->pv_masked = true;
		error = machine_msi_source(name, i, intr_ops(pi), pv, &pv->pv_source);
		sources[i] = pv->pv_source;
	}
	/* With fewer than wanted the driver can still live, if it has one. */
	if (error == 0 || (error == ENOSPC && i > 1)) {
		pi->pi_count = error == 0 ? i : i - 1;
		return 0;
	}
	kprintf("pci %s: no %s: %s\n", pd->pd_name, pci_intr_kind_name(pi->pi_kind),
	    errno_name(error));
	return error;
}

/* Messages of that kind, at most `want`. ENODEV: it has none that can be used. */
static int messages_alloc(struct pci_dev *pd, unsigned kind, unsigned want,
    struct intr_source **sources, unsigned *got)
{
	struct pci_msix_info mx = {0};
	struct pci_msi_info mi = {0};
	struct pci_intr *pi;
	unsigned count = 1;
	int error;

	error = kind == PCI_INTR_MSIX ? pci_msix_decode(pd, &mx) : pci_msi_decode(pd, &mi);
	if (error != 0)
		return error;
	if (kind == PCI_INTR_MSIX)
		count = want < mx.mx_entries ? want : mx.mx_entries;
	pi = port_mem_alloc(intr_size(count));
	if (pi == NULL)
		return ENOMEM;
	pi->pi_dev = pd;
	pi->pi_kind = kind;
	pi->pi_count = count;
	pi->pi_size = intr_size(count);
	pi->pi_msi = mi;
	spin_init(&pi->pi_lock);
	pci_command(pd, PCI_COMMAND_MASTER | PCI_COMMAND_INTX_OFF, 0);
	error = kind == PCI_INTR_MSIX ? msix_prepare(pi, &mx) : 0;
	if (error == 0)
		error = sources_make(pi, sources);
	if (error != 0) {
		unsigned made = 0;

		while (made < count && pi->pi_vector[made].pv_source != NULL)
			made++;
		messages_off(pd, kind);
		intr_destroy(pi, made);
		return error;
	}
	if (kind == PCI_INTR_MSIX)
		msix_control(pd, MSIX_ENABLE);
	else
		msi_enable(pd, true);
	pd->pd_intr = pi;
	*got = pi->pi_count;
	return 0;
}

static int pin_alloc(struct pci_dev *pd, struct intr_source **sources, unsigned *got)
{
	enum intr_trigger trigger;
	bool active_low;
	struct pci_intr *pi;
	uint32_t gsi;
	int error = pci_intx_line(pd, &gsi, &trigger, &active_low);

	if (error != 0)
		return error;
	pi = port_mem_alloc(intr_size(0));
	if (pi == NULL)
		return ENOMEM;
	error = machine_line_source(gsi, trigger, active_low, &sources[0]);
	if (error != 0) {
		kprintf("pci %s: no interrupt line %u: %s\n", pd->pd_name, gsi, errno_name(error));
		port_mem_free(pi, intr_size(0));
		return error;
	}
	pi->pi_dev = pd;
	pi->pi_kind = PCI_INTR_INTX;
	pci_command(pd, 0, PCI_COMMAND_INTX_OFF);
	pd->pd_intr = pi;
	*got = 1;
	return 0;
}

int pci_intr_alloc(struct pci_dev *pd, unsigned kinds, unsigned want, struct intr_source **sources,
    unsigned *got, unsigned *kind)
{
	int error = ENXIO;

	if (want == 0 || want > PCI_INTR_MAX || kinds == 0 ||
	    (kinds & ~(unsigned)(PCI_INTR_MSIX | PCI_INTR_MSI | PCI_INTR_INTX)) != 0)
		return EINVAL;
	if (pd->pd_intr != NULL)
		return EBUSY;
	for (unsigned k = PCI_INTR_MSIX; k <= PCI_INTR_INTX; k <<= 1) {
		if ((kinds & k) == 0)
			continue;
		if (k == PCI_INTR_INTX)
			error = pin_alloc(pd, sources, got);
		else
			error = messages_alloc(pd, k, want, sources, got);
		if (error == 0) {
			*kind = k;
			return 0;
		}
	}
	/* "It has none" and "it lies" come to the same for the driver. */
	return error == ENODEV || error == EIO ? ENXIO : error;
}

void pci_intr_free(struct pci_dev *pd)
{
	struct pci_intr *pi = pd->pd_intr;

	if (pi == NULL)
		return;
	pd->pd_intr = NULL;
	if (pi->pi_kind == PCI_INTR_INTX) {
		pci_command(pd, PCI_COMMAND_INTX_OFF, 0);
		port_mem_free(pi, intr_size(0));
		return;
	}
	messages_off(pd, pi->pi_kind);
	pci_command(pd, PCI_COMMAND_INTX_OFF, PCI_COMMAND_MASTER);
	intr_destroy(pi, pi->pi_count);
}

const char *pci_intr_kind_name(unsigned kind)
{
	switch (kind) {
	case PCI_INTR_MSIX:
		return "MSI-X";
	case PCI_INTR_MSI:
		return "MSI";
	case PCI_INTR_INTX:
		return "INTx";
	default:
		return "?";
	}
}
