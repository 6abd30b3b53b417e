/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.h - the network as commands and programs see it: interfaces, connections, counts, names,
 * pings. Addresses are text here ("10.0.2.15", "fe80::1%igb0"); nothing of lwIP shows.
 *
 * Rules: all functions are for lwps; they take the core lock and may block. Names of interfaces are
 * those of their cards ("igb0"), and "lo".
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "dev/nic.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_ADDR_MAX 56    /* an address as text, its zone and NUL included */
#define NET_ADDRS6 4       /* IPv6 addresses of an interface, at most */
#define NET_IFS_MAX 17     /* cards, and lo */
#define NET_PING_MAX 65507 /* bytes of data in one IPv4 echo; 65487 with IPv6 */

/* net_init - start the stack, its services, and every card that there is or will be; with `cards`
 * false, none. Once, after nic_init(), by main. A machine without a card has lo, and nothing
 * runs. */
void net_init(bool cards);

/* ---- Interfaces (config.c) ---- */

struct net_if {
	char ni_name[NIC_NAME_MAX];
	bool ni_card; /* else it is lo */
	bool ni_up, ni_link, ni_default, ni_dhcp;
	uint32_t ni_mbps, ni_mtu;
	unsigned ni_queues;
	uint8_t ni_mac[6];
	char ni_addr[16], ni_mask[16], ni_gateway[16]; /* IPv4; "" if there is none */
	char ni_addr6[NET_ADDRS6][NET_ADDR_MAX];       /* "" if there is none */
	const char *ni_state6[NET_ADDRS6];             /* "tentative", "preferred", "valid" */
	uint64_t ni_in, ni_in_bytes, ni_out, ni_out_bytes;
	uint64_t ni_in_drops, ni_out_drops, ni_out_waited, ni_flattened;
	unsigned ni_flying;
};

/* net_ifs - all of them, at most `max`; returns how many. */
unsigned net_ifs(struct net_if *out, unsigned max);

/* net_if_up - up or down. net_if_dhcp - ask for an address, or stop. net_if_static - a fixed IPv4
 * address; gateway NULL: none. net_if_add6 - one more IPv6 address. net_if_del - one less, of
 * either version. net_if_default - the way out, while it has link and gateway. ENXIO: no such
 * interface; EOPNOTSUPP: not of lo; EINVAL: no address; ERANGE: not one that an interface may have,
 * as that of a group or a whole network; EHOSTUNREACH: the gateway is not in the address's network,
 * or there is none; ENOSPC: no room for one more; ENOENT: it has not that one; ENOMEM; up: as
 * nic_up(). */
int net_if_up(const char *name, bool up);
int net_if_dhcp(const char *name, bool on);
int net_if_static(const char *name, const char *addr, const char *mask, const char *gateway);
int net_if_add6(const char *name, const char *addr);
int net_if_del(const char *name, const char *addr);
int net_if_default(const char *name);

/* net_if_mtu - the longest IP packet of its frames, as nic_mtu_set(); *max: the most that the card
 * can, or 0. net_if_sums - let the card make sums of what is sent, or not. As above, and ERANGE. */
int net_if_mtu(const char *name, unsigned mtu, unsigned *max);
int net_if_sums(const char *name, bool on);

/* net_if_wait - until it has a link and an IPv4 address, at most `ns`: ETIMEDOUT; `stop`, unless
 * NULL, is asked now and then: EAGAIN. ENXIO, EOPNOTSUPP as above. */
int net_if_wait(const char *name, uint64_t ns, bool (*stop)(void));

/* net_names - the servers that names are asked of, at most `max`; how many. net_names_set - ask
 * this one first. EINVAL. */
unsigned net_names(char out[][NET_ADDR_MAX], unsigned max);
int net_names_set(const char *addr);

/* ---- What there is and was (status.c) ---- */

struct net_conn {
	const char *nc_proto;                                 /* "tcp", "udp" */
	char nc_local[NET_ADDR_MAX], nc_remote[NET_ADDR_MAX]; /* "" : any */
	uint16_t nc_local_port, nc_remote_port;
	const char *nc_state; /* "" but for tcp */
	uint32_t nc_unsent, nc_unread;
};

/* net_conns - connections and listeners, at most `max`; *all is how many there are. */
unsigned net_conns(struct net_conn *out, unsigned max, unsigned *all);

struct net_proto {
	const char *np_name;
	uint64_t np_out, np_in, np_drop, np_sum, np_length, np_memory, np_route, np_protocol,
	    np_other;
};
/* net_protos - what each protocol counted, at most `max`; how many. */
unsigned net_protos(struct net_proto *out, unsigned max);

struct net_pool {
	const char *po_name;
	uint32_t po_size, po_used, po_most, po_denied;
};
/* net_pools - lwIP's pools of fixed size. */
unsigned net_pools(struct net_pool *out, unsigned max);

/* ---- Ways and neighbours (route.c, neighbour.c) ---- */

