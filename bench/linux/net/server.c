/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server.c - the services of the Linux whose network tools/netbench measures.
 *
 * On one CPU two processes, written as anybody writes them, with blocking calls: UDP echo at port 7
 * and TCP discard at port 9.
 *
 * With `echo_queues=1` a process on each CPU for UDP echo, and one for TCP echo at port 7, which
 * serves its connections with epoll(7). The sockets of a port are a group (SO_REUSEPORT), and a
 * filter chooses of the group the one whose number is that of the CPU that the packet came to: so a
 * flow stays from its interrupt to its answer on the CPU of its queue, and no CPU waits for
 * another's socket. That is the best that is known to be done for such a server without leaving
 * sockets. Their buffers for datagrams are larger than the standard, as all flows may come to one.
 *
 * Contexts: processes that share nothing. No locks. Not for a hostile client: who never reads what
 * he is sent keeps a buffer of 64 KiB for good. Read next: echo.c.
 */
#define _GNU_SOURCE /* accept4() */
#include "net.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ECHO_PORT 7
#define DISCARD_PORT 9
#define RECEIVE_BYTES (4 << 20)
#define EVENTS 64

/* Read, and not yet sent back. */
struct connection {
	int co_fd;
	size_t co_from, co_till; /* in co_buffer */
	char co_buffer[65536];
};

static int group[CPUS_MAX];

static int bound(int type, uint16_t port, int grouped)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	int bytes = RECEIVE_BYTES;
	int fd =
	    socket(AF_INET, grouped && type == SOCK_STREAM ? SOCK_STREAM | SOCK_NONBLOCK : type, 0);

	if (fd < 0 ||
	    (grouped && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &grouped, sizeof(int)) != 0))
		fail("port %u: %s", port, strerror(errno));
	if (grouped && type == SOCK_DGRAM &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
		fail("port %u: buffer: %s", port, strerror(errno));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    (type == SOCK_STREAM && listen(fd, 64) != 0))
		fail("port %u: %s", port, strerror(errno));
	return fd;
}

/* ---- With blocking calls ---- */

static void echo_udp(int fd)
{
	static char buffer[65536];
	struct sockaddr_in from;
	socklen_t length;
	ssize_t n;

	for (;;) {
		length = sizeof(from);
		n = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &length);
		if (n >= 0)
			sendto(fd, buffer, (size_t)n, 0, (struct sockaddr *)&from, length);
	}
}

static void discard_tcp(int fd)
{
	static char buffer[65536];
	int s;

	for (;;) {
		s = accept(fd, NULL, NULL);
		if (s < 0)
			fail("accept: %s", strerror(errno));
		while (read(s, buffer, sizeof(buffer)) > 0)
			;
		close(s);
	}
}

/* ---- A group ---- */

/* Sockets of one port, a CPU each; which gets a packet is said by the CPU that it came to. */
static void make_group(int type, uint16_t port, int cpus)
{
	struct sock_filter by_cpu[] = {{.code = BPF_LD | BPF_W | BPF_ABS,
					   .k = (uint32_t)SKF_AD_OFF + SKF_AD_CPU},
	    {.code = BPF_RET | BPF_A}};
	struct sock_fprog program = {.len = 2, .filter = by_cpu};
	int i;

	for (i = 0; i < cpus; i++)
		group[i] = bound(type, port, 1);
	if (setsockopt(group[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) !=
	    0)
		fail("port %u: by CPU: %s", port, strerror(errno));
}

static void watch(int ep, int how, int fd, uint32_t events, void *ptr)
{
	struct epoll_event event = {.events = events, .data.ptr = ptr};

	if (epoll_ctl(ep, how, fd, &event) != 0)
		fail("epoll_ctl: %s", strerror(errno));
}

/* Connections that wait to be accepted. */
static void admit(int ep, int listening)
{
	struct connection *co;
	int fd;

	while ((fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		co = calloc(1, sizeof(*co));
		if (co == NULL)
			fail("a connection: no memory");
		co->co_fd = fd;
		watch(ep, EPOLL_CTL_ADD, fd, EPOLLIN, co);
	}
	if (errno != EAGAIN && errno != ECONNABORTED)
		fail("accept: %s", strerror(errno));
}

/* Read and send back what there is; what cannot be sent waits for room. False: it has ended. */
static bool echo(int ep, struct connection *co)
{
	bool waited = co->co_till != 0;
	ssize_t n;

	for (;;) {
		if (co->co_till == 0) {
			n = read(co->co_fd, co->co_buffer, sizeof(co->co_buffer));
			if (n <= 0) {
				if (n < 0 && errno == EAGAIN && waited)
					watch(ep, EPOLL_CTL_MOD, co->co_fd, EPOLLIN, co);
				return n < 0 && errno == EAGAIN;
			}
			co->co_from = 0;
			co->co_till = (size_t)n;
		}
		n = send(co->co_fd, co->co_buffer + co->co_from, co->co_till - co->co_from,
		    MSG_NOSIGNAL);
		if (n < 0) {
			if (errno == EAGAIN && !waited)
				watch(ep, EPOLL_CTL_MOD, co->co_fd, EPOLLOUT, co);
			return errno == EAGAIN;
		}
		co->co_from += (size_t)n;
		if (co->co_from == co->co_till)
			co->co_till = 0;
	}
}

static void echo_tcp(int listening)
{
	struct epoll_event events[EVENTS];
	struct connection *co;
	int ep = epoll_create1(0), n, i;

	if (ep < 0)
		fail("epoll_create1: %s", strerror(errno));
	watch(ep, EPOLL_CTL_ADD, listening, EPOLLIN, NULL);
	for (;;) {
		n = epoll_wait(ep, events, EVENTS, -1);
		for (i = 0; i < n; i++) {
			co = events[i].data.ptr;
			if (co == NULL) {
				admit(ep, listening);
			} else if (!echo(ep, co)) {
				close(co->co_fd);
				free(co);
			}
		}
	}
}

static void serve_group(int type, int cpus, void (*fn)(int))
{
	int i;

	make_group(type, ECHO_PORT, cpus);
	for (i = 0; i < cpus; i++)
		spawn(fn, group[i], i);
}

void servers(const struct options *op)
{
	if (!op->op_queues) {
		spawn(echo_udp, bound(SOCK_DGRAM, ECHO_PORT, 0), -1);
		spawn(discard_tcp, bound(SOCK_STREAM, DISCARD_PORT, 0), -1);
		return;
	}
	serve_group(SOCK_DGRAM, op->op_cpus, echo_udp);
	serve_group(SOCK_STREAM, op->op_cpus, echo_tcp);
}
