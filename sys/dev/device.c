/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.c - the table of PCI drivers.
 *
 * A driver is one line here: what it takes, and the function that takes it. Contexts: thread, once,
 * after pci_init(); no locks. Not for: devices that are not on PCI (uart, hpet), which
 * sys/main.c starts itself. Read next: edu.c.
 */
#include "device.h"

#include "bus/pci.h"
#include "edu.h"
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <stdbool.h>

struct driver {
	const char *dr_name;
	uint16_t dr_vendor;
	uint16_t dr_device;
	int (*dr_attach)(struct pci_dev *pd);
};

/* A message of its own if the device can, else its pin. */
static int edu_take(struct pci_dev *pd)
{
	unsigned unit = edu_count();
	int error = edu_probe(pd);

	if (error != 0)
		return error;
	error = edu_attach(unit, EDU_MSI);
	return error == 0 ? 0 : edu_attach(unit, EDU_INTX);
}

static const struct driver drivers[] = {
    {"edu", 0x1234, 0x11e8, edu_take},
};

static bool offer(struct pci_dev *pd, void *arg)
{
	unsigned *taken = arg;

	for (unsigned i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		const struct driver *dr = &drivers[i];
		int error;

		if (dr->dr_vendor != pd->pd_vendor || dr->dr_device != pd->pd_device)
			continue;
		error = dr->dr_attach(pd);
		if (error == 0)
			++*taken;
		else
			kprintf("%s at %s: cannot be attached: %s\n", dr->dr_name, pd->pd_name,
			    errno_name(error));
	}
	return true;
}

unsigned device_attach_all(void)
{
	unsigned taken = 0;

	pci_each(offer, &taken);
	return taken;
}
