/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * init.c - the only process of the Linux that tools/peers boots.
 *
 * Loads the module, which measures and prints; then interrupts itself, once with a direct and once
 * with a threaded handler, since most interrupts find a process and not the kernel; then switches
 * the machine off. What the kernel's command line has for us comes as environment: `peer=rate`,
 * only the rates by the wall's clock; `peer_model=NAME`, what the lines call this machine.
 *
 * What goes wrong is told on the console, /dev/kmsg, and the machine ends with status 3 instead of
 * 1 by QEMU's isa-debug-exit device (QEMU makes 2 n + 1 of the n that is written).
 *
 * Contexts: a process, number 1, alone. Linked statically: there is no library beside it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEBUGCON 0xe9
#define DEBUG_EXIT 0xf4
#define EVENTS 1000
#define WARM 16
#define EDU_LIVENESS 0x04
#define EDU_RAISE 0x60
#define PARAMETERS "/sys/module/ithaca_peer/parameters/"

static volatile uint32_t *regs;
static const char *model = "linux";
static int32_t hard[EVENTS], thread[EVENTS], loss[EVENTS];

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
	dprintf(fd, "<0>init: %s\n", text);
	sleep(1);
	finish(1);
}

static void print(const char *format, ...)
{
	char text[320];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	outsb(DEBUGCON, text, (unsigned long)n);
}

/* ---- The module ---- */

static void load(const char *run)
{
	char parameters[128];
	int fd = open("/ithaca_peer.ko", O_RDONLY);

	snprintf(parameters, sizeof(parameters), "run=%s model=%s", run, model);
	if (fd < 0 || syscall(SYS_finit_module, fd, parameters, 0) != 0)
		fail("module with %s: %s", parameters, strerror(errno));
	close(fd);
}

static void unload(void)
{
	if (syscall(SYS_delete_module, "ithaca_peer", 0) != 0)
		fail("module cannot be unloaded: %s", strerror(errno));
}

static uint64_t parameter(int fd)
{
	char text[32] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		fail("a parameter of the module cannot be read: %s", strerror(errno));
	return strtoull(text, NULL, 10);
}

static int parameter_open(const char *name)
{
	int fd = open(name, O_RDONLY);

	if (fd < 0)
		fail("%s: %s", name, strerror(errno));
	return fd;
}

/* ---- The device, mapped ---- */

/* The first PCI device of bus 0 that is an edu. */
static void map_device(void)
{
	char path[96], id[16];
	int slot, fd;
	void *p;

	for (slot = 0; slot < 32; slot++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/0000:00:%02x.0/device", slot);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			continue;
		memset(id, 0, sizeof(id));
		if (read(fd, id, sizeof(id) - 1) > 0 && strcmp(id, "0x11e8\n") == 0)
			break;
		close(fd);
	}
	if (slot == 32)
		fail("no edu device");
	close(fd);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/0000:00:%02x.0/resource0", slot);
	fd = open(path, O_RDWR);
	p = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		fail("%s: %s", path, strerror(errno));
	regs = p;
}

/* ---- Measuring ---- */

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static __attribute__((noinline)) uint64_t store(unsigned reg, uint64_t *before)
{
	*before = rdtsc();
	regs[reg / 4] = 1;
	return rdtsc() - *before;
}

static int less(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return x < y ? -1 : x > y;
}

static int32_t median(int32_t *sample)
{
	qsort(sample, EVENTS, sizeof(*sample), less);
	return sample[EVENTS / 2];
}

static void figure(const char *name, int32_t *sample, int32_t base)
{
	int32_t middle = median(sample);

	print("{\"group\":\"user\",\"name\":\"%s\",\"model\":\"%s\",\"cpus\":1,"
	      "\"unit\":\"instructions\",\"n\":%d,\"min\":%d,\"median\":%d,\"p99\":%d,"
	      "\"max\":%d}\n",
	    name, model, EVENTS, sample[0] - base, middle - base, sample[EVENTS * 99 / 100] - base,
	    sample[EVENTS - 1] - base);
}

/* Interrupt ourselves. The handlers leave their times in the module's parameters. */
static void measure(int threaded, int32_t base)
{
	int hard_fd = parameter_open(PARAMETERS "hard_at");
	int thread_fd = parameter_open(PARAMETERS "thread_at"), i;
	uint64_t before, ticks, h, t;

	for (i = -WARM; i < EVENTS; i++) {
		ticks = store(EDU_RAISE, &before);
		h = parameter(hard_fd);
		t = threaded ? parameter(thread_fd) : h;
		if (h < before || t < before)
			fail("the handler did not run before the process went on");
		if (i < 0)
			continue;
		hard[i] = (int32_t)(h - before);
		thread[i] = (int32_t)(t - before);
		loss[i] = (int32_t)ticks;
	}
	if (!threaded)
		figure("process: raise to filter", hard, 0);
	else
		figure("process: raise to thread function", thread, 0);
	figure(threaded ? "process: whole loss, threaded handler"
			: "process: whole loss, direct handler",
	    loss, base);
	close(hard_fd);
	close(thread_fd);
}

static int32_t store_base(void)
{
	uint64_t before;
	int i;

	for (i = 0; i < EVENTS; i++)
		loss[i] = (int32_t)store(EDU_LIVENESS, &before);
	return median(loss);
}

static void figures(void)
{
	int32_t base;

	load("figures");
	unload();
	map_device();
	load("user-direct");
	base = store_base();
	measure(0, base);
	unload();
	load("user-threaded");
	measure(1, base);
	unload();
}

int main(void)
{
	const char *peer = getenv("peer");
	const char *name = getenv("peer_model");

	if (ioperm(DEBUGCON, 1, 1) != 0 || ioperm(DEBUG_EXIT, 1, 1) != 0)
		return 1;
	if (name != NULL)
		model = name;
	mkdir("/dev", 0755);
	mkdir("/sys", 0755);
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) != 0 ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) != 0)
		fail("mount: %s", strerror(errno));
	if (peer != NULL && strcmp(peer, "rate") == 0)
		load("rate");
	else
		figures();
	print("end\n");
	finish(0);
}
