/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * echo.c - the first process of the Linux whose network tools/netbench measures.
 *
 * Loads the cards' drivers, gives the card 10.0.2.15 of QEMU's user network, and becomes four
 * processes: UDP echo at port 7 and TCP discard at port 9, written as anybody writes them, with
 * blocking calls; the gauge; and the one that answers tools/netbench on the second serial port.
 *
 * The gauge takes what nobody else wants: of the policy SCHED_IDLE, it counts turns round a loop
 * whose instructions are known. All other instructions are interrupts', switches', system calls'
 * and the two servers': under QEMU's -icount shift=0 the counter counts all of them, and with the
 * gauge the processor never halts, so nothing is left out and nothing is counted twice.
 * bench/b_gauge.c is the same of ours.
 *
 * For each 's' that comes in, one line of numbers: the counter, that less the gauge's turns,
 * context switches since the start, frames that the card received.
 *
 * What goes wrong is told on the console, /dev/kmsg, and the machine ends with status 3. Contexts:
 * processes; who writes what is said beside struct shared. Statically linked: there is no library
 * beside it. Not for machines other than those of tools/netbench. Read next: tools/netbench.
 */
#define _GNU_SOURCE /* SCHED_IDLE */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#define DEBUG_EXIT 0xf4
#define COMPRESSED 4 /* MODULE_INIT_COMPRESSED_FILE of finit_module(2) */
#define CARD "eth0"
#define ADDRESS "10.0.2.15"
#define LINK_TRIES 600 /* of 50 ms */
#define ECHO_PORT 7
#define DISCARD_PORT 9
#define SOME 64 /* turns of the gauge's loop */
#define CONTROL "/dev/ttyS1"

/* One writer, the gauge; one reader, the one who answers. On one CPU each sees the other's last. */
struct shared {
	_Atomic uint64_t sh_turns; /* of its loop, so far */
	_Atomic uint64_t sh_turn;  /* ticks of one; 0: not begun */
};

static struct shared *shared;

static void finish(int status)
{
	outb((unsigned char)status, DEBUG_EXIT);
	for (;;) /* not in QEMU, or without the device: nothing is left to be done */
		pause();
}

static void fail(const char *format, ...)
{
	char text[256];
	va_list ap;
	int fd = open("/dev/kmsg", O_WRONLY);

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	dprintf(fd, "<0>echo: %s\n", text);
	sleep(1);
	finish(1);
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* ---- The card ---- */

static void load(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", COMPRESSED) != 0)
		fail("%s: %s", path, strerror(errno));
	close(fd);
}

/* The number in a file of /sys; -1 if it cannot be read. */
static long long number_in(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	close(fd);
	return n <= 0 ? -1 : strtoll(text, NULL, 10);
}

static void set_address(int fd, unsigned long request, const char *text)
{
	struct ifreq ifr = {.ifr_name = CARD};
	struct sockaddr_in *sin = (struct sockaddr_in *)&ifr.ifr_addr;

	sin->sin_family = AF_INET;
	inet_pton(AF_INET, text, &sin->sin_addr);
	if (ioctl(fd, request, &ifr) != 0)
		fail(CARD ": %s: %s", text, strerror(errno));
}

static void card_up(void)
{
	struct ifreq ifr = {.ifr_name = CARD, .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), tries;

	if (fd < 0)
		fail("socket: %s", strerror(errno));
	set_address(fd, SIOCSIFADDR, ADDRESS);
	set_address(fd, SIOCSIFNETMASK, "255.255.255.0");
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) != 0)
		fail(CARD ": up: %s", strerror(errno));
	close(fd);
	for (tries = 0; number_in("/sys/class/net/" CARD "/carrier") != 1; tries++) {
		if (tries == LINK_TRIES)
			fail(CARD ": no link");
		usleep(50000);
	}
}

/* ---- The servers ---- */

static int bound(int type, uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		fail("port %u: %s", port, strerror(errno));
	return fd;
}

static void echo_udp(void)
{
	static char buffer[65536];
	struct sockaddr_in from;
	int fd = bound(SOCK_DGRAM, ECHO_PORT);
	socklen_t length;
	ssize_t n;

	for (;;) {
		length = sizeof(from);
		n = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &length);
		if (n >= 0)
			sendto(fd, buffer, (size_t)n, 0, (struct sockaddr *)&from, length);
	}
}

