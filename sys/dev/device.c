/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.c - the table of PCI drivers.
 *
 * A driver is one line here: what it takes, and the functions that take it and give it up.
 * Contexts: thread, after pci_init(), one at a time (the start, then the shell); no locks. Not for:
 * devices that are not on PCI (uart, hpet), which sys/main.c starts itself. Read next: edu.c.
 */
#include "device.h"

#include "bus/pci.h"
#include "edu.h"
#include "igb.h"
#include "virtio_net.h"
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <stdbool.h>

struct driver {
	const char *dr_name;
	uint16_t dr_vendor;
	uint16_t dr_device;
	int (*dr_attach)(struct pci_dev *pd);
	int (*dr_detach)(struct pci_dev *pd); /* NULL: has commands of its own for that */
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
    {"edu", 0x1234, 0x11e8, edu_take, NULL}, {"igb", 0x8086, 0x10c9, igb_attach, igb_detach},
    {"virtio_net", 0x1af4, 0x1041, virtio_net_attach, virtio_net_detach},
    {"virtio_net", 0x1af4, 0x1000, virtio_net_attach, virtio_net_detach}, /* transitional */
};
#define DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

static const struct driver *driver_of(const struct pci_dev *pd)
{
	for (unsigned i = 0; i < DRIVERS; i++) {
		if (drivers[i].dr_vendor == pd->pd_vendor && drivers[i].dr_device == pd->pd_device)
			return &drivers[i];
	}
	return NULL;
}

static bool offer(struct pci_dev *pd, void *arg)
{
	const struct driver *dr = driver_of(pd);
	unsigned *taken = arg;
	int error;

	if (dr == NULL)
		return true;
	error = dr->dr_attach(pd);
	if (error == 0)
		++*taken;
	else
		kprintf("%s at %s: cannot be attached: %s\n", dr->dr_name, pd->pd_name,
		    errno_name(error));
	return true;
}

unsigned device_attach_all(void)
{
	unsigned taken = 0;

	virtio_net_init();
	pci_each(offer, &taken);
	return taken;
}

int device_attach(struct pci_dev *pd)
{
	const struct driver *dr = driver_of(pd);

	if (dr == NULL || dr->dr_detach == NULL)
		return ENODEV;
	return pd->pd_driver != NULL ? EBUSY : dr->dr_attach(pd);
}

int device_detach(struct pci_dev *pd)
{
	const struct driver *dr = driver_of(pd);

	if (dr == NULL || dr->dr_detach == NULL)
		return ENODEV;
	return pd->pd_driver == NULL ? ENXIO : dr->dr_detach(pd);
}
