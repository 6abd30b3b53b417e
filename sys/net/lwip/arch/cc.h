/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cc.h - what lwIP asks of a compiler and a system, answered by the kernel.
 *
 * Included by every file of lwIP, and by those of ours that use it. The functions are in
 * net/glue.c. Its own types (u8_t and so on) come from <stdint.h>.
 */
#ifndef NET_LWIP_ARCH_CC_H
#define NET_LWIP_ARCH_CC_H

#include <ithaca/print.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_CTYPE_H 1
#define LWIP_NO_UNISTD_H 1

#define X8_F "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "zu"

/* lwIP defines the type itself unless the limit is there, which it is with some compilers. */
#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX
#endif
typedef long ssize_t;

#define BYTE_ORDER LITTLE_ENDIAN

#define LWIP_PLATFORM_DIAG(x)                                                                      \
	do {                                                                                       \
		kprintf x;                                                                         \
	} while (0)
#define LWIP_PLATFORM_ASSERT(x) panic("lwip: %s (%s:%d)", x, __FILE__, __LINE__)

#define LWIP_RAND() net_random()
#define LWIP_CHKSUM net_checksum

/* net_random - a number that is hard to foresee; not for secrets. Any thread. */
uint32_t net_random(void);

/* net_checksum - the sum of RFC 1071 over `len` bytes, in the machine's order, not inverted. */
uint16_t net_checksum(const void *data, int len);

/* net_malloc, net_calloc, net_free - lwIP's heap: kmem, up to net.mem_max bytes; not zeroed but by
 * the second; NULL: no more. Thread context; never block. */
void *net_malloc(size_t size);
void *net_calloc(size_t n, size_t size);
void net_free(void *p);

/* net_assert_locked - the running lwp holds the core lock. */
void net_assert_locked(void);

#endif
