/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_netdump.c - tcpdump: frames as they go by, a line each; or as a pcap file over the network.
 *
 * What is printed is read out of the bytes here, layer by layer, and every length that a frame
 * claims is held against what was kept of it: a frame that says nonsense is shown as bytes. No
 * names are looked up, since that would make packets.
 *
 * Contexts: the shell's lwp. A slow console loses frames, not the network: net/capture.c.
 * Read next: net/pcap.c, for whole frames in a file.
 */
#include "app/shell.h"
#include "net/net.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/print.h>
#include <ithaca/string.h>

#define SNAP 256
#define ROOM (256 << 10)
#define PATIENCE (200 * NS_PER_MS)
#define ETHER 14

/* What is left of a frame. */
struct view {
	const uint8_t *vw_at;
	uint32_t vw_len;
};

static uint32_t be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
	return be16(p) << 16 | be16(p + 2);
}

static bool skip(struct view *vw, uint32_t n)
{
	if (n > vw->vw_len)
		return false;
	vw->vw_at += n;
	vw->vw_len -= n;
	return true;
}

/* ---- Layers ---- */

static void ip6_text(const uint8_t *a, char *buf, size_t size)
{
	unsigned from = 8, run = 0;
	size_t n = 0;

	/* The longest run of zero words, if it is two or more, is "::" (RFC 5952). */
	for (unsigned i = 0; i < 8; i++) {
		unsigned k = i;

		while (k < 8 && be16(a + 2 * k) == 0)
			k++;
		if (k - i > run && k - i > 1) {
			from = i;
			run = k - i;
		}
	}
	for (unsigned i = 0; i < 8 && n < size; i++) {
		if (i == from) {
			n += (size_t)ksnprintf(buf + n, size - n, "::");
			i += run - 1;
			continue;
		}
		n += (size_t)ksnprintf(buf + n, size - n, "%s%x",
		    i > 0 && i != from + run ? ":" : "", be16(a + 2 * i));
	}
}

static void show_tcp(const struct view *vw, uint32_t payload)
{
	static const char names[] = "FSRPAUEC";
	const uint8_t *h = vw->vw_at;
	char flags[9];
	unsigned n = 0, off;

	if (vw->vw_len < 20) {
		tty_printf(" tcp, cut short");
		return;
	}
	off = h[12] >> 4 << 2;
	for (unsigned i = 0; i < 8; i++)
		if ((h[13] >> i & 1) != 0)
			flags[n++] = names[i];
	flags[n] = '\0';
	tty_printf(" tcp [%s] seq %u", flags, be32(h + 4));
	if ((h[13] & 0x10) != 0)
		tty_printf(" ack %u", be32(h + 8));
	tty_printf(" win %u len %u", be16(h + 14), payload > off ? payload - off : 0);
}

static void show_icmp(const struct view *vw, bool six)
{
	const uint8_t *h = vw->vw_at;
	unsigned ask = six ? 128 : 8, answer = six ? 129 : 0;

	if (vw->vw_len < 8)
		tty_printf(" icmp, cut short");
	else if (h[0] == ask || h[0] == answer)
		tty_printf(" icmp echo %s id %u seq %u", h[0] == ask ? "request" : "reply",
		    be16(h + 4), be16(h + 6));
	else
		tty_printf(" icmp%s type %u code %u", six ? "6" : "", h[0], h[1]);
}

/* show_upper - what IP carries; from and to are text. */
static void show_upper(struct view *vw, unsigned protocol, const char *from, const char *to,
    uint32_t payload)
{
	bool ports = (protocol == 6 || protocol == 17) && vw->vw_len >= 4;
	const char *a = strchr(from, ':') != NULL ? "[" : "", *b = a[0] != '\0' ? "]" : "";

	if (ports)
		tty_printf(" %s%s%s:%u > %s%s%s:%u", a, from, b, be16(vw->vw_at), a, to, b,
		    be16(vw->vw_at + 2));
	else
		tty_printf(" %s > %s", from, to);
	if (protocol == 6)
		show_tcp(vw, payload);
	else if (protocol == 17 && vw->vw_len >= 8)
		tty_printf(" udp len %u", payload >= 8 ? payload - 8 : 0);
	else if (protocol == 1 || protocol == 58)
		show_icmp(vw, protocol == 58);
	else
		tty_printf(" protocol %u len %u", protocol, payload);
}

