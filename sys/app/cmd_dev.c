/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_dev.c - pci, slot and hpet: what is on the buses, slots, and the periodic timer.
 *
 * Contexts: the shell's lwp. No locks; a function stays while it is held. Read next: bus/pci.c,
 * dev/pcieslot.c, dev/hpet.c.
 */
#include "app/shell.h"
#include "bus/pci.h"
#include "dev/device.h"
#include "dev/hpet.h"
#include "dev/pcieslot.h"
#include <ithaca/errno.h>
#include <ithaca/string.h>

static bool show(struct pci_dev *pd, void *arg)
{
	(void)arg;
	tty_printf("%-8s %04x:%04x %06x  %-4s %-5s %-4c %s\n", pd->pd_name, pd->pd_vendor,
	    pd->pd_device, pd->pd_class, pd->pd_msi != 0 ? "yes" : "-",
	    pd->pd_msix != 0 ? "yes" : "-", pd->pd_pin != 0 ? 'A' + pd->pd_pin - 1 : '-',
	    pd->pd_driver != NULL ? pd->pd_driver : "-");
	return !shell_interrupted();
}

struct named {
	const char *name;
	struct pci_dev *found;
};

static bool is_named(struct pci_dev *pd, void *arg)
{
	struct named *n = arg;

	if (strcmp(pd->pd_name, n->name) == 0) {
		pci_hold(pd);
		n->found = pd;
	}
	return n->found == NULL;
}

/* change - give a function to its driver, or take it back. */
static int change(const char *what, const char *name)
{
	struct named n = {name, NULL};
	bool attach = strcmp(what, "attach") == 0;
	int error;

	if (!attach && strcmp(what, "detach") != 0)
		return shell_usage();
	pci_each(is_named, &n);
	if (n.found == NULL)
		return shell_error("no function %s; `pci` lists them", name);
	error = attach ? device_attach(n.found) : device_detach(n.found);
	pci_release(n.found);
	switch (error) {
	case 0:
		return 0;
	case ENODEV:
		return shell_error("%s: no driver that can be %sed here", name, what);
	case EBUSY:
		return shell_error("%s: busy, or attached already", name);
	case ENXIO:
		return shell_error("%s: %s", name, attach ? "ENXIO" : "not attached");
	default:
		return shell_error("%s: %s", name, errno_name(error));
	}
}

static int cmd_pci(int argc, char **argv)
{
	if (argc == 3)
		return change(argv[1], argv[2]);
	if (argc != 1)
		return shell_usage();
	tty_printf("%-8s %-9s %-6s  %-4s %-5s %-4s %s\n", "function", "id", "class", "msi", "msix",
	    "pin", "driver");
	pci_each(show, NULL);
	return 0;
}

static bool show_slot(const struct pcieslot_info *si, void *arg)
{
	(void)arg;
	tty_printf("%-8s %6u %-8s %-4s %-4s %-5s %4u %5llu %5llu %6llu %6llu\n", si->si_port,
	    si->si_number, si->si_state, si->si_present ? "yes" : "no",
	    si->si_linked ? "yes" : "no", si->si_powered ? "on" : "off", si->si_bus,
	    (unsigned long long)si->si_came, (unsigned long long)si->si_went,
	    (unsigned long long)si->si_pulled, (unsigned long long)si->si_failed);
	return !shell_interrupted();
}

static int cmd_slot(int argc, char **argv)
{
	int error = EINVAL;

	if (argc == 1) {
		tty_printf("%-8s %6s %-8s %-4s %-4s %-5s %4s %5s %5s %6s %6s\n", "port", "number",
		    "state", "card", "link", "power", "bus", "came", "went", "pulled", "failed");
		pcieslot_each(show_slot, NULL);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "button") == 0)
		error = pcieslot_button(argv[2]);
	else if (argc == 3 && strcmp(argv[1], "cut") == 0)
		error = pcieslot_cut(argv[2]);
	switch (error) {
	case 0:
		return 0;
	case EINVAL:
		return shell_usage();
	case ENXIO:
		return shell_error("no slot behind a port %s; `slot` lists them", argv[2]);
	case EOPNOTSUPP:
		return shell_error("%s: the power of this slot cannot be switched", argv[2]);
	default:
		return shell_error("%s: %s", argv[2], errno_name(error));
	}
}

static int cmd_hpet(int argc, char **argv)
{
	uint64_t hz, filters, threads;
	int error = 0;

	if (argc > 2)
		return shell_usage();
	if (argc == 1) {
		hpet_ticks(&filters, &threads);
		tty_printf("%u Hz, %llu interrupts, %llu runs in a thread\n", hpet_hz(),
		    (unsigned long long)filters, (unsigned long long)threads);
		return 0;
	}
	if (strcmp(argv[1], "off") == 0) {
		hpet_stop();
	} else {
		if (!shell_number(argv[1], "rate", 1, HPET_HZ_MAX, &hz))
			return 1;
		error = hpet_start((unsigned)hz);
	}
	if (error == ENXIO)
		return shell_error("this machine has none that can be used");
	return error == 0 ? 0 : shell_error("%s", errno_name(error));
}

static void complete_hpet(struct line_editor *le, int arg, char **argv)
{
	(void)argv;
	if (arg == 1)
		line_offer(le, "off");
}

static bool offer(struct pci_dev *pd, void *arg)
{
	line_offer(arg, pd->pd_name);
	return true;
}

static void complete_pci(struct line_editor *le, int arg, char **argv)
{
	(void)argv;
	if (arg == 1) {
		line_offer(le, "attach");
		line_offer(le, "detach");
	} else if (arg == 2) {
		pci_each(offer, le);
	}
}

static bool offer_slot(const struct pcieslot_info *si, void *arg)
{
	line_offer(arg, si->si_port);
	return true;
}

static void complete_slot(struct line_editor *le, int arg, char **argv)
{
	(void)argv;
	if (arg == 1) {
		line_offer(le, "button");
		line_offer(le, "cut");
	} else if (arg == 2) {
		pcieslot_each(offer_slot, le);
	}
}

const struct shell_cmd shell_dev_cmds[] = {
    {"pci", "[attach FUNCTION | detach FUNCTION]",
	"PCI functions: interrupts that they can use, drivers",
	"  attach and detach are for network cards, in the midst of their work\n", cmd_pci,
	complete_pci},
    {"slot", "[button PORT | cut PORT]", "slots whose cards come and go, and what they did",
	"  button  as if the slot's button was pressed: the card goes out of use, its power off;\n"
	"          or it comes; after dev.pcieslot.button_ms; pressed again meanwhile: neither\n"
	"  cut     the power goes at once, in the midst of work, as if the card was pulled out\n",
	cmd_slot, complete_slot},
    {"hpet", "[HZ | off]", "the periodic timer: its counts, or another rate", "  HZ is 1 to 8192\n",
	cmd_hpet, complete_hpet},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
