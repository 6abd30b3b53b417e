/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * card.c - between network cards and lwIP: one interface a card, and no copy either way.
 *
 * In: a frame stays in the buffer that the card wrote it into. lwIP's header for it, a custom pbuf,
 * lies in the space that every buffer has for its client; whoever frees the pbuf, from whatever
 * thread and however much later, gives the buffer back to the pool. What the card said about sums
 * is believed for that frame alone. A frame of several buffers is a chain of such headers.
 *
 * Out: each piece of a pbuf chain becomes a segment for the card, and the chain is referred to
 * until the card reports it sent. lwIP leaves a segment alone that is so referred to (it sends it
 * again later). A frame that the full ring refuses is put aside in order, up to WAIT_MAX frames;
 * the next run of any of the card's handlers sends what it can of them, and who takes the card down
 * loses them. A frame of more pieces than a card takes is copied into buffers. Sums that the card
 * makes are left to it (sums.c).
 *
 * The queue to send by is the one whose handler runs, so that answers leave where the question came
 * in and each flow stays in order; from other lwps it is that of their CPU.
 *
 * Contexts: the cards' handlers, and whoever sends; the core lock is held from card_begin() to
 * card_end(). nic_up() and nic_down() are called without it. Not for: what an interface is called
 * and has for addresses (config.c). Read next: config.c.
 */
#include "core.h"

#include "mem/kmem.h"
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/machine.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <lwip/dhcp.h>
#include <lwip/dhcp6.h>
#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/netif.h>
#include <netif/ethernet.h>

#define WAIT_MAX 1024 /* a power of 2 */
#define QUEUE_NONE 0xffffu

/* Locking key: (a) set once before it is shared; (n) the core lock. */
struct card {
	struct netif ca_netif;          /* (n) */
	struct nic *ca_nic;             /* (a) */
	struct net_card_stats ca_stats; /* (n) */
	unsigned ca_queue;              /* (n) whose handler runs now, or QUEUE_NONE */
	unsigned ca_first, ca_waiting;  /* (n) of ca_wait, a ring */
	uint32_t ca_told;               /* (n) the IPv4 address that the console was told of */
	struct pbuf *ca_wait[WAIT_MAX];
};

/* lwIP's header within a buffer. */
struct in_pbuf {
	struct pbuf_custom ip_custom;
	struct nic_buf *ip_buf;
};
_Static_assert(sizeof(struct in_pbuf) <= NIC_BUF_STACK, "the header fits into the buffer's");

/* ---- Out ---- */

static void buf_release(struct pbuf *p)
{
	nic_buf_free(((struct in_pbuf *)p)->ip_buf);
}

/* wrap_one - a pbuf around what is in a buffer. */
static struct pbuf *wrap_one(struct nic_buf *nb)
{
	struct in_pbuf *ip = (struct in_pbuf *)(void *)nb->nb_stack;

	nb->nb_next = NULL;
	ip->ip_custom.custom_free_function = buf_release;
	ip->ip_buf = nb;
	return pbuf_alloced_custom(PBUF_RAW, (u16_t)nb->nb_len, PBUF_REF, &ip->ip_custom,
	    nb->nb_data, (u16_t)nb->nb_len);
}

/* wrap - the same of a frame, which may have several. */
static struct pbuf *wrap(struct nic_buf *nb)
{
	struct nic_buf *next = nb->nb_next;
	struct pbuf *p = wrap_one(nb);

	while ((nb = next) != NULL) {
		next = nb->nb_next;
		pbuf_cat(p, wrap_one(nb));
	}
	return p;
}

/* flatten - a frame of too many pieces, in as few as can be; NULL: no buffers. */
static struct pbuf *flatten(struct card *ca, struct pbuf *p)
{
	struct nic_buf *first = NULL, **at = &first, *nb;
	u32_t done = 0;

	do {
		*at = nb = nic_buf_alloc();
		if (nb == NULL) {
			nic_frame_free(first);
			return NULL;
		}
		nb->nb_len = pbuf_copy_partial(p, nb->nb_data, NIC_BUF_SIZE, (u16_t)done);
		done += nb->nb_len;
		at = &nb->nb_next;
	} while (done < p->tot_len);
	ca->ca_stats.cs_flattened++;
	return wrap(first);
}

static unsigned segments(const struct pbuf *p, struct nic_seg *seg)
{
	unsigned n = 0;

	for (; p != NULL; p = p->next) {
		if (p->len == 0)
			continue;
		if (n == NIC_SEGS_MAX)
			return NIC_SEGS_MAX + 1;
		seg[n].ns_phys = machine_virt_to_phys(p->payload);
		seg[n].ns_len = p->len;
		n++;
	}
	return n;
}

