/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the reference system, from the first line of C to the shell: its index.
 *
 * sys_main() is called by the port on the first CPU, interrupts off, on the boot stack, as the lwp
 * "main". Each step below stands on those before it, and says on the console what it found. What
 * the system cannot be without panics; the absence of anything else is said, and it goes on.
 *
 * Words on the kernel's command line: cpus=N starts at most N CPUs (1 to 64); net=off leaves the
 * network cards to the command `nic`. The port has its own (x2apic=off). Commands to be run do not
 * come this way: see app/shell.c.
 *
 * Contexts: thread (main), interrupts on from core_init(). No locks. Read next: app/shell.c for
 * what one sees, dev/uart.c and dev/edu.c for how drivers are written.
 */
#include "app/dash.h"
#include "app/shell.h"
#include "bus/acpi.h"
#include "bus/pci.h"
#include "dev/device.h"
#include "dev/hpet.h"
#include "dev/nic.h"
#include "dev/tty.h"
#include "mem/page.h"
#include "net/net.h"
#include "san/san.h"
#include <ithaca/balance.h>
#include <ithaca/clock.h>
#include <ithaca/entry.h>
#include <ithaca/errno.h>
#include <ithaca/heartbeat.h>
#include <ithaca/machine.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/storm.h>
#include <ithaca/string.h>

/* ---- The command line ---- */

/* option - the value of word `name=value`; false: it is not there. Cut to fit `size`. */
static bool option(const char *cmdline, const char *name, char *value, size_t size)
{
	size_t len = strlen(name), n = 0;
	const char *word = cmdline;

	for (; *word != '\0'; word++) {
		if (*word != ' ' && strncmp(word, name, len) == 0 && word[len] == '=') {
			for (word += len + 1; *word != ' ' && *word != '\0' && n + 1 < size; word++)
				value[n++] = *word;
			value[n] = '\0';
			return true;
		}
		while (*word != ' ' && word[1] != '\0')
			word++;
	}
	return false;
}

static unsigned cpu_limit(const struct boot_info *boot)
{
	char text[16];
	uint64_t n;

	if (!option(boot->cmdline, "cpus", text, sizeof(text)))
		return CPU_MAX;
	if (kstrtou64(text, &n) == 0 && n >= 1 && n <= CPU_MAX)
		return (unsigned)n;
	kprintf("command line: cpus=%s: must be 1 to %u; ignored\n", text, CPU_MAX);
	return CPU_MAX;
}

/* cards_wanted - the network takes all cards, unless they are left to the command `nic`. */
static bool cards_wanted(const struct boot_info *boot)
{
	char text[8];

	if (!option(boot->cmdline, "net", text, sizeof(text)))
		return true;
	if (strcmp(text, "off") == 0)
		return false;
	kprintf("command line: net=%s: must be off; ignored\n", text);
	return true;
}

/* ---- Steps ---- */

static void start_lines(void)
{
	const struct acpi_ioapic *io;
	unsigned n = acpi_ioapics(&io);
	int error;

	for (unsigned i = 0; i < n; i++) {
		error = machine_ioapic_add(io[i].ai_phys, io[i].ai_gsi_base);
		if (error != 0)
			kprintf("ioapic: the one for lines from %u: %s\n", io[i].ai_gsi_base,
			    errno_name(error));
	}
	if (n == 0)
		kprintf("ioapic: none: no interrupt lines\n");
}

static bool start_cpu(const struct acpi_cpu *ac, void *arg)
{
	unsigned *limit = arg;
	int error;

	if (!ac->ac_enabled || ac->ac_hwid == cpu_lookup(0)->ci_hwid)
		return true;
	if (cpu_count() >= *limit)
		return false;
	error = machine_cpu_start(ac->ac_hwid);
	if (error != 0)
		kprintf("cpu with hardware number %u: cannot be started: %s\n", ac->ac_hwid,
		    errno_name(error));
	return true;
}

static void start_cpus(unsigned limit)
{
	acpi_cpu_each(start_cpu, &limit);
	kprintf("cpus: %u running", cpu_count());
	if (acpi_cpu_count() > cpu_count())
		kprintf(" of %u", acpi_cpu_count());
	kprintf("\n");
}

static void start_devices(void)
{
	int error = pci_init();

	if (error != 0)
		kprintf("pci: %s\n", errno_name(error));
	else
		kprintf("devices: %u attached\n", device_attach_all());
	error = hpet_init();
	if (error != 0)
		kprintf("hpet: %s\n", errno_name(error));
}

/* check - what the system cannot be without. */
static void check(const char *what, int error)
{
	if (error != 0)
		panic("%s: %s", what, errno_name(error));
}

void sys_main(const struct boot_info *boot)
{
	int error;

	kprintf("Ithaca, loaded by %s\n", boot->loader);
	mem_init(boot);
	(void)acpi_init(boot); /* says what it lacks */
	check("interrupt controller", machine_intr_init(acpi_lapic()));
	core_init();
	mem_publish();
	san_publish();
	start_lines();
	start_cpus(cpu_limit(boot));
	error = storm_init();
	if (error != 0)
		kprintf("storm: sources are not watched: %s\n", errno_name(error));
	error = balance_init();
	if (error != 0)
		kprintf("balance: sources stay where they are: %s\n", errno_name(error));
	error = heartbeat_init();
	if (error != 0)
		kprintf("heartbeat: CPUs are not watched: %s\n", errno_name(error));
	error = tty_attach();
	if (error != 0)
		kprintf("tty: %s: nobody to read from\n", errno_name(error));
	nic_init();
	start_devices();
	net_init(cards_wanted(boot));
	dash_start();
	kprintf("up after %llu ms; `help` lists the commands\n",
	    (unsigned long long)(clock_ns() / NS_PER_MS));
	check("shell", shell_start());
	lwp_exit();
}
