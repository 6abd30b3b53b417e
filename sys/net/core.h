/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * core.h - the network's own header: the core lock, and what its files tell each other.
 *
 * For files of sys/net, which use lwIP's raw interface; others include net.h, which knows nothing
 * of lwIP. Rules:
 * - Every call into lwIP, and every callback out of it, is made with the core lock held.
 * - The core lock is an adaptive mutex at IPL_NET: never in a filter, never under a spin mutex. It
 *   is not held over anything that waits for a card's handler (nic_up(), nic_down()) or for a
 *   person (the console).
 * - What waits for the network waits in net_wait(), which drops the lock.
 */
#ifndef NET_CORE_H
#define NET_CORE_H

#include "dev/nic.h"
#include "net.h"
#include <ithaca/condvar.h>
#include <ithaca/sysctl.h>
#include <stdbool.h>
#include <stdint.h>

struct netif;
struct pbuf;
struct ip4_addr;
struct ip6_addr;

/* net_enter, net_exit - the core lock; counts who had to wait (net.lock.*). Thread context; may
 * block. net_locked - the running lwp holds it. */
void net_enter(void);
void net_exit(void);
bool net_locked(void);

/* net_enter_run - net_enter() for a card: true: the lock is ours. False: the handler of another
 * queue is at it; the one that asks, whose `nt` is, must return, and will be queued when that has
 * left (nic_turn.h). With `nt` NULL, who asks waits as all others do. net_exit_run - leave it. */
bool net_enter_run(struct nic_turn *nt);
void net_exit_run(void);

/* net_breathe - with the lock held, and lwIP in the midst of nothing: if somebody waits for it
 * and it has been held for long, let him have it first. May block. */
void net_breathe(void);

/* net_wait - with the lock held, which is dropped meanwhile: until `cv` is woken, at most `ns`:
 * ETIMEDOUT. It may also return 0 for nothing. Blocks. net_wake - wake all who wait there; with the
 * lock held. */
int net_wait(struct condvar *cv, uint64_t ns);
void net_wake(struct condvar *cv);

/* net_timers_start - lwIP's own times begin to run, once there is something to time; the lock is
 * held. net_timers_init - before: ENOMEM. */
int net_timers_init(void);
void net_timers_start(void);

/* net_heap - bytes that lwIP's heap has out now, and the most that it may have. Any context. */
uint64_t net_heap(uint64_t *max);

/* net_glue_init - the heap's limit and its sysctls. net_card_init - take the cards. Both once, in
 * thread context; may block. */
void net_glue_init(void);
void net_card_init(void);

/* net_card_link - an interface's link is as its card says. Thread context, without the lock. */
void net_card_link(struct nic *nic);

/* net_link_up, net_link_down - lwIP is told that an interface has a link again, or none; link.c.
 * The lock is held. */
void net_link_up(struct netif *netif);
void net_link_down(struct netif *netif);

/* net_card_of - the card of an interface, with the lock held; NULL: it has none, as lo. */
struct nic *net_card_of(const struct netif *netif);

/* What an interface counted beside its card's own. Lock key: (n) the core lock. */
struct net_card_stats {
	uint64_t cs_in, cs_in_bytes;   /* (n) */
	uint64_t cs_in_short;          /* (n) frames without a whole header */
	uint64_t cs_out, cs_out_bytes; /* (n) */
	uint64_t cs_waited;            /* (n) put aside as the ring was full */
	uint64_t cs_wait_full;         /* (n) dropped: too many were put aside */
	uint64_t cs_out_errors;        /* (n) dropped: refused by the card, no memory */
	uint64_t cs_flattened;         /* (n) copied, for too many pieces */
	unsigned cs_flying;            /* (n) frames that the card has not reported sent */
};
/* net_card_stats - of the interface, with the lock held; false: it has no card. */
bool net_card_stats(const struct netif *netif, struct net_card_stats *cs);

/* net_sums_ask - the sums of a frame to send that the card is to make, of those that it `can`, as
 * no_send() has it; others that lwIP left out are made. *put: where the pseudo header's sum was
 * put, in two bytes that are to be 0 again if the card refuses the frame; or NULL. The lock is
 * held. */
unsigned net_sums_ask(const struct pbuf *p, unsigned can, uint8_t **put);

