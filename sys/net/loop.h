/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.h - packets of ours to ourselves, which lwIP queues by interface. The core lock is held.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>

struct netif;
struct pbuf;

/* net_loop_pending - does any wait? */
bool net_loop_pending(void);

/* net_loop_take - the next one and, in *from, its interface; NULL: there is none. Never blocks. Who
 * takes it gives it to ip_input(), or frees it. */
struct pbuf *net_loop_take(struct netif **from);

#endif
