/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ioapic.c - interrupt lines: the IOAPICs, and a source for each line that somebody asks for.
 *
 * Purpose: turn a line (a "global system interrupt", counted through all IOAPICs of the machine)
 * into a source with a vector on one CPU; mask, unmask and move it. A source is made when a line is
 * first asked for, masked, and is the same for all who share the line.
 *
 * Contexts: machine_ioapic_add() while the system starts; machine_line_source() and line_route():
 * thread; line_mask(), line_unmask(): any, interrupts off.
 * Lock order: lines_mutex -> none; is_lock -> io_lock -> none. io_lock is held over the index and
 * data registers of one IOAPIC, with interrupts off.
 *
 * The low half of each entry is kept in il_low as it was written last, so that masking is one
 * write of the entry and reads nothing.
 *
 * Moving a line. Vector and CPU are in different halves of the entry, and the line may be in
 * flight; what to do depends on the trigger.
 *
 *   Level. An interrupt that was accepted sets Remote IRR in the entry, and the EOI of the *old
 *   vector* clears it. With another vector in the entry no EOI would ever match, and the line would
 *   be dead:
 *
 *	CPU that moves the line			CPU before
 *						line up: Remote IRR set, old vector in IRR
 *	masked
 *						(interrupts on) dispatch, EOI: Remote IRR clear
 *	waits for Remote IRR clear, bounded
 *	new vector, new CPU, mask as it was
 *						(if it was still pending, see vector.c)
 *
 *   If the bound passes (that CPU has had interrupts off for very long), the entry is made an edge
 *   one and a level one again, which clears Remote IRR; if the line is still up it interrupts the
 *   new CPU, and the old vector is still dispatched where it is. That is once too often, which a
 *   filter answers with "stray", and never too seldom.
 *
 *   Edge. A masked entry forgets edges. If the vector of before is free on the new CPU, the
 *   half with the CPU alone is written, and nothing has to be masked. If not, one interrupt is sent
 *   to the new CPU by hand after the entry is written, for the one that may have come in between.
 *   Again once too often at worst.
 *
 * Invariants (architecture section 9): I1 through a move; I3 as far as the controller goes.
 *
 * Sources: Intel 82093AA data sheet, 3.2; ICH9 data sheet, "I/O APIC"; ACPI 6.4, 5.2.12.
 * Not for: messages, see vector.c. Read kern/intr.c next.
 */
#include "x86.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/machine.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/spin.h>
#include <stdatomic.h>

#define IOAPIC_MAX 16
#define IOAPIC_LINES_MAX 240

/* Two registers in the page lead to the others. */
#define IOAPIC_INDEX (0x00 / 4)
#define IOAPIC_DATA (0x10 / 4)
#define IOAPIC_VERSION 0x01
#define IOAPIC_ENTRY_LOW(pin) (0x10 + 2 * (pin))
#define IOAPIC_ENTRY_HIGH(pin) (0x11 + 2 * (pin))

#define ENTRY_SENDING (1u << 12)
#define ENTRY_ACTIVE_LOW (1u << 13)
#define ENTRY_REMOTE_IRR (1u << 14)
#define ENTRY_LEVEL (1u << 15)
#define ENTRY_MASKED (1u << 16)
#define ENTRY_VECTOR 0xffu
#define ENTRY_CPU_SHIFT 24

#define QUIET_NS (2 * NS_PER_MS)

struct ioapic;

/* Locking key: (a) set once before it is shared; (m) lines_mutex; (s) io_lock; (b) intr.c's
 * binding, one at a time. */
struct line {
	struct ioapic *il_ioapic;      /* (a) */
	unsigned il_pin;               /* (a) */
	bool il_active_low;            /* (a) */
	bool il_moving;                /* (s) line_route() has it masked */
	uint32_t il_low;               /* (s) the entry as it is, or is to be after the move */
	struct x86_route il_now;       /* (b) */
	struct x86_route il_before;    /* (b) until settled; ro_cpu NULL: none */
	struct intr_source *il_source; /* (a) */
};

