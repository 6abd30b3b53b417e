/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * services.c - echo (7), discard (9) and chargen (19), over UDP and TCP.
 *
 * These are what a network is tried out with: RFC 862, 863 and 864. They run where the packets
 * come in, in the handler that pulled them, and so cost no switch of lwps.
 *
 * echo over UDP sends the very buffer back, with a new header in front. Over TCP it copies what it
 * has received into what is to be sent, all of a piece or nothing: a piece that finds no room is
 * refused, and lwIP brings it again with the next acknowledgement, and meanwhile closes the window.
 * chargen's text is never copied. A datagram from a port below 1024 is not answered, because two
 * such services, brought together by a forged address, would talk for ever (CERT CA-1996-01); and
 * chargen answers with no more than 512 bytes.
 *
 * A connection that is silent for KEEP_IDLE seconds is asked whether it is still there. How much
 * may be queued for one who does not read is room.c's to say.
 *
 * Contexts: callbacks of lwIP, the core lock held. Lock: the core lock. Not for: programs of their
 * own, which have files of their own. Read next: pcap.c, iperf.c.
 */
#include "core.h"

#include "http.h"
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/sysctl.h>
#include <lwip/tcp.h>
#include <lwip/udp.h>

#define PORT_ECHO 7
#define PORT_DISCARD 9
#define PORT_CHARGEN 19
#define PORT_LEAST 1024 /* of who is answered by datagram */

#define LINE 74  /* 72 characters, return, newline */
#define LINES 95 /* then the text begins anew */
#define TEXT (LINE * LINES)
#define DATAGRAM 512
#define KEEP_IDLE 60 /* seconds */

/* Under the core lock. */
static char text[TEXT];
static uint64_t echo_packets, echo_bytes, discard_packets, discard_bytes, chargen_bytes;
static uint64_t loops_refused, connections;

/* ---- UDP ---- */

static void udp_echo(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
    u16_t port)
{
	(void)arg;
	if (port < PORT_LEAST) {
		loops_refused++;
	} else {
		echo_packets++;
		echo_bytes += p->tot_len;
		(void)udp_sendto(pcb, p, from, port); /* lost: as a datagram may be */
	}
	pbuf_free(p);
}

static void udp_discard(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
    u16_t port)
{
	(void)arg;
	(void)pcb;
	(void)from;
	(void)port;
	discard_packets++;
	discard_bytes += p->tot_len;
	pbuf_free(p);
}

static void udp_chargen(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
    u16_t port)
{
	struct pbuf *out;

	(void)arg;
	pbuf_free(p);
	if (port < PORT_LEAST) {
		loops_refused++;
		return;
	}
	out = pbuf_alloc(PBUF_TRANSPORT, DATAGRAM, PBUF_ROM);
	if (out == NULL)
		return;
	out->payload = text;
	if (udp_sendto(pcb, out, from, port) == ERR_OK)
		chargen_bytes += DATAGRAM;
	pbuf_free(out);
}

/* ---- TCP ---- */

/* finish - the other end is done, or we are. */
static err_t finish(struct tcp_pcb *pcb)
{
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
	if (tcp_close(pcb) == ERR_OK)
		return ERR_OK;
	tcp_abort(pcb); /* no memory to say goodbye */
	return ERR_ABRT;
}

static err_t tcp_echo_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	const struct pbuf *q;
	u16_t len;

	(void)arg;
	(void)err;
	if (p == NULL)
		return finish(pcb);
	/* With nothing queued it may be as long as it is, or it would come again for ever. */
	if (tcp_sndbuf(pcb) < p->tot_len ||
	    (tcp_sndqueuelen(pcb) > 0 && net_room(pcb) < p->tot_len) ||
	    tcp_sndqueuelen(pcb) + 2u * pbuf_clen(p) > TCP_SND_QUEUELEN)
		return ERR_MEM; /* it comes again */
	for (q = p; q != NULL; q = q->next) {
		if (tcp_write(pcb, q->payload, q->len, TCP_WRITE_FLAG_COPY) == ERR_OK)
			continue;
		/* No memory, and part of it is written already: nothing is right any more. */
		pbuf_free(p);
		tcp_abort(pcb);
		return ERR_ABRT;
	}
	len = p->tot_len;
	echo_packets++;
	echo_bytes += len;
	pbuf_free(p);
	tcp_recved(pcb, len);
	(void)tcp_output(pcb); /* what does not go now goes with the next timer */
	return ERR_OK;
}

static err_t tcp_discard_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	(void)arg;
	(void)err;
	if (p == NULL)
		return finish(pcb);
	discard_packets++;
	discard_bytes += p->tot_len;
	tcp_recved(pcb, p->tot_len);
	pbuf_free(p);
	return ERR_OK;
}

