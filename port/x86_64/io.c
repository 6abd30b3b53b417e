/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * io.c - the I/O space, for the drivers of the reference system.
 *
 * The port's own files use the instructions in insn.h directly; drivers stand above the port and
 * come through machine.h. Any context; no locks: whoever owns a device's ports serialises them.
 * Not for memory-mapped devices: they get a window from sys/mem/vmap.h.
 */
#include "insn.h"

#include <ithaca/machine.h>

uint8_t machine_in8(uint16_t port)
{
	return inb(port);
}

void machine_out8(uint16_t port, uint8_t value)
{
	outb(port, value);
}

void machine_out16(uint16_t port, uint16_t value)
{
	outw(port, value);
}