#define NET_ROUTES_MAX 128
struct net_route {
	char nr_to[NET_ADDR_MAX];      /* "default", "10.0.2.0/24" */
	char nr_gateway[NET_ADDR_MAX]; /* "": none, they are on the link */
	char nr_if[NIC_NAME_MAX];
	const char *nr_use;  /* "yes", "spare", "asked", "no-link", "down" */
	const char *nr_why;  /* "by-hand", "first", "next"; "fixed", "dhcp", "advertised", "link" */
	uint32_t nr_seconds; /* that it still holds; UINT32_MAX: without end */
};
/* net_routes - where packets go, at most `max`; how many. */
unsigned net_routes(struct net_route *out, unsigned max);

#define NET_NEIGHBOURS_MAX 64 /* of each version of IP; more are not known at a time */
#define NET_FIXED_MAX 32      /* of those of IPv4, given by hand */
struct net_neighbour {
	char ne_addr[NET_ADDR_MAX];
	char ne_if[NIC_NAME_MAX];
	uint8_t ne_mac[6];
	bool ne_known;       /* there is a ne_mac; else it was asked for */
	bool ne_router;      /* a way to others */
	bool ne_timed;       /* ne_seconds says something */
	uint32_t ne_seconds; /* for which it is still "reachable", or since when it is "stale" */
	/* "learnt", "static"; of 6: "incomplete", "reachable", "stale", "delay", "probe". */
	const char *ne_state;
};
/* net_neighbours - of IP version 4 or 6, at most `max`; how many. net_neighbour_del - forget one,
 * who is asked for when there is need of him: ENOENT: not known; EHOSTUNREACH: of a network that
 * is no longer the interface's; EBUSY: another interface is asking for the same address; EINVAL:
 * no address of that version. net_neighbour_set - he is there, whatever he says, until his
 * interface is down; version 4 alone. EINVAL: no address; ERANGE: not one of another machine;
 * EHOSTUNREACH: in no network of a card with a link; ENOSPC: NET_FIXED_MAX are; ENOMEM. */
unsigned net_neighbours(int version, struct net_neighbour *out, unsigned max);
int net_neighbour_del(int version, const char *addr);
int net_neighbour_set(const char *addr, const uint8_t mac[6]);

/* ---- Names and pings (ping.c, resolve.c) ---- */

/* net_resolve - the address of a name, which may be one already. `family` is 4, 6, or 0: either, 4
 * before 6. `stop`, unless NULL, is asked now and then. ENOENT: no such name; ETIMEDOUT: no server
 * answers; EINVAL: no name; ENOMEM; EAGAIN: stopped. */
int net_resolve(const char *name, int family, char out[NET_ADDR_MAX], bool (*stop)(void));

struct net_ping {
	const char *np_to;          /* in: an address */
	uint32_t np_size;           /* in: bytes of data */
	uint16_t np_seq;            /* in */
	uint64_t np_limit_ns;       /* in: how long to wait */
	bool (*np_stop)(void);      /* in: asked now and then; NULL: nobody to ask */
	uint64_t np_ns;             /* out: there and back */
	uint32_t np_bytes;          /* out: of data that came back */
	char np_from[NET_ADDR_MAX]; /* out: who answered; of a group, the first */
	uint8_t np_ttl;             /* out */
	bool np_wrong;              /* out: it was not what was sent */
};
/* net_ping - one echo request, and its answer: 0; ETIMEDOUT: none; EAGAIN: stopped; EINVAL: no
 * address; EMSGSIZE: above NET_PING_MAX; EHOSTUNREACH: no way there; ENOMEM. */
int net_ping(struct net_ping *np);

/* ---- Frames as they go by (capture.c) ---- */

struct net_tap;

struct net_frame {
	uint64_t nf_ns;   /* clock_ns() */
	uint32_t nf_len;  /* bytes that it had */
	uint32_t nf_kept; /* of those, kept */
	bool nf_out;      /* sent, not received */
	char nf_if[NIC_NAME_MAX];
};

/* net_tap_open - keep the first `snap` bytes of each frame of interface `name` (NULL: all) until it
 * is read, up to `room` bytes of them. Frames of lo get an Ethernet header without addresses.
 * ENXIO: no such interface; EBUSY: NET_TAPS_MAX are open; ENOMEM. net_tap_close - the end of it. */
#define NET_TAPS_MAX 4
int net_tap_open(const char *name, uint32_t snap, size_t room, struct net_tap **out);
void net_tap_close(struct net_tap *tap);

/* net_tap_read - the next frame, of which at most `size` bytes go to buf, waiting at most `ns`: how
 * many; 0: none came. net_tap_lost - frames for which there was no room. */
size_t net_tap_read(struct net_tap *tap, struct net_frame *nf, void *buf, size_t size, uint64_t ns);
uint64_t net_tap_lost(struct net_tap *tap);

/* net_pcap - let port NET_PCAP_PORT of TCP be listened at, or no longer: who connects reads what
 * all interfaces see, but his own connection, as a pcap file. EADDRINUSE, ENOMEM. */
#define NET_PCAP_PORT 2002
int net_pcap(bool on);

#endif