/* In the place of lwIP's functions in its IP output: see sums.c; of the path's MTU, see hook.c. The
 * lock is held. */
unsigned short net_path_mtu(const struct ip6_addr *dest, struct netif *netif);
signed char net_ip4_frag(struct pbuf *p, struct netif *netif, const struct ip4_addr *dest);
signed char net_ip6_frag(struct pbuf *p, struct netif *netif, const struct ip6_addr *dest);
signed char net_loop_output(struct netif *netif, struct pbuf *p);

/* net_card_sums - the interface's flags are as the card's nic_sums_use says. The lock is held. */
void net_card_sums(struct netif *netif);

/* net_capture - a frame goes by; cheap when nobody looks. SELF: a packet from this machine to
 * itself, without an Ethernet header. The lock is held. */
enum net_way { NET_WAY_IN, NET_WAY_OUT, NET_WAY_SELF };
void net_capture(const struct netif *netif, const struct pbuf *p, enum net_way way);

/* net_tap_link, net_tap_unlink, net_tap_take - net_tap_open(), close() and read() of net.h with the
 * lock held and without waiting; the name is not looked up. notify(arg) is called, with the lock
 * held and lwIP in the midst of something, whenever a frame was kept; NULL: nobody. Frames of TCP
 * connections at port `skip` are not seen; 0: all are. */
int net_tap_link(const char *name, uint32_t snap, size_t room, struct net_tap **out);
void net_tap_notify(struct net_tap *tap, uint16_t skip, void (*notify)(void *), void *arg);
void net_tap_unlink(struct net_tap *tap);
struct net_frame;
size_t net_tap_take(struct net_tap *tap, struct net_frame *nf, void *buf, size_t size);

/* NET_COUNT - a sysctl that reads a uint64_t of lock (n), by net_count_get(), in thread context. */
#define NET_COUNT(name, doc, of)                                                                   \
	{                                                                                          \
		.sy_name = name, .sy_doc = doc, .sy_get = net_count_get,                           \
		.sy_arg = (uintptr_t) & (of)                                                       \
	}
uint64_t net_count_get(struct sysctl *sy);

/* net_text - an address as text, "10.0.2.15" or "fe80::1%igb0"; net_addr - the address that a text
 * is; of one of the link without a zone, at the default interface; false: none, or no such zone.
 * net_netif - the interface of that name, NULL: none; net_netif_name - its name. All with the lock
 * held. */
struct ip_addr;
void net_text(const struct ip_addr *addr, char out[NET_ADDR_MAX]);
bool net_addr(const char *text, struct ip_addr *out);
struct netif *net_netif(const char *name);
const char *net_netif_name(const struct netif *netif);

/* net_errno - an errno for lwIP's err_t. Any context. */
int net_errno(int err);

/* hook.c: bytes that segments of TCP have at least, whatever the other end asks for, relaxed; how
 * often one asked for less, with the lock held. */
extern _Atomic uint64_t net_tcp_mss_min;
extern uint64_t net_tcp_small;

/* net_room - bytes that a connection may queue for sending now: what tcp_sndbuf() says, or less
 * when memory is short. 0: later; who asks tries again when something was acknowledged, and in
 * tcp_poll(). net_relieve - when memory is short, let go of connections that take nothing, and when
 * there are many handshakes, of those that go on for long; after tcp_tmr(), outside of all
 * callbacks. Both with the core lock held. net_room_init - its sysctls. */
struct tcp_pcb;
uint32_t net_room(const struct tcp_pcb *pcb);
void net_relieve(void);
void net_room_init(void);

/* net_route_init - the default interface follows links, addresses and gateways from now on; after
 * lwip_init(). net_route_came, net_route_gone - an interface was added to lwIP's, or is no longer
 * among them. All with the lock held. */
void net_route_init(void);
void net_route_came(void);
void net_route_gone(const struct netif *netif);

/* net_neighbour_init - neighbours that were given by hand go with their interfaces; after
 * lwip_init(), with the lock held. */
void net_neighbour_init(void);

/* net_services_start - echo, discard and chargen listen. net_iperf_start - so does iperf 3's port.
 * Thread context; may block. */
void net_services_start(void);
void net_iperf_start(void);

#endif
