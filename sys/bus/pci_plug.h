/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci_plug.h - functions that come and go while the system runs, behind one bridge with a slot.
 *
 * Rules: thread context, may block; one at a time for all slots, as the search for room looks at
 * the neighbours (the caller's lock: sys/dev/pcieslot.c).
 */
#ifndef SYS_BUS_PCI_PLUG_H
#define SYS_BUS_PCI_PLUG_H

#include <stdbool.h>

struct pci_dev;

/* pci_answers - does a device on the bus behind `bridge` answer, and is it over its reset? */
bool pci_answers(const struct pci_dev *bridge);

/*
 * pci_rescan - list the functions of the one device that the bus behind `bridge`, empty until now,
 * has. ENOENT: nobody answers; ENXIO: the bridge has no bus; ENOMEM: those before it are listed.
 * pci_remove - `pd` is no longer listed; freed when nobody holds it. No driver has it (asserted).
 */
int pci_rescan(struct pci_dev *bridge);
void pci_remove(struct pci_dev *pd);

/*
 * pci_assign - give the memory BARs of all functions on the bus behind `bridge` addresses out of
 * the bridge's windows, as after power-on: none is believed to have any. Decoding stays off; the
 * bridge forwards both ways. ENOSPC: some found no room, EIO: or did not keep their address; each
 * is said on the console by name and has none (pb_base 0); the others have theirs.
 */
int pci_assign(struct pci_dev *bridge);

/* pci_below - is the function behind that bridge, however far? */
bool pci_below(const struct pci_dev *pd, const struct pci_dev *bridge);

/* pci_kept - does the function still answer, with the address that its first memory BAR was given?
 * Not one that was replaced, or lost its power meanwhile. Any context. */
bool pci_kept(const struct pci_dev *pd);

#endif