static unsigned out_queue(const struct card *ca)
{
	if (ca->ca_queue != QUEUE_NONE)
		return ca->ca_queue;
	return curcpu()->ci_index % ca->ca_nic->nic_queues; /* a hint: it may move at any time */
}

/* offer - a frame to the card, in as many pieces as it takes. */
static int offer(struct card *ca, struct pbuf *p, const struct nic_seg *seg, unsigned n)
{
	struct nic *nic = ca->ca_nic;
	uint8_t *put = NULL;
	unsigned sums = 0;
	int error;

	/* Relaxed: as it is now. A card that makes no sums never had lwIP leave one out. */
	if (nic->nic_sums != 0)
		sums = net_sums_ask(p,
		    atomic_load_explicit(&nic->nic_sums_use, memory_order_relaxed), &put);
	error = nic->nic_ops->no_send(nic, out_queue(ca), seg, n, sums, p);
	if (error != 0 && put != NULL)
		memset(put, 0, 2);
	return error;
}

/* hand_over - a frame to the card, which then has a reference. */
static int hand_over(struct card *ca, struct pbuf *p)
{
	struct nic_seg seg[NIC_SEGS_MAX];
	struct pbuf *whole = NULL;
	unsigned n = segments(p, seg);
	int error;

	if (n > NIC_SEGS_MAX) {
		whole = flatten(ca, p);
		if (whole == NULL)
			return ENOMEM;
		p = whole;
		n = segments(p, seg);
	}
	pbuf_ref(p);
	ca->ca_stats.cs_flying++;
	error = offer(ca, p, seg, n);
	if (error == 0) {
		ca->ca_stats.cs_out++;
		ca->ca_stats.cs_out_bytes += p->tot_len;
	} else {
		ca->ca_stats.cs_flying--;
		pbuf_free(p);
	}
	if (whole != NULL)
		pbuf_free(whole);
	return error;
}

/* put_aside - until there is room in the ring. */
static err_t put_aside(struct card *ca, struct pbuf *p)
{
	if (ca->ca_waiting == WAIT_MAX) {
		ca->ca_stats.cs_wait_full++;
		return ERR_MEM;
	}
	pbuf_ref(p);
	ca->ca_wait[(ca->ca_first + ca->ca_waiting++) % WAIT_MAX] = p;
	ca->ca_stats.cs_waited++;
	return ERR_OK;
}

static err_t card_output(struct netif *netif, struct pbuf *p)
{
	struct card *ca = netif->state;
	int error;

	net_capture(netif, p, NET_WAY_OUT);
	if (ca->ca_waiting > 0)
		return put_aside(ca, p);
	error = hand_over(ca, p);
	if (error == ENOBUFS)
		return put_aside(ca, p);
	if (error != 0)
		ca->ca_stats.cs_out_errors++;
	return error == 0 ? ERR_OK : error == ENOMEM ? ERR_MEM : ERR_IF;
}

/* send_waiting - what was put aside, as far as the card takes it. */
static void send_waiting(struct card *ca)
{
	struct pbuf *p;
	int error;

	while (ca->ca_waiting > 0) {
		p = ca->ca_wait[ca->ca_first];
		error = hand_over(ca, p);
		if (error == ENOBUFS)
			return;
		if (error != 0)
			ca->ca_stats.cs_out_errors++;
		ca->ca_first = (ca->ca_first + 1) % WAIT_MAX;
		ca->ca_waiting--;
		pbuf_free(p);
	}
}

/* ---- In, and what the card's handlers report ---- */

static bool card_begin(struct nic *nic, unsigned queue, struct nic_turn *nt)
{
	struct card *ca;

	if (!net_enter_run(nt))
		return false;
	ca = nic->nic_stack;
	if (ca != NULL)
		ca->ca_queue = queue;
	return true;
}

static void card_end(struct nic *nic, unsigned queue)
{
	struct card *ca = nic->nic_stack;

	(void)queue;
	if (ca != NULL) {
		send_waiting(ca);
		ca->ca_queue = QUEUE_NONE;
	}
	net_exit_run();
}

/* breathe - between two frames others may have the lock; the interface may have gone meanwhile. */
static struct card *breathe(struct nic *nic, unsigned queue)
{
	struct card *ca = nic->nic_stack;

