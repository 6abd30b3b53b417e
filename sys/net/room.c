/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * room.c - how much a connection may have queued, so that those who do not read starve nobody.
 *
 * Segments, the headers of pieces and the heap are everybody's. A connection may queue 256 KiB, and
 * somebody who opens a hundred and reads from none would have all there is: nobody else could be
 * sent a byte. Two things are done about it:
 *
 * - A share. A connection that would queue more than an eighth of what is still free waits. What is
 *   free gets less with each, and so do the shares; with few connections it limits nobody. The
 *   last is kept for connections that have nothing queued, a segment each.
 * - Relief. What is queued already is given up by nobody. So when less than a quarter is free, the
 *   connection that has most of those whose other end takes nothing (whose window has been shut
 *   for SHUT probes, five seconds or more, or who has not acknowledged what was sent RETRIES times)
 *   is let go of, with a reset, one after another until there is enough again. As long as there is
 *   enough, nobody is let go of for his silence.
 *
 * The same for who asks and never comes: a listener has room for TCP_DEFAULT_LISTEN_BACKLOG
 * handshakes at a time, and lwIP gives each 20 seconds. When half of that is taken, those are
 * forgotten that have waited for a second or more, as each does that has a forged address; a real
 * one is over sooner, or begins anew.
 *
 * Contexts: net_room() callbacks of lwIP; net_relieve() softnet's softint, after TCP's times. Lock:
 * the core lock. Not for: what is received: a service that does not take a piece has its window
 * shut by lwIP. Read next: services.c, http.c.
 */
#include "core.h"

#include <ithaca/print.h>
#include <ithaca/sysctl.h>
#include <lwip/memp.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/stats.h>

#define SHARES 8    /* of what is free a connection may have one */
#define KEPT 16     /* one in so many of all is for those that have nothing queued */
#define ENOUGH 4    /* one in so many free is */
#define SHUT 3      /* probes of a window that is shut */
#define RETRIES 4   /* of the oldest segment */
#define AGE 3       /* ticks of TCP, of half a second, of a handshake that is given up */
#define SHED_MAX 16 /* let go of at a time */
#define HEAP_SEG (TCP_MSS + 140) /* bytes of the heap for a segment, its data copied */

static uint64_t shed, forgotten; /* (n) the core lock */

static uint32_t pool_free(int pool)
{
	const struct stats_mem *sm = lwip_stats.memp[pool];

	return (uint32_t)(sm->avail - sm->used);
}

/* left - segments that can still be made, of `*all`. A segment whose data is not copied takes two
 * headers, of which the pool has one. */
static uint32_t left(uint32_t *all)
{
	uint64_t max, used = net_heap(&max);
	uint64_t n = used < max ? (max - used) / HEAP_SEG : 0, of = max / HEAP_SEG;

	if (n * MEMP_NUM_TCP_SEG > pool_free(MEMP_TCP_SEG) * of) {
		n = pool_free(MEMP_TCP_SEG);
		of = MEMP_NUM_TCP_SEG;
	}
	if (n * MEMP_NUM_PBUF > pool_free(MEMP_PBUF) * of) {
		n = pool_free(MEMP_PBUF);
		of = MEMP_NUM_PBUF;
	}
	*all = (uint32_t)of;
	return (uint32_t)n;
}

/* segment - bytes of those that tcp_write() makes: half of the other end's window at most. */
static uint32_t segment(const struct tcp_pcb *pcb)
{
	uint32_t half = pcb->snd_wnd_max / 2;

	return half > 0 && half < pcb->mss ? half : pcb->mss;
}

uint32_t net_room(const struct tcp_pcb *pcb)
{
	uint32_t all, n = left(&all), kept = all / KEPT;
	uint32_t share = n > kept ? (n - kept) / SHARES : 0;
	uint32_t held = (pcb->snd_queuelen + 1u) / 2, room;

	if (share == 0 && n > 0)
		share = 1;
	if (held >= share)
		return 0;
	room = (share - held) * segment(pcb);
	return room < tcp_sndbuf(pcb) ? room : tcp_sndbuf(pcb);
}

static bool takes_nothing(const struct tcp_pcb *pcb)
{
	return pcb->persist_backoff >= SHUT || pcb->nrtx >= RETRIES;
}

/* forget - handshakes of a listener that will not come to their end. */
static void forget(const struct tcp_pcb_listen *lpcb)
{
	struct tcp_pcb *pcb, *next;
	uint32_t age;

	for (pcb = tcp_active_pcbs; pcb != NULL; pcb = next) {
		next = pcb->next;
		if (pcb->state != SYN_RCVD || pcb->listener != lpcb)
			continue;
		/* The same SYN once more makes it look young, and is answered once more. */
		age = tcp_ticks - pcb->tmr + pcb->nrtx * (uint32_t)AGE;
		if (age < AGE)
			continue;
		forgotten++;
		tcp_abandon(pcb, 0); /* nothing is said to who never answered */
	}
}

static void shed_worst(void)
{
	struct tcp_pcb *pcb, *worst;
	uint32_t all;

	for (unsigned i = 0; i < SHED_MAX && left(&all) < all / ENOUGH; i++) {
		worst = NULL;
		for (pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
			if (takes_nothing(pcb) &&
			    (worst == NULL || pcb->snd_queuelen > worst->snd_queuelen))
				worst = pcb;
		if (worst == NULL)
			return;
		if (shed++ == 0)
			kprintf("net: memory to send is short: connections that take nothing are "
				"let go of (net.tcp.shed)\n");
		tcp_abort(worst);
	}
}

void net_relieve(void)
{
	struct tcp_pcb_listen *lpcb;

	for (lpcb = tcp_listen_pcbs.listen_pcbs; lpcb != NULL; lpcb = lpcb->next)
		if (lpcb->accepts_pending > lpcb->backlog / 2)
			forget(lpcb);
	shed_worst();
}

static struct sysctl nodes[] = {
    NET_COUNT("net.tcp.forgotten", "handshakes forgotten that waited for long, as there were many",
	forgotten),
    NET_COUNT("net.tcp.shed", "connections let go that took nothing while memory to send was short",
	shed),
};

void net_room_init(void)
{
	sysctl_publish(nodes, sizeof(nodes) / sizeof(nodes[0]));
}