static void discard_tcp(void)
{
	static char buffer[65536];
	int fd = bound(SOCK_STREAM, DISCARD_PORT), s;

	if (listen(fd, 16) != 0)
		fail("listen: %s", strerror(errno));
	for (;;) {
		s = accept(fd, NULL, NULL);
		if (s < 0)
			fail("accept: %s", strerror(errno));
		while (read(s, buffer, sizeof(buffer)) > 0)
			;
		close(s);
	}
}

/* ---- The gauge ---- */

/* So many turns, each of as many instructions. That one of them reads the counter makes the
 * emulator slow, so that less of anything else happens in between. */
static __attribute__((noinline)) void spin(uint64_t turns)
{
	while (turns-- != 0) {
		rdtsc();
		atomic_store_explicit(&shared->sh_turns,
		    atomic_load_explicit(&shared->sh_turns, memory_order_relaxed) + 1,
		    memory_order_relaxed);
	}
}

/* The least that so many turns took: nothing came in between. */
static uint64_t least(uint64_t turns)
{
	uint64_t least = UINT64_MAX, before, ticks;
	int i;

	for (i = 0; i < 100; i++) {
		before = rdtsc();
		spin(turns);
		ticks = rdtsc() - before;
		least = ticks < least ? ticks : least;
	}
	return least;
}

static void gauge(void)
{
	struct sched_param none = {0};

	if (sched_setscheduler(0, SCHED_IDLE, &none) != 0)
		fail("SCHED_IDLE: %s", strerror(errno));
	least(SOME); /* memory is there */
	atomic_store_explicit(&shared->sh_turn, (least(2 * SOME) - least(SOME)) / SOME,
	    memory_order_relaxed);
	spin(UINT64_MAX);
}

static void spawn(void (*fn)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (pid == 0) {
		fn();
		_exit(1);
	}
}

/* ---- The answers ---- */

static unsigned long long switches(void)
{
	static char text[65536];
	int fd = open("/proc/stat", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *at;

	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	at = strstr(text, "\nctxt ");
	if (at == NULL)
		fail("/proc/stat: no ctxt in it");
	return strtoull(at + 6, NULL, 10);
}

static void answer(int fd)
{
	uint64_t now = rdtsc();
	uint64_t own = atomic_load_explicit(&shared->sh_turns, memory_order_relaxed) *
	    atomic_load_explicit(&shared->sh_turn, memory_order_relaxed);

	dprintf(fd, "%llu %llu %llu %lld\n", (unsigned long long)now,
	    (unsigned long long)(now - own), switches(),
	    number_in("/sys/class/net/" CARD "/statistics/rx_packets"));
}

static void serve(void)
{
	struct termios mode;
	int fd = open(CONTROL, O_RDWR | O_NOCTTY);
	char c;

	if (fd < 0 || tcgetattr(fd, &mode) != 0)
		fail(CONTROL ": %s", strerror(errno));
	cfmakeraw(&mode);
	if (tcsetattr(fd, TCSANOW, &mode) != 0)
		fail(CONTROL ": %s", strerror(errno));
	while (atomic_load_explicit(&shared->sh_turn, memory_order_relaxed) == 0)
		usleep(10000);
	dprintf(fd, "ready\n");
	while (read(fd, &c, 1) == 1 && c != 'q') {
		if (c == 's')
			answer(fd);
	}
}

int main(void)
{
	static const char *const modules[] = {"/dca", "/i2c-algo-bit", "/igb", "/failover",
	    "/net_failover", "/virtio_net"};
	unsigned i;

	if (ioperm(DEBUG_EXIT, 1, 1) != 0)
		return 1;
	mkdir("/dev", 0755);
	mkdir("/sys", 0755);
	mkdir("/proc", 0755);
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) != 0 ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) != 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) != 0)
		fail("mount: %s", strerror(errno));
	shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	for (i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		load(modules[i]);
	card_up();
	spawn(echo_udp);
	spawn(discard_tcp);
	spawn(gauge);
	serve();
	finish(0);
}