	if (ca != NULL)
		ca->ca_queue = QUEUE_NONE;
	net_breathe();
	ca = nic->nic_stack;
	if (ca != NULL)
		ca->ca_queue = queue;
	return ca;
}

/* flags_of - of an interface: all sums but those that the card makes. */
static unsigned flags_of(const struct nic *nic)
{
	/* Relaxed: what the flags say is a saving, and sums.c finishes what they leave out. */
	unsigned use = atomic_load_explicit(&nic->nic_sums_use, memory_order_relaxed);
	unsigned flags = NETIF_CHECKSUM_ENABLE_ALL;

	if ((use & NIC_CSUM_IP) != 0)
		flags &= ~(unsigned)NETIF_CHECKSUM_GEN_IP;
	if ((use & NIC_CSUM_L4) != 0)
		flags &= ~(unsigned)(NETIF_CHECKSUM_GEN_UDP | NETIF_CHECKSUM_GEN_TCP);
	return flags;
}

/* odd - a frame that no driver should give. */
static bool odd(const struct nic_buf *nb)
{
	unsigned pieces = 0;

	if (nb->nb_len < SIZEOF_ETH_HDR)
		return true;
	for (; nb != NULL; nb = nb->nb_next)
		if (nb->nb_len > NIC_BUF_SIZE || ++pieces > NIC_PIECES_MAX)
			return true;
	return false;
}

static void card_input(struct nic *nic, struct nic_buf *nb)
{
	struct card *ca;
	struct pbuf *p;
	unsigned check = flags_of(nic);

	KASSERT(net_locked(), "%s: a frame outside begin and end", nic->nic_name);
	ca = breathe(nic, nb->nb_queue);
	if (ca == NULL || odd(nb)) {
		if (ca != NULL)
			ca->ca_stats.cs_in_short++;
		nic_frame_free(nb);
		return;
	}
	if ((nb->nb_csum & NIC_CSUM_IP) != 0)
		check &= ~(unsigned)NETIF_CHECKSUM_CHECK_IP;
	if ((nb->nb_csum & NIC_CSUM_L4) != 0)
		check &= ~(unsigned)(NETIF_CHECKSUM_CHECK_UDP | NETIF_CHECKSUM_CHECK_TCP);
	NETIF_SET_CHECKSUM_CTRL(&ca->ca_netif, (u16_t)check);
	p = wrap(nb);
	ca->ca_stats.cs_in++;
	ca->ca_stats.cs_in_bytes += p->tot_len;
	net_capture(&ca->ca_netif, p, NET_WAY_IN);
	if (ca->ca_netif.input(p, &ca->ca_netif) != ERR_OK)
		pbuf_free(p);
}

/* card_sent - also from no_down(), without the lock and when the interface has gone. No handler
 * runs then that would send what was put aside, and none may when the card is up again: it is
 * offered here, to a card that refuses all, and lost like what was in the ring. */
static void card_sent(struct nic *nic, void *cookie)
{
	bool locked = net_locked();
	struct card *ca;

	if (!locked)
		net_enter();
	ca = nic->nic_stack;
	if (ca != NULL)
		ca->ca_stats.cs_flying--;
	pbuf_free(cookie);
	if (!locked && ca != NULL)
		send_waiting(ca);
	if (!locked)
		net_exit();
}

/* ---- Coming and going ---- */

void net_card_link(struct nic *nic)
{
	struct card *ca;
	bool up;

	/* Two may be here at once: who comes last has read what was set last. */
	net_enter();
	/* Relaxed: the driver sets it before it calls. */
	up = atomic_load_explicit(&nic->nic_link, memory_order_relaxed);
	ca = nic->nic_stack;
	if (ca != NULL && up != (netif_is_link_up(&ca->ca_netif) != 0)) {
		if (up)
			net_link_up(&ca->ca_netif);
		else
			net_link_down(&ca->ca_netif);
		kprintf("%s: link %s\n", nic->nic_name, up ? "up" : "down");
	}
	net_exit();
}

/* card_status - an address has come or gone; lwIP calls it. */
static void card_status(struct netif *netif)
{
	struct card *ca = netif->state;
	char addr[IP4ADDR_STRLEN_MAX], mask[IP4ADDR_STRLEN_MAX];
	uint32_t now = ip4_addr_get_u32(netif_ip4_addr(netif));

	if (now == ca->ca_told || !netif_is_up(netif))
		return;
	ca->ca_told = now;
	if (now == 0)
		return;
	ip4addr_ntoa_r(netif_ip4_addr(netif), addr, sizeof(addr));
	ip4addr_ntoa_r(netif_ip4_netmask(netif), mask, sizeof(mask));
	kprintf("%s: address %s netmask %s%s\n", ca->ca_nic->nic_name, addr, mask,
	    dhcp_supplied_address(netif) ? " by DHCP" : "");
}

