/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_nic.c - nic: network cards as their drivers show them, and frames without a network.
 *
 * list, stats, info, reset and the like work beside the network. `nic raw` makes this file the
 * client of the cards instead of it, on a kernel that was started with net=off: what a card
 * receives is then dropped, or sent back with its addresses exchanged by the queue that it came by,
 * and `nic send` makes frames of its own. With that a test can tell of every single frame where it
 * went, and drivers are tried without anything above them.
 *
 * Echoing copies nothing: the received buffer is what is sent, and freed when the card has read it.
 * A frame of `nic send` lies in a buffer too. So every buffer is either in a ring or free, and
 * `net.bufs` less `net.bufs_free` is what the rings hold.
 *
 * A frame to be sent that the ring has no room for is dropped and counted, when echoed; `nic send`
 * waits for room instead.
 *
 * Contexts: the shell's lwp, and callbacks in the handlers of drivers. No locks: counts are atomic.
 * Read next: dev/nic.h.
 */
#include "app/shell.h"
#include "dev/nic.h"
#include "net/net.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>
#include <stdatomic.h>

#define SEND_MAX 10000000u
#define HEADER 14u
#define SEND_TYPE 0x88b5u /* for experiments: IEEE 802, clause 9.2.4 */
#define WAIT_NS (100 * NS_PER_US)
#define WAITS_MAX 50000u /* 5 s without progress */

/* (~) all relaxed: counted anywhere, read for show; raw_wait() says what it needs more. */
static _Atomic bool raw_is_client, raw_echo;
static _Atomic uint64_t received, echoed, refused, sent_back, made, links;
static _Atomic uint64_t burn_us; /* that each frame is given, so that a ring fills */

