/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fwcfg.h - QEMU's firmware configuration device: named files that the host gives the guest.
 */
#ifndef SYS_DEV_FWCFG_H
#define SYS_DEV_FWCFG_H

#include <stddef.h>

/*
 * fwcfg_read - the file of that name, in memory of its own with a NUL behind it: kmem_free(*out,
 * *size + 1) is the caller's. Thread context, one caller at a time; does not block.
 * ENXIO: there is no such device. ENOENT: no such file. ERANGE: longer than `limit` bytes. EIO: the
 * directory makes no sense. ENOMEM.
 */
int fwcfg_read(const char *name, size_t limit, char **out, size_t *size);

#endif
