/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capture.c - taps: copies of the frames that go by, for who wants to look.
 *
 * A tap is a ring of bytes; each frame goes in as its struct net_frame and what is kept of it. A
 * frame that finds no room is counted and left out: a slow reader costs him frames, and nobody
 * else time. Without a tap the path of a frame has one test of a pointer.
 *
 * Frames are seen as they are given to lwIP and by it to the card: what comes in before anything
 * is checked, what goes out once, when it is first given to the card's interface. What lwIP sends
 * to this machine itself shows where it comes in again.
 *
 * Contexts: net_capture() wherever frames go by, the core lock held; the others are for lwps. Lock:
 * the core lock. Not for: frames that the card dropped. Read next: pcap.c, app/cmd_netdump.c.
 */
#include "core.h"

#include "mem/kmem.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <netif/ethernet.h>

#define ROOM_MAX (KMEM_SIZE_MAX - 1)

/* Locking key: (a) set once before it is shared; (n) the core lock. */
struct net_tap {
	struct net_tap *nt_next;   /* (n) */
	char nt_if[NIC_NAME_MAX];  /* (a) "": all */
	uint32_t nt_snap;          /* (a) */
	size_t nt_room;            /* (a) */
	uint8_t *nt_ring;          /* (a) */
	size_t nt_first, nt_used;  /* (n) */
	uint64_t nt_lost;          /* (n) */
	struct condvar nt_cv;      /* somebody reads */
	void (*nt_notify)(void *); /* (n) */
	void *nt_arg;              /* (n) */
	uint16_t nt_skip;          /* (n) a port of TCP, host order; 0: none */
};

static struct net_tap *taps; /* (n) */
static unsigned taps_count;  /* (n) */

/* ---- The ring ---- */

static void put(struct net_tap *tap, const void *from, size_t len)
{
	size_t at = (tap->nt_first + tap->nt_used) % tap->nt_room;
	size_t n = len < tap->nt_room - at ? len : tap->nt_room - at;

	memcpy(tap->nt_ring + at, from, n);
	memcpy(tap->nt_ring, (const uint8_t *)from + n, len - n);
	tap->nt_used += len;
}

static void get(struct net_tap *tap, void *to, size_t len)
{
	size_t n = len < tap->nt_room - tap->nt_first ? len : tap->nt_room - tap->nt_first;

	if (to != NULL) {
		memcpy(to, tap->nt_ring + tap->nt_first, n);
		memcpy((uint8_t *)to + n, tap->nt_ring, len - n);
	}
	tap->nt_first = (tap->nt_first + len) % tap->nt_room;
	tap->nt_used -= len;
}

static void put_frame(struct net_tap *tap, const struct net_frame *nf, const uint8_t *header,
    const struct pbuf *p)
{
	struct net_frame kept = *nf;
	uint32_t left, n;

	kept.nf_kept = nf->nf_len < tap->nt_snap ? nf->nf_len : tap->nt_snap;
	if (sizeof(kept) + kept.nf_kept > tap->nt_room - tap->nt_used) {
		tap->nt_lost++;
		return;
	}
	put(tap, &kept, sizeof(kept));
	left = kept.nf_kept;
	if (header != NULL) {
		n = left < SIZEOF_ETH_HDR ? left : SIZEOF_ETH_HDR;
		put(tap, header, n);
		left -= n;
	}
	for (; p != NULL && left > 0; p = p->next, left -= n) {
		n = p->len < left ? p->len : left;
		put(tap, p->payload, n);
	}
	net_wake(&tap->nt_cv);
	if (tap->nt_notify != NULL)
		tap->nt_notify(tap->nt_arg);
}

/* tcp_at - is it TCP, unfragmented, with `port` at either end? `at` is where the IP header is. */
static bool tcp_at(const struct pbuf *p, unsigned at, uint16_t port)
{
	uint8_t h[64];
	unsigned n = pbuf_copy_partial(p, h, sizeof(h), (u16_t)at), l4;

	if (n < 44 || (h[0] >> 4 == 4 ? h[9] : h[6]) != IP_PROTO_TCP)
		return false;
	l4 = h[0] >> 4 == 4 ? (h[0] & 15u) * 4 : 40;
	return l4 + 4 <= n &&
	    ((h[l4] << 8 | h[l4 + 1]) == port || (h[l4 + 2] << 8 | h[l4 + 3]) == port);
}