static void bump(_Atomic uint64_t *count)
{
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static uint64_t get(_Atomic uint64_t *count)
{
	/* Acquire: pairs with raw_sent(), whose buffer is free by then. */
	return atomic_load_explicit(count, memory_order_acquire);
}

/* ---- The raw client ---- */

static bool raw_begin(struct nic *nic, unsigned queue, struct nic_turn *nt)
{
	(void)nic;
	(void)queue;
	(void)nt;
	return true;
}

static void raw_end(struct nic *nic, unsigned queue)
{
	(void)nic;
	(void)queue;
}

static void raw_sent(struct nic *nic, void *cookie)
{
	(void)nic;
	nic_frame_free(cookie);
	/* Release: pairs with get(). */
	atomic_fetch_add_explicit(&sent_back, 1, memory_order_release);
}

static int raw_send(struct nic *nic, unsigned queue, struct nic_buf *nb)
{
	struct nic_seg seg[NIC_PIECES_MAX];
	unsigned n = 0;

	for (const struct nic_buf *at = nb; at != NULL && n < NIC_PIECES_MAX; at = at->nb_next)
		seg[n++] = (struct nic_seg){.ns_phys = at->nb_phys +
			(uint64_t)(at->nb_data - at->nb_space),
		    .ns_len = at->nb_len};
	return nic->nic_ops->no_send(nic, queue, seg, n, 0, nb);
}

static void raw_input(struct nic *nic, struct nic_buf *nb)
{
	uint64_t us = atomic_load_explicit(&burn_us, memory_order_relaxed);
	uint8_t addr[6];

	bump(&received);
	if (us != 0)
		clock_delay(us * NS_PER_US);
	if (!atomic_load_explicit(&raw_echo, memory_order_relaxed)) {
		nic_frame_free(nb);
		return;
	}
	memcpy(addr, nb->nb_data, 6);
	memcpy(nb->nb_data, nb->nb_data + 6, 6);
	memcpy(nb->nb_data + 6, addr, 6);
	/* Which queue it came by, for who looks: the byte after what tests write themselves. */
	if (nb->nb_len > HEADER + 1 && nb->nb_data[HEADER] == 0xff)
		nb->nb_data[HEADER + 1] = (uint8_t)nb->nb_queue;
	if (raw_send(nic, nb->nb_queue, nb) == 0) {
		bump(&echoed);
	} else {
		bump(&refused);
		nic_frame_free(nb);
	}
}

static void raw_link(struct nic *nic)
{
	bump(&links);
	kprintf("%s: link %s\n", nic->nic_name,
	    atomic_load_explicit(&nic->nic_link, memory_order_relaxed) ? "up" : "down");
}

static void raw_none(struct nic *nic)
{
	(void)nic;
}

static const struct nic_client raw = {.nc_begin = raw_begin,
    .nc_end = raw_end,
    .nc_input = raw_input,
    .nc_sent = raw_sent,
    .nc_link = raw_link,
    .nc_attach = raw_none,
    .nc_detach = raw_none};

static int raw_start(const char *text)
{
	bool echo = strcmp(text, "echo") == 0;

	if (!echo && strcmp(text, "drop") != 0)
		return shell_error("raw %s: must be echo or drop", text);
	if (!atomic_load_explicit(&raw_is_client, memory_order_relaxed) &&
	    nic_client_set(&raw) != 0)
		return shell_error("raw: the network has the cards; start the kernel with net=off");
	atomic_store_explicit(&raw_is_client, true, memory_order_relaxed);
	atomic_store_explicit(&raw_echo, echo, memory_order_relaxed);
	return 0;
}

static int raw_burn(const char *text)
{
	uint64_t us;

	if (!shell_number(text, "microseconds a frame", 0, 10000, &us))
		return 1;
	atomic_store_explicit(&burn_us, us, memory_order_relaxed);
	return 0;
}

static int counts(void)
{
	tty_printf("%10s %10s %10s %10s %10s %10s\n", "received", "echoed", "refused", "made",
	    "reported", "links");
	tty_printf("%10llu %10llu %10llu %10llu %10llu %10llu\n",
	    (unsigned long long)get(&received), (unsigned long long)get(&echoed),
	    (unsigned long long)get(&refused), (unsigned long long)get(&made),
	    (unsigned long long)get(&sent_back), (unsigned long long)get(&links));
	return 0;
}

/* ---- Sending ---- */

/* A frame to everybody: type, number, then a pattern. */
static struct nic_buf *frame_make(struct nic *nic, uint32_t len, uint64_t number)
{
	struct nic_buf *first = NULL, **at = &first, *nb;
	uint32_t done = 0;
	uint8_t *p;

	do {
		*at = nb = nic_buf_alloc();
		if (nb == NULL) {
			nic_frame_free(first);
			return NULL;
		}
		nb->nb_len = len - done < NIC_BUF_SIZE ? len - done : NIC_BUF_SIZE;
		for (uint32_t i = 0; i < nb->nb_len; i++)
			nb->nb_data[i] = (uint8_t)(done + i);
		done += nb->nb_len;
		at = &nb->nb_next;
	} while (done < len);
	p = first->nb_data;
	memset(p, 0xff, 6);
	memcpy(p + 6, nic->nic_mac, 6);
	p[12] = SEND_TYPE >> 8;
	p[13] = SEND_TYPE & 0xff;
	for (uint32_t i = HEADER; i < len && i < HEADER + 8; i++)
		p[i] = (uint8_t)(number >> 8 * (HEADER + 7 - i));
	return first;
}

static int frames_send(struct nic *nic, unsigned queue, uint32_t len, uint64_t n)
{
	unsigned waits = 0;
	uint64_t done = 0;
	int error = 0;

	while (done < n && error == 0 && !shell_interrupted()) {
		struct nic_buf *nb = frame_make(nic, len, done);

		error = nb != NULL ? raw_send(nic, queue, nb) : ENOMEM;
		if (error == 0) {
			bump(&made);
			done++;
			waits = 0;
			continue;
		}
		nic_frame_free(nb);
		if ((error == ENOBUFS || error == ENOMEM) && ++waits < WAITS_MAX) {
			lwp_sleep_ns(WAIT_NS);
			error = 0;
		}
	}
	tty_printf("%s: %llu frames handed over\n", nic->nic_name, (unsigned long long)done);
	return error == 0 ? 0 : shell_error("send: %s", errno_name(error));
}

static int cmd_send(struct nic *nic, int argc, char **argv)
{
	uint64_t queue, len, n;

	if (argc != 3)
		return shell_usage();
	if (!atomic_load_explicit(&raw_is_client, memory_order_relaxed))
		return shell_error("send: only after `nic raw`");
	if (!shell_number(argv[0], "queue", 0, nic->nic_queues - 1u, &queue) ||
	    !shell_number(argv[1], "bytes", HEADER, NIC_MTU_MAX + 2 * NIC_FRAME_MORE, &len) ||
	    !shell_number(argv[2], "frames", 1, SEND_MAX, &n))
		return 1;
	return frames_send(nic, (unsigned)queue, (uint32_t)len, n);
}

/* ---- What drivers show ---- */

static bool show(struct nic *nic, void *arg)
{
	const uint8_t *mac = nic->nic_mac;

	(void)arg;
	tty_printf("%-8s %-5s %-5s %5u %6u %02x:%02x:%02x:%02x:%02x:%02x\n", nic->nic_name,
	    nic->nic_up ? "up" : "down",
	    atomic_load_explicit(&nic->nic_link, memory_order_relaxed) ? "yes" : "no",
	    atomic_load_explicit(&nic->nic_mbps, memory_order_relaxed), nic->nic_queues, mac[0],
	    mac[1], mac[2], mac[3], mac[4], mac[5]);
	return true;
}

static int list(void)
{
	tty_printf("%-8s %-5s %-5s %5s %6s %s\n", "card", "state", "link", "mbps", "queues",
	    "address");
	nic_each(show, NULL);
	return 0;
}

static int stats(struct nic *nic)
{
	struct nic_queue_stats qs;

	tty_printf("%5s %10s %8s %8s %8s %10s %8s %8s %10s %8s %10s\n", "queue", "rx", "nobuf",
	    "errors", "missed", "tx", "full", "txerrors", "rounds", "yields", "interrupts");
	for (unsigned i = 0; i < nic->nic_queues; i++) {
		nic->nic_ops->no_stats(nic, i, &qs);
		tty_printf("%5u %10llu %8llu %8llu %8llu %10llu %8llu %8llu %10llu %8llu %10llu\n",
		    i, (unsigned long long)qs.qs_rx_packets, (unsigned long long)qs.qs_rx_nobuf,
		    (unsigned long long)qs.qs_rx_errors, (unsigned long long)qs.qs_rx_missed,
		    (unsigned long long)qs.qs_tx_packets, (unsigned long long)qs.qs_tx_full,
		    (unsigned long long)qs.qs_tx_errors, (unsigned long long)qs.qs_rounds,
		    (unsigned long long)qs.qs_yields, (unsigned long long)qs.qs_interrupts);
	}
	return 0;
}

static int moderate(struct nic *nic, const char *text)
{
	uint64_t us = NIC_ADAPTIVE;
	char what[32];
	int error;

	if (nic->nic_ops->no_moderate == NULL)
		return shell_error("%s: cannot be moderated", nic->nic_name);
	(void)ksnprintf(what, sizeof(what), "%s: microseconds", nic->nic_name);
	if (strcmp(text, "adaptive") != 0 && !shell_number(text, what, 0, nic->nic_pause_max, &us))
		return 1;
	error = nic->nic_ops->no_moderate(nic, (unsigned)us);
	return error == 0 ? 0 : shell_error("moderate %s: %s", text, errno_name(error));
}

static int set_mtu(struct nic *nic, const char *text)
{
	uint64_t mtu;
	int error;

	if (!shell_number(text, "bytes", NIC_MTU_MIN, nic->nic_mtu_max, &mtu))
		return 1;
	error = nic_mtu_set(nic, (unsigned)mtu);
	return error == 0 ? 0 : shell_error("mtu %s: %s", text, errno_name(error));
}

static int promisc(struct nic *nic, const char *text)
{
	bool on = strcmp(text, "on") == 0;

	if (!on && strcmp(text, "off") != 0)
		return shell_error("promisc %s: must be on or off", text);
	if (nic->nic_ops->no_promisc != NULL)
		nic->nic_ops->no_promisc(nic, on);
	return 0;
}

/* ---- The command ---- */

/* The card is held. */
static int with_card(struct nic *nic, const char *verb, int argc, char **argv)
{
	int error = 0;

	if (strcmp(verb, "send") == 0)
		return cmd_send(nic, argc, argv);
	if (argc == 1 && strcmp(verb, "moderate") == 0)
		return moderate(nic, argv[0]);
	if (argc == 1 && strcmp(verb, "mtu") == 0 &&
	    atomic_load_explicit(&raw_is_client, memory_order_relaxed))
		return set_mtu(nic, argv[0]);
	if (argc == 1 && strcmp(verb, "mtu") == 0)
		return shell_error("mtu: only after `nic raw`; else by ifconfig");
	if (argc == 1 && strcmp(verb, "promisc") == 0)
		return promisc(nic, argv[0]);
	if (argc != 0)
		return shell_usage();
	if (strcmp(verb, "stats") == 0)
		return stats(nic);
	if (strcmp(verb, "info") == 0) {
		nic_describe(nic, tty_printf);
	} else if (strcmp(verb, "up") == 0) {
		error = net_if_up(nic->nic_name, true); /* with its interface, if it has one */
	} else if (strcmp(verb, "down") == 0) {
		error = net_if_up(nic->nic_name, false);
	} else if (strcmp(verb, "reset") == 0) {
		error = nic->nic_ops->no_reset(nic);
	} else {
		return shell_usage();
	}
	return error == 0 ? 0 : shell_error("%s %s: %s", nic->nic_name, verb, errno_name(error));
}

static int cmd_nic(int argc, char **argv)
{
	struct nic *nic;
	int status;

	if (argc == 1 || (argc == 2 && strcmp(argv[1], "list") == 0))
		return list();
	if (argc == 2 && strcmp(argv[1], "counts") == 0)
		return counts();
	if (argc == 3 && strcmp(argv[1], "raw") == 0)
		return raw_start(argv[2]);
	if (argc == 3 && strcmp(argv[1], "burn") == 0)
		return raw_burn(argv[2]);
	if (argc < 3)
		return shell_usage();
	nic = nic_hold(argv[2]);
	if (nic == NULL)
		return shell_error("no card %s; `nic` lists them", argv[2]);
	status = with_card(nic, argv[1], argc - 3, argv + 3);
	nic_release(nic);
	return status;
}

static bool offer(struct nic *nic, void *arg)
{
	line_offer(arg, nic->nic_name);
	return true;
}

static void complete(struct line_editor *le, int arg, char **argv)
{
	static const char *const words[] = {"burn", "counts", "down", "info", "list", "moderate",
	    "mtu", "promisc", "raw", "reset", "send", "stats", "up"};

	if (arg == 1) {
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			line_offer(le, words[i]);
	} else if (arg == 2 && strcmp(argv[1], "raw") == 0) {
		line_offer(le, "drop");
		line_offer(le, "echo");
	} else if (arg == 2) {
		nic_each(offer, le);
	} else if (arg == 3 && strcmp(argv[1], "moderate") == 0) {
		line_offer(le, "adaptive");
	}
}

const struct shell_cmd shell_nic_cmds[] = {
    {"nic",
	"[list | counts | raw echo|drop | burn US |\n"
	"           stats|info|up|down|reset CARD | moderate CARD US|adaptive |\n"
	"           promisc CARD on|off | mtu CARD BYTES | send CARD QUEUE BYTES FRAMES]",
	"network cards and their queues; frames without a network",
	"  raw       with net=off: what comes is sent back, or dropped\n"
	"  burn      ... after so many microseconds of work a frame\n"
	"  send      frames to everybody, by one queue\n"
	"  counts    what raw and send did; every frame sent is reported in the end\n"
	"  moderate  least time between two interrupts of a queue\n",
	cmd_nic, complete},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