/* chargen_fill - as much text as there is room for. The argument of the connection is how far into
 * the text it is. */
static void chargen_fill(struct tcp_pcb *pcb)
{
	size_t at = (size_t)(uintptr_t)pcb->callback_arg;
	size_t n, room;

	while ((room = net_room(pcb)) > 0 && tcp_sndqueuelen(pcb) + 4u < TCP_SND_QUEUELEN) {
		n = TEXT - at;
		if (n > room)
			n = room;
		if (tcp_write(pcb, text + at, (u16_t)n, TCP_WRITE_FLAG_MORE) != ERR_OK)
			break;
		chargen_bytes += n;
		at = (at + n) % TEXT;
	}
	tcp_arg(pcb, (void *)(uintptr_t)at);
	(void)tcp_output(pcb);
}

static err_t tcp_chargen_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	(void)arg;
	(void)len;
	chargen_fill(pcb);
	return ERR_OK;
}

static err_t tcp_chargen_poll(void *arg, struct tcp_pcb *pcb)
{
	(void)arg;
	chargen_fill(pcb); /* had there been no memory, nothing would be sent that could be acked */
	return ERR_OK;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
	tcp_recv_fn recv = (tcp_recv_fn)arg;

	if (err != ERR_OK || pcb == NULL)
		return ERR_VAL;
	connections++;
	ip_set_option(pcb, SOF_KEEPALIVE);
	pcb->keep_idle = KEEP_IDLE * 1000;
	tcp_nagle_disable(pcb);
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, recv);
	return ERR_OK;
}

static err_t tcp_chargen_accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
	err = accepted(arg, pcb, err);
	if (err != ERR_OK)
		return err;
	tcp_sent(pcb, tcp_chargen_sent);
	tcp_poll(pcb, tcp_chargen_poll, 2);
	chargen_fill(pcb);
	return ERR_OK;
}

/* ---- Start ---- */

static err_t listen_udp(u16_t port, udp_recv_fn recv)
{
	struct udp_pcb *pcb = udp_new_ip_type(IPADDR_TYPE_ANY);

	if (pcb == NULL || udp_bind(pcb, IP_ANY_TYPE, port) != ERR_OK)
		return ERR_MEM;
	udp_recv(pcb, recv, NULL);
	return ERR_OK;
}

static err_t listen_tcp(u16_t port, tcp_accept_fn accept, tcp_recv_fn recv)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);

	if (pcb == NULL || tcp_bind(pcb, IP_ANY_TYPE, port) != ERR_OK)
		return ERR_MEM;
	pcb = tcp_listen_with_backlog(pcb, TCP_DEFAULT_LISTEN_BACKLOG);
	if (pcb == NULL)
		return ERR_MEM;
	tcp_arg(pcb, (void *)recv);
	tcp_accept(pcb, accept);
	return ERR_OK;
}

/* make_text - lines of the 95 characters that can be printed, each begun one further on. */
static void make_text(void)
{
	for (unsigned l = 0; l < LINES; l++) {
		for (unsigned i = 0; i < LINE - 2; i++)
			text[l * LINE + i] = (char)(' ' + (l + i) % LINES);
		text[l * LINE + LINE - 2] = '\r';
		text[l * LINE + LINE - 1] = '\n';
	}
}

static struct sysctl nodes[] = {
    NET_COUNT("net.echo.packets", "datagrams and pieces of streams sent back", echo_packets),
    NET_COUNT("net.echo.bytes", "bytes sent back", echo_bytes),
    NET_COUNT("net.discard.packets", "datagrams and pieces of streams thrown away",
	discard_packets),
    NET_COUNT("net.discard.bytes", "bytes thrown away", discard_bytes),
    NET_COUNT("net.chargen.bytes", "bytes of text sent", chargen_bytes),
    NET_COUNT("net.services.refused", "datagrams from ports below 1024, not answered",
	loops_refused),
    NET_COUNT("net.services.connections", "connections accepted", connections),
};

void net_services_start(void)
{
	err_t err = ERR_OK;

	make_text();
	net_room_init();
	http_start();
	net_enter();
	err |= listen_udp(PORT_ECHO, udp_echo);
	err |= listen_udp(PORT_DISCARD, udp_discard);
	err |= listen_udp(PORT_CHARGEN, udp_chargen);
	err |= listen_tcp(PORT_ECHO, accepted, tcp_echo_recv);
	err |= listen_tcp(PORT_DISCARD, accepted, tcp_discard_recv);
	err |= listen_tcp(PORT_CHARGEN, tcp_chargen_accepted, tcp_discard_recv);
	net_exit();
	if (err != ERR_OK)
		kprintf("net: not all services could be started: no memory\n");
	sysctl_publish(nodes, sizeof(nodes) / sizeof(nodes[0]));
}
