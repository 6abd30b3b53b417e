/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.h - what the reference system (sys/) asks of a machine, beyond the core's port.h.
 * A port that only carries the core need not have it.
 */
#ifndef ITHACA_MACHINE_H
#define ITHACA_MACHINE_H

#include <ithaca/intr.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- What the boot loader said ---- */

struct mem_range {
	uint64_t base;
	uint64_t size;
};

#define BOOT_RANGES_MAX 32

struct boot_info {
	/* Usable, page aligned, kernel and boot data cut out. */
	struct mem_range ram[BOOT_RANGES_MAX];
	unsigned nram;
	uint64_t rsdp;      /* physical address of the ACPI RSDP, or 0: look in the BIOS area */
	char cmdline[256];  /* NUL-terminated */
	const char *loader; /* "PVH", "Multiboot2" */
};

/* sys_main - the machine is up on its first CPU (core_boot() done, interrupts off, direct map of
 * all RAM in place): the reference system begins. On the stack given to core_boot(). */
void sys_main(const struct boot_info *boot) __attribute__((noreturn));

/* ---- Memory ---- */

#define PAGE_SIZE 4096u
#define MAP_WRITE 0x1
#define MAP_EXEC 0x2
#define MAP_DEVICE 0x4 /* uncached */

/* machine_phys_to_virt - RAM in the direct map. */
void *machine_phys_to_virt(uint64_t phys);

/* machine_virt_to_phys - for addresses of the direct map and of machine_map(); for DMA. 0: not
 * mapped. */
uint64_t machine_virt_to_phys(const void *virt);

/*
 * machine_map - map one page at `virt` (in the kernel's mapping area) to `phys`. Thread context;
 * the caller owns that part of the area. ENOMEM: no page for a table (taken from the function
 * given to machine_set_page_source()).
 * machine_unmap - take it away on this CPU; sys/mem then has
 * cpu_call() run machine_tlb_flush() on the others.
 */
int machine_map(uintptr_t virt, uint64_t phys, unsigned flags);
void machine_unmap(uintptr_t virt);
void machine_tlb_flush(void *unused);

/* machine_set_page_source - where pages for tables come from: `alloc` returns a zeroed page's
 * physical address, 0 for none. Once. */
void machine_set_page_source(uint64_t (*alloc)(void));

/* The area of virtual addresses that sys/mem hands out for stacks and devices. */
extern const uintptr_t machine_map_base;
extern const size_t machine_map_size;

/* machine_shadow_early - the addresses that have their shadow from the start, for a kernel with
 * sanitizers (sys/san): the image. For other memory machine_map() takes pages of the shadow too. */
void machine_shadow_early(uintptr_t *base, size_t *size);

/* ---- Interrupt controllers and CPUs, as the firmware's tables describe them ---- */

struct machine_msi {
	uint64_t addr;
	uint32_t data;
};

/*
 * Writes an MSI's address and data into the device; masks it (mask true) where it can. Both with
 * interrupts off, the source's lock held: they do not block. msi_write reads something back from
 * the device at its end, so that a message sent before with the old address has arrived.
 */
struct machine_msi_ops {
	void (*msi_write)(void *cookie, const struct machine_msi *msi);
	void (*msi_mask)(void *cookie, bool mask); /* NULL: cannot */
};

/* machine_intr_init - local controller of the first CPU, then clocks calibrated: before
 * core_init(), as what is armed before it is lost. `lapic` physical; 0: where the CPU says. ENXIO:
 * no local controller, or nothing to calibrate with; ENOMEM. */
int machine_intr_init(uint64_t lapic);

/* machine_ioapic_add - a line controller at `phys` whose first input is line `gsi_base`. EIO: no
 * such. */
int machine_ioapic_add(uint64_t phys, uint32_t gsi_base);

/* machine_line_source - the source of line `gsi`, made on first use; the same one for all who share
 * it. Trigger and polarity must agree with those before (EBUSY). ENXIO: no such line; ENOSPC: no
 * vector; ENOMEM. Thread context. */
int machine_line_source(uint32_t gsi, enum intr_trigger trigger, bool active_low,
    struct intr_source **out);

/* machine_msi_source - a message source for vector `index` of the function `name`; ops->msi_write
 * is called before it returns and again at every intr_bind(). ENOSPC, ENOMEM. Thread context.
 * machine_msi_destroy - give it back; EBUSY while it has handlers. */
int machine_msi_source(const char *name, uint32_t index, const struct machine_msi_ops *ops,
    void *cookie, struct intr_source **out);
int machine_msi_destroy(struct intr_source *is);

/* machine_vectors - interrupt vectors free and in all on a CPU. */
void machine_vectors(struct cpu *ci, unsigned *free, unsigned *total);

/* machine_cpu_start - start the CPU with that hardware number: allocates, cpu_attach()es, waits
 * until it is in cpu_main() or ETIMEDOUT. EINVAL, ENOMEM. Thread context. */
int machine_cpu_start(uint32_t hwid);

/* ---- I/O ports, and the console before there is a driver ---- */

/* machine_in8, machine_out8, machine_out16 - one access to the I/O space. Any context. */
uint8_t machine_in8(uint16_t port);
void machine_out8(uint16_t port, uint8_t value);
void machine_out16(uint16_t port, uint16_t value);

/*
 * machine_console_hook - from now on port_console_write() calls `write` and touches the chip no
 * more, so that one driver has it to itself. `write` is called in any context, interrupts on or
 * off, also in a panic; the text has plain newlines. Thread context, once.
 */
void machine_console_hook(void (*write)(const char *text, size_t len));

/* ---- The end ---- */

/* machine_poweroff - `status` 0: well. machine_reboot. Interrupts off or on; do not return. */
void machine_poweroff(int status) __attribute__((noreturn));
void machine_reboot(void) __attribute__((noreturn));

/* machine_set_poweroff - how ACPI says that it is done: PM1a control port (0: unknown) and the
 * SLP_TYP value of state S5. Once, while the system starts. */
void machine_set_poweroff(uint16_t pm1a_port, uint16_t slp_typ);

#endif
