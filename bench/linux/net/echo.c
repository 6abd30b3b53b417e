/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * echo.c - the first process of the Linux whose network tools/netbench measures.
 *
 * Brings up the card (card.c), starts the servers (server.c) and the gauges, and answers
 * tools/netbench on the second serial port. The kernel's command line says how, see struct options.
 *
 * A gauge takes what nobody else wants: of the policy SCHED_IDLE, one on each CPU, it counts turns
 * round a loop whose instructions are known. All other instructions are interrupts', switches',
 * system calls' and the servers': under QEMU's -icount shift=0 the counter counts all of them, of
 * all CPUs together, and with the gauges no processor ever halts, so nothing is left out and
 * nothing is counted twice. bench/b_gauge.c is the same of ours.
 *
 * For each 's' that comes in, one line of numbers: the counter, that less the gauges' turns,
 * context switches since the start, frames that the card received. For a 'd' the card's driver
 * drops from now on what comes, and the line says "dropping". A 'q' is the end.
 *
 * What goes wrong is told on the console, /dev/kmsg, and the machine ends with status 3. Contexts:
 * processes; who writes what is said beside struct shared. Statically linked: there is no library
 * beside it. Not for machines other than those of tools/netbench. Read next: tools/netbench.
 */
#define _GNU_SOURCE /* SCHED_IDLE, affinity */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define DEBUG_EXIT 0xf4
#define ADDRESS "10.0.2.15"
#define SOME 64 /* turns of the gauge's loop */
#define CONTROL "/dev/ttyS1"

/* One writer, that CPU's gauge; one reader, the one who answers. A count each, of which the last is
 * wanted: relaxed. */
struct shared {
	_Atomic uint64_t sh_turns; /* of its loop, so far */
	_Atomic uint64_t sh_turn;  /* ticks of one; 0: not begun */
} __attribute__((aligned(64)));

static struct shared *shared; /* of each CPU */

static _Noreturn void finish(int status)
{
	outb((unsigned char)status, DEBUG_EXIT);
	for (;;) /* not in QEMU, or without the device: nothing is left to be done */
		pause();
}

void fail(const char *format, ...)
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

long long number_in(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	close(fd);
	return n <= 0 ? -1 : strtoll(text, NULL, 10);
}

void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail("%s: %s: %s", path, text, strerror(errno));
	close(fd);
}

void spawn(void (*fn)(int), int arg, int cpu)
{
	cpu_set_t set;
	pid_t pid = fork();

	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (pid != 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : cpu, &set);
	if (cpu >= 0 && sched_setaffinity(0, sizeof(set), &set) != 0)
		fail("a process to CPU %d: %s", cpu, strerror(errno));
	fn(arg);
	_exit(1);
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* ---- The gauge ---- */

/* So many turns, each of as many instructions. That one of them reads the counter makes the
 * emulator slow, so that less of anything else happens in between. */
static __attribute__((noinline)) void spin(struct shared *sh, uint64_t turns)
{
	while (turns-- != 0) {
		rdtsc();
		atomic_store_explicit(&sh->sh_turns,
		    atomic_load_explicit(&sh->sh_turns, memory_order_relaxed) + 1,
		    memory_order_relaxed);
	}
}

/* The least that so many turns took: nothing came in between. */
static uint64_t least(struct shared *sh, uint64_t turns)
{
	uint64_t least = UINT64_MAX, before, ticks;
	int i;

	for (i = 0; i < 100; i++) {
		before = rdtsc();
		spin(sh, turns);
		ticks = rdtsc() - before;
		least = ticks < least ? ticks : least;
	}
	return least;
}

static void gauge(int cpu)
{
	struct sched_param none = {0};
	struct shared *sh = &shared[cpu];

	if (sched_setscheduler(0, SCHED_IDLE, &none) != 0)
		fail("SCHED_IDLE: %s", strerror(errno));
	least(sh, SOME); /* memory is there */
	atomic_store_explicit(&sh->sh_turn, (least(sh, 2 * SOME) - least(sh, SOME)) / SOME,
	    memory_order_relaxed);
	spin(sh, UINT64_MAX);
}

static void gauges(int cpus)
{
	int i;

	for (i = 0; i < cpus; i++)
		spawn(gauge, i, i);
	for (i = 0; i < cpus; i++) {
		while (atomic_load_explicit(&shared[i].sh_turn, memory_order_relaxed) == 0)
			usleep(10000);
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

static void answer(int fd, int cpus)
{
	uint64_t now = rdtsc(), own = 0;
	int i;

	for (i = 0; i < cpus; i++)
		own += atomic_load_explicit(&shared[i].sh_turns, memory_order_relaxed) *
		    atomic_load_explicit(&shared[i].sh_turn, memory_order_relaxed);
	dprintf(fd, "%llu %llu %llu %lld\n", (unsigned long long)now,
	    (unsigned long long)(now - own), switches(), card_frames());
}

static void serve(const struct options *op)
{
	struct termios mode;
	int fd = open(CONTROL, O_RDWR | O_NOCTTY);
	char c;

	if (fd < 0 || tcgetattr(fd, &mode) != 0)
		fail(CONTROL ": %s", strerror(errno));
	cfmakeraw(&mode);
	if (tcsetattr(fd, TCSANOW, &mode) != 0)
		fail(CONTROL ": %s", strerror(errno));
	dprintf(fd, "ready\n");
	while (read(fd, &c, 1) == 1 && c != 'q') {
		if (c == 's') {
			answer(fd, op->op_cpus);
		} else if (c == 'd') {
			card_drop(op);
			dprintf(fd, "dropping\n");
		}
	}
}

/* From the kernel's command line, whose words come as environment. */
static bool chosen(const char *name, bool otherwise)
{
	const char *text = getenv(name);

	return text == NULL ? otherwise : strcmp(text, "1") == 0;
}

int main(void)
{
	struct options op = {.op_address = getenv("echo_address")};

	if (ioperm(DEBUG_EXIT, 1, 1) != 0)
		return 1;
	mkdir("/dev", 0755);
	mkdir("/sys", 0755);
	mkdir("/proc", 0755);
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) != 0 ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) != 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) != 0)
		fail("mount: %s", strerror(errno));
	op.op_address = op.op_address == NULL ? ADDRESS : op.op_address;
	op.op_queues = chosen("echo_queues", false);
	op.op_gauge = chosen("echo_gauge", true);
	op.op_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (op.op_cpus < 1 || op.op_cpus > CPUS_MAX)
		fail("%d processors; at most %d", op.op_cpus, CPUS_MAX);
	shared = mmap(NULL, CPUS_MAX * sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	card_up(&op);
	servers(&op);
	if (op.op_gauge)
		gauges(op.op_cpus);
	serve(&op);
	finish(0);
}
