/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * errno.c - names for operating errors, so that a message can say ENOSPC and not 28.
 *
 * Context: any. The answer is a constant string. Not for programmer's errors: those assert.
 * Read next: include/ithaca/errno.h, which says what each one means.
 */
#include <ithaca/errno.h>

const char *errno_name(int error)
{
	switch (error) {
	case 0:
		return "OK";
	case EPERM:
		return "EPERM";
	case ENOENT:
		return "ENOENT";
	case EIO:
		return "EIO";
	case ENXIO:
		return "ENXIO";
	case EDEADLK:
		return "EDEADLK";
	case ENOMEM:
		return "ENOMEM";
	case EBUSY:
		return "EBUSY";
	case EEXIST:
		return "EEXIST";
	case ENODEV:
		return "ENODEV";
	case EINVAL:
		return "EINVAL";
	case ENOSPC:
		return "ENOSPC";
	case ERANGE:
		return "ERANGE";
	case EAGAIN:
		return "EAGAIN";
	case EOPNOTSUPP:
		return "EOPNOTSUPP";
	case ESHUTDOWN:
		return "ESHUTDOWN";
	case ETIMEDOUT:
		return "ETIMEDOUT";
	case EMSGSIZE:
		return "EMSGSIZE";
	case EADDRINUSE:
		return "EADDRINUSE";
	case ENETDOWN:
		return "ENETDOWN";
	case ECONNRESET:
		return "ECONNRESET";
	case ENOBUFS:
		return "ENOBUFS";
	case ECONNREFUSED:
		return "ECONNREFUSED";
	case EHOSTUNREACH:
		return "EHOSTUNREACH";
	default:
		return "E?";
	}
}
