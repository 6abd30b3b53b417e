/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci.h - functions on the PCI buses: their configuration, BARs, capabilities and interrupts.
 *
 * Rules:
 * - pci_init() runs once. After it functions come and go only behind a slot (pci_plug.c).
 * - A struct pci_dev stays while it is held: by its driver's attach to the end of its detach, in
 *   pci_each(), and from pci_hold() to pci_release(). A function that has gone reads as ones.
 * - A function belongs to one driver at a time (pd_driver); what is not locked here is serialised
 *   by that driver's attach and detach.
 * - Configuration space is believed to be lying: every offset and length out of it is checked.
 */
#ifndef SYS_BUS_PCI_H
#define SYS_BUS_PCI_H

#include <ithaca/intr.h>
#include <ithaca/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Registers of the common header (PCI Local Bus Specification 3.0, 6.1). */
#define PCI_ID 0x00
#define PCI_COMMAND 0x04
#define PCI_COMMAND_IO 0x0001
#define PCI_COMMAND_MEMORY 0x0002
#define PCI_COMMAND_MASTER 0x0004
#define PCI_COMMAND_INTX_OFF 0x0400
#define PCI_STATUS 0x06
#define PCI_STATUS_CAPS 0x0010
#define PCI_CLASS 0x08
#define PCI_HEADER 0x0e
#define PCI_BAR0 0x10
#define PCI_SECONDARY 0x19
#define PCI_SUBORDINATE 0x1a
#define PCI_CAPS 0x34
#define PCI_LINE 0x3c
#define PCI_PIN 0x3d

#define PCI_CAP_MSI 0x05
#define PCI_CAP_EXPRESS 0x10
#define PCI_CAP_MSIX 0x11

#define PCI_BARS 6
#define PCI_CONFIG_SIZE 256
#define PCI_CONFIG_SIZE_EXT 4096

/* How configuration space is reached; `width` is 1, 2 or 4 and `reg` a multiple of it. */
struct pci_access {
	uint32_t (*pa_read)(void *cookie, unsigned bdf, unsigned reg, unsigned width);
	void (*pa_write)(void *cookie, unsigned bdf, unsigned reg, unsigned width, uint32_t value);
	uint16_t (*pa_phys16)(uint64_t phys); /* a register at a physical address; NULL: cannot */
	void *pa_cookie;
	unsigned pa_bus_first;
	unsigned pa_bus_last;
	unsigned pa_size; /* bytes of a function: 256 or 4096 */
};

#define PCI_BDF(bus, slot, func) ((unsigned)(bus) << 8 | (unsigned)(slot) << 3 | (unsigned)(func))

struct pci_bar {
	uint64_t pb_base; /* 0: not assigned, by the firmware or pci_assign() */
	uint64_t pb_size; /* 0: not there */
	bool pb_io;
	bool pb_64;
	bool pb_prefetch;
};

struct pci_intr;

struct pci_dev {
	struct list pd_all; /* pci.c's, as are the two at the end */
	const struct pci_access *pd_access;
	struct pci_dev *pd_bridge; /* the bridge that leads here; NULL on the root bus */
	uint16_t pd_bdf;
	uint16_t pd_vendor;
	uint16_t pd_device;
	uint32_t pd_class; /* base class, subclass, interface: 24 bits */
	uint8_t pd_revision;
	uint8_t pd_header; /* layout: 0 function, 1 bridge */
	uint8_t pd_pin;    /* 1 to 4 for INTA# to INTD#; 0: no pin */
	uint8_t pd_line;   /* what the firmware wrote there */
	uint16_t pd_msi;   /* offsets of capabilities; 0: none, or not to be believed */
	uint16_t pd_msix;
	uint16_t pd_express;
	struct pci_bar pd_bar[PCI_BARS];
	struct pci_intr *pd_intr; /* pci_intr.c */
	const char *pd_driver;    /* who has it, or NULL */
	char pd_name[12];         /* "00:1f.0" */
	bool pd_leaving;          /* device.c: no driver may take it any more */
	bool pd_gone;             /* not on the list for anyone who looks now */
	unsigned pd_holds;
};

#define PCI_BUS(pd) ((pd)->pd_bdf >> 8)
#define PCI_SLOT(pd) ((pd)->pd_bdf >> 3 & 0x1f)

/* pci_init - walk all buses of segment 0. Thread context. ENXIO: no configuration space is known;
 * ENOMEM. pci_scan - the same through `pa`, which must stay. */
int pci_init(void);
int pci_scan(const struct pci_access *pa);

/* pci_each - fn for every function, by bus, slot, function, until it answers false; no lock is held
 * meanwhile, and the function is. pci_hold - one that the caller has for certain (there, say)
 * shall stay until pci_release(). Thread context below IPL_VM. */