struct ioapic {
	struct spin io_lock;
	volatile uint32_t *io_page; /* (a) */
	uint32_t io_gsi;            /* (a) the first line */
	unsigned io_lines;          /* (a) */
	unsigned io_number;         /* (a) */
	struct line **io_line;      /* (m) each NULL until asked for */
};

static struct ioapic ioapics[IOAPIC_MAX]; /* (a) */
static unsigned ioapic_count;             /* (a) */
static struct mutex lines_mutex;

/* ---- The registers. io_lock held. ---- */

static uint32_t entry_read(struct ioapic *io, unsigned reg)
{
	io->io_page[IOAPIC_INDEX] = reg;
	return io->io_page[IOAPIC_DATA];
}

static void entry_write(struct ioapic *io, unsigned reg, uint32_t value)
{
	io->io_page[IOAPIC_INDEX] = reg;
	io->io_page[IOAPIC_DATA] = value;
}

/* ---- What intr.c asks ---- */

/* Not read back: an interrupt that is on its way all the same is dispatched once more, its handlers
 * are queued already, and the line is masked by then. */
static void line_mask(struct intr_source *is)
{
	struct line *il = is->is_cookie;
	struct ioapic *io = il->il_ioapic;

	spin_lock(&io->io_lock);
	il->il_low |= ENTRY_MASKED;
	if (!il->il_moving)
		entry_write(io, IOAPIC_ENTRY_LOW(il->il_pin), il->il_low);
	spin_unlock(&io->io_lock);
}

static void line_unmask(struct intr_source *is)
{
	struct line *il = is->is_cookie;
	struct ioapic *io = il->il_ioapic;

	spin_lock(&io->io_lock);
	il->il_low &= ~ENTRY_MASKED;
	if (!il->il_moving)
		entry_write(io, IOAPIC_ENTRY_LOW(il->il_pin), il->il_low);
	spin_unlock(&io->io_lock);
}

/* Is an interrupt of the line under way: being sent, or accepted and without its EOI? */
static bool line_busy(struct line *il)
{
	struct ioapic *io = il->il_ioapic;
	bool on = port_intr_disable();
	uint32_t low;

	spin_lock(&io->io_lock);
	low = entry_read(io, IOAPIC_ENTRY_LOW(il->il_pin));
	spin_unlock(&io->io_lock);
	port_intr_restore(on);
	return (low & (ENTRY_SENDING | ENTRY_REMOTE_IRR)) != 0;
}

/* Masked until line_write(); then nothing new begins, and what is under way ends. */
static void line_quiet(struct line *il)
{
	struct ioapic *io = il->il_ioapic;
	uint64_t until = clock_ns() + QUIET_NS;
	bool on = port_intr_disable();

	spin_lock(&io->io_lock);
	il->il_moving = true;
	entry_write(io, IOAPIC_ENTRY_LOW(il->il_pin), il->il_low | ENTRY_MASKED);
	spin_unlock(&io->io_lock);
	port_intr_restore(on);
	while (line_busy(il) && clock_ns() < until)
		port_pause();
}

/* The entry for il_now, from its high half to its low one. Answers whether it is unmasked. */
static bool line_write(struct line *il)
{
	struct ioapic *io = il->il_ioapic;
	unsigned low = IOAPIC_ENTRY_LOW(il->il_pin);
	bool on = port_intr_disable();
	bool unmasked;

	spin_lock(&io->io_lock);
	il->il_low = (il->il_low & ~ENTRY_VECTOR) | il->il_now.ro_vector;
	if ((entry_read(io, low) & ENTRY_REMOTE_IRR) != 0)
		entry_write(io, low, (il->il_low & ~ENTRY_LEVEL) | ENTRY_MASKED);
	entry_write(io, IOAPIC_ENTRY_HIGH(il->il_pin),
	    il->il_now.ro_cpu->ci_hwid << ENTRY_CPU_SHIFT);
	if ((il->il_low & ENTRY_MASKED) == 0)
		entry_write(io, low, il->il_low | ENTRY_MASKED);
	entry_write(io, low, il->il_low);
	unmasked = (il->il_low & ENTRY_MASKED) == 0;
	il->il_moving = false;
	spin_unlock(&io->io_lock);
	port_intr_restore(on);
	return unmasked;
}

