/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * f_lwip.c - frames for the network: Ethernet, ARP, IP in both versions, fragments, ICMP, TCP, UDP,
 * DHCP, DNS, as lwIP reads them under the kernel's settings.
 *
 * Every run begins with a machine that has just been started: an address, a TCP and a UDP port that
 * send back what they get, a connection that is being opened, a DHCP request and a DNS query under
 * way. An input is records of
 *
 *	how (OP_*), length of the frame (two bytes), frame
 *
 * whose frames come in one after the other. What chance cannot find is put right if `how` says so:
 * TCP's numbers are added to those of the connection, queries are answered under their numbers.
 *
 * That machine is made once. lwIP keeps all that it knows in its own variables and on the heap: so
 * before each run its variables become what they were when the machine had been made (the linker
 * puts them into sections of their own, see rules.mk), as do ours, and the heap (arena.h).
 *
 * After the last record all is taken down: connections, queries, what waits for fragments or for
 * an address. Then no frame may be left, and as many pieces of memory as when the same is done to
 * a machine that has just been started. Read next: sys/net/card.c.
 */
#include "arena.h"
#include "fuzz.h"

#include "../../sys/net/loop.h"
#include "lwip/lwipopts.h"

#include <ithaca/print.h>
#include <lwip/dhcp.h>
#include <lwip/dhcp6.h>
#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/igmp.h>
#include <lwip/init.h>
#include <lwip/ip4_frag.h>
#include <lwip/ip6_frag.h>
#include <lwip/mld6.h>
#include <lwip/nd6.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/raw.h>
#include <lwip/sys.h>
#include <lwip/timeouts.h>
#include <lwip/udp.h>
#include <netif/ethernet.h>
#include <stdalign.h>
#include <string.h>

#define OP_TCP 0x01    /* sequence numbers are relative to the connection's */
#define OP_TIME 0x02   /* then a quarter of a second passes, and every timer comes */
#define OP_SUMS 0x04   /* sums are looked at */
#define OP_SEND 0x08   /* then the connections send something */
#define OP_CLOSE 0x10  /* then they are closed */
#define OP_ANSWER 0x20 /* it answers the last query */
#define OP_TO_US 0x40  /* it is for our Ethernet address */

#define HEAP_MAX 200u /* pieces */
#define FRAME_MAX 2048u
#define FRAME_MIN 60u
#define SLACK 8u
#define CONNECTIONS 8
#define LOOP_BUDGET 8
#define AGES 61 /* calls of a timer until nothing waits any longer: IPv6 fragments a minute */

#define PORT_ECHO 7
#define PORT_DNS 53
#define PORT_DHCP 67

extern uint8_t __start_lwip_data[], __stop_lwip_data[], __start_lwip_bss[], __stop_lwip_bss[];

/* What is ours of the machine, and changes. */
static struct machine {
	struct udp_pcb *echo;
	struct tcp_pcb *pcbs[CONNECTIONS];
	uint32_t now_ms, chance_count;
	unsigned frames; /* that came, and are not freed */
	uint16_t dns_port, dns_id;
	uint8_t dhcp_xid[4];
	struct netif nif; /* the last: what is behind it may not be touched */
} m, m_first;

static alignas(64) uint8_t data_first[65536], bss_first[65536];
static size_t data_size, bss_size;
static volatile uint8_t seen; /* what goes out is read to its last byte */

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};

/* ---- What lwIP asks of the machine; in the kernel, sys/net/glue.c ---- */

void *net_malloc(size_t size)
{
	if (arena_live() >= HEAP_MAX + m.frames)
		return NULL;
	return arena_alloc(size);
}

void *net_calloc(size_t n, size_t size)
{
	return net_malloc(n * size);
}

void net_free(void *p)
{
	arena_free(p);
}

uint32_t net_random(void)
{
	return ++m.chance_count * 0x9e3779b1u;
}