void net_capture(const struct netif *netif, const struct pbuf *p, enum net_way way)
{
	uint8_t header[SIZEOF_ETH_HDR] = {0};
	bool bare = way == NET_WAY_SELF;
	const struct nic *nic;
	struct net_frame nf;

	if (taps == NULL)
		return;
	nic = net_card_of(netif);
	memset(&nf, 0, sizeof(nf));
	nf.nf_ns = clock_ns();
	nf.nf_out = way == NET_WAY_OUT;
	nf.nf_len = p->tot_len;
	(void)kstrlcpy(nf.nf_if, nic != NULL ? nic->nic_name : "lo", sizeof(nf.nf_if));
	if (bare) {
		nf.nf_len += SIZEOF_ETH_HDR;
		header[12] = *(const uint8_t *)p->payload >> 4 == 6 ? 0x86 : 0x08;
		header[13] = header[12] == 0x86 ? 0xdd : 0;
	}
	for (struct net_tap *tap = taps; tap != NULL; tap = tap->nt_next) {
		if (tap->nt_if[0] != '\0' && strcmp(tap->nt_if, nf.nf_if) != 0)
			continue;
		if (tap->nt_skip == 0 || !tcp_at(p, bare ? 0 : SIZEOF_ETH_HDR, tap->nt_skip))
			put_frame(tap, &nf, bare ? header : NULL, p);
	}
}

/* ---- Taps ---- */

int net_tap_link(const char *name, uint32_t snap, size_t room, struct net_tap **out)
{
	struct net_tap *tap;

	KASSERT(room <= ROOM_MAX, "a tap with room for %zu bytes", room);
	if (taps_count == NET_TAPS_MAX)
		return EBUSY;
	tap = kmem_alloc(sizeof(*tap));
	if (tap == NULL)
		return ENOMEM;
	tap->nt_room = room;
	tap->nt_ring = kmem_alloc(room);
	if (tap->nt_ring == NULL) {
		kmem_free(tap, sizeof(*tap));
		return ENOMEM;
	}
	if (name != NULL)
		(void)kstrlcpy(tap->nt_if, name, sizeof(tap->nt_if));
	tap->nt_snap = snap;
	cv_init(&tap->nt_cv, "frames");
	taps_count++;
	tap->nt_next = taps;
	taps = tap;
	*out = tap;
	return 0;
}

void net_tap_unlink(struct net_tap *tap)
{
	struct net_tap **at = &taps;

	while (*at != tap)
		at = &(*at)->nt_next;
	*at = tap->nt_next;
	taps_count--;
	cv_destroy(&tap->nt_cv);
	kmem_free(tap->nt_ring, tap->nt_room);
	kmem_free(tap, sizeof(*tap));
}

int net_tap_open(const char *name, uint32_t snap, size_t room, struct net_tap **out)
{
	int error = ENXIO;

	net_enter();
	if (name == NULL || net_netif(name) != NULL)
		error = net_tap_link(name, snap, room, out);
	net_exit();
	return error;
}

void net_tap_close(struct net_tap *tap)
{
	net_enter();
	net_tap_unlink(tap);
	net_exit();
}

void net_tap_notify(struct net_tap *tap, uint16_t skip, void (*notify)(void *), void *arg)
{
	tap->nt_notify = notify;
	tap->nt_arg = arg;
	tap->nt_skip = skip;
}

size_t net_tap_take(struct net_tap *tap, struct net_frame *nf, void *buf, size_t size)
{
	size_t n;

	KASSERT(net_locked(), "a tap is read without the core lock");
	if (tap->nt_used == 0)
		return 0;
	get(tap, nf, sizeof(*nf));
	n = nf->nf_kept < size ? nf->nf_kept : size;
	get(tap, buf, n);
	get(tap, NULL, nf->nf_kept - n);
	nf->nf_kept = (uint32_t)n;
	return n;
}

size_t net_tap_read(struct net_tap *tap, struct net_frame *nf, void *buf, size_t size, uint64_t ns)
{
	uint64_t end = clock_ns() + ns, now;
	size_t n;

	net_enter();
	while ((n = net_tap_take(tap, nf, buf, size)) == 0 && (now = clock_ns()) < end)
		(void)net_wait(&tap->nt_cv, end - now);
	net_exit();
	return n;
}

uint64_t net_tap_lost(struct net_tap *tap)
{
	uint64_t n;

	net_enter();
	n = tap->nt_lost;
	net_exit();
	return n;
}