/* Another CPU, the same vector: one write, before which the old CPU is reached, then the new. */
static void line_write_cpu(struct line *il)
{
	struct ioapic *io = il->il_ioapic;
	bool on = port_intr_disable();

	spin_lock(&io->io_lock);
	entry_write(io, IOAPIC_ENTRY_HIGH(il->il_pin),
	    il->il_now.ro_cpu->ci_hwid << ENTRY_CPU_SHIFT);
	spin_unlock(&io->io_lock);
	port_intr_restore(on);
}

static int line_route(struct intr_source *is, struct cpu *ci)
{
	struct line *il = is->is_cookie;
	struct x86_route to;
	int error;

	KASSERT(il->il_before.ro_cpu == NULL, "%s: routed while it is being routed", is->is_name);
	error = x86_vector_reserve(ci, il->il_now.ro_vector, &to);
	if (error != 0)
		return error;
	x86_vector_set(&to, is);
	il->il_before = il->il_now;
	il->il_now = to;
	if (is->is_trigger == INTR_EDGE && to.ro_vector == il->il_before.ro_vector) {
		line_write_cpu(il);
		return 0;
	}
	line_quiet(il);
	if (line_write(il) && is->is_trigger == INTR_EDGE)
		x86_lapic_send(ci, to.ro_vector);
	return 0;
}

static bool line_routed(struct intr_source *is)
{
	struct line *il = is->is_cookie;

	return x86_vector_settled(&il->il_before);
}

static const struct intr_pic line_pic = {
    .pic_name = "ioapic",
    .pic_mask = line_mask,
    .pic_unmask = line_unmask,
    .pic_route = line_route,
    .pic_routed = line_routed,
};

/* ---- Lines ---- */

static struct ioapic *ioapic_of(uint32_t gsi)
{
	unsigned i;

	for (i = 0; i < ioapic_count; i++) {
		if (gsi >= ioapics[i].io_gsi && gsi - ioapics[i].io_gsi < ioapics[i].io_lines)
			return &ioapics[i];
	}
	return NULL;
}

/* A new line's source, its entry written and masked. lines_mutex held. */
static int line_create(struct ioapic *io, unsigned pin, enum intr_trigger trigger, bool active_low,
    struct line **out)
{
	char name[INTR_NAME_MAX];
	struct line *il;
	int error;

	il = port_mem_alloc(sizeof(*il));
	if (il == NULL)
		return ENOMEM;
	il->il_ioapic = io;
	il->il_pin = pin;
	il->il_active_low = active_low;
	il->il_low = ENTRY_MASKED | (active_low ? ENTRY_ACTIVE_LOW : 0) |
	    (trigger == INTR_LEVEL ? ENTRY_LEVEL : 0);
	error = x86_vector_reserve(NULL, 0, &il->il_now);
	if (error != 0)
		goto no_vector;
	ksnprintf(name, sizeof(name), "ioapic%u:%u", io->io_number, pin);
	error = intr_source_create(name, trigger, &line_pic, il, il->il_now.ro_cpu, &il->il_source);
	if (error != 0)
		goto no_source;
	il->il_source->is_line = io->io_gsi + pin;
	x86_vector_set(&il->il_now, il->il_source);
	(void)line_write(il);
	*out = il;
	return 0;

no_source:
	x86_vector_free(&il->il_now);
no_vector:
	port_mem_free(il, sizeof(*il));
	return error;
}

int machine_line_source(uint32_t gsi, enum intr_trigger trigger, bool active_low,
    struct intr_source **out)
{
	struct ioapic *io = ioapic_of(gsi);
	struct line *il;
	int error = 0;

