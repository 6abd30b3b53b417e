/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pcap.c - captures over the network: who connects gets a pcap file that goes on.
 *
 *	nc 127.0.0.1 2002 > frames.pcap	(with the port forwarded to the machine)
 *
 * Off until net_pcap(true), for it shows everybody's packets to anybody. A connection is a tap
 * (capture.c). What is captured rings a callout a little later, because it happens in the midst of
 * lwIP; the callout schedules a softint, which may wait for the core lock and writes whole records
 * for as long as TCP takes them. A
 * reader who is too slow loses frames, never parts of one. His own connection is left out.
 *
 * The file has nanoseconds (magic a1b23c4d) since the machine started, and Ethernet frames of at
 * most SNAP bytes. The format is that of the IETF draft "PCAP Capture File Format".
 *
 * Contexts: callbacks of lwIP, softclock's and softnet's softints. Lock: the core lock. The callout
 * and the softint are of all connections together and stay; a connection is freed by the softint
 * alone. Read next: app/cmd_netdump.c.
 */
#include "core.h"

#include "mem/kmem.h"
#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/softint.h>
#include <ithaca/string.h>
#include <lwip/tcp.h>

#define SNAP 16384
#define ROOM (512 << 10)
#define SOON (10 * NS_PER_MS)

struct file_header {
	uint32_t fh_magic;
	uint16_t fh_major, fh_minor;
	uint32_t fh_zone, fh_sigfigs, fh_snap, fh_link;
};

struct record {
	uint32_t re_seconds, re_ns, re_kept, re_len;
	uint8_t re_data[SNAP];
};
#define RECORD_HEADER offsetof(struct record, re_data)

/* Lock key: (n) the core lock; (a) set once. */
struct reader {
	struct reader *rd_next;  /* (n) */
	struct tcp_pcb *rd_pcb;  /* (n) NULL: it has gone */
	struct net_tap *rd_tap;  /* (n) */
	struct record rd_record; /* (n) being written */
	size_t rd_pending;       /* (n) its bytes, if it is not written yet */
};

static struct tcp_pcb *listener; /* (n) */
static struct reader *readers;   /* (n) */
static struct callout soon;
static struct softint *softint; /* (a) NULL until the first net_pcap() */

/* write_records - as many as there is room for. */
static void write_records(struct reader *rd)
{
	struct net_frame nf;
	size_t n;

	for (;;) {
		if (rd->rd_pending == 0) {
			n = net_tap_take(rd->rd_tap, &nf, rd->rd_record.re_data, SNAP);
			if (n == 0)
				break;
			rd->rd_record.re_seconds = (uint32_t)(nf.nf_ns / NS_PER_S);
			rd->rd_record.re_ns = (uint32_t)(nf.nf_ns % NS_PER_S);
			rd->rd_record.re_kept = nf.nf_kept;
			rd->rd_record.re_len = nf.nf_len;
			rd->rd_pending = RECORD_HEADER + n;
		}
		if (tcp_sndbuf(rd->rd_pcb) < rd->rd_pending ||
		    tcp_write(rd->rd_pcb, &rd->rd_record, (u16_t)rd->rd_pending,
			TCP_WRITE_FLAG_COPY) != ERR_OK)
			break;
		rd->rd_pending = 0;
	}
	(void)tcp_output(rd->rd_pcb);
}

/* run - the softint's: everybody's records; who has gone is freed. */
static void run(void *arg)
{
	struct reader **at = &readers, *rd;

	(void)arg;
	net_enter();
	while ((rd = *at) != NULL) {
		if (rd->rd_pcb != NULL) {
			write_records(rd);
			at = &rd->rd_next;
			continue;
		}
		*at = rd->rd_next;
		net_tap_unlink(rd->rd_tap);
		kmem_free(rd, sizeof(*rd));
	}
	net_exit();
}

static void ring(void *arg)
{
	(void)arg;
	softint_schedule(softint);
}

static void captured(void *arg)
{
	(void)arg;
	if (!callout_pending(&soon))
		(void)callout_schedule(&soon, SOON);
}

/* leave - the connection is no more: the softint does the rest. */
static void leave(struct reader *rd)
{
	rd->rd_pcb = NULL;
	softint_schedule(softint);
}

static void failed(void *arg, err_t err)
{
	(void)err;
	leave(arg);
}

static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	(void)err;
	if (p != NULL) { /* nothing that he says matters */
		tcp_recved(pcb, p->tot_len);
		pbuf_free(p);
		return ERR_OK;
	}
	tcp_arg(pcb, NULL);
	tcp_err(pcb, NULL);
	tcp_sent(pcb, NULL);
	leave(arg);
	if (tcp_close(pcb) == ERR_OK)
		return ERR_OK;
	tcp_abort(pcb);
	return ERR_ABRT;
}

static err_t sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	(void)pcb;
	(void)len;
	write_records(arg);
	return ERR_OK;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
	static const struct file_header header = {.fh_magic = 0xa1b23c4d,
	    .fh_major = 2,
	    .fh_minor = 4,
	    .fh_snap = SNAP,
	    .fh_link = 1};
	struct reader *rd;

	(void)arg;
	if (err != ERR_OK || pcb == NULL)
		return ERR_VAL;
	rd = kmem_alloc(sizeof(*rd));
	if (rd == NULL)
		return ERR_MEM; /* lwIP aborts the connection */
	if (net_tap_link(NULL, SNAP, ROOM, &rd->rd_tap) != 0 ||
	    tcp_write(pcb, &header, sizeof(header), TCP_WRITE_FLAG_COPY) != ERR_OK) {
		if (rd->rd_tap != NULL)
			net_tap_unlink(rd->rd_tap);
		kmem_free(rd, sizeof(*rd));
		return ERR_MEM;
	}
	rd->rd_pcb = pcb;
	rd->rd_next = readers;
	readers = rd;
	net_tap_notify(rd->rd_tap, NET_PCAP_PORT, captured, rd);
	tcp_arg(pcb, rd);
	tcp_recv(pcb, received);
	tcp_sent(pcb, sent);
	tcp_err(pcb, failed);
	(void)tcp_output(pcb);
	return ERR_OK;
}

static int listen(void)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY), *l;
	err_t err;

	if (pcb == NULL)
		return ENOMEM;
	err = tcp_bind(pcb, IP_ANY_TYPE, NET_PCAP_PORT);
	l = err == ERR_OK ? tcp_listen_with_backlog_and_err(pcb, 1, &err) : NULL;
	if (l == NULL) {
		(void)tcp_close(pcb);
		return net_errno(err);
	}
	listener = l;
	tcp_accept(l, accepted);
	return 0;
}

/* make_softint - once; without the lock, since it blocks. Commands come one at a time. */
static int make_softint(void)
{
	if (softint != NULL)
		return 0;
	callout_init(&soon);
	callout_setfunc(&soon, ring, NULL);
	return softint_establish("net pcap", IPL_SOFTNET, run, NULL, &softint);
}

int net_pcap(bool on)
{
	int error = make_softint();

	if (error != 0)
		return error;
	net_enter();
	if (on && listener == NULL) {
		error = listen();
	} else if (!on && listener != NULL) {
		(void)tcp_close(listener); /* of a listener it cannot fail; readers stay */
		listener = NULL;
	}
	net_exit();
	return error;
}
