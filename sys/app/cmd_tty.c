/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_tty.c - tty: the console's counts, and a test of its whole way in and out.
 *
 * `tty sink N` puts the tty into echo mode, in which the softint's thread sends back what the
 * filter moved out of the chip, and reads N characters meanwhile. The end says how many came and
 * their CRC-32, so that whoever sent them can tell whether all of them arrived, in order, and what
 * the chip lost. Ctrl-C is a character like any other then; a pause of 60 s ends it.
 *
 * Contexts: the shell's lwp. Read next: dev/tty.c.
 */
#include "app/shell.h"
#include <ithaca/clock.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

#define SINK_MAX 100000000
#define PAUSE_NS (60 * NS_PER_S)

/* crc32 - of IEEE 802.3, a bit at a time: it is fast enough for a serial line. */
static uint32_t crc32(uint32_t crc, const char *buf, size_t n)
{
	for (crc = ~crc; n > 0; n--) {
		crc ^= (uint8_t)*buf++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
	}
	return ~crc;
}

static int sink(uint64_t total)
{
	uint64_t got = 0;
	uint32_t crc = 0;
	char buf[256];
	size_t n = 1;
	unsigned mode;

	mode = tty_mode(TTY_ECHO); /* before the invitation: what it brings is echoed */
	tty_printf("ready for %llu characters\n", (unsigned long long)total);
	while (got < total && n > 0) {
		n = total - got < sizeof(buf) ? (size_t)(total - got) : sizeof(buf);
		n = tty_read(buf, n, PAUSE_NS);
		crc = crc32(crc, buf, n);
		got += n;
	}
	tty_mode(mode);
	tty_printf("\nsink: %llu characters, crc32 %08x\n", (unsigned long long)got, crc);
	if (got < total)
		return shell_error("sink: nothing for 60 s, %llu of %llu characters",
		    (unsigned long long)got, (unsigned long long)total);
	return 0;
}

static void show(struct sysctl *sy, void *arg)
{
	char value[32];

	(void)arg;
	if (strncmp(sy->sy_name, "tty.", 4) != 0)
		return;
	if (sysctl_read(sy->sy_name, value, sizeof(value)) == 0)
		tty_printf("%10s %s\n", value, sy->sy_doc);
}

static int cmd_tty(int argc, char **argv)
{
	uint64_t total;

	if (argc == 1) {
		sysctl_each(show, NULL);
		return 0;
	}
	if (argc != 3 || strcmp(argv[1], "sink") != 0)
		return shell_usage();
	if (!shell_number(argv[2], "number of characters", 1, SINK_MAX, &total))
		return 1;
	return sink(total);
}

static void complete(struct line_editor *le, int arg, char **argv)
{
	(void)argv;
	if (arg == 1)
		line_offer(le, "sink");
}

const struct shell_cmd shell_tty_cmds[] = {
    {"tty", "[sink N]", "the console's counts; or echo N characters as they are",
	"  sink  reads N characters (1 to 100,000,000), sends each back, and ends with how many\n"
	"        they were and their CRC-32\n",
	cmd_tty, complete},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
