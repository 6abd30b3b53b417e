/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwipopts.h - lwIP as it is configured here: its raw interface under one lock of ours, no threads
 * and no mailboxes of its own; packets are processed by whoever brings them.
 *
 * Limits are those of its pools, which are static (a line of `netstat -m` for each), and of its
 * heap (net.mem_max). What is not named here is as in lwip/opt.h.
 */
#ifndef NET_LWIP_LWIPOPTS_H
#define NET_LWIP_LWIPOPTS_H

/* The system. The core lock is net/core.c's. */
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_TIMERS 1
#define LWIP_TIMERS_CUSTOM 1 /* net/timers.c */
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_ASSERT_CORE_LOCKED() net_assert_locked()
#if !ITHACA_CHECKED
#define LWIP_NOASSERT 1
#endif

/* Memory: the heap is kmem, the pools are static. */
#define MEM_LIBC_MALLOC 1
#define mem_clib_malloc net_malloc
#define mem_clib_calloc net_calloc
#define mem_clib_free net_free
#define MEMP_MEM_MALLOC 0
#define MEM_ALIGNMENT 16
#define MEMP_NUM_PBUF 20480 /* each piece that is sent and not copied, of all connections */
#define PBUF_POOL_SIZE 8    /* nothing but odd paths uses them: frames come in the cards' buffers */
#define PBUF_POOL_BUFSIZE 1536
#define MEMP_NUM_RAW_PCB 16
#define MEMP_NUM_UDP_PCB 64
#define MEMP_NUM_TCP_PCB 2048
#define MEMP_NUM_TCP_PCB_LISTEN 64
#define MEMP_NUM_TCP_SEG 16384
#define MEMP_NUM_REASSDATA 32
#define MEMP_NUM_FRAG_PBUF 512
#define MEMP_NUM_ARP_QUEUE 256
#define MEMP_NUM_ND6_QUEUE 256
#define MEMP_NUM_MLD6_GROUP 64
#define MEMP_NUM_IGMP_GROUP 64

/* Interfaces and links. */
#define LWIP_ARP 1
#define ARP_TABLE_SIZE 64
#define ETHARP_SUPPORT_STATIC_ENTRIES 1 /* net/neighbour.c */
#define ARP_QUEUEING 1
#define ARP_QUEUE_LEN 64 /* a packet of 64 KiB in fragments */
#define ETH_PAD_SIZE 0
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_LINK_CALLBACK 1
#define LWIP_NETIF_EXT_STATUS_CALLBACK 1 /* net/route.c */
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_LOOPBACK 1
#define LWIP_HAVE_LOOPIF 1
#define LWIP_LOOPBACK_MAX_PBUFS 1024
#define LWIP_NETIF_TX_SINGLE_PBUF 0

/* IP. */
#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_IPV6_NUM_ADDRESSES 4
#define LWIP_IPV6_SCOPES 1
#define IPV6_FRAG_COPYHEADER 1 /* a pointer does not fit where lwIP would put two */
#define LWIP_IPV6_DHCP6 1
#define LWIP_IPV6_DHCP6_STATELESS 1
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 2
#define LWIP_ND6_NUM_NEIGHBORS 32
#define LWIP_ND6_NUM_DESTINATIONS 32
#define IP_REASSEMBLY 1
#define IP_FRAG 1
#define IP_REASS_MAX_PBUFS 1024
#define IP_REASS_MAXAGE 15
#define IP_DEFAULT_TTL 64
#define LWIP_ICMP 1
#define LWIP_RAW 1
#define LWIP_IGMP 1
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define DHCP_DOES_ARP_CHECK 0 /* a second later up; RFC 2131 3.1 has it as "should" */
#define LWIP_DNS 1
#define DNS_TABLE_SIZE 16
#define DNS_MAX_SERVERS 4
#define LWIP_UDP 1

/* Sums: by packet, from what the card says (net/card.c, net/sums.c). Those of what TCP sends are
 * not made while it is copied, as they may be the card's. */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_CHECKSUM_ON_COPY 0

/* TCP: windows of 256 KiB; 1,100 connections at once and more. Segments up to those of NIC_MTU_MAX;
 * each connection's are cut to its interface's MTU. */
#define LWIP_TCP 1
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1 /* they ask for a pool that received data is not in */
#define TCP_MSS 8960
#define TCP_OVERSIZE 1460 /* room for later writes in what one allocates */
#define TCP_WND_UPDATE_THRESHOLD (4 * 1460)
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 3
#define TCP_WND (256 * 1024)
#define TCP_SND_BUF (256 * 1024)
#define TCP_SND_QUEUELEN 1024
#define TCP_SNDLOWAT 32768 /* for lwIP's sockets, which are not used */
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_PBUFS 180 /* a window */
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_TIMESTAMPS 0
#define LWIP_TCP_KEEPALIVE 1
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG 255
#define SO_REUSE 1

/* A connection that we closed first is remembered for two minutes, and the other end may want its
 * port again meanwhile: net_tcp_again(). What else is looked at before lwIP does: net_tcp_segment()
 * in net/hook.c; `optlen` is a variable of lwIP's. */
struct tcp_pcb;
struct tcp_hdr;
struct pbuf;
signed char net_tcp_again(struct tcp_pcb *pcb, const struct tcp_hdr *hdr);
signed char net_tcp_segment(struct tcp_pcb *pcb, struct tcp_hdr *hdr, unsigned short *optlen,
    const void *rest, struct pbuf *p);
void net_tcp_tmr(void); /* instead of tcp_tmr() */
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, hdr, optlen, opt1len, opt2, p)                             \
	net_tcp_segment(pcb, hdr, &(optlen), opt2, p)

/* By which of several cards a packet goes out that has an address of ours: net/route.c. */
struct netif;
struct ip4_addr;
extern _Bool net_route_many;
struct netif *net_route_from(const struct ip4_addr *src, const struct ip4_addr *dest);
#define LWIP_HOOK_IP4_ROUTE_SRC(src, dest) (net_route_many ? net_route_from(src, dest) : NULL)

/* Counts: `netstat -s`. */
#define LWIP_STATS 1
#define LWIP_STATS_LARGE 1
#define LWIP_STATS_DISPLAY 0
#define MIB2_STATS 0

#endif