uint16_t net_checksum(const void *data, int len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (int i = 0; i < len; i++)
		sum += (uint32_t)p[i] << 8 * (i & 1);
	while (sum >> 16 != 0)
		sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

void net_assert_locked(void)
{
}

u32_t sys_now(void)
{
	return m.now_ms;
}

/* Its timers come when an input says so. */
void sys_timeouts_init(void)
{
}

void tcp_timer_needed(void)
{
}

/* As in core.c, which has more to do with it. */
signed char net_tcp_again(struct tcp_pcb *pcb, const struct tcp_hdr *hdr)
{
	if ((TCPH_FLAGS(hdr) & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN ||
	    !TCP_SEQ_GT(hdr->seqno, pcb->rcv_nxt))
		return ERR_OK;
	tcp_abort(pcb);
	return ERR_ABRT;
}

/* ---- The connections ---- */

static void pcb_forget(const struct tcp_pcb *pcb)
{
	for (unsigned i = 0; i < CONNECTIONS; i++)
		if (m.pcbs[i] == pcb)
			m.pcbs[i] = NULL;
}

static void echo_failed(void *arg, err_t err)
{
	(void)err;
	*(struct tcp_pcb **)arg = NULL;
}

static err_t echo_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	(void)arg;
	(void)err;
	if (p == NULL) {
		pcb_forget(pcb);
		tcp_arg(pcb, NULL);
		tcp_err(pcb, NULL);
		tcp_recv(pcb, NULL);
		if (tcp_close(pcb) != ERR_OK) {
			tcp_abort(pcb);
			return ERR_ABRT;
		}
		return ERR_OK;
	}
	tcp_recved(pcb, p->tot_len);
	(void)tcp_write(pcb, p->payload, p->len, TCP_WRITE_FLAG_COPY);
	pbuf_free(p);
	return ERR_OK;
}

/* The slot of a connection is its argument, so that who fails can be forgotten. */
static err_t pcb_take(struct tcp_pcb *pcb)
{
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		if (m.pcbs[i] != NULL)
			continue;
		m.pcbs[i] = pcb;
		tcp_arg(pcb, &m.pcbs[i]);
		tcp_recv(pcb, echo_recv);
		tcp_err(pcb, echo_failed);
		return ERR_OK;
	}
	tcp_abort(pcb);
	return ERR_ABRT;
}

static err_t echo_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	(void)arg;
	return err != ERR_OK || pcb == NULL ? ERR_VAL : pcb_take(pcb);
}

static err_t connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	(void)arg;
	(void)err;
	(void)tcp_write(pcb, "hello", 5, 0);
	return ERR_OK;
}

static void udp_echo(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *addr,
    u16_t port)
{
	(void)arg;
	(void)udp_sendto(pcb, p, addr, port);
	pbuf_free(p);
}

static void found(const char *name, const ip_addr_t *addr, void *arg)
{
	(void)arg;
	FUZZ_CHECK(name != NULL);
	if (addr != NULL)
		seen = (uint8_t)ip_addr_isany(addr);
}

static void connections_send(bool close)
{
	static const uint8_t data[1600];

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct tcp_pcb *pcb = m.pcbs[i];

		/* The kernel writes to none that is not open yet: lwIP then takes sizes for agreed
		 * upon that are not. */
		if (pcb == NULL || pcb->state == SYN_SENT)
			continue;
		if (close)
			(void)echo_recv(NULL, pcb, NULL, ERR_OK);
		else if (tcp_write(pcb, data, sizeof(data), TCP_WRITE_FLAG_COPY) == ERR_OK)
			(void)tcp_output(pcb);
	}
}

