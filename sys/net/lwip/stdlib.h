/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stdlib.h - where lwIP asks for ISO C's header: the one function of it that it uses.
 */
#ifndef NET_LWIP_STDLIB_H
#define NET_LWIP_STDLIB_H

/* atoi - the decimal number that `s` begins with; 0: none. Any context. */
int atoi(const char *s);

#endif