	if (trigger == INTR_MESSAGE)
		return EINVAL;
	if (io == NULL)
		return ENXIO;
	mutex_enter(&lines_mutex);
	il = io->io_line[gsi - io->io_gsi];
	if (il == NULL) {
		error = line_create(io, gsi - io->io_gsi, trigger, active_low, &il);
		if (error == 0)
			io->io_line[gsi - io->io_gsi] = il;
	} else if (il->il_source->is_trigger != trigger || il->il_active_low != active_low) {
		kprintf("line %u: is %s active %s, cannot be %s active %s too\n", gsi,
		    il->il_source->is_trigger == INTR_LEVEL ? "level" : "edge",
		    il->il_active_low ? "low" : "high", trigger == INTR_LEVEL ? "level" : "edge",
		    active_low ? "low" : "high");
		error = EBUSY;
	}
	mutex_exit(&lines_mutex);
	if (error == 0)
		*out = il->il_source;
	return error;
}

/* ---- Start ---- */

/* Does another IOAPIC claim any of these lines? */
static bool ioapic_overlaps(uint32_t gsi, unsigned lines)
{
	unsigned i;

	for (i = 0; i < ioapic_count; i++) {
		if (gsi < ioapics[i].io_gsi + ioapics[i].io_lines &&
		    ioapics[i].io_gsi < gsi + lines)
			return true;
	}
	return false;
}

static void ioapic_mask_all(struct ioapic *io)
{
	bool on = port_intr_disable();
	unsigned pin;

	spin_lock(&io->io_lock);
	for (pin = 0; pin < io->io_lines; pin++) {
		entry_write(io, IOAPIC_ENTRY_LOW(pin), ENTRY_MASKED);
		entry_write(io, IOAPIC_ENTRY_HIGH(pin), 0);
	}
	spin_unlock(&io->io_lock);
	port_intr_restore(on);
}

int machine_ioapic_add(uint64_t phys, uint32_t gsi_base)
{
	struct ioapic *io = &ioapics[ioapic_count];
	uintptr_t page = X86_IOAPIC_VA + (uintptr_t)ioapic_count * PAGE_SIZE;
	uint32_t version;
	int error;

	if (ioapic_count == IOAPIC_MAX) {
		kprintf("ioapic: more than %u; the one at %#llx is left out\n",
		    (unsigned)IOAPIC_MAX, (unsigned long long)phys);
		return ENOSPC;
	}
	if (ioapic_count == 0)
		mutex_init(&lines_mutex, "ioapic lines", IPL_NONE);
	error = machine_map(page, phys & ~(uint64_t)(PAGE_SIZE - 1), MAP_WRITE | MAP_DEVICE);
	if (error != 0)
		return error;
	io->io_page = (volatile uint32_t *)(page + (phys & (PAGE_SIZE - 1)));
	spin_init(&io->io_lock);
	version = entry_read(io, IOAPIC_VERSION);
	io->io_lines = (version >> 16 & 0xff) + 1;
	if (version == UINT32_MAX || (version & 0xff) == 0 || io->io_lines > IOAPIC_LINES_MAX ||
	    ioapic_overlaps(gsi_base, io->io_lines)) {
		kprintf("ioapic: none at %#llx for lines from %u (version register %#x)\n",
		    (unsigned long long)phys, gsi_base, version);
		machine_unmap(page);
		return EIO;
	}
	io->io_line = port_mem_alloc(io->io_lines * sizeof(*io->io_line));
	if (io->io_line == NULL) {
		machine_unmap(page);
		return ENOMEM;
	}
	io->io_gsi = gsi_base;
	io->io_number = ioapic_count++;
	ioapic_mask_all(io);
	kprintf("ioapic%u: lines %u to %u at %#llx\n", io->io_number, gsi_base,
	    gsi_base + io->io_lines - 1, (unsigned long long)phys);
	return 0;
}