static void connections_end(void)
{
	while (tcp_active_pcbs != NULL)
		tcp_abort(tcp_active_pcbs);
	while (tcp_tw_pcbs != NULL)
		tcp_abort(tcp_tw_pcbs);
	while (tcp_bound_pcbs != NULL)
		tcp_abort(tcp_bound_pcbs);
	while (tcp_listen_pcbs.listen_pcbs != NULL)
		(void)tcp_close((struct tcp_pcb *)tcp_listen_pcbs.listen_pcbs);
}

/* ---- The interface ---- */

/* A query of ours that waits for its answer. */
static void query_note(const uint8_t *frame, size_t len)
{
	const uint8_t *udp = frame + 34;

	if (len < 54 || frame[12] != 8 || frame[14] != 0x45 || frame[23] != 17)
		return;
	if (udp[2] == 0 && udp[3] == PORT_DNS) {
		m.dns_port = (uint16_t)(udp[0] << 8 | udp[1]);
		m.dns_id = (uint16_t)(udp[8] << 8 | udp[9]);
	} else if (udp[2] == 0 && udp[3] == PORT_DHCP) {
		memcpy(m.dhcp_xid, udp + 12, sizeof(m.dhcp_xid));
	}
}

static err_t frame_out(struct netif *netif, struct pbuf *p)
{
	uint8_t frame[FRAME_MAX], sum = 0;
	u16_t len;

	FUZZ_CHECK(p->tot_len <= netif->mtu + SIZEOF_ETH_HDR);
	len = pbuf_copy_partial(p, frame, p->tot_len, 0);
	FUZZ_CHECK(len == p->tot_len);
	for (u16_t i = 0; i < len; i++)
		sum ^= frame[i];
	seen = sum;
	query_note(frame, len);
	return ERR_OK;
}

static err_t nif_init(struct netif *netif)
{
	netif->name[0] = 'f';
	netif->name[1] = 'z';
	netif->hostname = "ithaca";
	netif->mtu = 1500;
	netif->hwaddr_len = sizeof(our_mac);
	memcpy(netif->hwaddr, our_mac, sizeof(our_mac));
	netif->output = etharp_output;
	netif->output_ip6 = ethip6_output;
	netif->linkoutput = frame_out;
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
	    NETIF_FLAG_IGMP | NETIF_FLAG_MLD6 | NETIF_FLAG_LINK_UP;
	return ERR_OK;
}

struct in_frame {
	struct pbuf_custom in_pbuf;
	uint8_t in_data[];
};

static void frame_free(struct pbuf *p)
{
	arena_free(p);
	m.frames--;
}

/* As card.c does it: lwIP's header is beside the frame. A little is left behind it, as lwIP reads
 * versions, lengths and types of headers before it finds that the frame ends there; a card's
 * buffers have hundreds of bytes more than a frame. */
static void frame_in(const uint8_t *data, size_t len)
{
	size_t room = len + SLACK < FRAME_MIN ? FRAME_MIN : len + SLACK;
	struct in_frame *f = arena_alloc(sizeof(*f) + room);
	struct pbuf *p;

	FUZZ_CHECK(f != NULL);
	m.frames++;
	memcpy(f->in_data, data, len);
	f->in_pbuf.custom_free_function = frame_free;
	p = pbuf_alloced_custom(PBUF_RAW, (u16_t)len, PBUF_REF, &f->in_pbuf, f->in_data,
	    (u16_t)len);
	if (m.nif.input(p, &m.nif) != ERR_OK)
		pbuf_free(p);
}

/* ---- The machine ---- */

