/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.c - packets of ours to ourselves, taken off lwIP's queues one by one: lwIP itself takes all
 * at once and gives up the core lock to nobody meanwhile.
 *
 * Contexts: any that holds the core lock. Not for: when they are taken, which is core.c's business.
 */
#include "loop.h"

#include <lwip/netif.h>
#include <lwip/pbuf.h>

static struct netif *pending(void)
{
	struct netif *netif;

	NETIF_FOREACH(netif)
	if (netif->loop_first != NULL)
		return netif;
	return NULL;
}

bool net_loop_pending(void)
{
	return pending() != NULL;
}

/* Packets are one list: the last pbuf of each is the one that is as long as what is left. */
struct pbuf *net_loop_take(struct netif **from)
{
	struct netif *netif = pending();
	struct pbuf *first, *last;
	u16_t n = 1;

	if (netif == NULL)
		return NULL;
	first = last = netif->loop_first;
	for (; last->len != last->tot_len; n++)
		last = last->next;
	netif->loop_first = last->next;
	if (last->next == NULL)
		netif->loop_last = NULL;
	last->next = NULL;
	netif->loop_cnt_current = (u16_t)(netif->loop_cnt_current - n);
	first->if_idx = netif_get_index(netif);
	*from = netif;
	return first;
}