static bool show_ip4(struct view *vw)
{
	const uint8_t *h = vw->vw_at;
	uint32_t header, total, offset;
	char from[16], to[16];

	if (vw->vw_len < 20 || h[0] >> 4 != 4)
		return false;
	header = (h[0] & 15u) * 4;
	total = be16(h + 2);
	offset = (be16(h + 6) & 0x1fff) * 8;
	if (header < 20 || total < header || !skip(vw, header))
		return false;
	(void)ksnprintf(from, sizeof(from), "%u.%u.%u.%u", h[12], h[13], h[14], h[15]);
	(void)ksnprintf(to, sizeof(to), "%u.%u.%u.%u", h[16], h[17], h[18], h[19]);
	if (offset > 0)
		tty_printf(" %s > %s", from, to);
	else
		show_upper(vw, h[9], from, to, total - header);
	if (offset > 0 || (h[6] & 0x20) != 0)
		tty_printf(" fragment %u at %u len %u%s", be16(h + 4), offset, total - header,
		    (h[6] & 0x20) != 0 ? "+" : "");
	return true;
}

/* An IPv6 packet behind its header: what is left of it by its own word, and its fragment header. */
struct behind {
	unsigned bh_protocol;
	uint32_t bh_len;
	const uint8_t *bh_fragment; /* NULL: it is whole */
};

/* options6 - over the headers that stand before what IP carries (RFC 8200, 4): for each hop, the
 * route, for the destination, and that of a fragment. Each is 8 bytes or more, so they end. */
static void options6(struct view *vw, struct behind *bh)
{
	const uint8_t *h;
	uint32_t len;

	for (;;) {
		h = vw->vw_at;
		if (vw->vw_len < 8 ||
		    (bh->bh_protocol != 0 && bh->bh_protocol != 43 && bh->bh_protocol != 44 &&
			bh->bh_protocol != 60))
			return;
		len = bh->bh_protocol == 44 ? 8 : 8 + h[1] * 8u;
		if (len > bh->bh_len || !skip(vw, len))
			return;
		if (bh->bh_protocol == 44)
			bh->bh_fragment = h;
		bh->bh_protocol = h[0];
		bh->bh_len -= len;
		if (bh->bh_fragment == h && (be16(h + 2) & 0xfff8) != 0)
			return; /* what follows is not the beginning */
	}
}

static bool show_ip6(struct view *vw)
{
	const uint8_t *h = vw->vw_at, *f;
	struct behind bh = {0};
	char from[48], to[48];
	uint32_t offset;

	if (vw->vw_len < 40 || h[0] >> 4 != 6)
		return false;
	bh.bh_protocol = h[6];
	bh.bh_len = be16(h + 4);
	ip6_text(h + 8, from, sizeof(from));
	ip6_text(h + 24, to, sizeof(to));
	(void)skip(vw, 40);
	options6(vw, &bh);
	f = bh.bh_fragment;
	offset = f != NULL ? be16(f + 2) & 0xfff8 : 0;
	if (offset > 0)
		tty_printf(" %s > %s", from, to);
	else
		show_upper(vw, bh.bh_protocol, from, to, bh.bh_len);
	if (f != NULL)
		tty_printf(" fragment %u at %u len %u%s", be32(f + 4), offset, bh.bh_len,
		    (f[3] & 1) != 0 ? "+" : "");
	return true;
}

static bool show_arp(const struct view *vw)
{
	const uint8_t *h = vw->vw_at;

	if (vw->vw_len < 28 || be16(h) != 1 || be16(h + 2) != 0x800)
		return false;
	if (be16(h + 6) == 1)
		tty_printf(" arp who has %u.%u.%u.%u tell %u.%u.%u.%u", h[24], h[25], h[26], h[27],
		    h[14], h[15], h[16], h[17]);
	else
		tty_printf(" arp %u.%u.%u.%u is at %02x:%02x:%02x:%02x:%02x:%02x", h[14], h[15],
		    h[16], h[17], h[8], h[9], h[10], h[11], h[12], h[13]);
	return true;
}

static void show_bytes(const uint8_t *at, uint32_t len)
{
	char line[80];

	for (uint32_t i = 0; i < len; i += 16) {
		size_t n = (size_t)ksnprintf(line, sizeof(line), "\t%04x ", i);

		for (uint32_t k = i; k < i + 16; k++)
			n +=
			    (size_t)(k < len ? ksnprintf(line + n, sizeof(line) - n, " %02x", at[k])
					     : ksnprintf(line + n, sizeof(line) - n, "   "));
		n += (size_t)ksnprintf(line + n, sizeof(line) - n, "  ");
		for (uint32_t k = i; k < i + 16 && k < len; k++)
			line[n++] = at[k] >= ' ' && at[k] < 127 ? (char)at[k] : '.';
		line[n] = '\0';
		tty_printf("%s\n", line);
	}
}

