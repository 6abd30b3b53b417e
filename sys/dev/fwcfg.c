/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fwcfg.c - reads files from QEMU's firmware configuration device (docs/specs/fw_cfg.rst).
 *
 * A selector register and a data register in the I/O space: an item is selected by its key, and
 * then read byte by byte. Item 0 is a signature; item 0x19 is a directory: a count, then an entry
 * of 64 bytes for each file, numbers with the most significant byte first. The host is believed as
 * little as any device: the count, the lengths and the names are checked.
 *
 * Contexts: thread, one caller at a time (the shell, as it starts); the device has one position for
 * all. No locks. It is not for firmware tables or DMA. Read next: app/shell.c.
 */
#include "fwcfg.h"

#include "mem/kmem.h"
#include <ithaca/errno.h>
#include <ithaca/machine.h>
#include <ithaca/string.h>
#include <stdbool.h>
#include <stdint.h>

#define PORT_SELECT 0x510
#define PORT_DATA 0x511
#define KEY_SIGNATURE 0x0000
#define KEY_DIRECTORY 0x0019
#define NAME_SIZE 56
#define FILES_MAX 4096

static void select(uint16_t key)
{
	machine_out16(PORT_SELECT, key);
}

static void get(char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)machine_in8(PORT_DATA);
}

/* get_number - `n` bytes, the most significant first. */
static uint32_t get_number(unsigned n)
{
	uint32_t value = 0;

	for (; n > 0; n--)
		value = value << 8 | machine_in8(PORT_DATA);
	return value;
}

static bool there(void)
{
	char signature[4];

	select(KEY_SIGNATURE);
	get(signature, sizeof(signature));
	return memcmp(signature, "QEMU", 4) == 0;
}

/* find - the file's key and size, from the directory. */
static int find(const char *name, uint16_t *key, uint32_t *size)
{
	char entry[NAME_SIZE + 1];
	uint32_t count, entry_size;
	uint16_t entry_key;

	select(KEY_DIRECTORY);
	count = get_number(4);
	if (count > FILES_MAX)
		return EIO;
	for (; count > 0; count--) {
		entry_size = get_number(4);
		entry_key = (uint16_t)get_number(2);
		(void)get_number(2);
		get(entry, NAME_SIZE);
		entry[NAME_SIZE] = '\0';
		if (strcmp(entry, name) == 0) {
			*size = entry_size;
			*key = entry_key;
			return 0;
		}
	}
	return ENOENT;
}

int fwcfg_read(const char *name, size_t limit, char **out, size_t *size)
{
	uint32_t bytes;
	uint16_t key;
	int error;

	if (!there())
		return ENXIO;
	error = find(name, &key, &bytes);
	if (error != 0)
		return error;
	if (bytes > limit)
		return ERANGE;
	*out = kmem_alloc((size_t)bytes + 1);
	if (*out == NULL)
		return ENOMEM;
	select(key);
	get(*out, bytes);
	(*out)[bytes] = '\0';
	*size = bytes;
	return 0;
}
