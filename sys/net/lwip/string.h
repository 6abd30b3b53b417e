/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * string.h - where lwIP asks for ISO C's header, the kernel's.
 */
#ifndef NET_LWIP_STRING_H
#define NET_LWIP_STRING_H

#include <ithaca/string.h>

#endif
