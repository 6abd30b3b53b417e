/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.c - the table of PCI drivers.
 *
 * A driver is one line here: what it takes, and the functions that take it and give it up.
 *
 * Functions come at the start, by the console's command, and with the cards that are put into a
 * slot; and go by the last two. All that is one at a time, under device_lock. A function that goes
 * for good (pd_leaving) is offered to nobody any more.
 *
 * Contexts: thread, after pci_init(); blocks. Lock order: device_lock, then whatever drivers and
 * the network take. Not for: devices that are not on PCI (uart, hpet), which sys/main.c starts
 * itself; the slots themselves (pcieslot.c). Read next: edu.c.
 */
#include "device.h"

#include "bus/pci.h"
#include "bus/pci_plug.h"
#include "edu.h"
#include "igb.h"
#include "pcieslot.h"
#include "virtio_net.h"
#include <ithaca/errno.h>
#include <ithaca/mutex.h>
#include <ithaca/print.h>
#include <stdbool.h>

struct driver {
	const char *dr_name;
	uint16_t dr_vendor; /* 0: dr_match() says */
	uint16_t dr_device;
	bool (*dr_match)(struct pci_dev *pd);
	int (*dr_attach)(struct pci_dev *pd);
	int (*dr_detach)(struct pci_dev *pd);  /* NULL: has commands of its own for that */
	void (*dr_remove)(struct pci_dev *pd); /* it goes for good; NULL: dr_detach() will do */
};

static struct mutex device_lock;

/* A message of its own if the device can, else its pin. */
static int edu_take(struct pci_dev *pd)
{
	unsigned unit;
	int error = edu_probe(pd, &unit);

	if (error != 0)
		return error;
	error = edu_attach(unit, EDU_MSI);
	return error == 0 ? 0 : edu_attach(unit, EDU_INTX);
}

static const struct driver drivers[] = {
    {"edu", 0x1234, 0x11e8, NULL, edu_take, NULL, edu_remove},
    {"igb", 0x8086, 0x10c9, NULL, igb_attach, igb_detach, NULL},
    {"virtio_net", 0x1af4, 0x1041, NULL, virtio_net_attach, virtio_net_detach, NULL},
    /* transitional */
    {"virtio_net", 0x1af4, 0x1000, NULL, virtio_net_attach, virtio_net_detach, NULL},
    {"pcieslot", 0, 0, pcieslot_match, pcieslot_attach, NULL, NULL},
};
#define DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

static const struct driver *driver_of(struct pci_dev *pd)
{
	for (unsigned i = 0; i < DRIVERS; i++) {
		const struct driver *dr = &drivers[i];

		if (dr->dr_match != NULL
			? dr->dr_match(pd)
			: dr->dr_vendor == pd->pd_vendor && dr->dr_device == pd->pd_device)
			return dr;
	}
	return NULL;
}

/* device_lock held. */
static int offer(struct pci_dev *pd)
{
	const struct driver *dr = driver_of(pd);
	int error;

	if (dr == NULL)
		return ENODEV;
	error = dr->dr_attach(pd);
	if (error != 0)
		kprintf("%s at %s: cannot be attached: %s\n", dr->dr_name, pd->pd_name,
		    errno_name(error));
	return error;
}

/* ---- The start ---- */

static bool offer_all(struct pci_dev *pd, void *arg)
{
	unsigned *taken = arg;

	*taken += offer(pd) == 0;
	return true;
}

unsigned device_attach_all(void)
{
	unsigned taken = 0;

	mutex_init(&device_lock, "devices", IPL_NONE);
	virtio_net_init();
	mutex_enter(&device_lock);
	pci_each(offer_all, &taken);
	mutex_exit(&device_lock);
	return taken;
}

/* ---- The console ---- */

int device_attach(struct pci_dev *pd)
{
	const struct driver *dr = driver_of(pd);
	int error = 0;

	if (dr == NULL || dr->dr_detach == NULL)
		return ENODEV;
	mutex_enter(&device_lock);
	if (pd->pd_leaving)
		error = ENXIO;
	else
		error = pd->pd_driver != NULL ? EBUSY : dr->dr_attach(pd);
	mutex_exit(&device_lock);
	return error;
}

int device_detach(struct pci_dev *pd)
{
	const struct driver *dr = driver_of(pd);
	int error;

	if (dr == NULL || dr->dr_detach == NULL)
		return ENODEV;
	mutex_enter(&device_lock);
	error = pd->pd_driver == NULL ? ENXIO : dr->dr_detach(pd);
	mutex_exit(&device_lock);
	return error;
}

/* ---- Cards in slots ---- */

struct card {
	struct pci_dev *c_port;
	unsigned c_count;
};

static bool offer_behind(struct pci_dev *pd, void *arg)
{
	struct card *c = arg;

	if (pd->pd_bridge != c->c_port)
		return true;
	c->c_count++;
	if (offer(pd) == ENODEV)
		kprintf("pci %s: %04x:%04x, class %06x: no driver takes it\n", pd->pd_name,
		    pd->pd_vendor, pd->pd_device, pd->pd_class);
	return true;
}

int device_card_come(struct pci_dev *port, unsigned *count)
{
	struct card c = {.c_port = port};
	int error;

	mutex_enter(&device_lock);
	error = pci_rescan(port);
	if (error == 0) {
		/* It says what lacks an address; a driver may do without. */
		(void)pci_assign(port);
		pci_each(offer_behind, &c);
	}
	mutex_exit(&device_lock);
	*count = c.c_count;
	return error;
}

/* Its driver lets go, if it has one, and nobody finds it any more. */
static bool remove_one(struct pci_dev *pd, void *arg)
{
	const struct driver *dr = driver_of(pd);
	struct card *c = arg;

	if (!pci_below(pd, c->c_port))
		return true;
	pd->pd_leaving = true;
	if (dr != NULL && dr->dr_remove != NULL)
		dr->dr_remove(pd);
	else if (dr != NULL && dr->dr_detach != NULL && pd->pd_driver != NULL)
		(void)dr->dr_detach(pd); /* it has it: no error */
	pci_remove(pd);
	c->c_count++;
	return true;
}

unsigned device_card_go(struct pci_dev *port)
{
	struct card c = {.c_port = port};

	mutex_enter(&device_lock);
	pci_each(remove_one, &c);
	mutex_exit(&device_lock);
	return c.c_count;
}