static void hosts_make(void)
{
	struct tcp_pcb *listener, *client;
	struct udp_pcb *udp = udp_new();
	ip_addr_t server = IPADDR4_INIT_BYTES(10, 0, 2, 2), addr;
	static const struct eth_addr server_mac = {{2, 0, 0, 0, 0, 2}};

	FUZZ_CHECK(udp != NULL && udp_bind(udp, IP_ANY_TYPE, PORT_ECHO) == ERR_OK);
	udp_recv(udp, udp_echo, NULL);
	m.echo = udp;
	listener = tcp_new_ip_type(IPADDR_TYPE_ANY);
	FUZZ_CHECK(listener != NULL && tcp_bind(listener, IP_ANY_TYPE, PORT_ECHO) == ERR_OK);
	listener = tcp_listen(listener);
	FUZZ_CHECK(listener != NULL);
	tcp_accept(listener, echo_accept);
	/* In the table as if it had answered. */
	frame_in((const uint8_t[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
		     2, 0, 0, 0, 0, 2, 10, 0, 2, 2, 0, 0, 0, 0, 0, 0, 10, 0, 2, 15},
	    42);
	(void)server_mac;
	client = tcp_new();
	FUZZ_CHECK(client != NULL && pcb_take(client) == ERR_OK);
	(void)tcp_bind(client, IP_ANY_TYPE, 1024);
	(void)tcp_connect(client, &server, 80, connected);
	dns_setserver(0, &server);
	(void)dns_gethostbyname("a.example", &addr, found, NULL);
	(void)dhcp_start(&m.nif);
}

static void machine_make(void)
{
	ip4_addr_t addr, mask, gateway;

	m.now_ms = 1000;
	lwip_init();
	IP4_ADDR(&addr, 10, 0, 2, 15);
	IP4_ADDR(&mask, 255, 255, 255, 0);
	IP4_ADDR(&gateway, 10, 0, 2, 2);
	FUZZ_CHECK(
	    netif_add(&m.nif, &addr, &mask, &gateway, NULL, nif_init, ethernet_input) != NULL);
	netif_set_default(&m.nif);
	NETIF_SET_CHECKSUM_CTRL(&m.nif, 0);
	netif_create_ip6_linklocal_address(&m.nif, 1);
	netif_ip6_addr_set_state(&m.nif, 0, IP6_ADDR_PREFERRED);
	m.nif.ip6_autoconfig_enabled = 1;
	(void)dhcp6_enable_stateless(&m.nif);
	netif_set_up(&m.nif);
	hosts_make();
}

/* Packets from us to us, as core.c takes them; some, as each may be answered by another. */
static void loop_some(void)
{
	struct netif *netif;
	struct pbuf *p;

	for (unsigned n = 0; n < LOOP_BUDGET && (p = net_loop_take(&netif)) != NULL; n++)
		if (ip_input(p, netif) != ERR_OK)
			pbuf_free(p);
}

static void time_passes(void)
{
	static void (*const timers[])(void) = {net_tcp_tmr, ip_reass_tmr, etharp_tmr,
	    dhcp_coarse_tmr, dhcp_fine_tmr, igmp_tmr, dns_tmr, nd6_tmr, ip6_reass_tmr, mld6_tmr,
	    dhcp6_tmr};

	m.now_ms += TCP_TMR_INTERVAL;
	for (unsigned i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
		timers[i]();
}

/* All that the machine has goes: nothing that came may be left of it. */
static void machine_end(void)
{
	struct netif *netif;

	connections_end();
	dhcp_release_and_stop(&m.nif);
	dhcp_cleanup(&m.nif);
	dhcp6_disable(&m.nif);
	dhcp6_cleanup(&m.nif);
	netif_remove(&m.nif);
	if (m.nif.loop_first != NULL)
		pbuf_free(m.nif.loop_first); /* the packets are one chain */
	udp_remove(m.echo);
	for (unsigned i = 0; i < AGES && arena_live() != 0; i++) {
		ip_reass_tmr();
		ip6_reass_tmr();
		dns_tmr();
		for (struct pbuf *p; (p = net_loop_take(&netif)) != NULL;)
			pbuf_free(p);
	}
	FUZZ_CHECK(m.frames == 0);
	FUZZ_CHECK(arena_live() == 0);
}

/* ---- lwIP's variables ---- */

/* Word by word over the gaps that AddressSanitizer has put between them; the barrier keeps the
 * compiler from calling memcpy(), which would look at those. */
__attribute__((no_sanitize("address", "undefined"))) static void copy(void *to, const void *from,
    size_t n)
{
	typedef uint64_t words __attribute__((vector_size(16), may_alias));
	words *to16 = to;
	const words *from16 = from;

	for (size_t i = 0; i < n / 64 * 4; i += 4) {
		words a = from16[i], b = from16[i + 1], c = from16[i + 2], d = from16[i + 3];

		to16[i] = a;
		to16[i + 1] = b;
		to16[i + 2] = c;
		to16[i + 3] = d;
		__asm__ volatile("" ::: "memory");
	}
	for (size_t i = n / 64 * 64; i < n; i++) {
		((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
		__asm__ volatile("" ::: "memory");
	}
}

static void start(void)
{
	machine_make();
	data_size = (size_t)(__stop_lwip_data - __start_lwip_data);
	bss_size = (size_t)(__stop_lwip_bss - __start_lwip_bss);
	FUZZ_CHECK(data_size <= sizeof(data_first) && bss_size <= sizeof(bss_first));
	FUZZ_CHECK((((uintptr_t)__start_lwip_data | (uintptr_t)__start_lwip_bss) & 15) == 0);
	copy(data_first, __start_lwip_data, data_size);
	copy(bss_first, __start_lwip_bss, bss_size);
	m_first = m;
	arena_mark();
}

static void machine_again(void)
{
	copy(__start_lwip_data, data_first, data_size);
	copy(__start_lwip_bss, bss_first, bss_size);
	m = m_first;
}

/* ---- A run ---- */

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Where TCP or UDP begins in a frame of IPv4 or IPv6 without more headers; 0: it does not. */
static size_t transport(const uint8_t *f, size_t len, uint8_t protocol)
{
	size_t at = 0;

	if (len >= 34 && f[12] == 8 && f[13] == 0 && f[23] == protocol)
		at = 14 + (f[14] & 15u) * 4;
	else if (len >= 54 && f[12] == 0x86 && f[13] == 0xdd && f[20] == protocol)
		at = 54;
	return at != 0 && at + 20 <= len ? at : 0;
}

static void tcp_right(uint8_t *f, size_t len)
{
	size_t at = transport(f, len, 6);
	const struct tcp_pcb *pcb;

	for (pcb = at != 0 ? tcp_active_pcbs : NULL; pcb != NULL; pcb = pcb->next) {
		if (pcb->remote_port != (f[at] << 8 | f[at + 1]) ||
		    pcb->local_port != (f[at + 2] << 8 | f[at + 3]))
			continue;
		put32(f + at + 4, get32(f + at + 4) + pcb->rcv_nxt);
		put32(f + at + 8, get32(f + at + 8) + pcb->snd_nxt);
		return;
	}
}

static void answer_right(uint8_t *f, size_t len)
{
	size_t at = transport(f, len, 17);

	if (at == 0)
		return;
	if (f[at] == 0 && f[at + 1] == PORT_DNS) {
		f[at + 2] = (uint8_t)(m.dns_port >> 8);
		f[at + 3] = (uint8_t)m.dns_port;
		f[at + 8] = (uint8_t)(m.dns_id >> 8);
		f[at + 9] = (uint8_t)m.dns_id;
	} else if (f[at] == 0 && f[at + 1] == PORT_DHCP) {
		memcpy(f + at + 12, m.dhcp_xid, sizeof(m.dhcp_xid));
		if (at + 42 <= len)
			memcpy(f + at + 36, our_mac, sizeof(our_mac));
	}
}

static void record(unsigned how, const uint8_t *data, size_t len)
{
	uint8_t f[FRAME_MAX];

	memcpy(f, data, len);
	if ((how & OP_TO_US) != 0 && len >= 6)
		memcpy(f, our_mac, sizeof(our_mac));
	if ((how & OP_TCP) != 0)
		tcp_right(f, len);
	if ((how & OP_ANSWER) != 0)
		answer_right(f, len);
	NETIF_SET_CHECKSUM_CTRL(&m.nif, (how & OP_SUMS) != 0 ? NETIF_CHECKSUM_ENABLE_ALL : 0);
	/* card.c lets no shorter ones through. */
	if (len >= SIZEOF_ETH_HDR)
		frame_in(f, len);
	loop_some();
	if ((how & OP_SEND) != 0)
		connections_send(false);
	if ((how & OP_CLOSE) != 0)
		connections_send(true);
	if ((how & OP_TIME) != 0)
		time_passes();
}

static void run(const uint8_t *in, size_t len)
{
	size_t n;

	machine_again();
	while (len >= 3) {
		n = (size_t)(in[1] | in[2] << 8) % FRAME_MAX;
		n = n < len - 3 ? n : len - 3;
		record(in[0], in + 3, n);
		in += 3 + n;
		len -= 3 + n;
	}
	fuzz_unseen(true);
	machine_end();
	fuzz_unseen(false);
}

/* ---- Inputs to begin with ---- */

static uint8_t seed[1024];
static size_t seed_len;

static uint8_t *seed_record(unsigned how, size_t len)
{
	uint8_t *p = seed + seed_len;

	memset(p, 0, 3 + len);
	p[0] = (uint8_t)(how | OP_TO_US);
	p[1] = (uint8_t)len;
	p[2] = (uint8_t)(len >> 8);
	seed_len += 3 + len;
	return p + 3;
}

/* A packet of IPv4; what it carries is returned. */
static uint8_t *seed_ip4(unsigned how, uint8_t protocol, size_t len)
{
	static const uint8_t head[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 0, 0,
	    1, 0, 0, 64, 0, 0, 0, 10, 0, 2, 2, 10, 0, 2, 15};
	uint8_t *f = seed_record(how, sizeof(head) + len);

	memcpy(f, head, sizeof(head));
	f[16] = (uint8_t)((20 + len) >> 8);
	f[17] = (uint8_t)(20 + len);
	f[23] = protocol;
	return f + sizeof(head);
}

static uint8_t *seed_ip6(unsigned how, uint8_t next, size_t len)
{
	static const uint8_t head[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0,
	    0, 0, 0, 0, 255, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 2, 0xfe, 0x80,
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1};
	uint8_t *f = seed_record(how, sizeof(head) + len);

	memcpy(f, head, sizeof(head));
	f[18] = (uint8_t)(len >> 8);
	f[19] = (uint8_t)len;
	f[20] = next;
	return f + sizeof(head);
}

static void seed_tcp(unsigned how, unsigned from, unsigned to, uint8_t flags, size_t len)
{
	uint8_t *t = seed_ip4(how | OP_TCP, 6, 20 + len);

	t[0] = (uint8_t)(from >> 8);
	t[1] = (uint8_t)from;
	t[2] = (uint8_t)(to >> 8);
	t[3] = (uint8_t)to;
	t[12] = 0x50;
	t[13] = flags;
	t[14] = 0x20;
}

static uint8_t *seed_udp(unsigned how, unsigned from, unsigned to, size_t len)
{
	uint8_t *u = seed_ip4(how, 17, 8 + len);

	u[1] = (uint8_t)from;
	u[3] = (uint8_t)to;
	u[4] = (uint8_t)((8 + len) >> 8);
	u[5] = (uint8_t)(8 + len);
	return u + 8;
}

static void seed_end(void)
{
	fuzz_seed(seed, seed_len);
	seed_len = 0;
}

static void seeds_small(void)
{
	static const uint8_t arp[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0,
	    1, 2, 0, 0, 0, 0, 2, 10, 0, 2, 2, 0, 0, 0, 0, 0, 0, 10, 0, 2, 15};
	static const uint8_t solicit[24] = {135, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0x80, [17] = 0xff, 0xfe,
	    0, 0, 1};
	uint8_t *p;

	memcpy(seed_record(0, sizeof(arp)), arp, sizeof(arp));
	p = seed_ip4(OP_TIME, 1, 40);
	p[0] = 8;
	seed_end();
	/* Two fragments of an echo. */
	p = seed_ip4(0, 1, 32);
	p[0] = 8;
	p[-14] = 0x20;
	p = seed_ip4(OP_TIME, 1, 16);
	p[-13] = 4;
	seed_end();
	(void)memcpy(seed_ip6(0, 58, sizeof(solicit)), solicit, sizeof(solicit));
	p = seed_ip6(OP_TIME, 58, 24); /* a router, with a prefix to come */
	p[0] = 134;
	p[4] = 64;
	p = seed_ip6(0, 44, 24); /* a fragment */
	p[0] = 58;
	p[3] = 1;
	p[8] = 128;
	p = seed_ip6(0, 58, 16);
	p[0] = 128;
	seed_end();
	p = seed_ip4(0, 2, 8); /* IGMP: who is there? */
	p[0] = 0x11;
	p[1] = 100;
	(void)seed_udp(OP_TIME, 99, PORT_ECHO, 30);
	seed_end();
}

static void seeds_answers(void)
{
	static const uint8_t answer[] = {0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 1, 'a', 7, 'e',
	    'x', 'a', 'm', 'p', 'l', 'e', 0, 0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 10,
	    0, 2, 9};
	static const uint8_t options[] = {99, 130, 83, 99, 53, 1, 2, 54, 4, 10, 0, 2, 2, 51, 4, 0,
	    1, 0, 0, 1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 2, 2, 6, 4, 10, 0, 2, 3, 255};
	uint8_t *p;

	memcpy(seed_udp(OP_ANSWER | OP_TIME, PORT_DNS, 0, sizeof(answer)), answer, sizeof(answer));
	seed_end();
	for (unsigned kind = 2; kind <= 5; kind += 3) { /* an offer; then it is ours */
		p = seed_udp(OP_ANSWER | OP_TIME, PORT_DHCP, 68, 236 + sizeof(options));
		p[0] = 2;
		p[1] = 1;
		p[2] = 6;
		memcpy(p + 16, (const uint8_t[]){10, 0, 2, 15}, 4);
		memcpy(p + 236, options, sizeof(options));
		p[236 + 6] = (uint8_t)kind;
	}
	seed_end();
}

static void seeds(void)
{
	seeds_small();
	seeds_answers();
	seed_tcp(0, 80, 1024, TCP_SYN | TCP_ACK, 0); /* the connection that is being opened */
	seed_tcp(OP_SEND, 80, 1024, TCP_ACK | TCP_PSH, 20);
	seed_tcp(OP_CLOSE | OP_TIME, 80, 1024, TCP_ACK | TCP_FIN, 0);
	seed_end();
	seed_tcp(0, 2000, PORT_ECHO, TCP_SYN, 0); /* one to us */
	seed_tcp(0, 2000, PORT_ECHO, TCP_ACK, 0);
	seed_tcp(OP_TIME, 2000, PORT_ECHO, TCP_ACK | TCP_PSH, 30);
	seed_tcp(OP_SEND, 2000, PORT_ECHO, TCP_ACK | TCP_PSH, 30);
	seed[seed_len - 30 - 20 + 7] = 60; /* out of order */
	seed_tcp(OP_TIME, 2000, PORT_ECHO, TCP_ACK | TCP_FIN, 0);
	seed_tcp(OP_TIME, 2000, PORT_ECHO, TCP_RST, 0);
	seed_end();
}

FUZZ_TARGET(
    lwip) = {.ft_run = run, .ft_start = start, .ft_seeds = seeds, .ft_max = 2048, .ft_runs = 30000};