static void show(const struct net_frame *nf, const uint8_t *bytes, bool hex)
{
	struct view vw = {.vw_at = bytes, .vw_len = nf->nf_kept};
	uint32_t type;
	bool known = false;

	tty_printf("%llu.%06llu %s %s", (unsigned long long)(nf->nf_ns / NS_PER_S),
	    (unsigned long long)(nf->nf_ns % NS_PER_S / NS_PER_US), nf->nf_if,
	    nf->nf_out ? "out" : "in");
	if (skip(&vw, ETHER)) {
		type = be16(bytes + 12);
		if (type == 0x8100 && skip(&vw, 4)) {
			tty_printf(" vlan %u", be16(bytes + 14) & 0xfff);
			type = be16(bytes + 16);
		}
		known = type == 0x800 ? show_ip4(&vw)
		    : type == 0x86dd  ? show_ip6(&vw)
		    : type == 0x806   ? show_arp(&vw)
				      : false;
		if (!known)
			tty_printf(" type %04x len %u", type, nf->nf_len);
	}
	tty_printf("\n");
	if (hex)
		show_bytes(bytes, nf->nf_kept);
}

/* ---- The command ---- */

static int capture(const char *name, uint64_t count, uint64_t seconds, bool hex)
{
	static uint8_t bytes[SNAP]; /* the shell's lwp alone */
	uint64_t end = clock_ns() + seconds * NS_PER_S, seen = 0, lost;
	struct net_tap *tap = NULL;
	struct net_frame nf;
	int error = net_tap_open(name, SNAP, ROOM, &tap);

	if (error == ENXIO)
		return shell_error("%s: no such interface", name);
	if (error != 0)
		return error == EBUSY
		    ? shell_error("%u captures run already, which is all", NET_TAPS_MAX)
		    : shell_error("no memory for what is captured");
	while (seen < count && !shell_interrupted() && (seconds == 0 || clock_ns() < end)) {
		if (net_tap_read(tap, &nf, bytes, sizeof(bytes), PATIENCE) == 0)
			continue;
		seen++;
		show(&nf, bytes, hex);
	}
	lost = net_tap_lost(tap);
	net_tap_close(tap);
	tty_printf("%llu frames, %llu lost\n", (unsigned long long)seen, (unsigned long long)lost);
	return 0;
}

static int listen(const char *what)
{
	int error = 0;

	if (strcmp(what, "on") == 0)
		error = net_pcap(true);
	else if (strcmp(what, "off") == 0)
		error = net_pcap(false);
	else
		return shell_usage();
	if (error != 0)
		return shell_error("port %u: %s", NET_PCAP_PORT, errno_name(error));
	if (what[1] == 'n')
		tty_printf("port %u gives a pcap file to who connects\n", NET_PCAP_PORT);
	return 0;
}

static int cmd_tcpdump(int argc, char **argv)
{
	uint64_t count = UINT64_MAX, seconds = 0;
	const char *name = NULL;
	bool hex = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-x") == 0) {
			hex = true;
			continue;
		}
		if (i + 1 == argc)
			return shell_usage();
		if (strcmp(argv[i], "-l") == 0 && argc == 3)
			return listen(argv[2]);
		if (strcmp(argv[i], "-i") == 0)
			name = argv[++i];
		else if (strcmp(argv[i], "-c") == 0) {
			if (!shell_number(argv[++i], "count", 1, 1000000, &count))
				return 1;
		} else if (strcmp(argv[i], "-t") == 0) {
			if (!shell_number(argv[++i], "seconds", 1, 86400, &seconds))
				return 1;
		} else
			return shell_usage();
	}
	return capture(name, count, seconds, hex);
}

static void complete(struct line_editor *le, int arg, char **argv)
{
	static const char *const words[] = {"-c", "-i", "-l", "-t", "-x"};

	if (arg > 1 && strcmp(argv[arg - 1], "-l") == 0) {
		line_offer(le, "off");
		line_offer(le, "on");
	} else {
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			line_offer(le, words[i]);
	}
}

const struct shell_cmd shell_netdump_cmds[] = {
    {"tcpdump", "[-i IF] [-c COUNT] [-t SECONDS] [-x] | -l on|off",
	"frames as they go by, until Ctrl-C",
	"  -i  of this interface alone\n"
	"  -c  end after so many; -t: after so long\n"
	"  -x  with their bytes\n"
	"  -l  port 2002 gives what all interfaces see to who connects, as a pcap file:\n"
	"      nc 127.0.0.1 2002 > frames.pcap\n",
	cmd_tcpdump, complete},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
