/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_dev.c - pci and hpet: what is on the buses, and the periodic timer.
 *
 * Contexts: the shell's lwp. No locks: the list of PCI functions does not change after the start.
 * Read next: bus/pci.c, dev/hpet.c.
 */
#include "app/shell.h"
#include "bus/pci.h"
#include "dev/hpet.h"
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

static int cmd_pci(int argc, char **argv)
{
	(void)argv;
	if (argc != 1)
		return shell_usage();
	tty_printf("%-8s %-9s %-6s  %-4s %-5s %-4s %s\n", "function", "id", "class", "msi", "msix",
	    "pin", "driver");
	pci_each(show, NULL);
	return 0;
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

const struct shell_cmd shell_dev_cmds[] = {
    {"pci", "", "PCI functions: interrupts that they can use, drivers", NULL, cmd_pci, NULL},
    {"hpet", "[HZ | off]", "the periodic timer: its counts, or another rate", "  HZ is 1 to 8192\n",
	cmd_hpet, complete_hpet},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