static err_t card_netif_init(struct netif *netif)
{
	struct card *ca = netif->state;

	netif->name[0] = ca->ca_nic->nic_name[0];
	netif->name[1] = ca->ca_nic->nic_name[1];
	netif->hostname = "ithaca";
	netif->mtu = ca->ca_nic->nic_mtu;
	netif->hwaddr_len = sizeof(ca->ca_nic->nic_mac);
	memcpy(netif->hwaddr, ca->ca_nic->nic_mac, sizeof(ca->ca_nic->nic_mac));
	netif->output = etharp_output;
	netif->output_ip6 = ethip6_output;
	netif->linkoutput = card_output;
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
	    NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
	net_card_sums(netif);
	return ERR_OK;
}

static void card_attach(struct nic *nic)
{
	struct card *ca = kmem_alloc(sizeof(*ca));
	bool first;
	int error;

	if (ca == NULL) {
		kprintf("%s: no memory for its interface: not on the network\n", nic->nic_name);
		return;
	}
	ca->ca_nic = nic;
	ca->ca_queue = QUEUE_NONE;
	net_enter();
	first = netif_default == NULL;
	if (netif_add_noaddr(&ca->ca_netif, ca, card_netif_init, ethernet_input) == NULL) {
		net_exit();
		kmem_free(ca, sizeof(*ca));
		kprintf("%s: no more interfaces: not on the network\n", nic->nic_name);
		return;
	}
	netif_set_status_callback(&ca->ca_netif, card_status);
	netif_create_ip6_linklocal_address(&ca->ca_netif, 1);
	netif_set_ip6_autoconfig_enabled(&ca->ca_netif, 1);
	(void)dhcp6_enable_stateless(&ca->ca_netif); /* ERR_MEM: names by DHCP alone */
	nic->nic_stack = ca;
	net_route_came();
	net_timers_start();
	net_exit();
	error = net_if_up(nic->nic_name, true);
	if (error == 0 && first)
		error = net_if_dhcp(nic->nic_name, true);
	if (error != 0)
		kprintf("%s: cannot be brought up: %s\n", nic->nic_name, errno_name(error));
}

static void card_detach(struct nic *nic)
{
	struct card *ca;

	net_enter();
	ca = nic->nic_stack;
	if (ca != NULL) {
		nic->nic_stack = NULL;
		dhcp_stop(&ca->ca_netif);
		dhcp_cleanup(&ca->ca_netif);
		dhcp6_disable(&ca->ca_netif); /* or its socket is counted as used for ever */
		dhcp6_cleanup(&ca->ca_netif);
		netif_remove(&ca->ca_netif);
		net_route_gone(&ca->ca_netif);
		if (ca->ca_netif.loop_first != NULL)
			pbuf_free(ca->ca_netif.loop_first); /* the packets are one chain */
		for (; ca->ca_waiting > 0; ca->ca_waiting--, ca->ca_first++)
			pbuf_free(ca->ca_wait[ca->ca_first % WAIT_MAX]);
	}
	net_exit();
	kmem_free(ca, sizeof(*ca));
}

/* ---- What others ask ---- */

static struct card *card_of(const struct netif *netif)
{
	return netif->linkoutput == card_output ? netif->state : NULL;
}

struct nic *net_card_of(const struct netif *netif)
{
	const struct card *ca = card_of(netif);

	return ca != NULL ? ca->ca_nic : NULL;
}

void net_card_sums(struct netif *netif)
{
	const struct card *ca = netif->state;

	NETIF_SET_CHECKSUM_CTRL(netif, (u16_t)flags_of(ca->ca_nic));
}

bool net_card_stats(const struct netif *netif, struct net_card_stats *cs)
{
	const struct card *ca = card_of(netif);

	if (ca != NULL)
		*cs = ca->ca_stats;
	return ca != NULL;
}

static const struct nic_client client = {
    .nc_begin = card_begin,
    .nc_end = card_end,
    .nc_input = card_input,
    .nc_sent = card_sent,
    .nc_link = net_card_link,
    .nc_attach = card_attach,
    .nc_detach = card_detach,
};

void net_card_init(void)
{
	int error = nic_client_set(&client);

	if (error != 0)
		kprintf("net: the cards are another's: %s\n", errno_name(error));
}
