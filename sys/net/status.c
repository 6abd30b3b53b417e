/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.c - connections, protocols and pools, copied out for whoever shows them.
 *
 * Contexts: lwps; the functions take the core lock for as long as they copy, which is a bounded
 * time: lwIP's lists are bounded by its pools. Not for: interfaces (config.c). Read next: ping.c.
 */
#include "core.h"

#include <ithaca/string.h>
#include <lwip/ip_addr.h>
#include <lwip/memp.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/stats.h>
#include <lwip/udp.h>

struct list_of {
	struct net_conn *out;
	unsigned n, max, all;
};

/* ---- Connections ---- */

static void put_addr(char to[NET_ADDR_MAX], const ip_addr_t *a)
{
	if (a == NULL || ip_addr_isany(a))
		to[0] = '\0';
	else
		net_text(a, to);
}

static struct net_conn *next(struct list_of *li, const char *proto, const ip_addr_t *local,
    const ip_addr_t *remote)
{
	struct net_conn *nc;

	li->all++;
	if (li->n == li->max)
		return NULL;
	nc = &li->out[li->n++];
	memset(nc, 0, sizeof(*nc));
	nc->nc_proto = proto;
	nc->nc_state = "";
	put_addr(nc->nc_local, local);
	put_addr(nc->nc_remote, remote);
	return nc;
}

/* What was written and has not been acknowledged, or not even sent; what came and was not taken. */
static uint32_t unsent(const struct tcp_pcb *pcb)
{
	return TCP_SND_BUF - pcb->snd_buf;
}

static uint32_t unread(const struct tcp_pcb *pcb)
{
	return pcb->refused_data != NULL ? pcb->refused_data->tot_len : 0;
}

static void put_tcp(struct list_of *li, const struct tcp_pcb *list)
{
	struct net_conn *nc;

	for (; list != NULL; list = list->next) {
		nc = next(li, "tcp", &list->local_ip, &list->remote_ip);
		if (nc == NULL)
			continue;
		nc->nc_local_port = list->local_port;
		nc->nc_remote_port = list->remote_port;
		nc->nc_state = tcp_debug_state_str(list->state);
		nc->nc_unsent = unsent(list);
		nc->nc_unread = unread(list);
	}
}

static void put_others(struct list_of *li)
{
	struct net_conn *nc;

	for (struct tcp_pcb_listen *l = tcp_listen_pcbs.listen_pcbs; l != NULL; l = l->next) {
		nc = next(li, "tcp", &l->local_ip, NULL);
		if (nc != NULL) {
			nc->nc_local_port = l->local_port;
			nc->nc_state = "LISTEN";
		}
	}
	for (struct udp_pcb *u = udp_pcbs; u != NULL; u = u->next) {
		nc = next(li, "udp", &u->local_ip, &u->remote_ip);
		if (nc != NULL) {
			nc->nc_local_port = u->local_port;
			nc->nc_remote_port = u->remote_port;
		}
	}
}

unsigned net_conns(struct net_conn *out, unsigned max, unsigned *all)
{
	struct list_of li = {.out = out, .max = max};

	net_enter();
	put_tcp(&li, tcp_active_pcbs);
	put_tcp(&li, tcp_tw_pcbs);
	put_others(&li);
	net_exit();
	*all = li.all;
	return li.n;
}

/* ---- Protocols ---- */

static void put_proto(struct net_proto *np, const char *name, const struct stats_proto *sp)
{
	np->np_name = name;
	np->np_out = sp->xmit;
	np->np_in = sp->recv;
	np->np_drop = sp->drop;
	np->np_sum = sp->chkerr;
	np->np_length = sp->lenerr;
	np->np_memory = sp->memerr;
	np->np_route = sp->rterr;
	np->np_protocol = sp->proterr;
	np->np_other = (uint64_t)sp->opterr + sp->err;
}

/* put_frames - of the link lwIP counts what is wrong; what went by is for each card. */
static void put_frames(struct net_proto *np)
{
	struct net_card_stats cs;
	struct netif *netif;

	NETIF_FOREACH(netif)
	if (net_card_stats(netif, &cs)) {
		np->np_out += cs.cs_out;
		np->np_in += cs.cs_in;
		np->np_drop += cs.cs_in_short + cs.cs_wait_full + cs.cs_out_errors;
	}
}

unsigned net_protos(struct net_proto *out, unsigned max)
{
	static const struct {
		const char *name;
		const struct stats_proto *stats;
	} protos[] = {
	    {"link", &lwip_stats.link},
	    {"arp", &lwip_stats.etharp},
	    {"ip", &lwip_stats.ip},
	    {"ip-frag", &lwip_stats.ip_frag},
	    {"icmp", &lwip_stats.icmp},
	    {"ip6", &lwip_stats.ip6},
	    {"ip6-frag", &lwip_stats.ip6_frag},
	    {"icmp6", &lwip_stats.icmp6},
	    {"nd6", &lwip_stats.nd6},
	    {"udp", &lwip_stats.udp},
	    {"tcp", &lwip_stats.tcp},
	};
	unsigned n = 0;

	net_enter();
	for (; n < sizeof(protos) / sizeof(protos[0]) && n < max; n++)
		put_proto(&out[n], protos[n].name, protos[n].stats);
	if (n > 0)
		put_frames(&out[0]);
	net_exit();
	return n;
}

/* ---- Pools ---- */

unsigned net_pools(struct net_pool *out, unsigned max)
{
	/* lwIP's list of its pools is a header that calls a macro for each. */
	static const char *const names[] = {
#define LWIP_MEMPOOL(name, num, size, desc) #name,
#include <lwip/priv/memp_std.h>
	};
	unsigned n = 0;

	net_enter();
	for (; n < MEMP_MAX && n < max; n++) {
		const struct stats_mem *sm = lwip_stats.memp[n];

		out[n].po_name = names[n];
		out[n].po_size = (uint32_t)sm->avail;
		out[n].po_used = (uint32_t)sm->used;
		out[n].po_most = (uint32_t)sm->max;
		out[n].po_denied = (uint32_t)sm->err;
	}
	net_exit();
	return n;
}
