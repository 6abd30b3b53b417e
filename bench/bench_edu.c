/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_edu.c - claim an edu device from the drivers, and give it back. Not one behind a bridge,
 * which may be pulled out.
 *
 * Contexts: one lwp. No locks: pd_driver is what keeps a driver and a benchmark apart, and both are
 * commands of the one shell. Not for tests of the device: sys/dev/edu.c. Read b_fastpath.c next.
 */
#include "bench_edu.h"

#include "bus/pci.h"
#include "dev/tty.h"
#include <ithaca/errno.h>

static int claim(struct bench_edu *e, unsigned how)
{
	struct pci_dev *pd = NULL;
	unsigned n, got, kind;
	void *p;
	int error;

	for (n = 0; (pd = pci_find(0x1234, 0x11e8, n)) != NULL; n++) {
		if (pd->pd_driver == NULL && pd->pd_bridge == NULL)
			break;
	}
	if (pd == NULL) {
		tty_printf("no edu device is free: edu -u 0 detach\n");
		return ENXIO;
	}
	pd->pd_driver = "bench";
	error = pci_map_bar(pd, 0, 0x100, &p, NULL);
	if (error) {
		pd->pd_driver = NULL;
		return error;
	}
	e->be_regs = p;
	e->be_pci = pd;
	error = pci_intr_alloc(pd, how, 1, &e->be_source, &got, &kind);
	if (error) {
		pci_unmap_bar(p);
		pd->pd_driver = NULL;
		return error;
	}
	pci_command(pd, PCI_COMMAND_MASTER, 0);
	return 0;
}

int bench_edu_claim(struct bench_edu *e)
{
	return claim(e, PCI_INTR_MSI);
}

int bench_edu_claim_line(struct bench_edu *e)
{
	return claim(e, PCI_INTR_INTX);
}

void bench_edu_release(struct bench_edu *e)
{
	pci_intr_free(e->be_pci);
	pci_unmap_bar((void *)(uintptr_t)e->be_regs);
	e->be_pci->pd_driver = NULL;
}