void pci_each(bool (*fn)(struct pci_dev *pd, void *arg), void *arg);
void pci_hold(struct pci_dev *pd);
void pci_release(struct pci_dev *pd);

/* pci_find - the nth (from 0) function with that vendor and device, or NULL. pci_at - the one at
 * that place. They are not held: for what cannot be pulled out. */
struct pci_dev *pci_find(uint16_t vendor, uint16_t device, unsigned nth);
struct pci_dev *pci_at(unsigned bus, unsigned slot, unsigned func);

/* pci_present - does it still answer? Any context. */
bool pci_present(const struct pci_dev *pd);

/* pci_read, pci_write - one register, aligned, within the space (asserted). Any context. */
uint8_t pci_read8(const struct pci_dev *pd, unsigned reg);
uint16_t pci_read16(const struct pci_dev *pd, unsigned reg);
uint32_t pci_read32(const struct pci_dev *pd, unsigned reg);
void pci_write16(const struct pci_dev *pd, unsigned reg, uint16_t value);
void pci_write32(const struct pci_dev *pd, unsigned reg, uint32_t value);

/* pci_command - set and clear bits of the command register. Thread context, its driver only. */
void pci_command(const struct pci_dev *pd, uint16_t set, uint16_t clear);

/*
 * pci_map_bar - map a memory BAR and switch on decoding; *size (if wanted) is its length. Thread
 * context. ENXIO: no such BAR, an I/O BAR, smaller than `min` or unassigned (said on the console
 * by name); ENOMEM. pci_unmap_bar - undo it.
 */
int pci_map_bar(struct pci_dev *pd, unsigned bar, size_t min, void **out, size_t *size);
void pci_unmap_bar(void *p);

/* ---- pci_cap.c ---- */

/* pci_cap_find, pci_ecap_find - offset of the first capability `id` of the list (of the extended
 * list), 0 if there is none. A list that loops or leaves its space ends there; with `tell` that is
 * said on the console. Any context. */
unsigned pci_cap_find(const struct pci_dev *pd, uint8_t id, bool tell);
unsigned pci_ecap_find(const struct pci_dev *pd, uint16_t id, bool tell);

/* pci_cap_next - the same for the first that stands behind the one at `after` (0: of all), for
 * kinds of which a function has several. */
unsigned pci_cap_next(const struct pci_dev *pd, uint8_t id, unsigned after, bool tell);

struct pci_msi_info {
	bool mi_64;       /* has the upper half of the address */
	bool mi_maskable; /* has mask bits */
	uint16_t mi_data; /* offset of the data register */
	uint16_t mi_mask; /* offset of the mask register; 0: none */
};

struct pci_msix_info {
	unsigned mx_entries;
	unsigned mx_bar;
	uint32_t mx_offset; /* of the table in its BAR */
};

/* pci_msi_decode, pci_msix_decode - read those capabilities and check all that they claim. ENODEV:
 * there is none; EIO: it lies (said on the console by name). Any context. */
int pci_msi_decode(const struct pci_dev *pd, struct pci_msi_info *out);
int pci_msix_decode(const struct pci_dev *pd, struct pci_msix_info *out);

/* ---- pci_route.c ---- */

/* pci_intx_line - the line that the function's pin is wired to. ENXIO: it has no pin, or nobody
 * knows. */
int pci_intx_line(const struct pci_dev *pd, uint32_t *gsi, enum intr_trigger *trigger,
    bool *active_low);

/* ---- pci_intr.c ---- */

#define PCI_INTR_MSIX 0x1 /* preferred in this order */
#define PCI_INTR_MSI 0x2
#define PCI_INTR_INTX 0x4

#define PCI_INTR_MAX 64 /* sources of one function */

/*
 * pci_intr_alloc - interrupt sources for the function, of the first of `kinds` that it has and
 * that can be had: up to `want` for MSI-X, one otherwise. sources[0 .. *got - 1] are set, without
 * handlers; *kind is a PCI_INTR_*. Thread context; may block. EINVAL: want or kinds make no sense.
 * EBUSY: it has sources already. ENXIO: no usable kind. ENOSPC: no vector left. ENOMEM. On an
 * error nothing is held.
 *
 * pci_intr_free - give them back, after the last intr_disestablish() (asserted for messages; lines
 * belong to all who share them). Thread context; may block.
 */
int pci_intr_alloc(struct pci_dev *pd, unsigned kinds, unsigned want, struct intr_source **sources,
    unsigned *got, unsigned *kind);
void pci_intr_free(struct pci_dev *pd);

/* pci_intr_kind_name - "MSI-X", "MSI", "INTx". */
const char *pci_intr_kind_name(unsigned kind);

#endif
